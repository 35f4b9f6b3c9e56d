"""sample_weight -> one weight for each sequence."""

from __future__ import annotations

from typing import Any

import numpy as np

from sklstm._compat import check_sample_weight
from sklstm._sequences import Array, Sequences
from sklstm._validation._forms import as_host
from sklstm._validation._missing import reject_missing


def check_weights(sample_weight: Any, sequences: Sequences) -> Array:
    """One non-negative float64 weight for each sequence, not all of them 0."""
    if sample_weight is not None:
        reject_missing(sample_weight, "sample_weight", "weight")
    weights: Array = check_sample_weight(
        as_host(sample_weight),
        # One number for each sequence: to array_api_dispatch, sequences are no array.
        sequences.offsets[1:],
        dtype=np.float64,
        ensure_non_negative=True,
        allow_all_zero_weights=True,
    )
    if not weights.any():
        raise ValueError(
            "Sample weights must contain at least one non-zero number: sample_weight is 0"
            " throughout."
        )
    return weights
