"""RollingFeatures: causal features of the preceding timesteps."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import Any, ClassVar

import numpy as np

from sklstm._compat._sklearn import Interval, InvalidParameterError
from sklstm._config._options import as_sizes
from sklstm._config._parameters import did_you_mean
from sklstm._sequences import Array, IntArray, Sequences
from sklstm.preprocessing._base import SequenceTransformer
from sklstm.preprocessing._flat import lagged, positions_of, reduce_windows, timesteps_since

STATISTICS = ("mean", "std", "min", "max")
AT_LEAST_ONE = Interval(Integral, 1, None, closed="left")


class RollingFeatures(SequenceTransformer):
    """Compute rolling statistics, lagged differences and the time since an event.

    All features are causal: the value at a timestep depends only on this and earlier timesteps of
    the same sequence.

    Parameters
    ----------
    window : int, default=5
        Size of the rolling window in timesteps, the current one included. Windows at the beginning
        of a sequence are shorter.
    statistics : tuple of {"mean", "std", "min", "max"}, default=('mean', 'std', 'min', 'max')
        Statistics of each feature over the window, in the order of the output channels. "std" is
        the population standard deviation, 0 for a single value. NaN is ignored, unless all values
        are NaN.
    differences : int or tuple of int, default=()
        Lags in timesteps. For each lag, a channel has the value minus the value that many timesteps
        earlier, 0 if there is none. Differences with NaN are NaN.
    time_since : bool, default=False
        Whether to add for each feature the number of timesteps since its last event, which is a
        value other than 0 and NaN: 0 at the event, and 1, 2, 3 and so on from the start of the
        sequence before the first event.
    append : bool, default=True
        Whether to append the new channels to the input features. False returns only the new ones.

    Attributes
    ----------
    n_features_in_ : int
        Number of features of a timestep. If X was a 2-D array, the number of columns.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Column names of the data frame, or feature names of a list of data frames. Only defined if
        X was one of these and all names are strings.

    Notes
    -----
    The statistics are those of pandas' ``rolling(window, min_periods=1)``, "std" with ``ddof=0``.
    Nothing is accumulated beyond the window, so that a huge value has no effect once it has left
    the window. Means and squared deviations of neighbouring windows are merged as in [1]_; time is
    O(log(window)) per timestep. `fit` only learns the number and the names of the features.

    References
    ----------
    .. [1] T. Chan, G. Golub, R. LeVeque, "Updating Formulae and a Pairwise Algorithm for Computing
       Sample Variances", 1979, equation 2.1.

    Examples
    --------
    >>> import numpy as np
    >>> from sklstm.preprocessing import RollingFeatures
    >>> X = [np.array([1.0, 3.0, 5.0, 5.0]), np.array([2.0, 0.0])]
    >>> rolling = RollingFeatures(2, statistics=("mean", "max"), differences=1)
    >>> rolling.fit_transform(X)[0]
    array([[1., 1., 1., 0.],
           [3., 2., 3., 2.],
           [5., 4., 5., 2.],
           [5., 5., 5., 0.]])
    >>> rolling.get_feature_names_out().tolist()
    ['x0', 'x0_mean2', 'x0_max2', 'x0_diff1']

    Time since an event, without the event itself:

    >>> alarms = np.array([[0, 0, 1, 0, 0, 1]])
    >>> RollingFeatures(statistics=(), time_since=True, append=False).fit_transform(alarms)
    array([[1., 2., 0., 1., 2., 0.]])
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "window": [AT_LEAST_ONE],
        "statistics": [tuple, list],
        "differences": [AT_LEAST_ONE, tuple, list],
        "time_since": ["boolean"],
        "append": ["boolean"],
    }

    def __init__(
        self,
        window: int = 5,
        *,
        statistics: Sequence[str] = STATISTICS,
        differences: int | Sequence[int] = (),
        time_since: bool = False,
        append: bool = True,
    ) -> None:
        self.window = window
        self.statistics = statistics
        self.differences = differences
        self.time_since = time_since
        self.append = append

    def _transform_values(self, sequences: Sequences) -> Array:
        values, positions = sequences.values, positions_of(sequences)
        channels = [values] * self.append
        channels += _statistics(values, self.statistics, self.window, positions)
        for lag in as_sizes(self.differences):
            change = values - lagged(values, lag, positions, 0.0)
            change[positions < lag] = 0.0
            channels.append(change)
        if self.time_since:
            channels.append(timesteps_since((values != 0) & ~np.isnan(values), positions))
        return np.concatenate(channels, axis=1, dtype=values.dtype, casting="unsafe")

    def _suffixes(self) -> tuple[str, ...]:
        return (
            *[""] * self.append,
            *[f"_{statistic}{self.window}" for statistic in self.statistics],
            *[f"_diff{lag}" for lag in as_sizes(self.differences)],
            *["_since_event"] * self.time_since,
        )

    def check_parameters(self) -> None:
        super().check_parameters()
        _check_statistics(self.statistics)
        _check_lags(self.differences)
        if not self._suffixes():
            raise InvalidParameterError(
                "RollingFeatures has no output channels with append=False and no statistics,"
                " differences or time_since.\n\nSet append=True, or ask for at least one of them."
            )


def _check_statistics(statistics: Sequence[str]) -> None:
    wrong = [name for name in statistics if name not in STATISTICS]
    if wrong or len(set(statistics)) < len(statistics):
        accepted = ", ".join(map(repr, STATISTICS))
        hint = did_you_mean(wrong[0], STATISTICS) if wrong and isinstance(wrong[0], str) else ""
        raise InvalidParameterError(
            "The 'statistics' parameter must be a tuple of different names among"
            f" {{{accepted}}}. Got {statistics!r} instead.{hint}"
        )


def _check_lags(differences: int | Sequence[int]) -> None:
    lags = [differences] if isinstance(differences, Integral) else list(differences)  # type: ignore[arg-type]
    wrong = [
        lag for lag in lags if isinstance(lag, bool) or not isinstance(lag, Integral) or lag < 1
    ]
    if wrong or len(set(lags)) < len(lags):
        raise InvalidParameterError(
            "The 'differences' parameter must be an int of at least 1, or a tuple of different such"
            f" ints. Got {differences!r} instead."
        )


def _statistics(
    values: Array, statistics: Sequence[str], window: int, positions: IntArray
) -> list[Array]:
    """Rolling statistics at each timestep, each of the shape of values."""
    computed: dict[str, Array] = {}
    if "mean" in statistics or "std" in statistics:
        computed |= _rolling_moments(values.astype(np.float64), window, positions)
    # fmin and fmax ignore NaN.
    if "min" in statistics:
        computed["min"] = reduce_windows(values, window, positions, np.fmin, np.nan)
    if "max" in statistics:
        computed["max"] = reduce_windows(values, window, positions, np.fmax, np.nan)
    return [computed[name] for name in statistics]


def _rolling_moments(values: Array, window: int, positions: IntArray) -> dict[str, Array]:
    """Rolling mean and standard deviation of the observed values, NaN where there are none.

    The state of a window is its count, its mean and its sum of squared deviations.
    """
    observed = ~np.isnan(values)
    single = np.stack([observed, np.where(observed, values, 0.0), np.zeros_like(values)], axis=1)
    merged = reduce_windows(single, window, positions, _merge_moments, 0.0)
    count, mean, squares = merged[:, 0], merged[:, 1], merged[:, 2]
    empty = count == 0
    deviation = np.sqrt(squares / np.maximum(count, 1))
    return {"mean": np.where(empty, np.nan, mean), "std": np.where(empty, np.nan, deviation)}


def _merge_moments(older: Array, newer: Array) -> Array:
    """Merge the moments of two windows; count, mean and squares lie along the second axis."""
    count = older[:, 0] + newer[:, 0]
    fraction = newer[:, 0] / np.maximum(count, 1)
    difference = newer[:, 1] - older[:, 1]
    mean = older[:, 1] + difference * fraction
    # 0 beside an empty window: its count 0 times a square that overflows would be NaN.
    between = np.where(older[:, 0] * newer[:, 0] > 0, difference, 0.0)
    squares = older[:, 2] + newer[:, 2] + between**2 * older[:, 0] * fraction
    return np.stack([count, mean, squares], axis=1)
