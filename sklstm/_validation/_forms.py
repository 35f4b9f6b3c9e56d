"""The forms that people have -> those that are read, or an error that says how to get there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from sklstm._sequences import Array

ACCEPTED_FORMS = (
    "a float array of shape (n_sequences, n_timesteps, n_features), a 2-D array or data frame with"
    " one univariate sequence per row, or a list of arrays of shape (n_timesteps_i, n_features)"
)


def as_known_form(X: Any) -> Any:
    """X as it is, but tensors as arrays and whatever has a length and an index as a list."""
    if getattr(X, "is_nested", False):
        raise _not_accepted(X, "Give a list: list(X.unbind()).")
    if hasattr(X, "batch_sizes") and hasattr(X, "unsorted_indices"):
        raise _not_accepted(X, "Unpack it: torch.nn.utils.rnn.unpack_sequence(X).")
    if hasattr(X, "collect"):
        raise _not_accepted(X, "Compute it first: X.collect().")
    X = as_host(X)
    if isinstance(X, (list, tuple, str, bytes)) or _is_array(X):
        return X
    if isinstance(X, Mapping):
        raise _not_accepted(
            X,
            "Give the sequences alone: list(X.values()) if each value is one sequence, X['x'] if"
            " they are under the key 'x', [X] if X is one sequence and each value a feature.",
        )
    if hasattr(X, "__len__") and hasattr(X, "__getitem__"):
        # Not iter(X): a dataset of torch needs none, and what Python makes up for it may not end.
        return [X[index] for index in range(len(X))]
    if hasattr(X, "dataset"):
        raise _not_accepted(X, f"Give what it loads from: {pairs_apart('X.dataset')}.")
    if hasattr(X, "__iter__"):
        raise _not_accepted(X, "Give a list: list(X).")
    return X


def _is_array(X: Any) -> bool:
    """Whether X is an array or a table to NumPy or scikit-learn, sparse ones included."""
    is_one = any(hasattr(X, name) for name in ("__array__", "__array_interface__", "__dataframe__"))
    return is_one or (hasattr(X, "dtype") and hasattr(X, "shape"))


def as_host(X: Any) -> Any:
    """X as it is, but a torch tensor as a NumPy array."""
    if not hasattr(X, "detach"):
        return X
    tensor = X.detach().cpu()
    # NumPy has no bfloat16: the one dtype of torch that must be widened on the way.
    return (tensor.float() if str(tensor.dtype) == "torch.bfloat16" else tensor).numpy()


def as_array(item: Any) -> Array:
    """One sequence as an array; timesteps may be arrays or tensors of their own."""
    if isinstance(item, (list, tuple)) and len(item) and hasattr(item[0], "detach"):
        item = [as_host(timestep) for timestep in item]
    array = np.asarray(item)
    if array.dtype == object and array.ndim == 1 and len(array) and np.ndim(array[0]) > 0:
        # As parquet's lists of lists come out of pandas.
        return np.asarray(list(array))
    return array


def reject_pair(item: Any, name: str) -> None:
    """Raise if an item is a sequence with its label, as torch's datasets give them."""
    if not isinstance(item, tuple) or len(item) != 2:
        return
    first, second = item
    is_label = np.isscalar(second) or getattr(second, "ndim", None) == 0
    if is_label and (isinstance(first, (list, tuple)) or getattr(first, "ndim", 0) > 0):
        raise ValueError(
            f"{name} is a pair of a sequence and its label, as datasets of torch give them.\n\n"
            f"Give sequences and labels apart: {pairs_apart('X')}."
        )


def pairs_apart(name: str) -> str:
    """The line that takes a dataset of pairs apart."""
    return f"X, y = zip(*({name}[i] for i in range(len({name}))))"


def _not_accepted(X: Any, remedy: str) -> TypeError:
    return TypeError(f"X must be {ACCEPTED_FORMS}. Got a {type(X).__name__}.\n\n{remedy}")
