from collections import OrderedDict

import numpy as np
import pytest
import torch

from sklstm._files._container import Kind, read_file, write_file
from sklstm._files._values import UnstorableError
from sklstm._state._optimizer_state import load_optimizer
from sklstm._state._snapshot import describe_optimizer, pack, unpack
from tests.helpers import configuration

KIND = Kind("test", 1)


def through_a_file(value, folder):
    write_file(folder / "file", KIND, pack(value))
    return unpack(read_file(folder / "file", KIND))


@pytest.mark.parametrize(
    "tensor",
    [
        torch.tensor(3.5), torch.arange(6).reshape(2, 3), torch.zeros(0, 2), torch.tensor(True),
        torch.arange(6.0, dtype=torch.float64).reshape(2, 3).T, torch.tensor([torch.nan, -0.0]),
        torch.get_rng_state(), torch.nn.Parameter(torch.ones(2)), torch.ones(3).half(),
    ],
    ids=lambda tensor: f"{tensor.dtype} {tuple(tensor.shape)}",
)  # fmt: skip
def test_tensors_come_back_with_all_their_bits(tmp_path, tensor):
    back = through_a_file({"nested": [(tensor,)]}, tmp_path)["nested"][0][0]
    assert (back.dtype, back.shape) == (tensor.dtype, tensor.shape)
    assert back.numpy().tobytes() == tensor.detach().numpy().tobytes()
    back.fill_(0)


def test_arrays_and_plain_values_come_back_as_what_they_were(tmp_path):
    value = {
        "array": np.arange(3), "tensor": [torch.ones(1)], "scalar": np.float32(0.1), 0: (1, None),
        "state": np.random.default_rng(0).bit_generator.state, "infinite": -np.inf, "text": "a",
    }  # fmt: skip
    back = through_a_file(OrderedDict(value), tmp_path)
    assert repr(back) == repr(value)
    assert back["state"] == value["state"]


def test_what_cannot_be_kept_is_named():
    with pytest.raises(UnstorableError, match=r"'state/0/slow', which is a tensor of .*bfloat16"):
        pack({"state": {0: {"slow": torch.ones(2).bfloat16()}}})


def step(optimizer, parameter, times):
    for _ in range(times):
        parameter.grad = parameter.detach() - 1
        optimizer.step()


class Precise(torch.optim.SGD):
    """Its state has other dtypes than the weights."""

    def step(self, closure=None):
        super().step(closure)
        for parameter in self.param_groups[0]["params"]:
            state = self.state[parameter]
            state["total"] = state.get("total", 0) + parameter.detach().double() / 3
            state["count"] = state.get("count", torch.tensor(0)) + 2**24 + 1


def test_the_state_of_an_optimizer_keeps_its_dtypes(tmp_path):
    parameter = torch.nn.Parameter(torch.zeros(3))
    optimizer = Precise([parameter], lr=0.1)
    step(optimizer, parameter, 3)
    other = Precise([torch.nn.Parameter(parameter.detach().clone())], lr=0.5)
    load_optimizer(other, through_a_file(optimizer.state_dict(), tmp_path))
    assert other.param_groups[0]["lr"] == 0.1
    state, back = optimizer.state[parameter], other.state[other.param_groups[0]["params"][0]]
    for name, value in state.items():
        assert back[name].dtype == value.dtype
        assert torch.equal(back[name], value)


def test_an_optimizer_is_described_by_its_class_and_options():
    assert describe_optimizer(configuration(optimizer="sgd", learning_rate=3)) == (
        "torch.optim.sgd.SGD {'dampening': 0, 'differentiable': False, 'foreach': None, 'fused':"
        " True, 'maximize': False, 'momentum': 0.9, 'nesterov': True, 'weight_decay': 0}"
    )
    texts = [
        describe_optimizer(configuration(optimizer=lambda p, lr, m=m: torch.optim.SGD(p, lr, m)))
        for m in (0.5, 0.9)
    ]
    assert "'momentum': 0.5" in texts[0]
    assert "'momentum': 0.9" in texts[1]


def test_an_optimizer_is_tried_on_weights_of_the_networks_kind():
    """Some take matrices alone, some bring their state with the first step."""
    seen = []

    class Curious(torch.optim.Adam):
        def step(self, closure=None):
            seen.extend(tuple(p.shape) for p in self.param_groups[0]["params"])
            return super().step(closure)

    describe_optimizer(configuration(optimizer=Curious, hidden_sizes=1000, n_kernels=0))
    # Biases, the matrices of the LSTM layers and of the head, kernels of convolutions.
    assert set(map(len, seen)) == {1, 2, 3}
    assert max(map(max, seen)) == 2
