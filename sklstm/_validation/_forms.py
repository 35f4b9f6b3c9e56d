"""Accepted forms of X: conversion of similar ones, and how to convert those not accepted."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from os.path import exists
from typing import Any

import numpy as np

from sklstm._sequences import Array

ACCEPTED_FORMS = (
    "a float array of shape (n_sequences, n_timesteps, n_features), a 2-D array or data frame with"
    " one univariate sequence per row, or a list of arrays of shape (n_timesteps_i, n_features)"
)


def as_known_form(X: Any, name: str) -> Any:
    """Convert tensors to arrays and indexable data sets to lists; leave any other X unchanged."""
    X = X if getattr(X, "is_nested", False) else as_host(X)
    remedy = _remedy(X, name)
    if remedy:
        raise TypeError(f"{name} must be {ACCEPTED_FORMS}. Got a {type(X).__name__}.\n\n{remedy}")
    is_indexed = hasattr(X, "__len__") and hasattr(X, "__getitem__")
    if isinstance(X, (list, tuple, str, bytes)) or _is_array(X) or not is_indexed:
        return X
    # Not iter(X): a dataset of torch needs none, and what Python makes up for it may not end.
    return [X[index] for index in range(len(X))]


def _remedy(X: Any, name: str) -> str:
    """How to convert an X of a known form that is not accepted; "" for any other X."""
    if getattr(X, "is_nested", False):
        return f"Give a list: list({name}.unbind())."
    if hasattr(X, "batch_sizes") and hasattr(X, "unsorted_indices"):
        return f"Unpack it: torch.nn.utils.rnn.unpack_sequence({name})."
    if hasattr(X, "collect"):
        return f"Compute it first: {name}.collect()."
    if _is_array(X):
        return ""
    if isinstance(X, Mapping):
        return (
            f"Give the sequences alone: list({name}.values()) if each value is one sequence,"
            f" {name}['x'] if they are under the key 'x', [{name}] if {name} is one sequence and"
            " each value a feature."
        )
    if hasattr(X, "__len__") and hasattr(X, "__getitem__"):
        return ""
    if hasattr(X, "dataset"):
        return f"Give what it loads from: {_pairs_apart(f'{name}.dataset')}."
    return f"Give a list: list({name})." if hasattr(X, "__iter__") else ""


def _is_array(X: Any) -> bool:
    """Whether X is array-like to NumPy or scikit-learn, sparse arrays included."""
    is_one = any(hasattr(X, name) for name in ("__array__", "__array_interface__", "__dataframe__"))
    return is_one or (hasattr(X, "dtype") and hasattr(X, "shape"))


def as_host(X: Any) -> Any:
    """Convert a torch tensor to a NumPy array; leave any other X unchanged."""
    if not hasattr(X, "detach"):
        return X
    tensor = X.detach().cpu()
    # NumPy has no bfloat16: the one dtype of torch that must be widened on the way.
    return (tensor.float() if str(tensor.dtype) == "torch.bfloat16" else tensor).numpy()


def as_array(item: Any) -> Array:
    """Convert one sequence, whose timesteps may be arrays or tensors, to an array."""
    if isinstance(item, (list, tuple)) and len(item) and hasattr(item[0], "detach"):
        item = [as_host(timestep) for timestep in item]
    array = np.asarray(item)
    if array.dtype == object and array.ndim == 1 and len(array) and np.ndim(array[0]) > 0:
        # As parquet's lists of lists come out of pandas.
        return np.asarray(list(array))
    return array


def reject_pair(item: Any, name: str, index: int) -> None:
    """Raise if an item is a pair of sequence and label, as from a data set of torch."""
    if not isinstance(item, tuple) or len(item) != 2:
        return
    first, second = item
    is_label = np.isscalar(second) or getattr(second, "ndim", None) == 0
    if is_label and (isinstance(first, (list, tuple)) or getattr(first, "ndim", 0) > 0):
        raise ValueError(
            f"{name}[{index}] is a pair of a sequence and its label, as datasets of torch give"
            f" them.\n\nGive sequences and labels apart: {_pairs_apart(name)}."
        )


def _pairs_apart(source: str) -> str:
    """The line that splits a data set of pairs: into X, y, or X_val, y_val."""
    name = source.partition(".")[0]
    return f"{name}, y{name[1:]} = zip(*({source}[i] for i in range(len({source}))))"


def reject_path(X: Any, name: str) -> None:
    """Raise TypeError if X is the path of what should have been opened."""
    # Path.exists raises an error for a long text.
    if isinstance(X, PathLike) or (isinstance(X, str) and exists(X)):  # noqa: PTH110
        raise TypeError(
            f"{name} is a path, {str(X)!r}.\n\nOpen what is there:"
            f" {name} = sklstm.preprocessing.open_sequences({str(X)!r})."
        )
