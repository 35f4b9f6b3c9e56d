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
    """Impute missing values, NaN, along each sequence or with statistics of the training data.

    Parameters
    ----------
    strategy : {"forward", "linear", "mean", "median"}, default="forward"
        Imputation strategy.

        - "forward": forward fill, the last observed value of the feature in the sequence; before
          the first observation, that first one
        - "linear": linear interpolation between the observed neighbours in the sequence; before the
          first and after the last observation, the nearest of them
        - "mean": the mean of the feature over all timesteps of the training sequences
        - "median": their median

        A feature without any observation in a sequence is filled with the training mean by
        "forward" and "linear" too.
    add_indicator : bool, default=False
        Whether to append a missing indicator for each feature: a channel that is 1 where the value
        was missing, and 0 elsewhere.
    add_time_since : bool, default=False
        Whether to append for each feature a channel with the timesteps since its last observation:
        0 where it is observed; before the first observation, 1, 2, 3 and so on from the start of
        the sequence.

    Attributes
    ----------
    n_features_in_ : int
        Number of columns of a 2-D X; otherwise number of features of a timestep.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Names of the columns of a data frame, or of the features in a list of data frames. Defined
        only if X was one of these and all names are strings.
    statistics_ : ndarray of shape (n_features,), float64
        Mean of each feature over all observed timesteps of the training sequences, or its median
        with ``strategy="median"``; 0 for a feature without any observation.

    See Also
    --------
    sklearn.impute.SimpleImputer : Mean and median for tables.

    Notes
    -----
    "forward" uses future values only before the first observation of a sequence. "linear" uses the
    next observation, so it suits sequences that are complete when they are classified. The
    indicator and the time since the last observation never use future values.

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
            start = start + (end - start) * fraction
        return np.where(before == -1, np.nan, start)

    def _suffixes(self) -> tuple[str, ...]:
        return ("", *["_missing"] * self.add_indicator, *["_since"] * self.add_time_since)
