"""Conversion of nested lists of pyarrow, awkward and polars, without a loop over sequences.

None of these packages is a dependency: only methods of the given object are called.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sklstm._sequences import Array
from sklstm._views._nested import Nested, as_rows, from_arrow, side_by_side


def flatten_nested(X: Any, name: str) -> Nested | None:
    """Values and lengths of the sequences of X; None if X is no such object."""
    package, dtype = type(X).__module__.partition(".")[0], str(getattr(X, "dtype", ""))
    if package == "polars" and dtype.startswith(("Array", "List", "Struct")):
        return from_arrow(X.to_arrow(), name)
    is_nested = "list" in dtype or "struct" in dtype
    if package == "pandas" and dtype.endswith("[pyarrow]") and is_nested:
        return from_arrow(X.array.__arrow_array__(), name)
    if package == "pyarrow" and hasattr(X, "type"):
        return from_arrow(X, name)
    if package == "awkward":
        return _from_awkward(X, name)
    return None


# awkward ------------------------------------------------------------------------------------------


def _from_awkward(X: Any, name: str) -> Nested | None:
    """From a jagged array of two or three dimensions, or records of 2-D ones."""
    # Loaded already, since X is an object of it.
    import awkward

    if X.fields:
        # The same for records of lists and for lists of records.
        parts = [_from_awkward(X[field], name) for field in X.fields]
        return side_by_side(parts, np.array(X.fields, dtype=object), name)
    if X.ndim < 2:
        return None
    lengths = np.asarray(awkward.num(X, axis=1))
    if X.ndim == 2:
        return Nested(_observed(awkward.flatten(X)).reshape(-1, 1), lengths)
    timesteps = awkward.flatten(X, axis=1)
    widths = np.asarray(awkward.num(timesteps, axis=1))
    return Nested(as_rows(_observed(awkward.flatten(timesteps, axis=1)), widths, name), lengths)


def _observed(values: Any) -> Array:
    """A flat array of awkward, NaN where it has None."""
    import awkward

    array = awkward.to_numpy(values)
    masked = np.ma.is_masked(array)
    return array.astype(np.float64).filled(np.nan) if masked else np.asarray(array)
