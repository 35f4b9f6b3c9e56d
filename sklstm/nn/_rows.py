"""Dense layers whose result for a row does not depend on the other rows."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

# The matrix product of fewer rows than this takes another kernel, with another rounding (measured
# with MKL and float32: 1 to 4 rows differ from 5 and more in the last bit).
MIN_ROWS = 16


def linear_of_rows(linear: nn.Linear, values: Tensor) -> Tensor:
    """The layer applied to values (..., D), given at least MIN_ROWS rows at a time."""
    return in_enough_rows(linear, values)


def in_enough_rows(function: Callable[[Tensor], Tensor], values: Tensor) -> Tensor:
    """The function of rows applied to values (..., D), given at least MIN_ROWS rows at a time."""
    rows = values.reshape(-1, values.shape[-1])
    missing = MIN_ROWS - len(rows)
    if missing > 0:
        rows = nn.functional.pad(rows, (0, 0, 0, missing))
    result = function(rows)
    if missing > 0:
        result = result[:-missing]
    return result.view(*values.shape[:-1], -1)
