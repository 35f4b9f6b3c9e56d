"""Dilated convolutions as matrix products of kernels and shifted sequences."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sklstm._compat._torch import onednn_linear
from sklstm.nn._derived import may_reuse_memory
from sklstm.nn._linear import MIN_ROWS

# Number of weights of a kernel.
KERNEL_SIZE = 9
# Up to this number of features a matrix product is faster than a convolution: of oneDNN, and of MKL
# (benchmarks/LOG.md).
FEW_CHANNELS, FEW_CHANNELS_OF_MKL = 48, 8


def is_product(n_features: int, device: torch.device) -> bool:
    """Whether convolutions of so many features are computed as a matrix product."""
    return n_features <= (FEW_CHANNELS if _has_onednn(device) else FEW_CHANNELS_OF_MKL)


def multiply(
    weights_KP: Tensor, values_F2BT: Tensor, dilation: int, real_BT: Tensor | None = None
) -> Tensor:
    """Convolution without padding as a matrix product, shape (K, 2, B, T').

    ``real_BT`` (B, T') is 1 at the timesteps that are real, and 0 where responses shall be 0.
    """
    n_timesteps = values_F2BT.shape[3] - (KERNEL_SIZE - 1) * dilation
    columns_PN = _shifted(values_F2BT, dilation, n_timesteps, real_BT).flatten(2).flatten(0, 1)
    responses_KN = _product(weights_KP, columns_PN)
    return responses_KN.view(-1, *values_F2BT.shape[1:3], n_timesteps)


def _product(weights_KP: Tensor, columns_PN: Tensor) -> Tensor:
    if _has_onednn(columns_PN.device):
        linear = onednn_linear()
        assert linear is not None
        # Of a copy in another layout it would be another kernel with different rounding.
        return linear(weights_KP, columns_PN.contiguous().T)
    n_columns = columns_PN.shape[1]
    # Of few columns with different rounding.
    missing = 0 if torch.compiler.is_exporting() else max(0, MIN_ROWS - n_columns)
    if missing:
        columns_PN = nn.functional.pad(columns_PN, (0, missing))
    return (weights_KP @ columns_PN)[:, :n_columns]


def _has_onednn(device: torch.device) -> bool:
    return device.type == "cpu" and may_reuse_memory() and onednn_linear() is not None


def _shifted(
    values_F2BT: Tensor, dilation: int, n_timesteps: int, real_BT: Tensor | None
) -> Tensor:
    """What each weight of a kernel is multiplied with, shape (F, 9, 2, B, n_timesteps)."""
    if not may_reuse_memory():
        starts = range(0, KERNEL_SIZE * dilation, dilation)
        shifted = torch.stack([values_F2BT[..., t : t + n_timesteps] for t in starts], dim=1)
        return shifted if real_BT is None else shifted * real_BT
    n_features, *others = values_F2BT.shape[:3]
    of_features, *strides = values_F2BT.stride()
    shape = (n_features, KERNEL_SIZE, *others, n_timesteps)
    # The same without nine views.
    view = values_F2BT.as_strided(shape, (of_features, dilation * strides[-1], *strides))
    if real_BT is None:
        return view
    # In the order of the dimensions: a product by itself has the order of the view in memory.
    return torch.mul(view, real_BT, out=values_F2BT.new_empty(shape))
