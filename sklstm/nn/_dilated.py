"""Dilated convolutions as matrix products of kernels and shifted sequences."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

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
# From this number of columns on oneDNN's product is faster than MKL's.
MANY_COLUMNS = 512


def is_product(n_features: int, device: torch.device) -> bool:
    """Whether convolutions of so many features are computed as a matrix product."""
    return n_features <= (FEW_CHANNELS if _has_onednn(device) else FEW_CHANNELS_OF_MKL)


def multiply(
    weights_KP: Tensor, values_F2BT: Tensor, dilation: int, real_BT: Tensor | None = None
) -> Tensor:
    """Convolution without padding as a matrix product, shape (K, 2, B, T').

    ``real_BT`` (B, T') is 1 at the timesteps that are real, and 0 where responses shall be 0.
    """
    shifted_F92BT = _shifted(values_F2BT, dilation)
    if not may_reuse_memory():
        columns_F92BT = shifted_F92BT if real_BT is None else shifted_F92BT * real_BT
    elif real_BT is None:
        columns_F92BT = shifted_F92BT.contiguous()
    else:
        # In the order of the dimensions: a product by itself has that of the values in memory.
        memory = values_F2BT.new_empty(shifted_F92BT.shape)
        columns_F92BT = torch.mul(shifted_F92BT, real_BT, out=memory)
    responses_KN = _product(weights_KP, columns_F92BT.view(weights_KP.shape[1], -1))
    return responses_KN.view(-1, *columns_F92BT.shape[2:])


def multiply_at_once(
    weights_SKP: Tensor, values: Sequence[Tensor], dilations: Sequence[int]
) -> Tensor | None:
    """Convolutions with several dilations as one product, shape (S, K, 2, B, T').

    None where that is not faster than one after the other. For few sequences what takes most of the
    time is the number of operations.
    """
    views = [_shifted(*pair) for pair in zip(values, dilations, strict=True)]
    n_features, _, *others = views[0].shape
    n_columns = prod(others)
    if n_features > FEW_CHANNELS_OF_MKL or not MIN_ROWS <= n_columns < MANY_COLUMNS:
        return None
    columns = values[0].new_empty(len(views), *views[0].shape)
    for to, view in zip(columns, views, strict=True):
        to.copy_(view)
    responses_SKN = torch.bmm(weights_SKP, columns.view(len(views), -1, n_columns))
    return responses_SKN.view(*weights_SKP.shape[:2], *others)


def _product(weights_KP: Tensor, columns_PN: Tensor) -> Tensor:
    linear = onednn_linear() if _has_onednn(columns_PN.device) else None
    n_rows, n_columns = columns_PN.shape
    # Sizes are compared only here: those of an exported program are not known.
    if linear and (n_columns >= MANY_COLUMNS or n_rows > KERNEL_SIZE * FEW_CHANNELS_OF_MKL):
        # Columns that are contiguous: of others the kernel differs, and its rounding.
        return linear(weights_KP, columns_PN.T)
    # Of few columns with different rounding.
    missing = 0 if torch.compiler.is_exporting() else max(0, MIN_ROWS - n_columns)
    if missing:
        columns_PN = nn.functional.pad(columns_PN, (0, missing))
    return (weights_KP @ columns_PN)[:, :n_columns]


def _has_onednn(device: torch.device) -> bool:
    return device.type == "cpu" and may_reuse_memory() and onednn_linear() is not None


def _shifted(values_F2BT: Tensor, dilation: int) -> Tensor:
    """What each weight of a kernel is multiplied with, shape (F, 9, 2, B, T')."""
    n_features, *others, n_padded = values_F2BT.shape
    n_timesteps = n_padded - (KERNEL_SIZE - 1) * dilation
    if not may_reuse_memory():
        starts = range(0, KERNEL_SIZE * dilation, dilation)
        return torch.stack([values_F2BT[..., t : t + n_timesteps] for t in starts], dim=1)
    of_features, *strides = values_F2BT.stride()
    # The same without nine views.
    return values_F2BT.as_strided(
        (n_features, KERNEL_SIZE, *others, n_timesteps),
        (of_features, dilation * strides[-1], *strides),
    )
