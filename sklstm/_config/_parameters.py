"""Validation of constructor parameters."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.metrics import get_scorer_names

from sklstm._compat._sklearn import (
    InvalidParameterError,
    constraints_of,
    is_metric,
    names_of_scorers,
    validate_parameter_constraints,
)
from sklstm._config._options import OPTIONS, choices
from sklstm._validation._forms import as_host

# Abbreviations of losses and metrics, and names of schedules elsewhere, which difflib finds in no
# choice; in lower case.
SPELT_OUT = {
    "cosineannealinglr": "cosine",
    "mae": "mean_absolute_error",
    "mse": "mean_squared_error",
    "reducelronplateau": "plateau",
    "rmse": "root_mean_squared_error",
}
# Entries of the history that are not those of a metric, by the name that such a metric would have.
TAKEN = {
    "batch_count": "train_batch_count",
    "eval_loss": "train_eval_loss",
    "loss": "valid_loss",
    "loss_best": "valid_loss_best",
    "score": "valid_score",
}


def check_parameters(estimator: Any) -> None:
    """Raise InvalidParameterError for the first invalid parameter."""
    validate_parameters(estimator)
    # Not get_params: the constructor of a subclass may take fewer.
    parameters: dict[str, Any] = {
        name: getattr(estimator, name, option.default) for name, option in OPTIONS.items()
    }
    _check_scoring(parameters["scoring"])
    _check_sizes("hidden_sizes", parameters["hidden_sizes"], at_least=1)
    _check_sizes("dense_sizes", parameters["dense_sizes"], at_least=0)
    if parameters["conv_filters"] != "auto":
        _check_sizes("conv_filters", parameters["conv_filters"], at_least=0)
    _check_embedding(parameters)
    _check_callbacks(parameters["callbacks"])
    _check_class_weight(parameters["class_weight"])
    _check_quantiles(parameters["quantiles"])


def validate_parameters(estimator: Any) -> None:
    """Run scikit-learn's parameter validation, with suggestions for misspelt strings."""
    known = constraints_of(estimator)
    for name, value in estimator.get_params(deep=False).items():
        constraints = known.get(name, "no_validation")
        try:
            validate_parameter_constraints(
                {name: constraints}, {name: value}, caller_name=type(estimator).__name__
            )
        except InvalidParameterError as error:
            hint = did_you_mean(value, choices(constraints)) if isinstance(value, str) else ""
            raise InvalidParameterError(f"{error}{hint}") from None


def _check_scoring(scoring: Any) -> None:
    if isinstance(scoring, Mapping):
        named = [*scoring.items()]
    elif isinstance(scoring, (list, tuple)):
        named = [(name, name) for name in scoring]
    else:
        _check_scorer(scoring, None)
        return
    if not named:
        raise InvalidParameterError(
            f"The 'scoring' parameter must have at least one metric. Got {scoring!r} instead."
        )
    for name, scorer in named:
        if not isinstance(name, str) and callable(scorer):
            _check_scorer(scorer, getattr(scorer, "__name__", "name"))
        _check_name_of_metric(name, scorer)
        _check_scorer(scorer, name)
    names = [name for name, _ in named]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise InvalidParameterError(
            f"The 'scoring' parameter must have each metric once. Got {twice[0]!r} more than once."
        )


def _check_name_of_metric(name: Any, scorer: Any) -> None:
    """Check the name of one of several metrics, which history_ has with a prefix."""
    if not isinstance(name, str):
        raise InvalidParameterError(
            "The 'scoring' parameter must name each of several metrics by a string. Got"
            f" {name!r} instead.\n\nSet names of scorers, scoring=['accuracy', 'neg_log_loss'], or"
            " a dict, scoring={'name': scorer}."
        )
    # "loss" is its own name.
    is_loss = name == "loss" and isinstance(scorer, str) and scorer == "loss"
    if name in TAKEN and not is_loss:
        raise InvalidParameterError(
            f"The 'scoring' parameter must not name a metric {name!r}: history_ has"
            f" {TAKEN[name]!r} beside it.\n\nChoose another name."
        )


def _check_scorer(scorer: Any, name: str | None) -> None:
    """Check "loss", the name of a scorer or a scorer, alone or of this name in a dict."""
    names = ("loss", *get_scorer_names())
    accepted = "must be 'loss', the name of a scikit-learn scorer or a callable"
    if not callable(scorer) and (not isinstance(scorer, str) or scorer not in names):
        hint = did_you_mean(scorer, names) if isinstance(scorer, str) else ""
        raise InvalidParameterError(
            f"The 'scoring' parameter {accepted}. Got {scorer!r} instead.{hint}"
        )
    if callable(scorer) and is_metric(scorer):

        def setting(value: str) -> str:
            return f"scoring={value}" if name is None else f"scoring={{{name!r}: {value}}}"

        metric, known = getattr(scorer, "__name__", "..."), names_of_scorers(scorer)
        by_name = f"{setting(repr(min(known, key=len)))} or " if known else ""
        raise InvalidParameterError(
            f"The 'scoring' parameter {accepted} of an estimator, X and y. Got {scorer!r}, which"
            f" is a metric of labels and predictions.\n\nSet {by_name}"
            f"{setting(f'sklearn.metrics.make_scorer({metric})')}."
        )


def did_you_mean(value: str, choices: Sequence[str]) -> str:
    """Suggestion of a similar choice at the end of a message, or ""."""
    by_lower = {choice.lower(): choice for choice in choices}
    lower = value.lower()
    close = difflib.get_close_matches(SPELT_OUT.get(lower, lower), by_lower, n=1)
    return f"\n\nDid you mean {by_lower[close[0]]!r}?" if close else ""


def _check_embedding(parameters: Mapping[str, Any]) -> None:
    """Check that the parameters of the embedding are consistent."""
    dim, size = parameters["embedding_dim"], parameters["vocabulary_size"]
    if dim is None and parameters["embedding_weights"] is None:
        if size is not None:
            raise InvalidParameterError(
                "The 'vocabulary_size' parameter needs an embedding.\n\nSet embedding_dim or"
                " embedding_weights, or vocabulary_size=None."
            )
        return
    if parameters["n_kernels"] not in (0, "auto"):
        raise InvalidParameterError(
            "The 'n_kernels' parameter must be 0 with an embedding: convolutions of token ids"
            f" mean nothing. Got {parameters['n_kernels']!r}.\n\nLeave out n_kernels, or set"
            " conv_filters for trained convolutions of the embedded tokens."
        )
    if parameters["embedding_weights"] is None:
        return
    weights = np.asarray(as_host(parameters["embedding_weights"]))
    is_numeric = weights.ndim == 2 and weights.dtype.kind in "fiu"
    if not is_numeric or not (np.abs(weights) < np.finfo(np.float32).max).all():
        raise InvalidParameterError(
            "The 'embedding_weights' parameter must be an array of shape (vocabulary_size,"
            " embedding_dim), finite in float32. Got shape"
            f" {weights.shape} and dtype {weights.dtype}."
        )
    expected = (size or weights.shape[0], dim or weights.shape[1])
    if weights.shape != expected or len(weights) < 2:
        raise InvalidParameterError(
            f"The 'embedding_weights' parameter has shape {weights.shape}, but vocabulary_size and"
            f" embedding_dim ask for {expected}.\n\nLeave those two at None; row 0 is padding and"
            " row 1 the unknown token."
        )


def _check_class_weight(class_weight: Any) -> None:
    listed = class_weight if isinstance(class_weight, list) else []
    for item in listed:
        if not isinstance(item, Mapping):
            raise InvalidParameterError(
                "The 'class_weight' parameter must be a dict, 'balanced', None, or for several"
                f" labels per sequence a list of one dict for each. Got {item!r} in it.\n\nA dict"
                " of a label is {0: weight where it is absent, 1: weight where it is present}."
            )


def _check_quantiles(quantiles: Any) -> None:
    are_fractions = all(isinstance(q, Real) and 0 < float(q) < 1 for q in quantiles)
    if not quantiles or not are_fractions or len(set(quantiles)) < len(quantiles):
        raise InvalidParameterError(
            "The 'quantiles' parameter must be a tuple of different numbers between 0 and 1. Got"
            f" {quantiles!r} instead."
        )


def _check_callbacks(callbacks: Sequence[Any] | None) -> None:
    for item in callbacks or ():
        callback = item[1] if isinstance(item, tuple) and len(item) == 2 else item
        if not hasattr(callback, "on_epoch_end"):
            is_of_sklearn = hasattr(callback, "on_fit_task_end")
            remedy = "\n\nCall set_callbacks(...) for one of scikit-learn." if is_of_sklearn else ""
            raise InvalidParameterError(
                "The 'callbacks' parameter must be a list of skorch callbacks, or of pairs of a"
                f" name and a callback. Got {item!r} in it.{remedy}"
            )


def _check_sizes(name: str, sizes: Any, *, at_least: int) -> None:
    """Check the sizes of ``at_least`` so many layers: positive integers."""
    listed = sizes if isinstance(sizes, (list, tuple)) else [sizes]
    wrong = [s for s in listed if isinstance(s, bool) or not isinstance(s, Integral) or s < 1]
    if wrong or len(listed) < at_least:
        raise InvalidParameterError(
            f"The {name!r} parameter must be an int of at least 1, or a tuple of such ints, one for"
            f" each layer. Got {sizes!r} instead."
        )
