"""SequenceScaler: feature scaling over all timesteps or within each sequence."""

from __future__ import annotations

import warnings
from typing import Any, ClassVar, Literal

import numpy as np
import numpy.typing as npt
from sklearn import config_context
from sklearn.preprocessing import MinMaxScaler, RobustScaler, StandardScaler

from sklstm._compat._sklearn import StrOptions
from sklstm._compat._sklearn_callbacks import fit_task
from sklstm._moments import EPSILON, means_and_deviations, scaled_within
from sklstm._sequences import Array, Sequences, in_memory
from sklstm._validation._weights import check_weights
from sklstm.preprocessing._base import SequenceTransformer, in_the_form_of

SCALERS = {"minmax": MinMaxScaler, "robust": RobustScaler, "standard": StandardScaler}


class SequenceScaler(SequenceTransformer):
    """Scale features over the data set or within each sequence.

    scikit-learn's ``StandardScaler``, ``MinMaxScaler`` or ``RobustScaler`` is applied to the
    concatenated timesteps of all sequences, or with ``per="sequence"`` to each sequence by itself.
    Constant features become 0. NaN is ignored in `fit` and kept in `transform`.

    The estimators need no scaler: ``standardize`` does what "standard" does here. Use this class
    for "robust" or "minmax", or before other models.

    Parameters
    ----------
    method : {"minmax", "robust", "standard"}, default="standard"
        Center to subtract from each feature, and scale to divide it by.

        - "minmax": minimum and range, so that values lie in [0, 1]
        - "robust": median and interquartile range
        - "standard": mean and standard deviation
    per : {"dataset", "sequence"}, default="dataset"
        Timesteps over which center and scale are computed.

        - "dataset": all timesteps of the sequences in `fit`
        - "sequence": the timesteps of each transformed sequence, which removes its level and scale.
          `fit` is stateless. Not causal: later timesteps affect earlier ones

    Attributes
    ----------
    n_features_in_ : int
        Number of features of a timestep. If X was a 2-D array, the number of columns.
    feature_names_in_ : ndarray of shape (`n_features_in_`,)
        Column names of the data frame, or feature names of a list of data frames. Only defined if
        X was one of these and all names are strings.
    scaler_ : StandardScaler, MinMaxScaler, RobustScaler or None
        scikit-learn's scaler, fitted on the timesteps of all sequences. None with
        ``per="sequence"``.

    See Also
    --------
    sklearn.preprocessing.StandardScaler : The same for tables.
    LSTMSequenceClassifier : Standardises its inputs, see ``standardize``.

    Notes
    -----
    All timesteps have the same weight, so long sequences count more than short ones. A feature that
    is entirely NaN in `fit` becomes NaN.

    Constant features are recognised as in scikit-learn: a range of less than 2.2e-15 with "minmax"
    and "robust"; with "standard" and ``per="dataset"`` a deviation that is rounding, or so small
    that its square is 0 (1e-162). Multiply X by a constant if its values are smaller.

    Examples
    --------
    >>> import numpy as np
    >>> from sklstm.preprocessing import SequenceScaler
    >>> X = [np.array([[0.0, 5.0], [2.0, 5.0]]), np.array([[4.0, 5.0], [10.0, np.nan], [8.0, 5.0]])]
    >>> scaler = SequenceScaler("minmax").fit(X)
    >>> [x.tolist() for x in scaler.transform(X)]
    [[[0.0, 0.0], [0.2, 0.0]], [[0.4, 0.0], [1.0, nan], [0.8, 0.0]]]
    >>> scaler.inverse_transform(scaler.transform(X))[0].tolist()
    [[0.0, 5.0], [2.0, 5.0]]

    Within each sequence:

    >>> waves = np.array([[1.0, 2.0, 3.0], [300.0, 200.0, 100.0]])
    >>> SequenceScaler("minmax", per="sequence").fit_transform(waves)
    array([[0. , 0.5, 1. ],
           [1. , 0.5, 0. ]])
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "method": [StrOptions(set(SCALERS))],
        "per": [StrOptions({"dataset", "sequence"})],
    }

    scaler_: Any

    def __init__(
        self,
        method: Literal["minmax", "robust", "standard"] = "standard",
        *,
        per: Literal["dataset", "sequence"] = "dataset",
    ) -> None:
        self.method = method
        self.per = per

    def fit(
        self, X: Any, y: Any = None, sample_weight: npt.ArrayLike | None = None
    ) -> SequenceScaler:
        """Compute center and scale of each feature over all timesteps.

        Parameters
        ----------
        X : array-like
            Sequences in any form that `LSTMSequenceClassifier` takes; NaN is allowed.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_sequences,), default=None
            Non-negative weights of the sequences, applied to each of their timesteps. None means
            1. Only for ``method="standard"``. Ignored with ``per="sequence"``.

        Returns
        -------
        SequenceScaler
            The fitted transformer.
        """
        with fit_task(self, X, y, sample_weight=sample_weight):
            inputs = self._check_new_X(X)
            self.scaler_ = self._fit_scaler(None, in_memory(inputs.sequences), sample_weight)
            self._set_input_schema(inputs)
            self._fitted_as = (self.method, self.per)
        return self

    def partial_fit(
        self, X: Any, y: Any = None, sample_weight: npt.ArrayLike | None = None
    ) -> SequenceScaler:
        """Update center and scale with further sequences.

        The result is that of one `fit` on all sequences.

        Parameters
        ----------
        X : array-like
            Sequences in any of the forms that `fit` takes.
        y : None
            Ignored.
        sample_weight : array-like of shape (n_sequences,), default=None
            As in `fit`.

        Returns
        -------
        SequenceScaler
            The fitted transformer.

        Raises
        ------
        ValueError
            If ``method`` is "robust", whose quartiles need all values at once.
        """
        self.check_parameters()
        if self.method == "robust" and self.per == "dataset":
            raise ValueError(
                "partial_fit is not possible with method='robust', whose quartiles need all values"
                " at once.\n\nCall fit, or set method='standard' or method='minmax'."
            )
        if not hasattr(self, "scaler_"):
            return self.fit(X, y, sample_weight)
        if self._fitted_as != (self.method, self.per):
            raise ValueError(
                "partial_fit requires the method and per of the first call,"
                f" {self._fitted_as}. Got {(self.method, self.per)}.\n\nSet them back, or call fit."
            )
        with fit_task(self, X, y, sample_weight=sample_weight):
            sequences = in_memory(self._check_X(X).sequences)
            self.scaler_ = self._fit_scaler(self.scaler_, sequences, sample_weight)
        return self

    def inverse_transform(self, X: Any) -> Array | list[Array]:
        """Scale sequences back to the original units.

        Parameters
        ----------
        X : array-like
            Scaled sequences, in any of the forms that `fit` takes.

        Returns
        -------
        ndarray or list of ndarray
            In the form of X, as in `transform`.

        Raises
        ------
        ValueError
            If ``per`` is "sequence": the scales are not stored.
        """
        inputs = self._check_X(X)
        if self.scaler_ is None:
            raise ValueError(
                "inverse_transform is not possible with per='sequence', which does not store"
                " the scales of the sequences.\n\nSet per='dataset'."
            )
        values = in_memory(inputs.sequences).values
        return in_the_form_of(X, inputs, self.scaler_.inverse_transform(values))

    def _transform_values(self, sequences: Sequences) -> Array:
        # In float64, so that the result is rounded once, as in an ONNX file.
        exact = Sequences(sequences.values.astype(np.float64, copy=False), sequences.offsets)
        if self.scaler_ is None:
            scaled = scaled_within(exact, *WITHIN[self.method](exact))
        else:
            # The global output configuration would make the inner scaler return data frames.
            with config_context(transform_output="default"):
                scaled = self.scaler_.transform(exact.values)
        return scaled.astype(sequences.values.dtype, copy=False)

    def _fit_scaler(self, scaler: Any, sequences: Sequences, sample_weight: Any) -> Any:
        """Fit scikit-learn's scaler, or update the given one; None with per="sequence"."""
        weights = None if sample_weight is None else check_weights(sample_weight, len(sequences))
        if self.per == "sequence":
            return None
        weighting = {}
        if self.method == "standard":
            per_timestep = None if weights is None else np.repeat(weights, sequences.lengths)
            weighting = {"sample_weight": per_timestep}
        elif weights is not None:
            raise ValueError(
                "sample_weight is only possible with method='standard', whose mean and standard"
                f" deviation it weighs. Got method={self.method!r}."
            )
        scaler = SCALERS[self.method]() if scaler is None else scaler
        # RobustScaler has no partial_fit.
        update = scaler.fit if self.method == "robust" else scaler.partial_fit
        with warnings.catch_warnings():
            # Raised for a feature that is all NaN, which is documented to become NaN.
            warnings.simplefilter("ignore", RuntimeWarning)
            return update(sequences.values, **weighting)


# Within each sequence -----------------------------------------------------------------------------


# Each of these returns center and scale of each feature in each sequence, two arrays of shape
# (n_sequences, n_features), NaN where a sequence has no value.


def _minmax(sequences: Sequences) -> tuple[Array, Array]:
    """Minimum and range."""
    starts = sequences.offsets[:-1]
    # fmin and fmax ignore NaN.
    lowest = np.fmin.reduceat(sequences.values, starts, axis=0)
    return lowest, _handle_zero_scale(np.fmax.reduceat(sequences.values, starts, axis=0) - lowest)


def _robust(sequences: Sequences) -> tuple[Array, Array]:
    """Median and interquartile range."""
    first, median, third = _quantiles(sequences, (0.25, 0.5, 0.75))
    return median, _handle_zero_scale(third - first)


def _quantiles(sequences: Sequences, fractions: tuple[float, ...]) -> list[Array]:
    """Quantiles of each feature in each sequence, linearly interpolated as NumPy's."""
    values = sequences.values
    sequence_of_row = np.repeat(np.arange(len(sequences)), sequences.lengths)
    # Sorted by sequence, then by value, so that each keeps its rows; NaN is last in its sequence.
    ordered = np.column_stack(
        [column[np.lexsort((column, sequence_of_row))] for column in values.T]
    )
    starts = sequences.offsets[:-1]
    counts = np.add.reduceat(~np.isnan(values), starts, axis=0, dtype=np.int64)
    last = np.maximum(counts - 1, 0)
    quantiles = []
    for fraction in fractions:
        ranks = fraction * last
        below = np.floor(ranks).astype(np.int64)
        above = np.minimum(below + 1, last)
        low, high = (
            np.take_along_axis(ordered, starts[:, None] + rank, axis=0) for rank in (below, above)
        )
        quantiles.append(low + (high - low) * (ranks - below))
    return quantiles


def _handle_zero_scale(scale: Array) -> Array:
    """Replace the scale of a constant feature by 1; the threshold is scikit-learn's."""
    return np.where(scale < 10 * EPSILON, 1.0, scale)


WITHIN = {"minmax": _minmax, "robust": _robust, "standard": means_and_deviations}
