"""What holds of the weights and the epochs that a training leaves behind."""

from __future__ import annotations

import math
from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any

import numpy as np

from sklstm._sequences import Array

# The square of a larger one overflows float32, and with it the product of two layers.
LARGEST_WEIGHT = 1e18
# Moments of what went through a normalisation: of any size, but neither of these is negative.
MOMENTS = ("mean", "variance", "n_steps")
NOT_NEGATIVE = ("variance", "n_steps")
# What each epoch records, and what those that are scored do besides.
FIGURES = ("train_loss", "dur", "learning_rate")
SCORED = ("valid_loss", "valid_score")


def are_sound_weights(weights: Mapping[str, Array]) -> bool:
    """Whether a training may have left these behind, by the names that a network gives them."""
    return all(_is_sound(name.rpartition(".")[2], array) for name, array in weights.items())


def _is_sound(name: str, array: Array) -> bool:
    if not np.isfinite(array).all():
        return False
    if name in MOMENTS:
        return name not in NOT_NEGATIVE or bool((array >= 0).all())
    return bool((np.abs(array) <= LARGEST_WEIGHT).all())


def is_sound_epoch(epoch: Any, number: int, *, is_scored: bool = False) -> bool:
    """Whether this is the record of an epoch, whatever callbacks have added to it."""
    if not (isinstance(epoch, dict) and all(isinstance(name, str) for name in epoch)):
        return False
    figures = [epoch.get(name) for name in FIGURES + (SCORED if is_scored else ())]
    return (
        is_integer(epoch.get("epoch"))
        and epoch["epoch"] == number
        and all(map(is_real, figures))
        and math.isfinite(epoch["train_loss"])
    )


def is_integer(value: Any) -> bool:
    """A whole number, which True is not."""
    return isinstance(value, Integral) and not isinstance(value, (bool, np.bool_))


def is_real(value: Any) -> bool:
    """A number, which True is not."""
    return isinstance(value, Real) and not isinstance(value, (bool, np.bool_))
