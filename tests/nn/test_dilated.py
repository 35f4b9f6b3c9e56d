"""Dilated convolutions as matrix products."""

import pytest
import torch

from sklstm._compat._torch import onednn_linear
from sklstm.nn import _dilated
from sklstm.nn._dilated import KERNEL_SIZE, MANY_COLUMNS, multiply, multiply_at_once

N_KERNELS, DILATION = 5, 3


def build(n_features, n_timesteps, n_sequences=2):
    """Weights (K, F * 9) and values (F, 2, B, T + padding)."""
    weights = torch.randn(N_KERNELS, n_features * KERNEL_SIZE)
    size = n_timesteps + (KERNEL_SIZE - 1) * DILATION
    return weights, torch.randn(n_features, 2, n_sequences, size)


@pytest.mark.parametrize("n_timesteps", [3, 200])
@pytest.mark.parametrize("n_features", [1, 3, 12])
@pytest.mark.parametrize("gradients", [False, True])
def test_it_is_a_dilated_convolution(n_features, n_timesteps, gradients):
    weights, values = build(n_features, n_timesteps)
    kernels = weights.view(N_KERNELS, n_features, KERNEL_SIZE)
    sequences = values.flatten(1, 2).transpose(0, 1)
    expected = torch.nn.functional.conv1d(sequences, kernels, dilation=DILATION)
    expected = expected.view(2, 2, N_KERNELS, n_timesteps).permute(2, 0, 1, 3)
    with torch.set_grad_enabled(gradients):
        torch.testing.assert_close(multiply(weights, values, DILATION), expected)
        real = (torch.rand(2, n_timesteps) < 0.5).float()
        found = multiply(weights, values, DILATION, real)
        torch.testing.assert_close(found, expected * real)
        assert not found[..., real == 0].any()


@torch.no_grad()
@pytest.mark.parametrize("n_features", [1, 3, 8, 12])
def test_a_sequence_alone_has_the_bits_that_it_has_among_many(n_features):
    # Not on a grid: sums in another order would differ.
    weights, values = build(n_features, 50, n_sequences=20)
    together = multiply(weights, values, DILATION)
    assert together[0].numel() >= MANY_COLUMNS
    for i in range(20):
        alone = multiply(weights, values[:, :, i : i + 1].clone(), DILATION)
        assert torch.equal(alone[:, :, 0], together[:, :, i])


@torch.no_grad()
def test_several_dilations_at_once_are_each_of_them():
    weights, values = torch.randn(2, N_KERNELS, 18), torch.randn(2, 2, 1, 60)
    both = [values[..., :-16], values]
    found = multiply_at_once(weights, both, (1, 3))
    assert found.shape == (2, N_KERNELS, 2, 1, 36)
    assert torch.equal(found[0], multiply(weights[0], both[0], 1))
    assert torch.equal(found[1], multiply(weights[1], both[1], 3))
    # Of too many columns, and of too few, which are rounded differently.
    for size in (MANY_COLUMNS, 3):
        values = torch.randn(2, 2, 1, size + 24)
        assert multiply_at_once(weights, [values[..., :-16], values], (1, 3)) is None


@torch.no_grad()
def test_without_onednn_the_numbers_are_the_same(monkeypatch):
    weights, values = build(12, 50)
    expected = multiply(weights, values, DILATION)
    monkeypatch.setattr(_dilated, "onednn_linear", lambda: None)
    torch.testing.assert_close(multiply(weights, values, DILATION), expected)


def test_onednn_is_not_asked_where_its_kernels_are_no_faster(monkeypatch):
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")
    onednn_linear.cache_clear()
    assert onednn_linear() is None
    onednn_linear.cache_clear()
