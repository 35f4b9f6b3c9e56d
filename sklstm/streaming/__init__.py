"""Predictions after each timestep of a sequence."""

from __future__ import annotations

from sklstm.streaming._prefixes import prefix_predictions, prefix_probabilities
from sklstm.streaming._stream import Stream

__all__ = ["Stream", "prefix_predictions", "prefix_probabilities"]
