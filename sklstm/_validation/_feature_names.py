"""Sequences whose features have names: data frames, dicts of columns, records."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sklstm._sequences import Array
from sklstm._validation._forms import as_host
from sklstm._validation._frames import is_frame
from sklstm._validation._messages import enumerate_names, name_of_whole
from sklstm._warnings import warn_user

Names = tuple[str, ...]


def read_named(item: Any, name: str) -> tuple[Any, Names | None]:
    """One sequence in a form that NumPy reads, and its feature names or None."""
    if is_structured(item):
        return _from_fields(item, name), item.dtype.names
    if isinstance(item, Mapping):
        return _from_columns(item, name), _strings(item, name)
    if _is_records(item):
        return _from_records(item, name), _strings(item[0], f"{name}[0]")
    # A frame of pyarrow has its columns themselves there.
    columns = getattr(item, "column_names", getattr(item, "columns", None))
    return item, None if columns is None else _strings(columns, name)


def _strings(names: Any, name: str) -> Names | None:
    """The names if all are strings, None if none is; a mixture is an error, as in scikit-learn."""
    names = tuple(names)
    are_strings = {isinstance(own, str) for own in names}
    if len(are_strings) == 2:
        types = sorted({type(own).__name__ for own in names})
        raise TypeError(
            "Feature names are only supported if all input features have string names, but"
            f" {name} has names of the types {types}.\n\nMake them strings:"
            " x.columns = x.columns.astype(str)."
        )
    return names if are_strings == {True} else None


# Columns and records ------------------------------------------------------------------------------


def is_structured(X: Any) -> bool:
    """Whether X is an array of NumPy whose values are records with named fields."""
    return isinstance(X, np.ndarray) and X.dtype.names is not None


def from_structured(X: Array, name: str) -> Array:
    """A structured array of shape (n_sequences, n_timesteps) as a 3-D array."""
    if X.ndim != 2:
        raise ValueError(
            f"{name} is a structured array of shape {X.shape}, but one of several sequences is of"
            " shape (n_sequences, n_timesteps).\n\n"
            f"Reshape your data: [{name}] if it is one sequence."
        )
    return _from_fields(X, name)


def _from_fields(array: Array, name: str) -> Array:
    """A structured array of any shape with its fields as the last dimension."""
    fields = {field: array[field] for field in array.dtype.names or ()}
    for field, values in fields.items():
        _check_column(values, array.ndim, f"{name}[{field!r}]")
    return _stack(list(fields.values()))


def _from_columns(columns: Mapping[Any, Any], name: str) -> Array:
    """A dict of columns, one per feature, as an array of shape (n_timesteps, n_features)."""
    arrays = {key: _as_column(column, name, key) for key, column in columns.items()}
    if not arrays:
        return np.empty((0, 0))
    X = name_of_whole(name)
    if all(array.ndim == 0 for array in arrays.values()):
        raise ValueError(
            f"{name} is a dict of single values, one timestep; a sequence is an array of shape"
            f" (n_timesteps, n_features).\n\nGive [{X}] if {X} is the timesteps of one sequence,"
            f" pandas.DataFrame({X}) if each item of {X} is one univariate sequence."
        )
    deepest = max(arrays, key=lambda key: arrays[key].ndim)
    for key, array in arrays.items():
        if array.ndim != 1:
            raise ValueError(
                f"{name} is a dict, but {name}[{key!r}] has {array.ndim} dimension(s); a dict is"
                " read as one feature per key, each with one value for each timestep.\n\n"
                f"{_one_key(deepest, X)}"
            )
        _check_column(array, 1, f"{name}[{key!r}]")
    lengths = {key: len(array) for key, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(
            f"{name} is a dict of columns of different lengths, {lengths}; each feature needs one"
            f" value for each timestep.\n\n{_one_key(deepest, X)}"
        )
    return _stack(list(arrays.values()))


def _as_column(column: Any, name: str, key: Any) -> Array:
    try:
        return np.asanyarray(as_host(column))
    except ValueError as error:
        raise ValueError(
            f"{name}[{key!r}] must be one number for each timestep.\n\n"
            f"{_one_key(key, name_of_whole(name))}"
        ) from error


def _one_key(key: Any, name: str) -> str:
    return f"If the sequences are under one key: {name} = [x[{key!r}] for x in {name}]."


def _is_records(item: Any) -> bool:
    """Whether an item is a list of dicts, one for each timestep."""
    is_list = isinstance(item, (list, tuple)) or (
        isinstance(item, np.ndarray) and item.dtype == object and item.ndim == 1
    )
    return is_list and len(item) > 0 and isinstance(item[0], Mapping)


def _from_records(steps: Sequence[Any], name: str) -> Array:
    """Dicts of the same keys, one per timestep, as an array of shape (n_timesteps, n_features)."""
    keys = list(steps[0])
    for timestep, step in enumerate(steps):
        if not isinstance(step, Mapping) or step.keys() != steps[0].keys():
            found = list(step) if isinstance(step, Mapping) else type(step).__name__
            raise ValueError(
                f"{name}[{timestep}] must be a dict with the keys of {name}[0], {keys}, since every"
                f" timestep needs the same features. Got {found} instead."
            )
    columns = [np.asarray([as_host(step[key]) for step in steps]) for key in keys]
    for key, column in zip(keys, columns, strict=True):
        _check_column(column, 1, f"{name}[...][{key!r}]")
    return _stack(columns)


def _check_column(values: Array, ndim: int, name: str) -> None:
    """Raise unless a feature is one number for each timestep."""
    if values.dtype.kind not in "biufcO":
        raise TypeError(
            f"{name} must hold real numbers. Got dtype {values.dtype}.\n\nLeave it out, or make it"
            " a number."
        )
    if values.ndim != ndim:
        raise ValueError(
            f"{name} must be one number for each timestep. Got {values.ndim - ndim} dimension(s)"
            " more."
        )


def _stack(columns: list[Array]) -> Array:
    masked = any(isinstance(column, np.ma.MaskedArray) for column in columns)
    stacked: Array = (np.ma.stack if masked else np.stack)(columns, axis=-1)
    return stacked


def names_of_frames(X: Any, name: str) -> Array | None:
    """The feature names that all data frames of a list share; None if X is anything else.

    Names that come twice are none.
    """
    # A series of pandas, too.
    is_list = isinstance(X, (list, tuple)) or (getattr(X, "ndim", 0) == 1 and X.dtype == object)
    if not is_list or len(X) == 0 or not all(map(is_frame, X)):
        return None
    own = [_strings(frame.columns, f"{name}[{i}]") for i, frame in enumerate(X)]
    names = common_names(own, X, name)
    return None if names is None or len({*names}) < len(names) else names


# Comparisons --------------------------------------------------------------------------------------


def common_names(names: Sequence[Names | None], X: Any, name: str) -> Array | None:
    """The feature names that all sequences share, or None; an error if a sequence has others."""
    first = names[0]
    for index, own in enumerate(names):
        if own != first:
            raise ValueError(
                f"{name}[{index}] {_difference(own, first, f'{name}[0]')}; every sequence needs the"
                " same features in the same order."
                f"{_remedy(own, first, X, name, f'{name}[0].columns')}"
            )
    return None if first is None else np.array(first, dtype=object)


def check_names(
    names: Array | None, fitted: Array | None, X: Any, *, estimator: str, name: str
) -> None:
    """Raise if the feature names differ from those in fit, warn if only X or only fit had any."""
    _warn_of_names(names, fitted, estimator, name)
    if fitted is not None and names is not None and tuple(names) != tuple(fitted):
        own, wanted = tuple(names), tuple(fitted)
        raise ValueError(
            f"The feature names should match those that were passed during fit: {name}[0]"
            f" {_difference(own, wanted, 'fit')}."
            f"{_remedy(own, wanted, X, name, 'estimator.feature_names_in_')}"
        )


def check_column_names(
    names: Array | None, fitted: Array | None, *, estimator: str, name: str
) -> None:
    """The same for the columns of a table, with scikit-learn's messages.

    scikit-learn's own check needs a fitted estimator, and X_val is checked before there is one.
    """
    _warn_of_names(names, fitted, estimator, name)
    if names is None or fitted is None or tuple(names) == tuple(fitted):
        return
    message = "The feature names should match those that were passed during fit.\n"
    unexpected, missing = sorted({*names} - {*fitted}), sorted({*fitted} - {*names})
    if unexpected:
        message += f"Feature names unseen at fit time:\n{_lines(unexpected)}"
    if missing:
        message += f"Feature names seen at fit time, yet now missing:\n{_lines(missing)}"
    if not (unexpected or missing):
        message += "Feature names must be in the same order as they were in fit.\n"
    raise ValueError(message)


def _warn_of_names(names: Array | None, fitted: Array | None, estimator: str, name: str) -> None:
    if fitted is None and names is not None:
        warn_user(f"{name} has feature names, but {estimator} was fitted without feature names")
    elif fitted is not None and names is None:
        has = f"{name} does not have valid feature names, but {estimator}"
        warn_user(f"{has} was fitted with feature names")


def _lines(names: list[str]) -> str:
    """A line for each of the first five names."""
    return "".join(f"- {name}\n" for name in names[:5]) + "- ...\n" * (len(names) > 5)


def _difference(own: Names | None, wanted: Names | None, where: str) -> str:
    """How the feature names of a sequence differ from the expected ones."""
    if own is None or wanted is None:
        has, lacks = ("no names", "has") if own is None else ("names", "has none")
        return f"has {has} of features, but {where} {lacks}"
    missing = [name for name in wanted if name not in own]
    unexpected = [name for name in own if name not in wanted]
    parts = [f"lacks {enumerate_names(missing)}"] * bool(missing)
    parts += [f"has {enumerate_names(unexpected)}, which {where} has not"] * bool(unexpected)
    if parts:
        return " and ".join(parts)
    # Without any, a name comes twice.
    others = [pair for pair in zip(own, wanted, strict=False) if pair[0] != pair[1]]
    found, expected = others[0] if others else (own[0], wanted[0])
    return f"has its features in another order than {where}: {found!r} where it has {expected!r}"


def _remedy(own: Names | None, wanted: Names | None, X: Any, name: str, many: str) -> str:
    """The paragraph with the call that reorders features; ``many`` replaces a long list."""
    if own is None or wanted is None:
        return (
            "\n\nGive all as data frames, or all as arrays:"
            f" {name} = [np.asarray(x) for x in {name}]."
        )
    if set(wanted) - set(own):
        return ""
    is_plain = isinstance(next(iter(X)), (Mapping, list, tuple))
    frame = "pandas.DataFrame(x)" if is_plain else "x"
    columns = f"{list(wanted)!r}" if len(wanted) <= 10 else many
    return f"\n\nGive them in that order: {name} = [{frame}[{columns}] for x in {name}]."
