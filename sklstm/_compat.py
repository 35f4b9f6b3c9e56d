"""The one door to private or moving names of scikit-learn and skorch."""

from __future__ import annotations

from inspect import signature
from typing import Any

from sklearn.utils._param_validation import (
    Interval,
    InvalidParameterError,
    RealNotInt,
    StrOptions,
    validate_parameter_constraints,
)
from sklearn.utils.validation import (
    _check_feature_names as check_feature_names,
)
from sklearn.utils.validation import (
    _check_feature_names_in as check_feature_names_in,
)
from sklearn.utils.validation import (
    _check_n_features as check_n_features,
)
from sklearn.utils.validation import (
    _check_sample_weight as check_sample_weight,
)
from sklearn.utils.validation import (
    _check_y as check_y,
)
from sklearn.utils.validation import (
    _get_feature_names as get_feature_names,
)


def accepts_sample_weight(scorer: Any) -> bool:
    """Whether a scorer, made by make_scorer or any callable, takes sample_weight."""
    return "sample_weight" in signature(getattr(scorer, "_score_func", scorer)).parameters


__all__ = [
    "Interval",
    "InvalidParameterError",
    "RealNotInt",
    "StrOptions",
    "accepts_sample_weight",
    "check_feature_names",
    "check_feature_names_in",
    "check_n_features",
    "check_sample_weight",
    "check_y",
    "get_feature_names",
    "validate_parameter_constraints",
]
