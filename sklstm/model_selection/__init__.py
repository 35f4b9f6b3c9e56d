"""Hyperparameter search."""

from __future__ import annotations

from sklstm.model_selection._spaces import param_distributions
from sklstm.model_selection._time_per_fit import time_per_fit

__all__ = ["param_distributions", "time_per_fit"]
