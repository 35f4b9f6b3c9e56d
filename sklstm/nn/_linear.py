"""Linear layers whose result for a row does not depend on the other rows."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

# Of fewer rows or columns than these a product takes another kernel, with another rounding
# (measured with MKL and float32): 1 to 4 rows differ from 5 and more in the last bit, and a single
# column rounds by the number of rows, however many they are.
MIN_ROWS, MIN_COLUMNS = 16, 2
# If the width of the rows is no multiple of this, a few columns round by the number of rows, too.
WIDTH_STEP = 4


class TimestepLinear(nn.Linear):
    """``nn.Linear`` applied to each timestep of a batch, shape (B, T, D)."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  (torch's name)
        """The products, shape (..., E)."""
        values, weight, missing = input, self.weight, -self.in_features % WIDTH_STEP
        if missing and not self.training:
            values, weight = (nn.functional.pad(x, (0, missing)) for x in (values, self.weight))
        return in_enough_rows(lambda rows: product(rows, weight, self.bias), values)


class Linear(TimestepLinear):
    """``nn.Linear`` applied to one vector of each sequence, shape (B, D).

    When predicting it computes in float64 and returns float32. Kernels differ in the last bits of
    float64, of which float32 shows nothing: too slow for all timesteps, and free for a vector of
    each sequence.
    """

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  (torch's name)
        """The products, shape (B, E)."""
        if self.training:
            return super().forward(input)
        bias = None if self.bias is None else self.bias.double()
        return nn.functional.linear(input.double(), self.weight.double(), bias).float()


def in_enough_rows(function: Callable[[Tensor], Tensor], values: Tensor) -> Tensor:
    """The function of rows applied to values (..., D), given at least MIN_ROWS rows at a time."""
    rows = values.reshape(-1, values.shape[-1])
    # An exported program is for any number of rows, and is another set of kernels anyway.
    missing = 0 if torch.compiler.is_exporting() else MIN_ROWS - len(rows)
    if missing > 0:
        rows = nn.functional.pad(rows, (0, 0, 0, missing))
    result = function(rows)
    if missing > 0:
        result = result[:-missing]
    return result.reshape(*values.shape[:-1], -1)


def product(rows: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """The products of enough rows (N, D) with a weight (E, D), shape (N, E), plus the bias (E,)."""
    missing = MIN_COLUMNS - len(weight)
    if missing <= 0:
        return nn.functional.linear(rows, weight, bias)
    weight = nn.functional.pad(weight, (0, 0, 0, missing))
    bias = None if bias is None else nn.functional.pad(bias, (0, missing))
    return nn.functional.linear(rows, weight, bias)[:, :-missing]
