"""SequenceImputer: imputation of missing values along time."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np
from sklearn.impute import SimpleImputer

from sklstm._compat._sklearn import StrOptions
from sklstm._sequences import Array, IntArray, Sequences
from sklstm.preprocessing._base import SequenceTransformer
from sklstm.preprocessing._flat import positions_of, rows_of_last, rows_of_next, timesteps_since


class SequenceImputer(SequenceTransformer):
    """Impute missing values along each sequence or with statistics of the training data.

    Missing values are NaN.

    Parameters
    ----------
    strategy : {"forward", "linear", "mean", "median"}, default="forward"
        Imputation strategy.

        - "forward": forward fill, the last observed value of the feature in the sequence; before
          the first observation, the first one
        - "linear": linear interpolation between observed values of the sequence; before the first
          and after the last one, the nearest of them
        - "mean": mean of the feature over all timesteps of the training sequences
        - "median": median of the feature over all timesteps of the training sequences

        If a feature is never observed in a sequence, "forward" and "linear" fill in the training
        mean.
    add_indicator : bool, default=False
        Whether to append a missing indicator for each feature: a channel that is 1 where the value
        was missing and 0 elsewhere.
    add_time_since : bool, default=False
        Whether to append for each feature a channel with the number of timesteps since its last
        observation: 0 where it is observed, and 1, 2, 3 and so on from the start of the sequence
        before the first observation.

    Attributes
    ----------
    n_features_in_ : int
        Number of features of a timestep. If X was a 2-D array, the number of columns.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Column names of the data frame, or feature names of a list of data frames. Only defined if
        X was one of these and all names are strings.
    statistics_ : ndarray of shape (n_features,), float64
        Mean, or with ``strategy="median"`` median, of each feature over all observed timesteps of
        the training sequences. 0 for a feature that is never observed.

    See Also
    --------
    sklearn.impute.SimpleImputer : Mean and median for tables.

    Notes
    -----
    "forward" uses future values only before the first observation of a sequence. "linear" uses the
    next observation, so use it for sequences that are complete when they are classified. The
    indicator and the time since the last observation are causal.

    Examples
    --------
    >>> import numpy as np
    >>> from sklstm.preprocessing import SequenceImputer
    >>> nan = np.nan
    >>> X = [np.array([nan, 1.0, nan, 3.0]), np.array([5.0, nan])]
    >>> [x.ravel().tolist() for x in SequenceImputer().fit_transform(X)]
    [[1.0, 1.0, 1.0, 3.0], [5.0, 5.0]]
    >>> [x.ravel().tolist() for x in SequenceImputer("linear").fit_transform(X)]
    [[1.0, 1.0, 2.0, 3.0], [5.0, 5.0]]

    With channels that tell the network what was missing:

    >>> imputer = SequenceImputer(add_indicator=True, add_time_since=True).fit(X)
    >>> imputer.transform(X)[0]
    array([[1., 1., 1.],
           [1., 0., 0.],
           [1., 1., 1.],
           [3., 0., 0.]])
    >>> imputer.get_feature_names_out().tolist()
    ['x0', 'x0_missing', 'x0_since']
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "strategy": [StrOptions({"forward", "linear", "mean", "median"})],
        "add_indicator": ["boolean"],
        "add_time_since": ["boolean"],
    }

    statistics_: Array

    def __init__(
        self,
        strategy: Literal["forward", "linear", "mean", "median"] = "forward",
        *,
        add_indicator: bool = False,
        add_time_since: bool = False,
    ) -> None:
        self.strategy = strategy
        self.add_indicator = add_indicator
        self.add_time_since = add_time_since

    def _learn(self, sequences: Sequences) -> None:
        statistic = "median" if self.strategy == "median" else "mean"
        imputer = SimpleImputer(strategy=statistic, keep_empty_features=True)
        # In float64, since the sum of many float32 values loses digits.
        self.statistics_ = imputer.fit(sequences.values.astype(np.float64, copy=False)).statistics_

    def _transform_values(self, sequences: Sequences) -> Array:
        observed = ~np.isnan(sequences.values)
        positions = positions_of(sequences)
        filled = self._fill(sequences, observed, positions)
        channels = [np.where(np.isnan(filled), self.statistics_, filled)]
        if self.add_indicator:
            channels.append(~observed)
        if self.add_time_since:
            channels.append(timesteps_since(observed, positions))
        return np.concatenate(channels, axis=1, dtype=sequences.values.dtype, casting="unsafe")

    def _fill(self, sequences: Sequences, observed: Array, positions: IntArray) -> Array:
        """Values imputed from their own sequence; NaN where a feature has no observation in it."""
        values = sequences.values
        if self.strategy in ("mean", "median"):
            return values
        before, after = rows_of_last(observed, positions), rows_of_next(observed, sequences)
        before = np.where(before == -1, after, before)
        # Row -1, where neither exists, is any row: the value there is replaced by NaN.
        start = np.take_along_axis(values, before, axis=0)
        if self.strategy == "linear":
            after = np.where(after == -1, before, after)
            end = np.take_along_axis(values, after, axis=0)
            rows = np.arange(len(values))[:, None]
            fraction = (rows - before) / np.maximum(after - before, 1)
            # In float64, so that the result is rounded once, as in an ONNX file.
            start = start + (end.astype(np.float64) - start) * fraction
        return np.where(before == -1, np.nan, start)

    def _suffixes(self) -> tuple[str, ...]:
        return ("", *["_missing"] * self.add_indicator, *["_since"] * self.add_time_since)
