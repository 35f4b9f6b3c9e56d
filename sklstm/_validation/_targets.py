"""Validation of y: numbers to predict, and one entry for each sequence."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils import check_array

from sklstm._sequences import Array
from sklstm._validation._forms import as_host
from sklstm._validation._frames import long_table_remedy
from sklstm._validation._missing import reject_missing
from sklstm._validation._numbers import reject_non_numbers


def check_numbers(y: Any, *, estimator: str, input_name: str = "y") -> Array:
    """Validate y; return it as float64 of shape (n_sequences,) or (n_sequences, n_outputs)."""
    if y is None:
        raise ValueError(f"{estimator} requires y to be passed, but the target y is None.")
    reject_missing(y, input_name, "value")
    reject_non_numbers(y, input_name)
    numbers: Array = check_array(
        as_host(y),
        dtype=np.float64,
        ensure_2d=False,
        allow_nd=True,
        input_name=input_name,
        estimator=estimator,
    )
    if numbers.ndim > 2 or numbers.shape[1:] == (0,):
        raise ValueError(
            f"{input_name} must have shape (n_sequences,), or (n_sequences, n_outputs) with a"
            f" column for each number to predict. Got shape {numbers.shape}."
        )
    return numbers


def check_one_each(y: Array, n_sequences: int, X: Any, *, noun: str, suffix: str = "") -> None:
    """Raise unless y has one entry, a ``noun``, for each sequence of X."""
    if len(y) != n_sequences:
        raise ValueError(
            f"Found input variables with inconsistent numbers of samples: X{suffix} has"
            f" {n_sequences} sequences, y{suffix} has {len(y)} {noun}."
            f"{long_table_remedy(X, f'X{suffix}')}"
        )
