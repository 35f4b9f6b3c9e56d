"""Hyperparameter search."""

from __future__ import annotations

from sklstm.model_selection._spaces import param_distributions

__all__ = ["param_distributions"]
