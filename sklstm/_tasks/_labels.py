"""Validation and encoding of class labels."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils import assert_all_finite, column_or_1d
from sklearn.utils.multiclass import check_classification_targets

from sklstm._sequences import Array
from sklstm._tasks._indicators import (
    as_dense,
    check_indicators,
    has_columns,
    reject_collections,
    reject_one_hot,
)
from sklstm._validation._missing import reject_missing

# Number of labels that are looked up at a time.
CHUNK_LABELS = 65_536


def check_labels(y: Any, *, estimator: str, input_name: str = "y") -> Array:
    """Validate y; return it as a 1-D array of class labels.

    Several labels are returned as an indicator matrix of shape (n_sequences, n_labels).
    """
    if y is None:
        raise ValueError(f"{estimator} requires y to be passed, but the target y is None.")
    if has_columns(y):
        indicators = check_indicators(y, estimator=estimator, input_name=input_name)
        reject_one_hot(indicators, y, input_name)
        return indicators
    y = as_dense(y)
    reject_collections(y, input_name)
    reject_missing(y, input_name, "label")
    labels: Array = column_or_1d(y, input_name=input_name, warn=True)
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


def encode_labels(y: Array, classes: Array, *, input_name: str = "y") -> Array:
    """Index of each label of y in the sorted ``classes``, of `type_of_codes`."""
    if y.ndim > 1:
        raise ValueError(
            f"{input_name} has {y.shape[1]} columns, but the labels are {classes.tolist()}, one for"
            " each sequence."
        )
    known = set(classes.tolist())
    # Not by numpy.isin, which converts mixed types: 1 and "1" would be the same label.
    unknown = [label for label in np.unique(y).tolist() if label not in known]
    if unknown:
        raise ValueError(
            f"{input_name} has labels that are not in classes: {unknown[:3]}. Known classes:"
            f" {classes.tolist()}."
        )
    codes = np.empty(len(y), dtype=type_of_codes(len(classes)))
    for start in range(0, len(y), CHUNK_LABELS):
        part = slice(start, start + CHUNK_LABELS)
        codes[part] = np.searchsorted(classes, y[part])
    return codes


def type_of_codes(n_classes: int) -> type[np.integer[Any]]:
    """The smallest type for codes of classes that torch has, too."""
    if n_classes <= 256:
        return np.uint8
    return np.int16 if n_classes <= 2**15 else np.int32


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
