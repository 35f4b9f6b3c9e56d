"""Validation of X and its conversion to Sequences."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from sklearn.utils import check_array

from sklstm._compat._sklearn import get_feature_names
from sklstm._sequences import (
    AnySequences,
    Array,
    IntArray,
    Sequences,
    all_finite,
    in_memory,
)
from sklstm._validation._feature_names import (
    Names,
    common_names,
    from_structured,
    is_structured,
    read_named,
)
from sklstm._validation._forms import (
    ACCEPTED_FORMS,
    as_array,
    as_host,
    as_known_form,
    reject_pair,
    reject_path,
)
from sklstm._validation._frames import reject_cells, reject_times
from sklstm._validation._masks import without_mask, without_masks
from sklstm._validation._messages import REMEDY_TEXT, enumerate_names, none_found, shorten
from sklstm._validation._nested import flatten_nested
from sklstm._validation._views import (
    BlockCheck,
    check_blocks,
    n_columns_of,
    names_of_stored,
    read_view,
    reject_large,
)
from sklstm._views._list import view_of_list
from sklstm._views._open import as_stored
from sklstm._views._stored import StoredSequences

IMPUTER = "sklstm.preprocessing.SequenceImputer()"
FLOATS = (np.float32, np.float64)


class Inputs(NamedTuple):
    """Validated X.

    ``n_columns`` is None unless X was two-dimensional. ``column_names`` are those of the columns of
    such a data frame, otherwise of the features of a timestep; None if they have none.
    ``vocabulary_size`` is None unless X is token ids. The sequences are a view if X was one, or a
    large list.
    """

    sequences: AnySequences
    n_columns: int | None = None
    column_names: Array | None = None
    vocabulary_size: int | None = None


def check_inputs(
    X: Any,
    *,
    estimator: str,
    mask_value: float | None = None,
    allow_nan: bool = False,
    can_impute: bool = True,
    check_finite: bool = True,
    check_values: bool = True,
    input_name: str = "X",
) -> Inputs:
    """Convert X to sequences of float32 or float64, without modifying it.

    Parameters
    ----------
    X : array-like
        Any form of ``ACCEPTED_FORMS``, a tensor of those shapes, a nested list of pyarrow, awkward
        or polars, what ``as_stored`` makes a view of, or whatever else ``as_known_form``,
        ``without_masks`` and ``read_named`` know.
    estimator : str
        Name of the estimator, for messages.
    mask_value : float, default=None
        Trailing timesteps whose features all equal it (NaN equals NaN) are padding.
    allow_nan : bool, default=False
        Whether values may be NaN; infinity never may.
    can_impute : bool, default=True
        Whether `SequenceImputer` takes X, for messages.
    check_finite : bool, default=True
        Whether to raise for infinity and NaN.
    check_values : bool, default=True
        Whether to read the values of what ``as_stored`` makes a view of, to cut padding off and to
        check them. If not, ``check_block`` has to do so with each block of it.
    input_name : str, default="X"
        Name of X in messages.
    """
    imputer = f"make_pipeline({IMPUTER}, {estimator}())" if can_impute else ""
    check = partial(
        check_block,
        mask_value=mask_value,
        allow_nan=allow_nan,
        imputer=imputer,
        check_finite=check_finite,
        input_name=input_name,
    )
    if _is_plain(X):
        inputs, fields = _from_rectangle(X, X), None
    elif (stored := as_stored(X, input_name)) is not None:
        is_needed = check_values and (check_finite or mask_value is not None)
        return _from_stored(stored, input_name, check if is_needed else None)
    else:
        fields = X.dtype.names if is_structured(X) else None
        inputs = read_sequences(
            X if fields is None else from_structured(X, input_name),
            input_name,
            Reader(
                _read_item,
                partial(_read_rectangle, estimator=estimator),
                _as_float,
                keeps_large_lists=True,
            ),
        )
    names = inputs.column_names if fields is None else np.array(fields, dtype=object)
    sequences = _checked(inputs.sequences, check, input_name)
    return inputs._replace(sequences=sequences, column_names=names)


def _checked(sequences: AnySequences, check: BlockCheck, name: str) -> AnySequences:
    """Checked sequences in memory: in one array, or in those of a large list."""
    if isinstance(sequences, Sequences):
        return check(sequences, 0)
    check_lengths(sequences.lengths, name)
    return check_blocks(sequences, check)


# Views ------------------------------------------------------------------------------------------


def _from_stored(stored: StoredSequences, name: str, check: BlockCheck | None) -> Inputs:
    """Inputs from a view of measurements, of which each block is checked if there is a check."""
    _check_kind(stored.dtype, name)
    if stored.dtype.kind not in "biuf":
        raise TypeError(f"{name} must hold real numbers. Got dtype {stored.dtype}.")
    view = read_view(stored, stored.dtype if stored.dtype in FLOATS else np.float64)
    check_lengths(view.lengths, name)
    if check is not None:
        view = check_blocks(view, check)
    return Inputs(view, n_columns_of(stored), names_of_stored(stored))


def check_block(
    block: Sequences,
    first: int,
    *,
    mask_value: float | None,
    allow_nan: bool = False,
    imputer: str = "",
    check_finite: bool = True,
    input_name: str = "X",
) -> Sequences:
    """Sequences of a view, the first of which is X[first], without padding; or an error."""
    block = cut_padding(block, mask_value, input_name, first)
    if check_finite:
        _check_finite(block, allow_nan, input_name, imputer, first)
    return block


def check_loaded(X: Any, *, estimator: str) -> Inputs:
    """Inputs for an estimator that needs all timesteps in memory; values may be NaN.

    Large sequences on disk are an error.
    """
    if isinstance(X, StoredSequences):
        reject_large(X, estimator)
    inputs = check_inputs(X, estimator=estimator, allow_nan=True)
    return inputs._replace(sequences=in_memory(inputs.sequences))


def read_as_given(X: Any, *, input_name: str) -> Inputs:
    """Sequences of measurements or token ids in their own type, values not checked."""
    read_rectangle = partial(_read_rectangle, estimator="write_sequences")

    def read_array(X: Any, name: str) -> Array:
        is_ready = isinstance(X, np.ndarray) and X.dtype.kind in "biuf" and X.ndim in (2, 3)
        return X if is_ready and X.size else read_rectangle(X, name)

    def convert(values: Array, name: str) -> Array:
        return values if values.dtype.kind in "biuf" else _as_float(values, name)

    inputs = read_sequences(X, input_name, Reader(_read_item, read_array, convert))
    check_lengths(in_memory(inputs.sequences).lengths, input_name)
    return inputs


# Forms ------------------------------------------------------------------------------------------


class Reader(NamedTuple):
    """Conversions of one kind of values, measurements or token ids."""

    # X[index], the name of X, index -> an array of one or two dimensions, names of its features.
    read_item: Callable[[Any, str, int], tuple[Array, Names | None]]
    # An array or data frame, its name -> an array of two or three dimensions.
    read_rectangle: Callable[[Any, str], Array]
    # Values of shape (n_timesteps, n_features), their name -> the same in their final dtype.
    convert: Callable[[Array, str], Array]
    # Whether a masked timestep may come before the end of its sequence.
    allow_gaps: bool = True
    # Whether large lists become views, whose values are not converted yet.
    keeps_large_lists: bool = False


def read_sequences(X: Any, name: str, reader: Reader) -> Inputs:
    """Convert X in any accepted form to sequences, without validating values and lengths."""
    X = as_known_form(X, name)
    nested = flatten_nested(X, name)
    if nested is not None:
        values = reader.convert(nested.values, name)
        return Inputs(Sequences.from_lengths(values, nested.lengths), None, nested.names)
    X = without_masks(X, name, allow_gaps=reader.allow_gaps)
    is_list = isinstance(X, (list, tuple)) and not _is_written_out_table(X)
    if is_list or (getattr(X, "ndim", None) == 1 and np.asarray(X).dtype == object):
        return _from_list(X, name, reader)
    return _from_rectangle(reader.read_rectangle(X, name), X)


def _from_rectangle(array: Array, X: Any) -> Inputs:
    """Inputs from an array of two or three dimensions, that X was read as."""
    n, timesteps, n_features = (*array.shape, 1)[:3]
    values = array.reshape(n * timesteps, n_features)
    sequences = Sequences.from_lengths(values, np.full(n, timesteps))
    if array.ndim == 3:
        return Inputs(sequences)
    return Inputs(sequences, timesteps, get_feature_names(X))


def _is_written_out_table(X: Sequence[Any]) -> bool:
    """Whether X is a list of equally long lists of scalars, which NumPy reads as a 2-D array."""
    if not all(isinstance(row, (list, tuple)) for row in X) or len({len(row) for row in X}) != 1:
        return False
    return all(np.isscalar(row[0]) for row in X if len(row))


def _from_list(X: Sequence[Any], name: str, reader: Reader) -> Inputs:
    """Inputs from a list, tuple or object array of arrays, all of one or all of two dimensions."""
    if len(X) == 0:
        raise ValueError(none_found("sample", (0,)))
    arrays: list[Array] = []
    names_of: list[Names | None] = []
    # One by one: a million short sequences would take as much memory again in pairs.
    for index, item in enumerate(X):
        array, own = reader.read_item(item, name, index)
        arrays.append(array)
        names_of.append(own)
    names = common_names(names_of, X, name)
    _check_shapes(arrays, name)
    view = view_of_list(arrays) if reader.keeps_large_lists else None
    if view is not None:
        return Inputs(view, None, names)
    values = np.concatenate(arrays)
    values = reader.convert(values.reshape(-1, 1) if values.ndim == 1 else values, name)
    # In the memory order of other forms, which sums depend on: frames of pandas have columns in it.
    values = np.ascontiguousarray(values)
    return Inputs(Sequences.from_lengths(values, [len(array) for array in arrays]), None, names)


def _check_shapes(arrays: list[Array], name: str) -> None:
    """Raise unless all sequences have the dimensions and features of the first."""
    first = arrays[0]
    if first.shape[1:] == (0,):
        raise ValueError(none_found("feature", first.shape))
    for index, array in enumerate(arrays):
        if array.ndim != first.ndim:
            raise ValueError(
                f"{name}[{index}] has {array.ndim} dimension(s) but {name}[0] has {first.ndim}; the"
                f" sequences of one {name} must all be of shape (n_timesteps_i, n_features), or all"
                " 1-D if univariate."
            )
        if array.shape[1:] != first.shape[1:]:
            raise ValueError(
                f"{name}[{index}] has {array.shape[1]} features but {name}[0] has"
                f" {first.shape[1]}; every timestep of every sequence needs the same features."
                # One number of rows: these may be the channels.
                f"{channels_first_remedy(name) if len({len(a) for a in arrays}) == 1 else ''}"
            )


def channels_first_remedy(name: str) -> str:
    """The paragraph for an X that may have channels before timesteps."""
    return (
        f"\n\nIf {name} has channels before timesteps:"
        f" sklstm.preprocessing.from_channel_first({name})."
    )


# Measurements -----------------------------------------------------------------------------------


def _is_plain(X: Any) -> bool:
    """Whether X is an array that is sequences as it is: most of the checks' time is saved."""
    is_float = type(X) is np.ndarray and X.dtype in FLOATS
    return bool(is_float and X.ndim in (2, 3) and X.size)


def _read_rectangle(X: Any, name: str, *, estimator: str) -> Array:
    """Convert an array or data frame of two or three dimensions to a float array."""
    _check_kind(getattr(X, "dtype", None), name)
    reject_times(X, name)
    try:
        array: Array = check_array(
            X,
            dtype=[np.float64, np.float32],
            ensure_all_finite=False,
            allow_nd=True,
            estimator=estimator,
            input_name=name,
        )
    except (TypeError, ValueError) as error:
        reject_cells(X, error, name)
        _reject_unreadable(X, error, name)
        raise
    if array.ndim > 3:
        raise ValueError(f"{name} must be {ACCEPTED_FORMS}. Got an array of shape {array.shape}.")
    if array.ndim == 3 and array.shape[2] == 0:
        raise ValueError(none_found("feature", array.shape))
    return array


def _reject_unreadable(X: Any, error: Exception, name: str) -> None:
    """Raise a clearer error than scikit-learn's for paths, text, nested cells, 1-D X, scalars."""
    reject_path(X, name)
    for index, value in np.ndenumerate(np.asarray(X, dtype=object)):
        if isinstance(value, (str, bytes)):
            place = f"[{', '.join(map(str, index))}]" if index else ""
            raise ValueError(_text_message(f"{name}{place}", value)) from error
        if index and np.iterable(value) and not isinstance(value, Mapping):
            break
    else:
        if np.ndim(X) == 1 and hasattr(X, "shape"):
            raise ValueError(
                f"{name} has one dimension (shape={X.shape}); it must be {ACCEPTED_FORMS}.\n\n"
                f"{_reshape_remedy(name)}"
            ) from error
        if np.ndim(X) > 0 or hasattr(X, "shape"):
            return
    raise type(error)(f"{name} must be {ACCEPTED_FORMS}. Got a {type(X).__name__}.") from error


def _reshape_remedy(name: str) -> str:
    return (
        f"Reshape your data: [{name}] if it is one univariate sequence, [[x] for x in {name}] if it"
        " is many sequences of one timestep."
    )


def _text_message(name: str, text: str | bytes) -> str:
    found = f"{name} is text ({shorten(text)})"
    return f"{found}; a sequence is an array of numbers.\n\n{REMEDY_TEXT}"


def _read_item(item: Any, name: str, index: int) -> tuple[Array, Names | None]:
    """One sequence of a list as a numeric array of one or two dimensions, and its names."""
    own_name = f"{name}[{index}]"
    item, names = read_named(item, own_name)
    if isinstance(item, (str, bytes)):
        raise ValueError(_text_message(own_name, item))
    reject_times(item, name, f"[{index}]")
    reject_pair(item, name, index)
    plain = without_mask(as_host(item), own_name)
    try:
        array = as_array(plain)
    except ValueError as error:
        raise ValueError(
            f"{own_name} is not a rectangular array; a sequence is an array of shape"
            f" (n_timesteps, n_features), or 1-D if univariate. {error}"
        ) from error
    if array.ndim == 0 and np.isscalar(array.item()):
        raise ValueError(
            f"Expected one array per sequence, got a scalar: {own_name} is {array.item()!r}.\n\n"
            f"{_reshape_remedy(name)}"
        )
    if array.ndim not in (1, 2):
        found = f"an array of shape {array.shape}" if array.ndim else f"a {type(item).__name__}"
        raise ValueError(
            f"{own_name} must be an array of shape (n_timesteps, n_features), or 1-D if univariate."
            f" Got {found}."
        )
    try:
        # Float32 and float64 may be mixed: all are converted once they are together.
        return array if array.dtype.kind in "biuf" else _as_float(array, own_name), names
    except (TypeError, ValueError) as error:
        reject_cells(item, error, name, f"[{index}]")
        raise


def _as_float(array: Array, name: str) -> Array:
    """The array as float32 if it is, otherwise as float64."""
    _check_kind(array.dtype, name)
    if array.dtype == np.float32:
        return array
    try:
        return array.astype(np.float64, copy=False)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{name} must hold real numbers, but {error}.") from error


def _check_kind(dtype: Any, name: str) -> None:
    """Raise for complex and temporal dtypes, which NumPy would convert."""
    kind = getattr(dtype, "kind", "")
    if kind == "c":
        raise ValueError(f"Complex data not supported: {name} has dtype {dtype}.")
    if kind in ("m", "M"):
        raise TypeError(f"{name} must hold real numbers. Got dtype {dtype}.")


# Values -----------------------------------------------------------------------------------------


def cut_padding(
    sequences: Sequences, mask_value: float | None, name: str, first: int = 0
) -> Sequences:
    """Remove trailing timesteps that equal mask_value throughout; raise if a sequence is empty.

    ``first`` is the index of the first of them.
    """
    check_lengths(sequences.lengths, name, first)
    if mask_value is None:
        return sequences
    values = sequences.values
    equal = np.isnan(values) if math.isnan(mask_value) else values == values.dtype.type(mask_value)
    ends = np.where(equal.all(axis=1), -1, np.arange(len(values)))
    # The last real row so far; a row is trailing padding if no real row of its sequence follows it.
    last_real = np.maximum.accumulate(ends)[sequences.offsets[1:] - 1]
    lengths = np.maximum(last_real - sequences.offsets[:-1] + 1, 0)
    check_lengths(lengths, name, first)
    kept = np.arange(len(values)) < np.repeat(sequences.offsets[:-1] + lengths, sequences.lengths)
    cut = Sequences.from_lengths(values if kept.all() else values[kept], lengths)
    return cut if sequences.static is None else replace(cut, static=sequences.static)


def check_lengths(lengths: IntArray, name: str, first: int = 0) -> None:
    """Raise if a sequence is empty."""
    empty = first + np.flatnonzero(lengths == 0)
    if len(empty):
        raise ValueError(
            f"{enumerate_names(empty, lambda i: f'{name}[{i}]')}"
            f" {'has' if len(empty) == 1 else 'have'} no timesteps; every sequence needs at least"
            " one.\n\nDrop empty sequences, in fit with their labels."
        )


def _check_finite(
    sequences: Sequences, allow_nan: bool, name: str, imputer: str, first: int = 0
) -> None:
    """Raise for infinity, and for NaN unless allowed; ``imputer`` is the remedy for it, if any."""
    values = sequences.values
    if all_finite(values):
        return
    bad = np.argwhere(np.isinf(values) if allow_nan else ~np.isfinite(values))
    if len(bad) == 0:
        return
    has_nan, has_infinity = np.isnan(values).any() and not allow_nan, np.isinf(values).any()
    kinds = ["NaN"] * bool(has_nan) + ["infinity"] * bool(has_infinity)
    places = enumerate_names(bad, lambda at: name_value(sequences, *at, name=name, first=first))
    found = f"Input {name} contains {' and '.join(kinds)} at {places}; every value must be finite"
    if allow_nan:
        raise ValueError(
            f"{found} or NaN.\n\nReplace such values by a number, or by NaN where none is known."
        )
    remedy = "Fill or drop such values before calling the estimator"
    if has_nan and imputer:
        remedy += f": {imputer}"
    raise ValueError(
        f"{found}.\n\n{remedy}. Where they pad the ends of sequences, set"
        f" mask_value=float('{values[tuple(bad[0])]}')."
    )


def name_value(
    sequences: Sequences, row: int, column: int = 0, *, name: str, first: int = 0
) -> str:
    """The user's index of one value: ``X[17][3, 0]``, or ``X[17][3]`` if univariate."""
    sequence, timestep = sequences.locate(row)
    position = f"{timestep}" if sequences.n_features == 1 else f"{timestep}, {column}"
    return f"{name}[{first + sequence}][{position}]"
