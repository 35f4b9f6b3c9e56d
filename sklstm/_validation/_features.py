"""The input schema: features and columns seen in fit, which later X must match."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sklstm._sequences import Array
from sklstm._validation._feature_names import check_column_names, check_names
from sklstm._validation._hints import reject_token_ids, warn_of_misreading
from sklstm._validation._inputs import Inputs, channels_first_remedy, check_inputs
from sklstm._validation._tokens import check_tokens


def check_measurements(X: Any, *, mask_value: float | None, estimator: str) -> Inputs:
    """Validate measurements for the first fit of an estimator."""
    reject_token_ids(X, estimator=estimator)
    inputs = check_inputs(X, mask_value=mask_value, estimator=estimator)
    warn_of_misreading(X, inputs)
    return inputs


@dataclass(frozen=True, eq=False)
class InputSchema:
    """Input schema: what later X must have in common with the X of fit.

    Attributes
    ----------
    n_features : int
        Number of features of a timestep; 1 for token ids.
    n_columns : int or None
        Number of columns of a 2-D X, whose columns are timesteps; None for any other form.
    names : ndarray or None
        Names of the columns of a 2-D X, otherwise of the features of a timestep.
    vocabulary_size : int or None
        Number of token ids; None for measurements.
    """

    n_features: int
    n_columns: int | None = None
    names: Array | None = None
    vocabulary_size: int | None = None

    @classmethod
    def of(cls, inputs: Inputs) -> InputSchema:
        """The schema of validated inputs."""
        n_features = inputs.sequences.n_features
        return cls(n_features, inputs.n_columns, inputs.column_names, inputs.vocabulary_size)

    @property
    def attributes(self) -> dict[str, Any]:
        """The public fitted attributes that the schema defines."""
        named = {} if self.names is None else {"feature_names_in_": self.names}
        return {"n_features_in_": self.n_columns or self.n_features} | named

    def check_X(
        self, X: Any, *, mask_value: float | None, estimator: str, input_name: str = "X"
    ) -> Inputs:
        """Validate X against the schema: the same features or the same vocabulary."""
        if self.vocabulary_size is None:
            inputs = check_inputs(
                X, mask_value=mask_value, estimator=estimator, input_name=input_name
            )
            self.check(X, inputs, estimator=estimator, input_name=input_name)
            return inputs
        inputs = check_tokens(X, vocabulary_size=self.vocabulary_size, input_name=input_name)
        own, names = inputs.column_names, self.names
        # The number of columns may differ: zeros at the end of a row are padding.
        if names is not None and own is not None and len(own) == len(names):
            check_column_names(own, names, estimator=estimator, name=input_name)
        return inputs

    def check(self, X: Any, inputs: Inputs, *, estimator: str, input_name: str = "X") -> None:
        """Raise unless validated measurements match the schema."""
        own, n_columns, name = inputs.column_names, inputs.n_columns, input_name
        if n_columns is None and self.n_columns is None:
            check_names(own, self.names, X, estimator=estimator, name=name)
        if n_columns is not None and self.n_columns is not None:
            check_column_names(own, self.names, estimator=estimator, name=name)
            if n_columns != self.n_columns:
                raise ValueError(
                    f"{name} has {n_columns} features, but {estimator} is expecting"
                    f" {self.n_columns} features as input."
                )
        elif n_columns == 1:
            n = len(inputs.sequences)
            raise ValueError(
                f"{name} of shape ({n}, 1) is one sequence of {n} timesteps, or {n} sequences of"
                f" one timestep.\n\nReshape your data: [{name}] for the first,"
                f" {name}[:, :, None] for the second."
            )
        if inputs.sequences.n_features != self.n_features:
            raise ValueError(
                f"{name} has {inputs.sequences.n_features} features, but {estimator} is expecting"
                f" {self.n_features} features as input at each timestep."
                f"{_reshape_remedy(inputs, self.n_features, name)}"
            )

    def column_of_sequences(self, input_features: Any) -> str | None:
        """The only name in ``input_features``, if X in fit was a column of whole sequences."""
        if input_features is None or self.n_columns is not None or len(input_features) != 1:
            return None
        return str(input_features[0])


def _reshape_remedy(inputs: Inputs, n_features: int, name: str) -> str:
    """The paragraph on how to reshape X, if its shape suggests it."""
    n, lengths = len(inputs.sequences), inputs.sequences.lengths
    if inputs.n_columns == n_features:
        return (
            f"\n\n{name} of shape ({n}, {n_features}) is read as {n} univariate sequences, one a"
            f" row. Reshape your data: [{name}] if it is one sequence."
        )
    if inputs.n_columns is not None and n == n_features:
        return (
            f"\n\nReshape your data: [{name}.T] if it is one sequence, channels before timesteps."
        )
    return channels_first_remedy(name) if (lengths == n_features).all() else ""
