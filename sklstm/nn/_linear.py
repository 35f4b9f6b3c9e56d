"""Linear layers whose rows are bit-identical for any batch composition (ADR 17)."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

# Products of fewer rows or columns use other kernels with different rounding (measured with MKL,
# float32): 1 to 4 rows differ from 5 or more in the last bit, and the rounding of a single column
# depends on the number of rows.
MIN_ROWS, MIN_COLUMNS = 16, 2
# If the row size is not a multiple of this, rounding of a few columns depends on the number of
# rows, too.
WIDTH_STEP = 4


class TimestepLinear(nn.Linear):
    """``nn.Linear`` applied to each timestep of a batch, shape (B, T, D)."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  (torch's name)
        """Output, shape (..., E)."""
        values, weight, missing = input, self.weight, -self.in_features % WIDTH_STEP
        if missing and not self.training:
            values, weight = (nn.functional.pad(x, (0, missing)) for x in (values, self.weight))
        return in_enough_rows(lambda rows: product(rows, weight, self.bias), values)


class Linear(TimestepLinear):
    """``nn.Linear`` applied to one vector of each sequence, shape (B, D).

    In evaluation mode it computes in float64 and returns float32. Rounding differences in the last
    bits of float64 vanish in float32. That would be too slow for every timestep, but costs nothing
    for one vector per sequence.
    """

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  (torch's name)
        """Output, shape (B, E)."""
        if self.training:
            return super().forward(input)
        bias = None if self.bias is None else self.bias.double()
        rows_BD, weight_ED = input.double(), self.weight.double()
        if rows_BD.stride(0) >= rows_BD.stride(1):
            return nn.functional.linear(rows_BD, weight_ED, bias).float()
        # MKL takes several times as long for rows that are columns in memory.
        products_BE = (weight_ED @ rows_BD.T).T
        return (products_BE if bias is None else products_BE + bias).float()


def in_enough_rows(function: Callable[[Tensor], Tensor], values: Tensor) -> Tensor:
    """Apply a row-wise function to values (..., D), padded to at least MIN_ROWS rows."""
    rows = values.reshape(-1, values.shape[-1])
    # An exported program takes any number of rows, and uses other kernels anyway.
    missing = 0 if torch.compiler.is_exporting() else MIN_ROWS - len(rows)
    if missing > 0:
        rows = nn.functional.pad(rows, (0, 0, 0, missing))
    result = function(rows)
    if missing > 0:
        result = result[:-missing]
    return result.reshape(*values.shape[:-1], -1)


def product(rows: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Linear map of rows (N, D) by weight (E, D) and bias (E,), shape (N, E), in enough columns."""
    missing = MIN_COLUMNS - len(weight)
    if missing <= 0:
        return nn.functional.linear(rows, weight, bias)
    weight = nn.functional.pad(weight, (0, 0, 0, missing))
    bias = None if bias is None else nn.functional.pad(bias, (0, missing))
    return nn.functional.linear(rows, weight, bias)[:, :-missing]
