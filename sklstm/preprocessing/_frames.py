"""Conversion of data frames in long format to sequences, labels and groups."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from sklstm._compat._sklearn import StrOptions, validate_parameter_constraints
from sklstm._config._parameters import did_you_mean
from sklstm._optional import require
from sklstm._sequences import Array, IntArray, Sequences, offsets_of
from sklstm._validation._messages import counted, enumerate_names, spanned
from sklstm._validation._numbers import are_mostly_numbers, reads_as_number
from sklstm.preprocessing._values import concatenate_values

PARAMETER_CONSTRAINTS: dict[str, list[Any]] = {
    "sequence": [str, "array-like"],
    "time": [str, None],
    "features": ["array-like", None],
    "label": [str, None],
    "group": [str, None],
    "label_per": [StrOptions({"sequence", "timestep"})],
}

TIMESTEP_REMEDY = " If each timestep has a label of its own, pass label_per='timestep'."


@dataclass(frozen=True, slots=True, eq=False)
class FrameSequences:
    """Sequences, labels and groups of a data frame, as returned by `sequences_from_frame`.

    Attributes
    ----------
    X : list of ndarray of shape (n_timesteps_i, n_features), or of data frames
        The sequences. With categorical features they are polars or pandas data frames.
    y : ndarray of shape (n_sequences,), list of ndarray of shape (n_timesteps_i,), or None
        One label per sequence, or per timestep with ``label_per="timestep"``. None without labels.
    groups : ndarray of shape (n_sequences,) or None
        Group of each sequence. None without groups.
    ids : ndarray of shape (n_sequences,)
        Id of each sequence. Tuples if several columns identify a sequence.
    features : list of str
        Names of the feature columns, in order.
    rows : ndarray of shape (n_rows,), int64
        Row of the data frame of each timestep, with the sequences concatenated.
    times : list of ndarray of shape (n_timesteps_i,) or None
        Times of each sequence, sorted, in UTC if they have a time zone; None without times.
    """

    X: list[Any]
    y: Any
    groups: Array | None
    ids: Array
    features: list[str]
    rows: IntArray
    times: list[Array] | None = None

    def __repr__(self) -> str:
        """One line: the fields hold all data."""
        lengths = [len(x) for x in self.X]
        span = spanned(min(lengths), max(lengths), "timestep")
        per = "timestep" if isinstance(self.y, list) else "sequence"
        parts = [
            f"{counted(len(self.X), 'sequence')} of {span}",
            counted(len(self.features), "feature"),
            *([] if self.y is None else [f"labels per {per}"]),
        ]
        if self.groups is not None:
            parts.append(counted(len(set(self.groups.tolist())), "group"))
        return f"FrameSequences({', '.join(parts)})"

    def to_rows(self, values: Sequence[Array]) -> Array:
        """Arrange values per timestep, such as predictions, in the order of the data frame's rows.

        Parameters
        ----------
        values : list of array-like of shape (n_timesteps_i,) or (n_timesteps_i, n_values)
            One or more values per timestep of each sequence.

        Returns
        -------
        ndarray of shape (n_rows,) or (n_rows, n_values)
            One or more new columns for the data frame.

        Raises
        ------
        ValueError
            If the numbers of values and timesteps differ.

        Examples
        --------
        >>> import pandas as pd
        >>> from sklstm.preprocessing import sequences_from_frame
        >>> table = pd.DataFrame({"id": [7, 8, 7], "time": [2, 1, 1], "speed": [0.5, 9.0, 0.1]})
        >>> recordings = sequences_from_frame(table, sequence="id", time="time")
        >>> recordings.to_rows([x[:, 0] - x[0, 0] for x in recordings.X])
        array([0.4, 0. , 0. ])
        """
        flat = concatenate_values(values, [len(x) for x in self.X], "sequence")
        in_rows: Array = np.empty_like(flat)
        in_rows[self.rows] = flat
        return in_rows

    def from_rows(self, values: npt.ArrayLike) -> list[Array]:
        """Arrange a column of the data frame as the timesteps: the inverse of `to_rows`.

        Parameters
        ----------
        values : array-like of shape (n_rows,) or (n_rows, n_values)
            One or more values per row, such as a column that is not a feature.

        Returns
        -------
        list of ndarray of shape (n_timesteps_i,) or (n_timesteps_i, n_values)
            One array per sequence, as `Windows.from_recordings` takes them.

        Raises
        ------
        ValueError
            If the numbers of values and rows differ.

        Examples
        --------
        >>> import pandas as pd
        >>> from sklstm.preprocessing import sequences_from_frame
        >>> table = pd.DataFrame({"id": [7, 8, 7], "time": [2, 1, 1], "speed": [0.5, 9.0, 0.1]})
        >>> recordings = sequences_from_frame(table, sequence="id", time="time")
        >>> [own.tolist() for own in recordings.from_rows(["late", "only", "early"])]
        [['early', 'late'], ['only']]
        """
        in_rows = np.asarray(values)
        if in_rows.ndim == 0 or len(in_rows) != len(self.rows):
            raise ValueError(
                f"values must have {len(self.rows)} values, one for each row of the data frame."
                f" Got shape {in_rows.shape} instead."
            )
        return np.split(in_rows[self.rows], offsets_of([len(x) for x in self.X])[1:-1])


def sequences_from_frame(
    frame: Any,
    *,
    sequence: str | Sequence[str],
    time: str | None = None,
    features: Sequence[str] | None = None,
    label: str | None = None,
    group: str | None = None,
    label_per: Literal["sequence", "timestep"] = "sequence",
) -> FrameSequences:
    """Convert a data frame in long format, one row per timestep, to sequences.

    The rows may be in any order. The sequences are in the order of their first rows.

    Parameters
    ----------
    frame : pandas, polars, pyarrow or other data frame supported by narwhals
        Data frame in long format. It is not modified.
    sequence : str or list of str
        Column with the id of the sequence, or several columns that together identify it.
    time : str, default=None
        Column to sort the rows of a sequence by: numbers, dates, times or durations, unique within
        a sequence. None means that the rows are already sorted.
    features : list of str, default=None
        Feature columns: numbers, booleans, or categories (text and categorical dtypes), which the
        estimators embed. Missing numbers become NaN. None means all remaining columns, which must
        be numbers or booleans.
    label : str, default=None
        Column with the labels. None means no labels.
    group : str, default=None
        Column with the group of the sequence, such as a person, for group-aware cross-validation.
    label_per : {"sequence", "timestep"}, default="sequence"
        Whether labels belong to sequences or to timesteps.

        - "sequence": one label per sequence, which must be the same in all of its rows
        - "timestep": one label per timestep, as `make_windows` takes them

    Returns
    -------
    FrameSequences
        ``X``, ``y`` and ``groups``. `FrameSequences.to_rows` converts predictions back to rows,
        and `FrameSequences.from_rows` arranges further columns as the timesteps.

    Raises
    ------
    ImportError
        If narwhals is not installed.
    TypeError
        If ``frame`` is not a data frame, or a column has an unsupported dtype.
    ValueError
        If a column is missing, if an id, time, label or group is missing, if a time occurs twice in
        a sequence, or if the label or group of a sequence changes. The message names the column or
        the row.

    See Also
    --------
    make_windows : Cut long recordings into sliding windows.

    Notes
    -----
    The features are float32 if all feature columns are, otherwise float64. The data frame is sorted
    once.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklstm.preprocessing import sequences_from_frame
    >>> table = pd.DataFrame(
    ...     {
    ...         "recording": [7, 7, 3, 3, 3],
    ...         "second": [1, 0, 0, 1, 2],
    ...         "speed": [0.4, 0.1, 2.0, 2.2, 2.1],
    ...         "activity": ["walk", "walk", "run", "run", "run"],
    ...     }
    ... )
    >>> recordings = sequences_from_frame(
    ...     table, sequence="recording", time="second", label="activity"
    ... )
    >>> recordings
    FrameSequences(2 sequences of 2 to 3 timesteps, 1 feature, labels per sequence)
    >>> recordings.ids.tolist(), recordings.features
    ([7, 3], ['speed'])
    >>> [x.ravel().tolist() for x in recordings.X]
    [[0.1, 0.4], [2.0, 2.2, 2.1]]
    >>> recordings.y.tolist()
    ['walk', 'run']
    """
    validate_parameter_constraints(
        PARAMETER_CONSTRAINTS,
        {
            "sequence": sequence,
            "time": time,
            "features": features,
            "label": label,
            "group": group,
            "label_per": label_per,
        },
        caller_name="sequences_from_frame",
    )
    table = _as_narwhals(frame)
    keys = [sequence] if isinstance(sequence, str) else list(sequence)
    if not keys:
        raise ValueError("sequence must name at least one column. Got an empty list instead.")
    named = [*keys, *(name for name in (time, label, group) if name is not None)]
    chosen = _check_columns(table.columns, named, None if features is None else list(features))
    categorical = _check_features(table, chosen, are_named=features is not None)
    codes, ids = _factorize([_read(table, key) for key in keys])
    times = None if time is None else _read_times(table, time)
    # Both sorts are stable: without times, rows keep their order.
    rows = np.argsort(codes, kind="stable") if times is None else np.lexsort((times, codes))
    numbers = [name for name in chosen if name not in categorical]
    sequences = Sequences.from_lengths(_read_features(table, numbers)[rows], np.bincount(codes))
    y: Any = None
    if label is not None:
        labels = _read(table, label, " To predict, leave out label.")[rows]
        if label_per == "timestep":
            y = np.split(labels, sequences.offsets[1:-1])
        else:
            y = _value_per_sequence(labels, sequences, ids, label, TIMESTEP_REMEDY)
    groups = None
    if group is not None:
        groups = _value_per_sequence(_read(table, group)[rows], sequences, ids, group)
    # Last: an id of two sequences gives both a changing label and a repeated time, and the error of
    # the label is the clearer one.
    if times is not None and time is not None:
        _reject_duplicates(times[rows], sequences, ids, time)
    X = _as_frames(table, chosen, numbers, sequences, rows) if categorical else list(sequences)
    by_sequence = None if times is None else np.split(times[rows], sequences.offsets[1:-1])
    return FrameSequences(X, y, groups, ids, chosen, rows, by_sequence)


# The table --------------------------------------------------------------------------------------


def _as_narwhals(frame: Any) -> Any:
    """The frame as a narwhals DataFrame with at least one row."""
    narwhals = require("narwhals", extra="frames")
    try:
        table = narwhals.from_native(frame, eager_only=True)
    except TypeError as error:
        remedy = "\n\nCall its collect() first." if hasattr(frame, "collect") else ""
        raise TypeError(
            "frame must be a data frame of pandas, polars, pyarrow or another that narwhals knows."
            f" Got a {type(frame).__name__} instead.{remedy}"
        ) from error
    if len(table) == 0:
        raise ValueError("frame has no rows; there must be one for each timestep.")
    return table


def _check_columns(columns: list[str], named: list[str], features: list[str] | None) -> list[str]:
    """The feature columns, once all named columns are known to exist."""
    wanted = [*named, *(features or [])]
    for name in wanted:
        if name not in columns:
            others = [str(column) for column in columns if column not in wanted]
            raise ValueError(
                f"frame has no column {name!r}. Its columns are {columns}."
                f"{did_you_mean(str(name), others)}"
            )
    twice = [name for name, count in Counter(features or []).items() if count > 1]
    if twice:
        raise ValueError(f"features must name each column once. Twice: {twice}.")
    for name in features or []:
        if name in named:
            raise ValueError(
                f"Column {name!r} is named as a feature and as something else.\n\n"
                "Leave it out of features: an id or a label among them would leak the target."
            )
    chosen = [name for name in columns if name not in named] if features is None else features
    if not chosen:
        raise ValueError(f"No column is left for the features. The columns are {columns}.")
    return chosen


def _check_features(table: Any, chosen: list[str], *, are_named: bool) -> list[str]:
    """The categorical ones of the feature columns, which have to be named.

    A label or a name that somebody has forgotten would leak the target.
    """
    categorical = []
    for name in chosen:
        dtype = table.schema[name]
        if dtype.is_numeric() or str(dtype) == "Boolean":
            continue
        is_category = str(dtype).startswith(("Categorical", "Enum", "String"))
        if not (is_category and are_named):
            accepted = "numbers, booleans or categories" if are_named else "numbers or booleans"
            remedy = "Encode it first." if are_named else "Name the columns with features=[...]."
            example = _example_among_numbers(table, name) if str(dtype) == "String" else ""
            if example:
                remedy = (
                    "Make them numbers, in pandas by"
                    f" frame[{name!r}] = pd.to_numeric(frame[{name!r}], errors='coerce')."
                )
            elif is_category:
                remedy += " Among named ones texts are categories."
            raise TypeError(
                f"Feature column {name!r} must hold {accepted}. Got {dtype}{example}.\n\n{remedy}"
            )
        categorical.append(name)
    return categorical


def _example_among_numbers(table: Any, name: str) -> str:
    """What follows "Got String" if most texts are numbers: an example, no number if there is one.

    "" for other columns.
    """
    texts = table[name].to_list()
    known = [row for row, text in enumerate(texts) if isinstance(text, str)]
    if not are_mostly_numbers([texts[row] for row in known]):
        return ""
    others = [row for row in known if not reads_as_number(texts[row])]
    row = others[0] if others else known[0]
    return f", such as {texts[row]!r:.40} at row {row}{' among numbers' * bool(others)}"


def _as_frames(
    table: Any, chosen: list[str], numbers: list[str], sequences: Sequences, rows: IntArray
) -> list[Any]:
    """Data frames of the chosen columns, one for each sequence, numbers as floats."""
    narwhals = require("narwhals", extra="frames")
    if numbers:
        table = table.with_columns(narwhals.col(*numbers).cast(narwhals.Float64))
    table = table.select(chosen)[rows.tolist()]
    parts = [table[start:stop] for start, stop in pairwise(sequences.offsets.tolist())]
    if table.implementation.is_polars():
        return [part.to_native() for part in parts]
    return [part.to_pandas().reset_index(drop=True) for part in parts]


def _read_features(table: Any, chosen: list[str]) -> Array:
    """The feature matrix of shape (n_rows, n_features), float32 or float64, NaN where missing."""
    narwhals = require("narwhals", extra="frames")
    if not chosen:
        return np.empty((len(table), 0))
    single = all(str(table.schema[name]) == "Float32" for name in chosen)
    dtype = narwhals.Float32 if single else narwhals.Float64
    values = table.select(narwhals.col(*chosen).cast(dtype)).to_numpy()
    return np.asarray(values, dtype=np.float32 if single else np.float64)


def _read(table: Any, name: str, remedy: str = "") -> Array:
    """A column without missing values; text as a NumPy str dtype, which sorts ten times faster."""
    column = table[name]
    missing = column.is_null().to_numpy()
    values = column.to_numpy()
    if values.dtype.kind == "f":
        # In polars and pyarrow, NaN is not null.
        missing = missing | np.isnan(values)
    if missing.any():
        rows = enumerate_names(np.flatnonzero(missing), str)
        raise ValueError(
            f"Column {name!r} has missing values, at row {rows} (the first row is 0).\n\n"
            f"Drop or fill such rows first.{remedy}"
        )
    if values.dtype.kind == "O":
        types = sorted({type(value).__name__ for value in values})
        if len(types) > 1:
            raise TypeError(
                f"Column {name!r} must hold values of one type. Got {', '.join(types)}.\n\n"
                "Turn them all into text, for example."
            )
        if types == ["str"]:
            values = values.astype(str)
    return np.asarray(values)


def _read_times(table: Any, name: str) -> Array:
    dtype = table.schema[name]
    if not (dtype.is_numeric() or dtype.is_temporal()):
        raise TypeError(
            f"Time column {name!r} must hold numbers, dates, times or durations. Got {dtype}.\n\n"
            "Convert it to one of these first; as text, '10' comes before '9'."
        )
    return _read(table, name)


# Sequences --------------------------------------------------------------------------------------


def _factorize(keys: list[Array]) -> tuple[IntArray, Array]:
    """Codes of the rows' sequences, in order of first appearance, and the unique ids.

    Keys ["b", "b", "a"] -> codes [0, 0, 1], ids ["b", "a"].
    """
    codes = np.zeros(len(keys[0]), dtype=np.int64)
    for key in keys:
        values, own = np.unique(key, return_inverse=True)
        # Made dense again, so that the product of many columns cannot overflow.
        codes = np.unique(codes * len(values) + own, return_inverse=True)[1]
    _, first_rows, codes = np.unique(codes, return_index=True, return_inverse=True)
    order = np.argsort(first_rows)
    codes = np.argsort(order)[codes]
    columns = [key[first_rows[order]] for key in keys]
    if len(keys) == 1:
        return codes, columns[0]
    ids = np.empty(len(order), dtype=object)
    ids[:] = list(zip(*(column.tolist() for column in columns), strict=True))
    return codes, ids


def _value_per_sequence(
    values: Array, sequences: Sequences, ids: Array, name: str, remedy: str = ""
) -> Array:
    """The constant value of each sequence; raise an error for one in which it changes."""
    firsts = values[sequences.offsets[:-1]]
    changed = np.flatnonzero(values != np.repeat(firsts, sequences.lengths))
    if len(changed):
        index, timestep = sequences.locate(changed[0])
        raise ValueError(
            f"Column {name!r} changes within sequence {_show(ids[index])}: from"
            f" {_show(firsts[index])} to {_show(values[changed[0]])} at timestep {timestep}.\n\n"
            "Is a sequence identified by more columns than one? Name them all in sequence=[...]."
            f"{remedy}"
        )
    return firsts


def _reject_duplicates(times: Array, sequences: Sequences, ids: Array, name: str) -> None:
    """Raise an error for the first duplicate time in a sequence; times are sorted."""
    same_time = times[1:] == times[:-1]
    # Equal times across a boundary belong to two sequences.
    same_time[sequences.offsets[1:-1] - 1] = False
    repeated = np.flatnonzero(same_time)
    if len(repeated) == 0:
        return
    index, _ = sequences.locate(repeated[0])
    more = f", and {len(repeated) - 1} more such rows" if len(repeated) > 1 else ""
    raise ValueError(
        f"Sequence {_show(ids[index])} has the {name} {_show(times[repeated[0]])} twice{more}.\n\n"
        "Drop or average such rows first. Or is a sequence identified by more columns than one?"
        " Name them all in sequence=[...]."
    )


def _show(value: Any) -> str:
    """A value of a column as the user would write it."""
    if isinstance(value, (np.datetime64, np.timedelta64)):
        return str(value)
    return repr(value.item() if isinstance(value, np.generic) else value)
