"""Private and unstable names of scikit-learn."""

from __future__ import annotations

from inspect import signature
from typing import Any

from sklearn.metrics import get_scorer, get_scorer_names
from sklearn.utils._param_validation import (
    Interval,
    InvalidParameterError,
    RealNotInt,
    StrOptions,
    validate_parameter_constraints,
)
from sklearn.utils.validation import (
    _check_feature_names_in as check_feature_names_in,
)
from sklearn.utils.validation import (
    _get_feature_names as get_feature_names,
)

DOCUMENTATION = "https://sklstm.readthedocs.io/en/stable/"


class DocumentationLinks:
    """Links of scikit-learn's HTML display: from a class and its parameters to the reference."""

    _doc_link_module = "sklstm"
    _doc_link_template = (
        f"{DOCUMENTATION}reference/generated/{{estimator_module}}.{{estimator_name}}.html"
    )


def constraints_of(estimator: Any) -> dict[str, Any]:
    """Parameter constraints of an estimator, by name."""
    constraints: dict[str, Any] = estimator._parameter_constraints
    return constraints


def accepts_sample_weight(scorer: Any) -> bool:
    """Whether a scorer, of make_scorer or any callable, takes sample_weight."""
    return "sample_weight" in signature(getattr(scorer, "_score_func", scorer)).parameters


def is_metric(scoring: Any) -> bool:
    """Whether a callable is a metric of labels and predictions instead of a scorer."""
    try:
        names = list(signature(scoring).parameters)
    except (TypeError, ValueError):
        return False
    return names[:1] in (["y_true"], ["labels_true"])


def names_of_scorers(metric: Any) -> list[str]:
    """Names of scikit-learn's scorers of a metric."""
    return [name for name in get_scorer_names() if get_scorer(name)._score_func is metric]


__all__ = [
    "DOCUMENTATION",
    "DocumentationLinks",
    "Interval",
    "InvalidParameterError",
    "RealNotInt",
    "StrOptions",
    "accepts_sample_weight",
    "check_feature_names_in",
    "constraints_of",
    "get_feature_names",
    "is_metric",
    "names_of_scorers",
    "validate_parameter_constraints",
]
