"""Base class of transformers of sequences: validation of X, output form, feature names."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Self

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.callback import CallbackSupportMixin
from sklearn.utils.validation import check_is_fitted

from sklstm._compat._sklearn import DocumentationLinks, check_feature_names_in
from sklstm._compat._sklearn_callbacks import fit_task
from sklstm._config._parameters import validate_parameters
from sklstm._sequences import Array, Sequences, in_memory
from sklstm._validation._features import InputSchema
from sklstm._validation._hints import reject_token_ids
from sklstm._validation._inputs import Inputs, check_loaded


class SequenceTransformer(
    DocumentationLinks, CallbackSupportMixin, TransformerMixin, BaseEstimator, ABC
):
    """Base class of transformers that keep the sequences and the timesteps of X.

    A subclass has `_transform_values`, which computes the new values of all timesteps, `_suffixes`,
    which names the channels of the result, and `_learn`, if it depends on the values in `fit`.
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {}

    n_features_in_: int
    feature_names_in_: Array
    _n_columns_in: int | None
    _n_timestep_features: int

    def __init_subclass__(cls, **kwargs: Any) -> None:
        # A data frame cannot hold sequences, so `set_output` and the global output configuration
        # must leave the result as it is.
        super().__init_subclass__(auto_wrap_output_keys=None, **kwargs)

    def fit(self, X: Any, y: Any = None) -> Self:
        """Fit the transformer to sequences.

        Parameters
        ----------
        X : array-like
            Sequences in any form that `LSTMSequenceClassifier` takes. NaN is a missing value.
        y : None
            Ignored.

        Returns
        -------
        object
            The fitted transformer.
        """
        with fit_task(self, X, y):
            inputs = self._check_new_X(X)
            self._learn(in_memory(inputs.sequences))
            self._set_input_schema(inputs)
        return self

    def _learn(self, sequences: Sequences) -> None:
        """Set the fitted attributes that depend on the values."""

    def transform(self, X: Any) -> Array | list[Array]:
        """Transform each timestep of each sequence.

        Parameters
        ----------
        X : array-like
            Sequences in any of the forms that `fit` takes. It is not modified.

        Returns
        -------
        ndarray or list of ndarray
            Transformed sequences in the form of X. A 3-D array gives a 3-D array; a 2-D array or
            data frame gives a 2-D array if there is one output channel, otherwise a 3-D array;
            anything else, and a masked array with masked timesteps at the end, gives a list of
            arrays of shape (n_timesteps_i, n_channels). float32 if X is, otherwise float64.
        """
        inputs = self._check_X(X)
        return in_the_form_of(X, inputs, self._transform_values(in_memory(inputs.sequences)))

    def get_feature_names_out(self, input_features: Any = None) -> Array:
        """Get the output feature names.

        Parameters
        ----------
        input_features : array-like of str of shape (`n_features_in_`,), default=None
            Input feature names. None means those of the data frame in `fit`, or x0, x1 and so on.
            A single name for several features is that of a column of sequences, and becomes
            their prefix, as in walk_x0.

        Returns
        -------
        ndarray of str
            Name of each output channel, or of each column if both X and the output are 2-D.
        """
        check_is_fitted(self)
        column = self._input_schema.column_of_sequences(input_features)
        if column is None or self.n_features_in_ == 1:
            names = check_feature_names_in(self, input_features)
        else:
            names = [f"{column}_{name}" for name in check_feature_names_in(self)]
        suffixes = self._suffixes()
        if self._n_columns_in is not None and len(suffixes) > 1:
            # The columns are timesteps of one feature, which itself has no name.
            names = ["x0"]
        return np.array([f"{name}{suffix}" for suffix in suffixes for name in names], dtype=object)

    @abstractmethod
    def _transform_values(self, sequences: Sequences) -> Array:
        """New values, shape (n_timesteps, n_features * number of suffixes)."""

    def _suffixes(self) -> tuple[str, ...]:
        """Suffix that each block of output channels adds to the feature names."""
        return ("",)

    def check_parameters(self) -> None:
        """Raise InvalidParameterError for the first invalid parameter."""
        validate_parameters(self)

    def _check_new_X(self, X: Any) -> Inputs:
        """Validate the parameters, then X, before `fit`."""
        self.check_parameters()
        reject_token_ids(X, estimator=type(self).__name__)
        return check_loaded(X, estimator=type(self).__name__)

    def _check_X(self, X: Any) -> Inputs:
        """Validate X against the features of `fit`."""
        check_is_fitted(self)
        inputs = check_loaded(X, estimator=type(self).__name__)
        self._input_schema.check(X, inputs, estimator=type(self).__name__)
        return inputs

    @property
    def _input_schema(self) -> InputSchema:
        names = getattr(self, "feature_names_in_", None)
        return InputSchema(self._n_timestep_features, self._n_columns_in, names)

    def _set_input_schema(self, inputs: Inputs) -> None:
        schema = InputSchema.of(inputs)
        # Columns may have had names before.
        self.__dict__.pop("feature_names_in_", None)
        self.__dict__.update(schema.attributes)
        self._n_timestep_features, self._n_columns_in = schema.n_features, schema.n_columns

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags


def widths_of(transformer: SequenceTransformer) -> tuple[int, int]:
    """Features of a timestep that a fitted transformer takes, and channels that it gives."""
    n_features = transformer._n_timestep_features
    return n_features, n_features * len(transformer._suffixes())


def in_the_form_of(X: Any, inputs: Inputs, values: Array) -> Array | list[Array]:
    """Convert flat values of all timesteps back to the form of X."""
    n_channels = values.shape[1]
    if inputs.n_columns is not None:
        shape = (-1, inputs.n_columns) if n_channels == 1 else (-1, inputs.n_columns, n_channels)
        return values.reshape(shape)
    # A jagged array has dimensions too, but no shape.
    given = tuple(getattr(X, "shape", ()))
    # Fewer rows: masked timesteps at the end were cut off, so the rectangle is gone.
    if len(given) == 3 and len(values) == given[0] * given[1]:
        return values.reshape(*given[:2], n_channels)
    return list(Sequences(values, in_memory(inputs.sequences).offsets))
