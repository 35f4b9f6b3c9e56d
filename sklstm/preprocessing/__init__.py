"""Transformers of sequences: sequences of unequal length in, sequences of the same length out."""

from __future__ import annotations

from sklstm.preprocessing._imputer import SequenceImputer
from sklstm.preprocessing._rolling import RollingFeatures
from sklstm.preprocessing._scaler import SequenceScaler

__all__ = ["RollingFeatures", "SequenceImputer", "SequenceScaler"]
