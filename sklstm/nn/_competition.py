"""Competition of convolutions, after Hydra."""

from __future__ import annotations

import torch
from torch import Tensor

from sklstm.nn._derived import may_reuse_memory

# Number of kernels of a group, as in Hydra.
GROUP_SIZE = 8
# Weights are multiples of 1 / GRID.
GRID = 32


def draw_kernels(*shape: int) -> Tensor:
    """Random kernels of the given shape, whose weights sum to 0 and their magnitudes to about 1.

    The weights are multiples of 1 / GRID, so that responses can be exact.
    """
    if torch.get_default_device().type == "meta":
        # Shapes alone, of a network whose weights are loaded: to compute with such tensors, torch
        # imports its compiler, which takes a second (ADR 56).
        return torch.empty(shape)
    kernels = torch.randn(shape)
    kernels -= kernels.mean(dim=-1, keepdim=True)
    kernels = (kernels / kernels.abs().sum(dim=-1, keepdim=True) * GRID).round()
    # The weight of the largest magnitude takes what rounding leaves.
    largest = kernels.abs().argmax(dim=-1, keepdim=True)
    kernels.scatter_add_(-1, largest, -kernels.sum(dim=-1, keepdim=True))
    return kernels / GRID


def compete(responses_SKG2BT: Tensor, n_padding_B: Tensor | None = None) -> Tensor:
    """Sums of winning responses and numbers of losses, shape (S, 2, K, G, 2, B), float64.

    At each timestep that is not padding the largest response of a group wins, the smallest loses.
    In the padding all responses are 0, so that each one loses; ``n_padding_B`` are the numbers of
    such timesteps.
    """
    largest_S1G2BT = responses_SKG2BT.amax(dim=1, keepdim=True)
    smallest_S1G2BT = responses_SKG2BT.amin(dim=1, keepdim=True)
    # One array for both: what is in the cache is read several times as fast.
    memory = torch.empty_like(responses_SKG2BT) if may_reuse_memory() else None
    is_largest_SKG2BT = _equal(responses_SKG2BT, largest_S1G2BT, memory)
    won_SKG2BT = torch.mul(is_largest_SKG2BT, responses_SKG2BT, out=memory)
    # In float64: the order of summation depends on the shape.
    won_SKG2B = won_SKG2BT.sum(dim=5, dtype=torch.float64)
    lost_SKG2B = _equal(responses_SKG2BT, smallest_S1G2BT, memory).sum(dim=5).double()
    if n_padding_B is not None:
        lost_SKG2B -= n_padding_B
    return torch.stack([won_SKG2B, lost_SKG2B], dim=1)


def _equal(values: Tensor, others: Tensor, memory: Tensor | None) -> Tensor:
    """1.0 where equal, otherwise 0.0."""
    if memory is None:
        return (values == others).float()
    # Several times as fast as a conversion of booleans (benchmarks/LOG.md).
    return torch.eq(values, others, out=memory)
