"""Invariants of trained weights and of history records, for files that are read back."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from numbers import Integral, Real
from typing import Any

import numpy as np

from sklstm._sequences import Array

# The square of a larger weight, as in the product of two layers, overflows float32.
LARGEST_WEIGHT = 1e18
# Buffers of batch normalisation, of any magnitude, and those of them that are not negative.
MOMENTS = ("mean", "variance", "n_steps")
NON_NEGATIVE = ("variance", "n_steps")
# Entries of each epoch's record, and additional ones of scored epochs.
ENTRIES = ("train_loss", "dur", "learning_rate")
SCORE_ENTRIES = ("valid_loss", "valid_score")


def are_sound_weights(weights: Mapping[str, Array]) -> bool:
    """Whether training can result in these weights, by the names of the state dict."""
    return all(_is_sound(name.rpartition(".")[2], array) for name, array in weights.items())


def _is_sound(name: str, array: Array) -> bool:
    if not np.isfinite(array).all():
        return False
    if name in MOMENTS:
        return name not in NON_NEGATIVE or bool((array >= 0).all())
    return bool((np.abs(array) <= LARGEST_WEIGHT).all())


def is_sound_epoch(epoch: Any, number: int, *, is_scored: bool = False) -> bool:
    """Whether a value is the record of an epoch, with any entries of callbacks."""
    if not (isinstance(epoch, dict) and all(isinstance(name, str) for name in epoch)):
        return False
    values = [epoch.get(name) for name in ENTRIES + (SCORE_ENTRIES if is_scored else ())]
    return (
        _is_number_of_epoch(epoch.get("epoch"), number)
        and all(map(is_real, values))
        and math.isfinite(epoch["train_loss"])
    )


def are_ascending(history: Sequence[Mapping[str, Any]]) -> bool:
    """Whether each of these records is of more epochs than the one before."""
    epochs = [epoch["epoch"] for epoch in history]
    return all(earlier < later for earlier, later in pairwise(epochs))


def _is_number_of_epoch(value: Any, number: int) -> bool:
    """Whether it can be that of row ``number``; a fraction where rows are parts of an epoch."""
    return is_real(value) and 0 < value <= number and (isinstance(value, float) or value >= 1)


def is_integer(value: Any) -> bool:
    """Whether a value is an integer and not a boolean."""
    return isinstance(value, Integral) and not isinstance(value, (bool, np.bool_))


def is_real(value: Any) -> bool:
    """Whether a value is a real number and not a boolean."""
    return isinstance(value, Real) and not isinstance(value, (bool, np.bool_))
