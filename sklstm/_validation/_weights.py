"""Validation of sample_weight."""

from __future__ import annotations

from numbers import Number
from typing import Any

import numpy as np
from sklearn.utils import check_array
from sklearn.utils.validation import check_non_negative

from sklstm._sequences import Array
from sklstm._validation._forms import as_host
from sklstm._validation._missing import reject_missing


def check_weights(
    sample_weight: Any, n_sequences: int, *, input_name: str = "sample_weight"
) -> Array:
    """One non-negative float64 weight for each sequence, not all of them 0.

    Without weights it is an array of ones that takes no memory.
    """
    if sample_weight is None:
        return np.broadcast_to(1.0, n_sequences)
    reject_missing(sample_weight, input_name, "weight")
    if isinstance(sample_weight, Number):
        sample_weight = np.full(n_sequences, sample_weight)
    weights: Array = check_array(
        as_host(sample_weight), ensure_2d=False, dtype=np.float64, input_name=input_name
    )
    if weights.shape != (n_sequences,):
        raise ValueError(f"{input_name}.shape == {weights.shape}, expected {(n_sequences,)}!")
    check_non_negative(weights, f"`{input_name}`")
    if not weights.any():
        raise ValueError(
            "Sample weights must contain at least one non-zero number:"
            f" {input_name} is 0 throughout."
        )
    return weights
