import pytest
import torch

from sklstm.nn import SequenceNetwork
from sklstm.streaming import _network as module
from sklstm.streaming._network import CausalNetwork
from sklstm.streaming._running import build_running


def causal(**parameters):
    torch.manual_seed(0)
    network = SequenceNetwork(2, 3, hidden_sizes=(5, 4), pooling="mean", **parameters).eval()
    return network, CausalNetwork(network, build_running(network.pooling, 4))


@pytest.mark.parametrize("patch_size", [1, 3])
def test_logits_after_each_timestep_are_those_of_the_prefix(patch_size):
    network, own = causal(patch_size=patch_size)
    inputs = torch.randn(2, 8, 2)
    with torch.no_grad():
        logits, _ = own.read(own.begin(2), inputs)
        expected = torch.stack([network(inputs[:, : t + 1]) for t in range(8)], dim=1)
    assert torch.equal(logits, expected)


@pytest.mark.parametrize("patch_size", [1, 3])
def test_a_state_is_not_changed(patch_size):
    _, own = causal(patch_size=patch_size)
    with torch.no_grad():
        _, state = own.read(own.begin(2), torch.randn(2, 4, 2))
        before = {name: tensor.clone() for name, tensor in state.items()}
        own.read(state, torch.randn(2, 7, 2))
    assert all(torch.equal(state[name], tensor) for name, tensor in before.items())


@pytest.mark.parametrize("patch_size", [1, 3])
def test_long_updates_are_cut(patch_size, monkeypatch):
    _, own = causal(patch_size=patch_size)
    inputs = torch.randn(2, 11, 2)
    with torch.no_grad():
        expected, _ = own.read(own.begin(2), inputs)
        monkeypatch.setattr(module, "CHUNK", 4)
        logits, _ = own.read(own.begin(2), inputs)
    assert torch.equal(logits, expected)
