"""Values that are kept until a weight changes."""

import copy
import pickle

import pytest
import torch
from torch import nn

from sklstm.nn._convolution import Convolution
from sklstm.nn._derived import Derived


def double(*sources):
    return [2 * source for source in sources]


@pytest.fixture
def weight():
    return nn.Parameter(torch.ones(3))


@torch.no_grad()
def test_the_same_object_is_kept_until_a_tensor_changes(weight):
    derived = Derived(double)
    first = derived(weight)
    assert derived(weight) is first
    weight.add_(1)
    assert torch.equal(derived(weight)[0], torch.full((3,), 4.0))


@torch.no_grad()
@pytest.mark.parametrize(
    "change",
    [
        lambda layer: layer.weight.mul_(2),
        lambda layer: layer.load_state_dict({"weight": 2 * layer.weight}),
        lambda layer: setattr(layer, "weight", nn.Parameter(2 * layer.weight)),
        lambda layer: layer.train().weight.data.mul_(2),
    ],
    ids=["in place", "state dict", "another parameter", "data, in training mode"],
)
def test_a_convolution_follows_its_weights(change):
    layer, values = Convolution(2, 3, 5).eval(), torch.randn(2, 2, 9)
    before = layer(values)
    change(layer)
    torch.testing.assert_close(layer.eval()(values), 2 * before)


def test_gradients_reach_the_tensors(weight):
    derived = Derived(double)
    with torch.no_grad():
        derived(weight)
    derived(weight)[0].sum().backward()
    assert torch.equal(weight.grad, torch.full((3,), 2.0))


def test_tensors_of_inference_mode_have_no_version():
    with torch.inference_mode():
        weight, derived = torch.ones(3), Derived(double)
        derived(weight)
        weight.add_(1)
        assert torch.equal(derived(weight)[0], torch.full((3,), 4.0))


@torch.no_grad()
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda d: pickle.loads(pickle.dumps(d))])
def test_copies_keep_nothing(copied, weight):
    derived = Derived(double)
    derived(weight)
    other = copied(derived)
    assert other._kept is None
    assert torch.equal(other(weight)[0], derived(weight)[0])
