import copy

import numpy as np
import pytest
import torch

from sklstm.inspection import attributions
from sklstm.inspection._integrated import gather
from tests.helpers import device
from tests.inspection.fitted import fitted


def test_numbers_are_summed_by_owner():
    assert gather(np.array([[1.0, 2.0, 4.0]]), np.array([1, 0, 1])).tolist() == [[2.0, 5.0]]


def test_the_static_part_of_a_linear_head_is_exact():
    model, given = fitted("static")
    explained = attributions(model, given[:4], target="up")
    occluded = attributions(model, given[:4], target="up", method="occlusion")
    # Static columns are added to the logit: each has the same part by any method.
    np.testing.assert_allclose(explained.static, occluded.static, atol=1e-4)


def test_a_rare_token_is_explained_by_what_the_network_reads():
    model, _ = fitted("ids alone")
    (known,), (other,) = (attributions(model, [np.array(x)], target="up") for x in ([3], [4]))
    assert not np.allclose(known, other)
    model, _ = fitted("ids")
    rare = copy.deepcopy(model)
    rare.net_.module_.is_rare[:] = True
    rare.net_.module_.is_rare[0] = False
    rare.net_.module_.set_shares(1.0, 0.0)
    (known,), (other,) = (attributions(rare, [np.array(x)], target="up") for x in ([3], [4]))
    np.testing.assert_array_equal(known, other)


@pytest.mark.parametrize("name", ["lstm", "ids"])
def test_hooks_of_the_module_do_not_matter(name):
    model, given = fitted(name)
    calls = []
    handle = model.net_.module_.register_forward_hook(lambda *_: calls.append(1))
    before = attributions(model, given[:2])
    handle.remove()
    np.testing.assert_allclose(before[0], attributions(model, given[:2])[0], atol=1e-6)
    assert calls


def test_the_device_is_that_of_the_estimator():
    model, given = fitted("fixed")
    assert torch.device(model.net_.device).type == device().type
    assert attributions(model, given[:1])[0].dtype == np.float64
