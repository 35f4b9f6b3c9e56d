"""Fitted models seen from inside."""

from __future__ import annotations

from sklstm.inspection._model_summary import LayerSummary, ModelSummary
from sklstm.inspection._summary import summary

__all__ = ["LayerSummary", "ModelSummary", "summary"]
