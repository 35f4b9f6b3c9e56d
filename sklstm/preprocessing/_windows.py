"""Sliding windows over long recordings, and aggregation of their predictions per timestep."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from numbers import Integral
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from sklstm._compat._sklearn import Interval, StrOptions, validate_parameter_constraints
from sklstm._sequences import Array, IntArray, Sequences, in_memory, offsets_of
from sklstm._validation._inputs import check_loaded
from sklstm._validation._messages import counted, enumerate_names
from sklstm.preprocessing._uncovered import filled, nearest
from sklstm.preprocessing._values import concatenate_values

PARAMETER_CONSTRAINTS: dict[str, list[Any]] = {
    "size": [Interval(Integral, 1, None, closed="left")],
    "step": [Interval(Integral, 1, None, closed="left"), None],
    "label": [StrOptions({"last", "majority", "unanimous"})],
    "short": [StrOptions({"drop", "error"})],
}


@dataclass(frozen=True, slots=True, eq=False)
class Windows:
    """Windows of recordings, as returned by `make_windows`.

    Attributes
    ----------
    X : ndarray of shape (n_windows, size, n_features)
        The windows, ordered by recording, then by time.
    y : ndarray of shape (n_windows,) or None
        Label of each window. None without labels.
    groups : ndarray of shape (n_windows,)
        Group of the recording that each window comes from.
    recordings : ndarray of shape (n_windows,), int64
        Index of the recording that each window comes from.
    starts : ndarray of shape (n_windows,), int64
        First timestep of each window in its recording.
    lengths : ndarray of shape (n_recordings,), int64
        Number of timesteps of each recording.
    label : {"last", "majority", "unanimous"}
        How the windows were labelled.
    """

    X: Array
    y: Array | None
    groups: Array
    recordings: IntArray
    starts: IntArray
    lengths: IntArray
    label: str

    def __repr__(self) -> str:
        """One line: the fields hold all data."""
        n_windows, size, n_features = self.X.shape
        n_cut, n = len(np.unique(self.recordings)), len(self.lengths)
        parts = [
            f"{counted(n_windows, 'window')} of {counted(size, 'timestep')}",
            counted(n_features, "feature"),
            *([] if self.y is None else [f"labels by {self.label!r}"]),
            f"from {counted(n, 'recording') if n_cut == n else f'{n_cut} of {n} recordings'}",
            counted(len(set(self.groups.tolist())), "group"),
        ]
        return f"Windows({', '.join(parts)})"

    def to_recordings(
        self, values: npt.ArrayLike, *, fill: Any = "nearest", missing: Any = None
    ) -> list[Array]:
        """Convert values per window, such as predictions, to values per timestep.

        A window covers all of its timesteps, or only the last one with ``label="last"``. Where
        several windows cover a timestep, numbers are averaged and labels decided by majority vote.

        Parameters
        ----------
        values : array-like of shape (n_windows,) or (n_windows, n_values)
            Labels, as from ``predict``, where ties are broken by sorted order, or numbers, as from
            ``predict_proba``: any 2-D array, or a 1-D array with fractions.
        fill : object, default="nearest"
            Value of timesteps that no window covers, such as ``np.nan`` or "unknown". "nearest"
            takes the value of the nearest covered timestep of the same recording; of two, the
            earlier. With ``label="last"``, "nearest" is causal: it only takes earlier timesteps,
            and raises an error for those before the end of the first window.
        missing : object, default=None
            Value of all timesteps of recordings that no window comes from, such as those left out
            by ``short="drop"``. None means ``fill``; "nearest" then raises an error.

        Returns
        -------
        list of ndarray of shape (n_timesteps_i,) or (n_timesteps_i, n_values)
            One array per recording.

        Raises
        ------
        ValueError
            If the numbers of values and windows differ, or if "nearest" finds no value.

        Examples
        --------
        >>> import numpy as np
        >>> from sklstm.preprocessing import make_windows
        >>> windows = make_windows([np.arange(7.0)], size=3, step=2)
        >>> windows.starts
        array([0, 2, 4])
        >>> windows.to_recordings([[0.0], [1.0], [1.0]])[0].ravel()
        array([0. , 0. , 0.5, 1. , 1. , 1. , 1. ])

        A recording that is too short for a window:

        >>> windows = make_windows([np.arange(4.0), np.arange(2.0)], size=3, short="drop")
        >>> [own.tolist() for own in windows.to_recordings(["run"], missing="?")]
        [['run', 'run', 'run', 'run'], ['?', '?']]
        """
        values = np.asarray(values)
        if values.ndim not in (1, 2) or len(values) != len(self.X):
            raise ValueError(
                f"values must be of shape ({len(self.X)},) or ({len(self.X)}, n_values), one for"
                f" each window. Got shape {values.shape} instead."
            )
        if values.ndim == 2:
            if values.dtype.kind not in "buif":
                raise ValueError(
                    "values of two dimensions must be numbers, to be averaged. Got dtype"
                    f" {values.dtype} instead.\n\nGive labels one column at a time: values[:, 0]."
                )
            merged, covered = self._mean(values)
        elif values.dtype.kind == "f" and not np.array_equal(values, np.floor(values)):
            means, covered = self._mean(values[:, None])
            merged = means[:, 0]
        else:
            merged, covered = self._vote(values)
        offsets = Sequences.from_lengths(merged, self.lengths).offsets
        if missing is not None:
            is_cut = np.bincount(self.recordings, minlength=len(self.lengths)) > 0
            in_cut = np.repeat(is_cut, self.lengths)
            merged, covered = filled(merged, in_cut, missing), covered | ~in_cut
        if isinstance(fill, str) and fill == "nearest":
            merged = merged[nearest(covered, offsets, causal=self.label == "last")]
        elif not covered.all():
            merged = filled(merged, covered, fill)
        return list(Sequences(merged, offsets))

    def from_recordings(self, values: Iterable[npt.ArrayLike], *, timestep: int = -1) -> Array:
        """Pick the value of one timestep of each window, such as its date.

        Parameters
        ----------
        values : list of array-like of shape (n_timesteps_i,) or (n_timesteps_i, n_values)
            For each recording, one or more values per timestep: dates, prices, row numbers.
        timestep : int, default=-1
            Timestep within the window: 0 is the first one, -1 the last one.

        Returns
        -------
        ndarray of shape (n_windows,) or (n_windows, n_values)
            One value, or several, for each window.

        Raises
        ------
        ValueError
            If there is not one value for each timestep, or if ``timestep`` is outside the window.

        Examples
        --------
        The day on which each window ends:

        >>> import numpy as np
        >>> from sklstm.preprocessing import make_windows
        >>> days = np.arange("2026-01-01", "2026-01-08", dtype="datetime64[D]")
        >>> windows = make_windows([np.arange(7.0)], size=3, step=2)
        >>> windows.from_recordings([days]).astype(str).tolist()
        ['2026-01-03', '2026-01-05', '2026-01-07']
        """
        size = self.X.shape[1]
        if not -size <= timestep < size:
            raise ValueError(
                f"timestep must be from {-size} to {size - 1}, since a window has {size}"
                f" timesteps. Got {timestep} instead."
            )
        in_rows = concatenate_values(values, self.lengths, "recording")
        picked: Array = in_rows[self._first_rows() + timestep % size]
        return picked

    def _first_rows(self) -> IntArray:
        """Where each window starts in the concatenated recordings."""
        return offsets_of(self.lengths)[self.recordings] + self.starts

    def _vote(self, labels: Array) -> tuple[Array, Array]:
        """Majority vote per timestep of the concatenated recordings, and the covered mask."""
        classes, codes = np.unique(labels, return_inverse=True)
        winners = np.zeros(int(self.lengths.sum()), dtype=np.int64)
        highest, covered = np.full(len(winners), -1.0), np.zeros(len(winners), dtype=bool)
        for code in range(len(classes)):
            # One class at a time: an indicator matrix would be n_timesteps times n_classes.
            votes, covered = self._mean((codes == code)[:, None])
            winners = np.where(votes[:, 0] > highest, code, winners)
            highest = np.maximum(votes[:, 0], highest)
        return classes[winners], covered

    def _mean(self, values: Array) -> tuple[Array, Array]:
        """Mean per timestep of the concatenated recordings, and the covered mask."""
        size = self.X.shape[1]
        n_timesteps = int(self.lengths.sum())
        first_rows = self._first_rows()
        sums = np.zeros((n_timesteps, values.shape[1]))
        counts = np.zeros((n_timesteps, 1))
        # No two windows have the same start, so each round writes to a row at most once.
        for offset in [size - 1] if self.label == "last" else range(size):
            sums[first_rows + offset] += values
            counts[first_rows + offset] += 1
        return sums / np.maximum(counts, 1), counts[:, 0] > 0


def make_windows(
    X: Any,
    y: Any = None,
    groups: npt.ArrayLike | None = None,
    *,
    size: int,
    step: int | None = None,
    label: Literal["last", "majority", "unanimous"] = "majority",
    short: Literal["drop", "error"] = "error",
) -> Windows:
    """Cut long recordings into sliding windows of equal size.

    Each window has its recording as its group, so that a group-aware splitter keeps the windows of
    a recording together. `Windows.to_recordings` converts predictions back to timesteps of the
    recordings, and `Windows.from_recordings` returns the dates of each window. Windows do not
    cross the bounds of recordings.

    Parameters
    ----------
    X : array-like
        Recordings: a list of arrays of shape ``(n_timesteps_i, n_features)``, or 1-D if univariate,
        or any other form that `sklstm.LSTMSequenceClassifier` takes. NaN is allowed.
    y : array-like of shape (n_recordings,) or list of array-like, default=None
        One label per recording, or a 1-D array of one label per timestep for each recording.
    groups : array-like of shape (n_recordings,), default=None
        Group of each recording, such as a person. None means that each recording is a group, by its
        index.
    size : int
        Number of timesteps per window.
    step : int, default=None
        Stride: number of timesteps between the starts of successive windows. None means ``size``:
        windows do not overlap.
    label : {"last", "majority", "unanimous"}, default="majority"
        Label of a window if there is one label per timestep.

        - "last": label of the last timestep, so that predictions are causal
        - "majority": most frequent label; ties are broken by sorted order; not for numbers with
          fractions that change within a window
        - "unanimous": label that all timesteps share; other windows are dropped
    short : {"drop", "error"}, default="error"
        Handling of recordings with fewer than ``size`` timesteps.

        - "drop": they are left out
        - "error": a ValueError names them

    Returns
    -------
    Windows
        The windows ``X``, their labels ``y`` and ``groups``, and their positions. Timesteps after
        the last full window of a recording are in no window.

    Raises
    ------
    ValueError
        If a recording is too short, if labels or groups do not match the recordings, if there are
        no windows, or if numbers have no majority. The message names the recording by its index.

    See Also
    --------
    sequences_from_frame : Convert a data frame in long format to recordings.

    Notes
    -----
    The windows are one array, of ``size / step`` times the memory of the recordings.

    Pass ``groups`` to the splitter in a cross-validation over overlapping windows. Otherwise
    training and test folds share timesteps, and the score is meaningless. Within one recording,
    use ``TimeSeriesSplit(gap=ceil(size / step) - 1)``: it leaves out the windows that overlap with
    the first window of the test fold.

    Examples
    --------
    Two recordings with one label each:

    >>> import numpy as np
    >>> from sklstm.preprocessing import make_windows
    >>> recordings = [np.zeros((5, 3)), np.ones((4, 3))]
    >>> windows = make_windows(recordings, ["sit", "run"], size=2)
    >>> windows
    Windows(4 windows of 2 timesteps, 3 features, labels by 'majority', from 2 recordings, 2 groups)
    >>> windows.X.shape, windows.y.tolist(), windows.groups.tolist()
    ((4, 2, 3), ['sit', 'sit', 'run', 'run'], [0, 0, 1, 1])

    One recording with a label for each timestep:

    >>> y = [["sit", "sit", "sit", "run", "run"]]
    >>> make_windows(recordings[:1], y, size=2, step=1).y.tolist()
    ['sit', 'sit', 'run', 'run']
    >>> make_windows(recordings[:1], y, size=2, step=1, label="unanimous").y.tolist()
    ['sit', 'sit', 'run']
    """
    validate_parameter_constraints(
        PARAMETER_CONSTRAINTS,
        {"size": size, "step": step, "label": label, "short": short},
        caller_name="make_windows",
    )
    inputs = check_loaded(X, estimator="make_windows")
    sequences = in_memory(inputs.sequences)
    if inputs.n_columns is not None:
        _reject_rows(len(sequences), inputs.n_columns, size)
    # By default each recording is a group.
    own_groups = np.arange(len(sequences)) if groups is None else np.asarray(groups)
    if own_groups.shape != (len(sequences),):
        raise ValueError(
            f"groups must be of shape ({len(sequences)},), one for each recording. Got shape"
            f" {own_groups.shape} instead."
        )
    if short == "error":
        _reject_short(sequences.lengths, size)
    recordings, starts = _window_starts(sequences.lengths, size, size if step is None else step)
    rows = sequences.offsets[recordings] + starts
    labels = None
    if y is not None:
        labels, chosen = _label_windows(_labels_by_timestep(y, sequences), rows, size, label)
        recordings, starts, rows = recordings[chosen], starts[chosen], rows[chosen]
    if len(rows) == 0:
        raise ValueError(_no_windows_message(sequences.lengths, size))
    windows = sliding_window_view(sequences.values, (size, sequences.n_features))[:, 0]
    return Windows(
        X=windows[rows],
        y=labels,
        groups=own_groups[recordings],
        recordings=recordings,
        starts=starts,
        lengths=sequences.lengths,
        label=label,
    )


# Cutting ----------------------------------------------------------------------------------------


def _window_starts(lengths: IntArray, size: int, step: int) -> tuple[IntArray, IntArray]:
    """Recording and start of each window.

    Lengths [5, 2, 4], size 3, step 2 -> recordings [0, 0, 2], starts [0, 2, 0].
    """
    counts = np.maximum((lengths - size) // step + 1, 0)
    recordings = np.repeat(np.arange(len(lengths)), counts)
    first_windows = np.cumsum(counts) - counts
    starts = (np.arange(counts.sum()) - first_windows[recordings]) * step
    return recordings, starts


def _reject_rows(n_rows: int, n_columns: int, size: int) -> None:
    """Raise for a 2-D X that is one long recording, not one recording per row."""
    if n_columns < size <= n_rows:
        raise ValueError(
            f"X of shape ({n_rows}, {n_columns}) is read as {n_rows} univariate recordings of"
            f" {n_columns} timesteps; a recording needs at least as many as a window, which has"
            f" {size}.\n\nGive make_windows([X], [y], ...) if it is one recording of {n_rows}"
            " timesteps."
        )


def _reject_short(lengths: IntArray, size: int) -> None:
    indices = np.flatnonzero(lengths < size)
    if len(indices):
        named = enumerate_names(indices, lambda i: f"X[{i}] has {lengths[i]} timesteps")
        too_short = " are too short" if len(indices) > 3 else ""
        raise ValueError(
            f"{named}{too_short}; a recording needs at least as many as a window, which has"
            f" {size}.\n\nChoose a smaller size, or pass short='drop' to go without such"
            " recordings."
        )


def _no_windows_message(lengths: IntArray, size: int) -> str:
    if lengths.max() < size:
        return (
            f"No recording is as long as a window of {size} timesteps; the longest has"
            f" {lengths.max()}.\n\nChoose a smaller size."
        )
    return (
        f"No window of {size} timesteps has one label throughout.\n\n"
        "Choose a smaller size, or label='majority'."
    )


# Labels -----------------------------------------------------------------------------------------


def _labels_by_timestep(y: Any, sequences: Sequences) -> Array:
    """One label per timestep of the concatenated recordings."""
    if hasattr(y, "columns"):
        raise ValueError(
            f"y is a {type(y).__name__}, whose columns would be taken for recordings.\n\nGive the"
            " column with the labels: y['name'], or [y['name']] if it holds those of the timesteps"
            " of one recording."
        )
    # list, because a pandas Series would look up y[0] by its index.
    items = list(y)
    if len(items) != len(sequences):
        raise ValueError(
            f"Found input variables with inconsistent numbers of samples: X has {len(sequences)}"
            f" recordings, y has labels for {len(items)}."
        )
    arrays = [np.asarray(item) for item in items]
    if arrays[0].ndim == 0:
        several = [index for index, array in enumerate(arrays) if array.ndim > 0]
        if several:
            raise ValueError(
                f"y[{several[0]}] is an array, but y[0] is a single label; y must be one label for"
                " each recording, or for each recording an array of one label for each timestep."
            )
        return np.repeat(np.asarray(items), sequences.lengths)
    for index, (array, length) in enumerate(zip(arrays, sequences.lengths, strict=True)):
        if array.shape != (length,):
            raise ValueError(
                f"y[{index}] must be of shape ({length},), one label for each timestep of"
                f" X[{index}]. Got shape {array.shape} instead."
            )
    return np.concatenate(arrays)


def _label_windows(labels: Array, rows: IntArray, size: int, rule: str) -> tuple[Array, Array]:
    """Labels of the windows that start at rows, and the mask of windows to keep."""
    if rule == "last":
        return labels[rows + size - 1], np.ones(len(rows), dtype=bool)
    if rule == "majority":
        _reject_numbers(labels, rows, size)
    classes, codes = np.unique(labels, return_inverse=True)
    counts = np.empty((len(rows), len(classes)), dtype=np.int64)
    for code in range(len(classes)):
        seen = offsets_of(codes == code)
        counts[:, code] = seen[rows + size] - seen[rows]
    most_frequent = counts.argmax(axis=1)
    kept = counts.max(axis=1) == size if rule == "unanimous" else np.ones(len(rows), dtype=bool)
    return classes[most_frequent[kept]], kept


def _reject_numbers(labels: Array, rows: IntArray, size: int) -> None:
    """Raise for numbers that change within a window: each occurs there once, as a rule."""
    if labels.dtype.kind != "f" or np.array_equal(labels, np.floor(labels), equal_nan=True):
        return
    changes = offsets_of(labels[1:] != labels[:-1])
    if (changes[rows + size - 1] > changes[rows]).any():
        raise ValueError(
            "y holds numbers that change within windows, but label='majority' is for classes.\n\n"
            "Pass label='last' for the number of the last timestep. If they are classes, make them"
            " texts."
        )
