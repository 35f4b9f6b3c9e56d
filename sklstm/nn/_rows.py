"""Matrix products whose result for a row does not depend on the other rows."""

from __future__ import annotations

from torch import Tensor, nn

# Of fewer rows or columns than these a product takes another kernel, with another rounding
# (measured with MKL and float32): 1 to 4 rows differ from 5 and more in the last bit, and a single
# column rounds by the number of rows, however many they are.
MIN_ROWS, MIN_COLUMNS = 16, 2


def linear_of_rows(linear: nn.Linear, values: Tensor) -> Tensor:
    """The layer applied to values (..., D)."""
    return product_of_rows(values, linear.weight, linear.bias)


def product_of_rows(values: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """The products of values (..., D) with a weight (E, D), shape (..., E), plus the bias (E,)."""
    rows, n_columns = values.reshape(-1, values.shape[-1]), len(weight)
    n_rows = len(rows)
    if n_rows < MIN_ROWS:
        rows = nn.functional.pad(rows, (0, 0, 0, MIN_ROWS - n_rows))
    if n_columns < MIN_COLUMNS:
        weight = nn.functional.pad(weight, (0, 0, 0, MIN_COLUMNS - n_columns))
        bias = None if bias is None else nn.functional.pad(bias, (0, MIN_COLUMNS - n_columns))
    result = nn.functional.linear(rows, weight, bias)[:n_rows, :n_columns]
    return result.reshape(*values.shape[:-1], n_columns)
