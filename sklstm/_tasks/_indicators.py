"""Validation of indicator matrices: several labels per sequence."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import issparse

from sklstm._sequences import Array
from sklstm._validation._forms import as_host
from sklstm._validation._missing import entries, reject_missing


def as_dense(y: Any) -> Any:
    """Convert a sparse matrix or a tensor to an array; leave any other y unchanged."""
    return y.toarray() if issparse(y) else as_host(y)


def has_columns(y: Any) -> bool:
    """Whether y has several columns, or none."""
    shape = y.shape if issparse(y) else entries(as_host(y)).shape
    return len(shape) > 1 and shape[1:] != (1,)


def check_indicators(y: Any, *, estimator: str, input_name: str = "y") -> Array:
    """Validate an indicator matrix; return it as float32 of shape (n_sequences, n_labels)."""
    dense = as_dense(y)
    table = entries(dense)
    found = f"{input_name} should be a 1d array, got an array of shape {table.shape} instead"
    if table.ndim != 2 or table.shape[1] < 2:
        raise ValueError(
            f"{found}: {input_name} must have one label for each sequence, or for several labels a"
            " column of 0 and 1 for each of them."
        )
    reject_missing(dense, input_name, "label")
    is_indicator = _are_indicators(table)
    if not is_indicator.all():
        row, column = map(int, np.argwhere(~is_indicator)[0])
        raise ValueError(
            f"{found}: for several labels it must hold 0 and 1. Got {table[row].tolist()[column]!r}"
            f" at {input_name}[{row}, {column}].\n\n{_remedy(y, input_name, estimator)}"
        )
    return table.astype(np.float32)


def _are_indicators(table: Array) -> Array:
    """Mask of the values that are 0 or 1, as numbers or booleans; text is not."""
    if table.dtype.kind in "biuf":
        return np.isin(table, (0, 1))
    is_indicator = [not isinstance(v, (str, bytes)) and v in (0, 1) for v in table.ravel()]
    return np.array(is_indicator, dtype=bool).reshape(table.shape)


def _remedy(y: Any, name: str, estimator: str) -> str:
    remedies = [
        f"For columns of classes train a classifier for each:"
        f" sklearn.multioutput.MultiOutputClassifier({estimator}()). For numbers use"
        " LSTMSequenceRegressor."
    ]
    if isinstance(y, (list, tuple)):
        remedies.insert(0, f"If {name} lists the labels of each sequence: {binarized(name)}.")
    return " ".join(remedies)


def reject_one_hot(indicators: Array, y: Any, name: str) -> None:
    """Raise if each row of y has exactly one 1; name the call that makes labels of it."""
    if len(indicators) == 0 or not (indicators.sum(axis=1) == 1).all():
        return
    method = next((m for m in ("idxmax", "argmax") if hasattr(y, m)), None)
    call = f"{name}.{method}(axis=1)" if method else f"numpy.argmax({name}, axis=1)"
    raise ValueError(
        f"{name} should be a 1d array, got an array of shape {indicators.shape} instead: its rows"
        f" are one-hot.\n\nGive {call}. Several labels per sequence need at least one row with"
        " none or with more than one."
    )


def reject_collections(y: Any, name: str) -> None:
    """Raise if y lists the labels of a sequence."""
    labels = entries(y)
    if labels.ndim != 1 or labels.dtype != object:
        return
    for index, label in enumerate(labels):
        if isinstance(label, (list, tuple, set, frozenset, np.ndarray)):
            raise ValueError(
                f"{name}[{index}] is {label!r:.60}, but {name} must have one label for each"
                " sequence, or for several labels a column of 0 and 1 for each of them.\n\n"
                f"Give {binarized(name)}."
            )


def binarized(name: str) -> str:
    """The call that makes an indicator matrix of collections of labels."""
    return f"sklearn.preprocessing.MultiLabelBinarizer().fit_transform({name})"
