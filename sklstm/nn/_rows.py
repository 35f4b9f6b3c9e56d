"""Matrix products whose result for a row does not depend on the other rows."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

# Of fewer rows or columns than these a product takes another kernel, with another rounding
# (measured with MKL and float32): 1 to 4 rows differ from 5 and more in the last bit, and a single
# column rounds by the number of rows, however many they are.
MIN_ROWS, MIN_COLUMNS = 16, 2
# If the width of the rows is no multiple of this, a few columns round by the number of rows, too.
WIDTH_STEP = 4


def linear_of_vectors(linear: nn.Linear, vectors_BD: Tensor) -> Tensor:
    """The layer applied to one vector of each sequence, shape (B, E)."""
    if linear.training:
        return linear_of_rows(linear, vectors_BD)
    return product_in_float64(vectors_BD, linear.weight, linear.bias)


def product_in_float64(rows: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """The products of rows (N, D) with a weight (E, D), plus the bias (E,), (N, E) in float32.

    Kernels differ in the last bits of float64, of which float32 shows nothing, whatever the
    processor: too slow for the rows of all timesteps, and free for those of the sequences.
    """
    bias = None if bias is None else bias.double()
    return nn.functional.linear(rows.double(), weight.double(), bias).float()


def linear_of_rows(linear: nn.Linear, values: Tensor) -> Tensor:
    """The layer applied to values (..., D)."""
    weight, missing = linear.weight, -linear.in_features % WIDTH_STEP
    if missing and not linear.training:
        values, weight = (nn.functional.pad(tensor, (0, missing)) for tensor in (values, weight))
    elif linear.out_features >= MIN_COLUMNS:
        # By a call, which hooks of the layer see.
        return in_enough_rows(linear, values)
    return in_enough_rows(lambda rows: product(rows, weight, linear.bias), values)


def in_enough_rows(function: Callable[[Tensor], Tensor], values: Tensor) -> Tensor:
    """The function of rows applied to values (..., D), given at least MIN_ROWS rows at a time."""
    rows = values.reshape(-1, values.shape[-1])
    missing = MIN_ROWS - len(rows)
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
