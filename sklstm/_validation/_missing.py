"""Errors for missing labels, weights and groups."""

from __future__ import annotations

from typing import Any

import numpy as np

from sklstm._sequences import Array
from sklstm._validation._messages import enumerate_names


def entries(values: Any) -> Array:
    """Convert to an array, a list to one of objects: NumPy would convert NaN to the text "nan"."""
    return np.asarray(values, dtype=object if isinstance(values, (list, tuple)) else None)


def reject_missing(values: Any, name: str, noun: str) -> None:
    """Raise if a value is None, NaN, NaT, pandas.NA or masked; ``noun`` is what a value is."""
    table = entries(values)
    array = table.ravel()
    if isinstance(values, np.ma.MaskedArray) and np.any(values.mask):
        rows, kinds = np.flatnonzero(values.mask), ["masked entries"]
    elif array.dtype.kind == "O":
        found = {row: kind for row, value in enumerate(array) if (kind := _missing(value))}
        rows, kinds = np.array(list(found)), list(dict.fromkeys(found.values()))
    elif array.dtype.kind in "fmM":
        rows = np.flatnonzero(array != array)
        kinds = ["NaN" if array.dtype.kind == "f" else "NaT"]
    else:
        return
    if len(rows) == 0:
        return
    # The entry of a column is y[3], that of several columns y[3, 1].
    shape = table.shape if table.ndim > 1 and table.shape[1:] != (1,) else (table.size,)
    names = enumerate_names(rows, lambda row: f"{name}{[*map(int, np.unravel_index(row, shape))]}")
    raise ValueError(
        f"Input {name} contains {' and '.join(kinds)} at {names}; every sequence needs a"
        f" {noun}.\n\nDrop such sequences, with their labels, before calling the estimator."
    )


def _missing(value: Any) -> str:
    """The kind of a missing value; "" for any other value."""
    if value is None or value is np.ma.masked:
        return "None" if value is None else "masked entries"
    if type(value).__name__ in ("NAType", "NaTType"):
        return str(value)
    if isinstance(value, (float, np.floating, np.datetime64, np.timedelta64)) and value != value:
        return "NaT" if isinstance(value, (np.datetime64, np.timedelta64)) else "NaN"
    return ""
