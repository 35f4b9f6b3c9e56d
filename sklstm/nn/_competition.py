"""Competition of convolutions, after Hydra."""

from __future__ import annotations

import torch
from torch import Tensor

# Number of kernels of a group, as in Hydra.
GROUP_SIZE = 8


def draw_kernels(*shape: int) -> Tensor:
    """Random kernels of the given shape, whose weights sum to 0 and their magnitudes to 1."""
    if torch.get_default_device().type == "meta":
        # Shapes alone, of a network whose weights are loaded: to compute with such tensors, torch
        # imports its compiler, which takes a second (ADR 56).
        return torch.empty(shape)
    kernels = torch.randn(shape)
    kernels -= kernels.mean(dim=-1, keepdim=True)
    return kernels / kernels.abs().sum(dim=-1, keepdim=True)


def compete(responses_BSKGT: Tensor, padding_B11T: Tensor | None = None) -> Tensor:
    """Sums of winning responses and numbers of losses, shape (B, S, 2, K, G), float64.

    At each timestep that is not padding the largest response of a group wins, the smallest loses.
    """
    largest_BS1GT = responses_BSKGT.amax(dim=2, keepdim=True)
    smallest_BS1GT = responses_BSKGT.amin(dim=2, keepdim=True)
    won_BSKGT = _equal(responses_BSKGT, largest_BS1GT) * responses_BSKGT
    lost_BSKGT = _equal(responses_BSKGT, smallest_BS1GT)
    if padding_B11T is not None:
        padding = padding_B11T.unsqueeze(2)
        won_BSKGT, lost_BSKGT = (
            won_BSKGT.masked_fill(padding, 0),
            lost_BSKGT.masked_fill(padding, 0),
        )
    # In float64: the order of summation depends on the shape. Numbers of timesteps are exact.
    sums = won_BSKGT.sum(dim=4, dtype=torch.float64), lost_BSKGT.sum(dim=4).double()
    return torch.stack(sums, dim=2)


def _equal(values: Tensor, others: Tensor) -> Tensor:
    """1.0 where equal, otherwise 0.0."""
    if torch.is_grad_enabled() or torch.compiler.is_exporting():
        return (values == others).float()
    # Several times as fast as a conversion of booleans (benchmarks/LOG.md).
    return torch.eq(values, others, out=torch.empty_like(values))
