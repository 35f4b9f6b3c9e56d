"""Validation and encoding of class labels."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils import assert_all_finite, column_or_1d
from sklearn.utils.multiclass import check_classification_targets

from sklstm._sequences import Array, IntArray
from sklstm._validation._forms import as_host
from sklstm._validation._missing import entries, reject_missing


def check_labels(y: Any, *, estimator: str, input_name: str = "y") -> Array:
    """Validate y; return it as a 1-D array of class labels."""
    if y is None:
        raise ValueError(f"{estimator} requires y to be passed, but the target y is None.")
    _reject_several_labels(y, estimator, input_name)
    reject_missing(y, input_name, "label")
    labels: Array = column_or_1d(as_host(y), input_name=input_name, warn=True)
    assert_all_finite(labels, input_name=input_name)
    try:
        check_classification_targets(labels)
    except TypeError as error:
        others = [i for i, label in enumerate(labels) if type(label) is not type(labels[0])]
        if not others:
            raise
        raise TypeError(
            f"{input_name} must hold labels of one type, which can be sorted. Got {labels[0]!r} at"
            f" {input_name}[0] and {labels[others[0]]!r} at {input_name}[{others[0]}]."
        ) from error
    return labels


def _reject_several_labels(y: Any, estimator: str, name: str) -> None:
    """Raise for multilabel, multioutput or one-hot y, with a remedy."""
    labels = entries(y)
    if labels.ndim == 1 and labels.dtype == object:
        for index, label in enumerate(labels):
            if isinstance(label, (list, tuple, set, frozenset, np.ndarray)):
                raise ValueError(
                    f"{name}[{index}] is {label!r:.60}, but {name} must have one label for each"
                    " sequence."
                )
    if labels.ndim == 1 or labels.shape[1:] == (1,):
        return
    found = f"{name} should be a 1d array, got an array of shape {labels.shape} instead"
    numbers = _as_numbers(labels)
    if labels.ndim != 2 or not labels.size or not np.isin(numbers, (0, 1)).all():
        raise ValueError(f"{found}: {name} must have one label for each sequence.")
    if (numbers.sum(axis=1) == 1).all():
        method = next((m for m in ("idxmax", "argmax") if hasattr(y, m)), None)
        call = f"{name}.{method}(axis=1)" if method else f"numpy.argmax({name}, axis=1)"
        raise ValueError(f"{found}: its rows are one-hot.\n\nGive {call}.")
    raise ValueError(
        f"{found}: {estimator} learns one label for each sequence, not several.\n\nTrain one"
        f" classifier for each column: sklearn.multioutput.MultiOutputClassifier({estimator}())."
    )


def _as_numbers(labels: Array) -> Array:
    try:
        return labels.astype(float)
    except (TypeError, ValueError):
        return np.full(labels.shape, np.nan)


def encode_labels(y: Array, classes: Array, *, input_name: str = "y") -> IntArray:
    """Index of each label of y in the sorted ``classes``."""
    known = set(classes.tolist())
    # Not by numpy.isin, which converts mixed types: 1 and "1" would be the same label.
    unknown = [label for label in np.unique(y).tolist() if label not in known]
    if unknown:
        raise ValueError(
            f"{input_name} has labels that are not in classes: {unknown[:3]}. Known classes:"
            f" {classes.tolist()}."
        )
    return np.searchsorted(classes, y).astype(np.int64)


def check_partial_fit_classes(classes: Any, known: Array | None) -> Array:
    """Sorted classes of partial_fit: those passed, or ``known`` from an earlier call."""
    if classes is None:
        if known is None:
            raise ValueError("classes must be passed on the first call to partial_fit.")
        return known
    distinct = np.unique(np.asarray(list(classes) if np.iterable(classes) else []))
    if len(distinct) < 2:
        raise ValueError(f"classes must list all labels, at least 2. Got {classes!r} instead.")
    if known is not None and not np.array_equal(distinct, known):
        raise ValueError(
            f"`classes={classes!r}` is not the same as on the last call to partial_fit, was:"
            f" {known!r}."
        )
    return distinct


def check_classes(y: Array) -> Array:
    """Sorted distinct labels of y; raise if there are fewer than two."""
    classes = np.unique(y)
    if len(classes) < 2:
        raise ValueError(
            f"y has 1 class ({classes.tolist()[0]!r}); a classifier needs at least 2. Sequences"
            " whose sample_weight is 0 do not count."
        )
    return classes


def are_classes(value: Array) -> bool:
    """Whether an array may be ``classes_``: labels of one type, sorted and distinct."""
    is_label = value.dtype.kind != "O" or all(isinstance(label, str) for label in value)
    return is_label and len(value) >= 2 and np.array_equal(np.unique(value), value)
