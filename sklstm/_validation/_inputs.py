"""X in any accepted form -> Sequences, or an error that names the culprit."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from sklearn.utils import check_array

from sklstm._compat import get_feature_names
from sklstm._sequences import Array, IntArray, Sequences, all_finite
from sklstm._validation._feature_names import (
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
)
from sklstm._validation._frames import reject_cells, reject_times
from sklstm._validation._masks import without_mask, without_masks
from sklstm._validation._nested import flatten_nested

REMEDY_TEXT = (
    "Turn text into token ids first: make_pipeline(sklstm.preprocessing.TokenEncoder(),"
    " LSTMSequenceClassifier(embedding_dim=...))."
)


class Inputs(NamedTuple):
    """Checked X.

    ``n_columns`` is None unless X was two-dimensional. ``column_names`` are those of the columns of
    such a data frame, otherwise of the features of a timestep; None if they have none.
    ``vocabulary_size`` is None unless X is token ids.
    """

    sequences: Sequences
    n_columns: int | None = None
    column_names: Array | None = None
    vocabulary_size: int | None = None


def check_inputs(
    X: Any, *, estimator: str, mask_value: float | None = None, allow_nan: bool = False
) -> Inputs:
    """Convert X to sequences of float32 or float64, without modifying it.

    Parameters
    ----------
    X : array-like
        Any form of ``ACCEPTED_FORMS``, a tensor of those shapes, a nested list of pyarrow, awkward
        or polars, or whatever else ``as_known_form``, ``without_masks`` and ``read_named`` know.
    estimator : str
        Name of the estimator, for messages.
    mask_value : float, default=None
        Trailing timesteps whose features all equal it (NaN equals NaN) are padding.
    allow_nan : bool, default=False
        Whether values may be NaN; infinity never may.
    """
    X = as_known_form(X)
    nested = flatten_nested(X)
    if nested is not None:
        values = _as_float(nested.values, "X")
        inputs = Inputs(Sequences.from_lengths(values, nested.lengths), None, nested.names)
    else:
        plain = without_masks(from_structured(X) if is_structured(X) else X)
        is_list = is_list_of_sequences(plain)
        inputs = _from_list(plain) if is_list else _from_rectangle(plain, estimator)
        if is_structured(X):
            inputs = inputs._replace(column_names=np.array(X.dtype.names, dtype=object))
    sequences = cut_padding(inputs.sequences, mask_value)
    _check_finite(sequences, allow_nan)
    return inputs._replace(sequences=sequences)


def is_list_of_sequences(X: Any) -> bool:
    if isinstance(X, (list, tuple)):
        return not _is_written_out_table(X)
    return getattr(X, "ndim", None) == 1 and np.asarray(X).dtype == object


def _is_written_out_table(X: Sequence[Any]) -> bool:
    """Whether X is a list of equally long lists of scalars, which NumPy reads as a 2-D array."""
    if not all(isinstance(row, (list, tuple)) for row in X) or len({len(row) for row in X}) != 1:
        return False
    return all(np.isscalar(row[0]) for row in X if len(row))


# Rectangular ------------------------------------------------------------------------------------


def _from_rectangle(X: Any, estimator: str) -> Inputs:
    """Inputs from an array or data frame of two or three dimensions: a reshape, no loop."""
    if getattr(getattr(X, "dtype", None), "kind", "") in ("m", "M"):
        raise TypeError(f"X must hold real numbers. Got dtype {X.dtype}.")
    reject_times(X)
    try:
        array = check_array(
            X,
            dtype=[np.float64, np.float32],
            ensure_all_finite=False,
            allow_nd=True,
            estimator=estimator,
            input_name="X",
        )
    except (TypeError, ValueError) as error:
        reject_cells(X, "X", error)
        _reject_text(X, error)
        if np.ndim(X) == 1 and hasattr(X, "shape"):
            raise ValueError(_one_dimension_message(X.shape)) from error
        is_no_array = np.ndim(X) == 0 and not hasattr(X, "shape")
        if is_no_array or "setting an array element" in str(error):
            raise type(error)(f"X must be {ACCEPTED_FORMS}. Got a {type(X).__name__}.") from error
        raise
    if array.ndim > 3:
        raise ValueError(f"X must be {ACCEPTED_FORMS}. Got an array of shape {array.shape}.")
    if array.ndim == 3 and array.shape[2] == 0:
        raise ValueError(_no_features_message(array.shape))
    n, timesteps = array.shape[:2]
    values = array.reshape(n * timesteps, -1) if array.size else array.reshape(0, 1)
    sequences = Sequences.from_lengths(values, np.full(n, timesteps))
    if array.ndim == 3:
        return Inputs(sequences)
    return Inputs(sequences, timesteps, get_feature_names(X))


def _reject_text(X: Any, error: Exception) -> None:
    """Raise an error that names the first text in X, if there is any."""
    for index, value in np.ndenumerate(np.asarray(X, dtype=object)):
        if isinstance(value, (str, bytes)):
            name = f"X[{', '.join(map(str, index))}]" if index else "X"
            raise ValueError(_text_message(name, value)) from error


def _text_message(name: str, text: str | bytes) -> str:
    return f"{name} is text ({_shorten(text)}); a sequence is an array of numbers.\n\n{REMEDY_TEXT}"


def _one_dimension_message(shape: tuple[int, ...]) -> str:
    return (
        f"X has one dimension (shape={shape}); it must be {ACCEPTED_FORMS}.\n\nReshape your data:"
        " [X] if it is one univariate sequence, [[x] for x in X] if it is many sequences of one"
        " timestep."
    )


def no_samples_message(shape: tuple[int, ...]) -> str:
    """scikit-learn's words for an X without any sequence."""
    return f"Found array with 0 sample(s) (shape={shape}) while a minimum of 1 is required."


def _no_features_message(shape: tuple[int, ...]) -> str:
    return f"Found array with 0 feature(s) (shape={shape}) while a minimum of 1 is required."


# Lists ------------------------------------------------------------------------------------------


def _from_list(X: Sequence[Any]) -> Inputs:
    """Inputs from a list, tuple or object array whose items are 1-D or 2-D arrays or have names."""
    if len(X) == 0:
        raise ValueError(no_samples_message((0,)))
    arrays: list[Array] = []
    names_of: list[tuple[str, ...] | None] = []
    # One by one: a million short sequences would take as much memory again in pairs.
    for index, item in enumerate(X):
        unnamed, own = read_named(item, f"X[{index}]")
        arrays.append(_as_item(unnamed, index))
        names_of.append(own)
    names = common_names(names_of, X)
    ndim = arrays[0].ndim
    _reject_first(
        arrays,
        lambda array: array.ndim != ndim,
        lambda index, array: (
            f"X[{index}] has {array.ndim} dimension(s) but X[0] has {ndim}; the sequences of one X"
            " must all be of shape (n_timesteps_i, n_features), or all 1-D if univariate."
        ),
    )
    if ndim == 1:
        arrays = [array.reshape(-1, 1) for array in arrays]
    n_features = arrays[0].shape[1]
    if n_features == 0:
        raise ValueError(_no_features_message(arrays[0].shape))
    _reject_first(
        arrays,
        lambda array: array.shape[1] != n_features,
        lambda index, array: (
            f"X[{index}] has {array.shape[1]} features but X[0] has {n_features}; every timestep"
            f" of every sequence needs the same features.{_channels_remedy(arrays)}"
        ),
    )
    # In the memory order of other forms, which sums depend on: frames of pandas have columns in it.
    values = np.ascontiguousarray(_as_float(np.concatenate(arrays), "X"))
    return Inputs(Sequences.from_lengths(values, [len(array) for array in arrays]), None, names)


def _channels_remedy(arrays: list[Array]) -> str:
    """The paragraph on sequences that have one number of rows, which then are channels."""
    if len({len(array) for array in arrays}) > 1:
        return ""
    return "\n\nIf X has channels before timesteps: sklstm.preprocessing.from_channel_first(X)."


def _reject_first(
    arrays: list[Array],
    is_bad: Callable[[Array], bool],
    describe: Callable[[int, Array], str],
) -> None:
    """Raise a ValueError that describes the first bad array."""
    for index, array in enumerate(arrays):
        if is_bad(array):
            raise ValueError(describe(index, array))


def _as_item(item: Any, index: int) -> Array:
    """One item of a list as a numeric array of one or two dimensions."""
    if isinstance(item, (str, bytes)):
        raise ValueError(_text_message(f"X[{index}]", item))
    reject_times(item, f"X[{index}]")
    reject_pair(item, f"X[{index}]")
    plain = without_mask(as_host(item), f"X[{index}]")
    try:
        array = as_array(plain)
    except ValueError as error:
        raise ValueError(
            f"X[{index}] is not a rectangular array; a sequence is an array of shape"
            f" (n_timesteps, n_features), or 1-D if univariate. {error}"
        ) from error
    if array.ndim == 0 and np.isscalar(array.item()):
        raise ValueError(
            f"Expected one array per sequence, got a scalar: X[{index}] is {array.item()!r}.\n\n"
            "Reshape your data: [X] if it is one univariate sequence, [[x] for x in X] if it is"
            " many sequences of one timestep."
        )
    if array.ndim not in (1, 2):
        raise ValueError(
            f"X[{index}] must be an array of shape (n_timesteps, n_features), or 1-D if"
            f" univariate. Got {_describe(item, array)}."
        )
    if array.dtype.kind not in "biuf":
        try:
            array = _as_float(array, f"X[{index}]")
        except (TypeError, ValueError) as error:
            reject_cells(item, f"X[{index}]", error)
            raise
    return array


def _describe(item: Any, array: Array) -> str:
    return f"an array of shape {array.shape}" if array.ndim else f"a {type(item).__name__}"


def _as_float(array: Array, name: str) -> Array:
    """The array as float32 if it is, otherwise as float64."""
    if array.dtype.kind == "c":
        raise ValueError(f"Complex data not supported: {name} has dtype {array.dtype}.")
    if array.dtype.kind in "mM":
        raise TypeError(f"{name} must hold real numbers. Got dtype {array.dtype}.")
    if array.dtype == np.float32:
        return array
    try:
        return array.astype(np.float64, copy=False)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{name} must hold real numbers, but {error}.") from error


def _shorten(text: str | bytes, width: int = 30) -> str:
    return repr(text if len(text) <= width else text[:width]) + (
        "" if len(text) <= width else "..."
    )


# Values -----------------------------------------------------------------------------------------


def cut_padding(sequences: Sequences, mask_value: float | None) -> Sequences:
    """Sequences without their padding, if there is any; none may be empty, before or after."""
    _check_lengths(sequences.lengths)
    if mask_value is None:
        return sequences
    cut = _drop_trailing(sequences, mask_value)
    _check_lengths(cut.lengths)
    return cut


def _drop_trailing(sequences: Sequences, mask_value: float) -> Sequences:
    """Sequences, none empty, without the trailing timesteps that equal mask_value throughout."""
    values = sequences.values
    equal = np.isnan(values) if math.isnan(mask_value) else values == values.dtype.type(mask_value)
    ends = np.where(equal.all(axis=1), -1, np.arange(len(values)))
    # The last real row so far; a row is trailing padding if no real row of its sequence follows it.
    last_real = np.maximum.accumulate(ends)[sequences.offsets[1:] - 1]
    lengths = np.maximum(last_real - sequences.offsets[:-1] + 1, 0)
    kept = np.arange(len(values)) < np.repeat(sequences.offsets[:-1] + lengths, sequences.lengths)
    return Sequences.from_lengths(values if kept.all() else values[kept], lengths)


def _check_lengths(lengths: IntArray) -> None:
    empty = np.flatnonzero(lengths == 0)
    if len(empty) == 0:
        return
    names = enumerate_names([f"X[{i}]" for i in empty[:3]], len(empty))
    has = "has" if len(empty) == 1 else "have"
    raise ValueError(
        f"{names} {has} no timesteps; every sequence needs at least one.\n\nDrop empty sequences,"
        " with their labels, before calling fit."
    )


def _check_finite(sequences: Sequences, allow_nan: bool) -> None:
    values = sequences.values
    if all_finite(values):
        return
    bad = np.argwhere(np.isinf(values) if allow_nan else ~np.isfinite(values))
    if len(bad) == 0:
        return
    has_nan, has_infinity = np.isnan(values).any() and not allow_nan, np.isinf(values).any()
    kinds = ["NaN"] * bool(has_nan) + ["infinity"] * bool(has_infinity)
    names = enumerate_names(
        [name_value(sequences, row, column) for row, column in bad[:3]], len(bad)
    )
    found = f"Input X contains {' and '.join(kinds)} at {names}; every value must be finite"
    if allow_nan:
        raise ValueError(
            f"{found} or NaN.\n\nReplace such values by a number, or by NaN where none is known."
        )
    padding = values[tuple(bad[0])]
    remedy = "Fill or drop such values before calling the estimator"
    if has_nan:
        remedy += (
            ": make_pipeline(sklstm.preprocessing.SequenceImputer(), LSTMSequenceClassifier())"
        )
    raise ValueError(
        f"{found}.\n\n{remedy}. Where they pad the ends of sequences, set"
        f" mask_value=float('{padding}')."
    )


def name_value(sequences: Sequences, row: int, column: int = 0) -> str:
    """The user's index of one value: ``X[17][3, 0]``, or ``X[17][3]`` if univariate."""
    sequence, timestep = sequences.locate(row)
    position = f"{timestep}" if sequences.n_features == 1 else f"{timestep}, {column}"
    return f"X[{sequence}][{position}]"


def enumerate_names(names: list[str], total: int) -> str:
    """At most three names, then how many more there are."""
    listed = ", ".join(names[:3])
    return listed if total <= 3 else f"{listed} and {total - 3} more"
