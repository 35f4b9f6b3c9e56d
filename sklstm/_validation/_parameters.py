"""The constructor parameters: what each may be, and the error for one that is not."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping, Sequence
from itertools import chain
from numbers import Integral, Real
from typing import Any

import numpy as np
from sklearn.metrics import get_scorer_names

from sklstm._compat import (
    Interval,
    InvalidParameterError,
    StrOptions,
    is_metric,
    names_of_scorers,
    validate_parameter_constraints,
)
from sklstm._validation._forms import as_host

# Layers of conv_filters="auto".
N_AUTO_CONVOLUTIONS = 3

FRACTION = Interval(Real, 0, 1, closed="left")
NON_NEGATIVE = Interval(Real, 0, None, closed="left")
POSITIVE = Interval(Real, 0, None, closed="neither")
AT_LEAST_ONE = Interval(Integral, 1, None, closed="left")

PARAMETER_CONSTRAINTS: dict[str, Any] = {
    "hidden_sizes": [AT_LEAST_ONE, list, tuple],
    "bidirectional": ["boolean"],
    "pooling": [StrOptions({"attention", "last", "max", "mean"})],
    "patch_size": [AT_LEAST_ONE, StrOptions({"auto"})],
    "conv_filters": [AT_LEAST_ONE, list, tuple, StrOptions({"auto"})],
    "conv_kernel_sizes": [AT_LEAST_ONE, list, tuple, StrOptions({"auto"})],
    "conv_dilations": [AT_LEAST_ONE, list, tuple, StrOptions({"auto"})],
    "conv_stride": [AT_LEAST_ONE, StrOptions({"auto"}), None],
    "squeeze_excite": ["boolean"],
    "dense_sizes": [AT_LEAST_ONE, list, tuple],
    "dropout": [FRACTION],
    "recurrent_dropout": [FRACTION],
    "embedding_dim": [AT_LEAST_ONE, None],
    "vocabulary_size": [Interval(Integral, 2, None, closed="left"), None],
    "embedding_weights": ["array-like", None],
    "freeze_embedding": ["boolean"],
    "embedding_dropout": [FRACTION],
    "standardize": ["boolean", StrOptions({"auto", "both", "sequence"})],
    "mask_value": [Real, None],
    "class_weight": [dict, StrOptions({"balanced"}), None],
    "label_smoothing": [FRACTION],
    "mixup_alpha": [NON_NEGATIVE],
    "auxiliary_loss": [NON_NEGATIVE],
    "l1": [NON_NEGATIVE],
    "l2": [NON_NEGATIVE],
    "weight_decay": [NON_NEGATIVE, None],
    "optimizer": [StrOptions({"adam", "adamw", "rmsprop", "sgd"}), callable],
    "learning_rate": [POSITIVE],
    "lr_schedule": [StrOptions({"cosine", "exponential", "one_cycle", "plateau"}), None],
    "max_grad_norm": [POSITIVE, None],
    "batch_size": [AT_LEAST_ONE, StrOptions({"auto"})],
    "max_epochs": [AT_LEAST_ONE, StrOptions({"auto"})],
    "early_stopping": ["boolean"],
    "validation_part": [StrOptions({"last", "stratified"})],
    "validation_fraction": [Interval(Real, 0, 1, closed="neither")],
    "n_iter_no_change": [AT_LEAST_ONE],
    "tol": [NON_NEGATIVE],
    "scoring": [str, callable],
    "refit": ["boolean"],
    "device": "no_validation",
    "precision": [StrOptions({"auto", "bfloat16", "float32"})],
    "warm_start": ["boolean"],
    "checkpoint": [str, os.PathLike, None],
    "checkpoint_interval": [AT_LEAST_ONE],
    "callbacks": [list, tuple, None],
    "random_state": ["random_state"],
    "verbose": ["verbose"],
}


def _options(constraints: Sequence[Any]) -> list[str]:
    """The strings that a parameter may be, sorted."""
    return sorted(chain.from_iterable(c.options for c in constraints if isinstance(c, StrOptions)))


CHOICES = {
    name: tuple(options)
    for name, constraints in PARAMETER_CONSTRAINTS.items()
    if (options := _options(constraints))
}


def constructor_parameters(estimator: Any) -> dict[str, Any]:
    """All parameters, also of a subclass whose own constructor takes fewer."""
    return {name: getattr(estimator, name) for name in PARAMETER_CONSTRAINTS}


def check_parameters(estimator: Any) -> None:
    """Raise InvalidParameterError for the first parameter that is not what it may be."""
    parameters = constructor_parameters(estimator)
    validate_parameters(estimator)
    _check_scoring(parameters["scoring"])
    _check_sizes("hidden_sizes", parameters["hidden_sizes"], at_least=1)
    _check_sizes("dense_sizes", parameters["dense_sizes"], at_least=0)
    _check_convolutions(parameters)
    _check_embedding(parameters)
    _check_callbacks(parameters["callbacks"])
    _check_refit(parameters)


def validate_parameters(estimator: Any) -> None:
    """scikit-learn's own check, and what a string that is misspelt may have been meant to be."""
    for name, value in estimator.get_params(deep=False).items():
        constraints = estimator._parameter_constraints.get(name, "no_validation")
        try:
            validate_parameter_constraints(
                {name: constraints}, {name: value}, caller_name=type(estimator).__name__
            )
        except InvalidParameterError as error:
            hint = did_you_mean(value, _options(constraints)) if isinstance(value, str) else ""
            raise InvalidParameterError(f"{error}{hint}") from None


def _check_scoring(scoring: Any) -> None:
    names = ("loss", *get_scorer_names())
    accepted = "must be 'loss', the name of a scikit-learn scorer or a callable"
    if isinstance(scoring, str) and scoring not in names:
        raise InvalidParameterError(
            f"The 'scoring' parameter {accepted}. Got {scoring!r} instead."
            f"{did_you_mean(scoring, names)}"
        )
    if not isinstance(scoring, str) and is_metric(scoring):
        metric, known = getattr(scoring, "__name__", "..."), names_of_scorers(scoring)
        by_name = f"scoring={min(known, key=len)!r} or " if known else ""
        raise InvalidParameterError(
            f"The 'scoring' parameter {accepted} of an estimator, X and y. Got {scoring!r}, which"
            f" is a metric of labels and predictions.\n\nSet {by_name}"
            f"scoring=sklearn.metrics.make_scorer({metric})."
        )


def _check_refit(parameters: Mapping[str, Any]) -> None:
    if parameters["refit"] and parameters["early_stopping"] and parameters["warm_start"]:
        raise InvalidParameterError(
            "The 'refit' parameter must be False if early_stopping and warm_start are True: a"
            " training that goes on would be stopped by sequences that it has been trained on.\n\n"
            "Set refit=False or warm_start=False."
        )


def did_you_mean(value: str, choices: Sequence[str]) -> str:
    """A closing question for a message, if one of the choices looks much like the value."""
    close = difflib.get_close_matches(value, choices, n=1)
    return f"\n\nDid you mean {close[0]!r}?" if close else ""


def takes_tokens(parameters: Mapping[str, Any]) -> bool:
    """Whether X is token ids rather than measurements."""
    return parameters["embedding_dim"] is not None or parameters["embedding_weights"] is not None


def _check_embedding(parameters: Mapping[str, Any]) -> None:
    """The parameters of the embedding must agree with one another."""
    dim, size = parameters["embedding_dim"], parameters["vocabulary_size"]
    if not takes_tokens(parameters):
        if size is not None:
            raise InvalidParameterError(
                "The 'vocabulary_size' parameter needs an embedding.\n\nSet embedding_dim or"
                " embedding_weights, or vocabulary_size=None."
            )
        return
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


def _check_callbacks(callbacks: Sequence[Any] | None) -> None:
    for item in callbacks or ():
        callback = item[1] if isinstance(item, tuple) and len(item) == 2 else item
        if not hasattr(callback, "on_epoch_end"):
            raise InvalidParameterError(
                "The 'callbacks' parameter must be a list of skorch callbacks, or of pairs of a"
                f" name and a callback. Got {item!r} in it."
            )


def _check_sizes(name: str, sizes: Any, *, at_least: int) -> None:
    """The sizes of the layers: positive integers, ``at_least`` so many of them."""
    listed = sizes if isinstance(sizes, (list, tuple)) else [sizes]
    wrong = [s for s in listed if isinstance(s, bool) or not isinstance(s, Integral) or s < 1]
    if wrong or len(listed) < at_least:
        raise InvalidParameterError(
            f"The {name!r} parameter must be an int of at least 1, or a tuple of such ints, one for"
            f" each layer. Got {sizes!r} instead."
        )


def _check_convolutions(parameters: Mapping[str, Any]) -> None:
    """The convolutional layers: one kernel size for all of them, or one for each; so dilations."""
    filters = parameters["conv_filters"]
    if filters != "auto":
        _check_sizes("conv_filters", filters, at_least=0)
    n_layers = N_AUTO_CONVOLUTIONS if filters == "auto" else len(as_sizes(filters))
    for name in ("conv_kernel_sizes", "conv_dilations"):
        sizes = parameters[name]
        if sizes == "auto":
            continue
        # No layers, no sizes: so is what became of "auto" where there are none.
        _check_sizes(name, sizes, at_least=1 if n_layers else 0)
        if n_layers and not isinstance(sizes, Integral) and len(sizes) != n_layers:
            raise InvalidParameterError(
                f"The {name!r} parameter must be an int, or have one int for each of the {n_layers}"
                f" layers of conv_filters. Got {sizes!r} instead."
            )


def as_sizes(sizes: int | Sequence[int] | np.integer[Any]) -> tuple[int, ...]:
    """An int or a sequence of ints as a tuple of ints."""
    if isinstance(sizes, Integral):
        return (int(sizes),)
    return tuple(int(size) for size in sizes)  # type: ignore[union-attr]
