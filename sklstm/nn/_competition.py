"""Competition of convolutions, after Hydra."""

from __future__ import annotations

import torch
from torch import Tensor

# Number of kernels of a group, as in Hydra.
GROUP_SIZE = 8


def draw_kernels(*shape: int) -> Tensor:
    """Random kernels of the given shape, whose weights sum to 0 and their magnitudes to 1."""
    kernels = torch.randn(shape)
    kernels -= kernels.mean(dim=-1, keepdim=True)
    return kernels / kernels.abs().sum(dim=-1, keepdim=True)


def compete(responses_SKG2BT: Tensor, padding_BT: Tensor | None = None) -> Tensor:
    """Sums of winning responses and numbers of losses, shape (S, 2, K, G, 2, B), float64.

    At each timestep that is not padding the largest response of a group wins, the smallest loses.
    """
    largest_S1G2BT = responses_SKG2BT.amax(dim=1, keepdim=True)
    smallest_S1G2BT = responses_SKG2BT.amin(dim=1, keepdim=True)
    won_SKG2BT = _equal(responses_SKG2BT, largest_S1G2BT) * responses_SKG2BT
    lost_SKG2BT = _equal(responses_SKG2BT, smallest_S1G2BT)
    if padding_BT is not None:
        won_SKG2BT = won_SKG2BT.masked_fill(padding_BT, 0)
        lost_SKG2BT = lost_SKG2BT.masked_fill(padding_BT, 0)
    # In float64: the order of summation depends on the shape. Numbers of timesteps are exact.
    sums = won_SKG2BT.sum(dim=5, dtype=torch.float64), lost_SKG2BT.sum(dim=5).double()
    return torch.stack(sums, dim=1)


def _equal(values: Tensor, others: Tensor) -> Tensor:
    """1.0 where equal, otherwise 0.0."""
    if torch.is_grad_enabled() or torch.compiler.is_exporting():
        return (values == others).float()
    # Several times as fast as a conversion of booleans (benchmarks/LOG.md).
    return torch.eq(values, others, out=torch.empty_like(values))
