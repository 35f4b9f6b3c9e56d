from functools import partial

import pytest
import torch

from sklstm._runtime._modes import own_modes

CALLERS = {
    "grad": torch.enable_grad,
    "no_grad": torch.no_grad,
    "inference": torch.inference_mode,
    "autocast": partial(torch.autocast, "cpu", torch.bfloat16),
}


def modes():
    return (
        torch.is_grad_enabled(),
        torch.is_inference_mode_enabled(),
        torch.is_autocast_enabled("cpu"),
        torch.is_autocast_cache_enabled(),
    )


@pytest.mark.parametrize("gradients", [True, False])
@pytest.mark.parametrize("caller", CALLERS)
def test_inside_the_callers_modes_do_not_count_and_afterwards_they_do(caller, gradients):
    with CALLERS[caller]():
        before = modes()
        with own_modes(gradients=gradients):
            assert modes() == (gradients, False, False, False)
        assert modes() == before


def test_a_context_of_autocast_that_was_never_left_does_not_count_afterwards():
    """Otherwise torch would keep the weights of a caller's first step for all steps."""
    with own_modes(gradients=True):
        torch.autocast("cpu", torch.bfloat16).__enter__()
    layer = torch.nn.Linear(4, 4)
    outputs = []
    for _ in range(2):
        with torch.autocast("cpu", torch.bfloat16):
            outputs.append(layer(torch.ones(1, 4)))
        with torch.no_grad():
            layer.weight += 1
    assert not torch.equal(*outputs)
