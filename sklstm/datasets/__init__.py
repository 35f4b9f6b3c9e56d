"""Synthetic tasks whose best possible score is known, and a report on data before a fit."""

from __future__ import annotations

from sklstm.datasets._describe import describe
from sklstm.datasets._generated import make_temporal_order, make_trends
from sklstm.datasets._report import SequenceDataReport

__all__ = ["SequenceDataReport", "describe", "make_temporal_order", "make_trends"]
