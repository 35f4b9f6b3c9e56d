"""Class labels: checks, the classes, and each label's position among them."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils.multiclass import check_classification_targets

from sklstm._compat import check_y
from sklstm._sequences import Array, IntArray
from sklstm._validation._forms import as_host
from sklstm._validation._missing import entries, reject_missing


def check_labels(y: Any, n_sequences: int, *, estimator: str, remedy: str = "") -> Array:
    """y as a 1-D array of class labels, one for each sequence; ``remedy`` is for another number."""
    if y is None:
        raise ValueError(f"{estimator} requires y to be passed, but the target y is None.")
    _reject_several_labels(y, estimator)
    reject_missing(y, "y", "label")
    labels: Array = check_y(as_host(y), estimator=estimator)
    try:
        check_classification_targets(labels)
    except TypeError as error:
        others = [i for i, label in enumerate(labels) if type(label) is not type(labels[0])]
        if not others:
            raise
        raise TypeError(
            "y must hold labels of one type, which can be sorted. Got"
            f" {labels[0]!r} at y[0] and {labels[others[0]]!r} at y[{others[0]}]."
        ) from error
    if len(labels) != n_sequences:
        raise ValueError(
            f"Found input variables with inconsistent numbers of samples: X has {n_sequences}"
            f" sequences, y has {len(labels)} labels.{remedy}"
        )
    return labels


def _reject_several_labels(y: Any, estimator: str) -> None:
    """Raise if sequences have more than one label each, with the call that makes one of them."""
    labels = entries(y)
    if labels.ndim == 1 and labels.dtype == object:
        for index, label in enumerate(labels):
            if isinstance(label, (list, tuple, set, frozenset, np.ndarray)):
                raise ValueError(
                    f"y[{index}] is {label!r:.60}, but y must have one label for each sequence."
                )
    if labels.ndim < 2 or labels[:1].size < 2:
        return
    found = f"y should be a 1d array, got an array of shape {labels.shape} instead"
    numbers = _as_numbers(labels)
    if labels.ndim > 2 or not np.isin(numbers, (0, 1)).all():
        raise ValueError(f"{found}: y must have one label for each sequence.")
    if (numbers.sum(axis=1) == 1).all():
        raise ValueError(f"{found}: its rows are one-hot.\n\nGive {_from_one_hot(y)}.")
    raise ValueError(
        f"{found}: {estimator} learns one label for each sequence, not several.\n\nTrain one"
        f" classifier for each column: sklearn.multioutput.MultiOutputClassifier({estimator}())."
    )


def _as_numbers(labels: Array) -> Array:
    try:
        return labels.astype(float)
    except (TypeError, ValueError):
        return np.full(labels.shape, np.nan)


def _from_one_hot(y: Any) -> str:
    """The call that makes labels of one-hot rows; of a data frame, the names of its columns."""
    for method in ("idxmax", "argmax"):
        if hasattr(y, method):
            return f"y.{method}(axis=1)"
    return "numpy.argmax(y, axis=1)"


def encode_labels(y: Array, classes: Array) -> IntArray:
    """Position of each label of y in ``classes``, which is sorted."""
    known = set(classes.tolist())
    # Not by NumPy, to which the labels 1 and "1" are the same.
    unknown = [label for label in np.unique(y).tolist() if label not in known]
    if unknown:
        raise ValueError(
            f"y has labels that are not in classes: {unknown[:3]}. Known classes:"
            f" {classes.tolist()}."
        )
    return np.searchsorted(classes, y).astype(np.int64)


def check_partial_fit_classes(classes: Any, known: Array | None) -> Array:
    """All classes: those given in the first call of partial_fit, which ``known`` are later."""
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
    """The sorted distinct labels of y, at least two."""
    classes = np.unique(y)
    if len(classes) < 2:
        raise ValueError(
            f"y has 1 class ({classes.tolist()[0]!r}); a classifier needs at least 2. Sequences"
            " whose sample_weight is 0 do not count."
        )
    return classes


def are_classes(value: Array) -> bool:
    """Whether these may be the classes of a task: labels of one type, sorted and distinct."""
    is_label = value.dtype.kind != "O" or all(isinstance(label, str) for label in value)
    return is_label and len(value) >= 2 and np.array_equal(np.unique(value), value)
