"""The features that an estimator was fitted on, and whether X has them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sklstm._sequences import Array
from sklstm._validation._feature_names import check_column_names, check_names
from sklstm._validation._hints import reject_token_ids, warn_of_misreading
from sklstm._validation._inputs import Inputs, check_inputs
from sklstm._validation._tokens import check_tokens


def check_measurements(X: Any, *, mask_value: float | None, estimator: str) -> Inputs:
    """X of measurements for an estimator that has not been fitted."""
    reject_token_ids(X, estimator=estimator)
    inputs = check_inputs(X, mask_value=mask_value, estimator=estimator)
    warn_of_misreading(X, inputs)
    return inputs


@dataclass(frozen=True, eq=False)
class InputSchema:
    """What an estimator knows of the X that it was fitted on.

    Attributes
    ----------
    n_features : int
        Of a timestep; 1 for token ids.
    n_columns : int or None
        Of a 2-D X, None after any other: only rows that are to be compared with rows must have the
        same length, and names of columns are names of timesteps there, of features elsewhere.
    names : ndarray or None
        Of the columns of such an X, otherwise of the features of a timestep.
    vocabulary_size : int or None
        None for measurements.
    """

    n_features: int
    n_columns: int | None = None
    names: Array | None = None
    vocabulary_size: int | None = None

    @classmethod
    def of(cls, inputs: Inputs) -> InputSchema:
        """That of checked inputs."""
        n_features = inputs.sequences.n_features
        return cls(n_features, inputs.n_columns, inputs.column_names, inputs.vocabulary_size)

    @property
    def attributes(self) -> dict[str, Any]:
        """What a fitted estimator holds of it, by the public names of the attributes."""
        named = {} if self.names is None else {"feature_names_in_": self.names}
        return {"n_features_in_": self.n_columns or self.n_features} | named

    def check_X(self, X: Any, *, mask_value: float | None, estimator: str) -> Inputs:
        """X for a fitted estimator, with the same features or the same vocabulary."""
        if self.vocabulary_size is None:
            inputs = check_inputs(X, mask_value=mask_value, estimator=estimator)
            self.check(X, inputs, estimator=estimator)
            return inputs
        inputs, names = check_tokens(X, vocabulary_size=self.vocabulary_size), self.names
        own = inputs.column_names
        # The number of columns may differ: zeros at the end of a row are padding.
        if names is not None and own is not None and len(own) == len(names):
            check_column_names(own, names, estimator=estimator)
        return inputs

    def check(self, X: Any, inputs: Inputs, *, estimator: str) -> None:
        """Raise unless measurements have these features."""
        if inputs.n_columns is None and self.n_columns is None:
            check_names(inputs.column_names, self.names, X, estimator=estimator)
        if inputs.n_columns is not None and self.n_columns is not None:
            check_column_names(inputs.column_names, self.names, estimator=estimator)
            if inputs.n_columns != self.n_columns:
                raise ValueError(
                    f"X has {inputs.n_columns} features, but {estimator} is expecting"
                    f" {self.n_columns} features as input."
                )
        elif inputs.n_columns == 1:
            n = len(inputs.sequences)
            raise ValueError(
                f"X of shape ({n}, 1) is one sequence of {n} timesteps, or {n} sequences of one"
                " timestep.\n\nReshape your data: [X] for the first, X[:, :, None] for the second."
            )
        if inputs.sequences.n_features != self.n_features:
            raise ValueError(
                f"X has {inputs.sequences.n_features} features, but {estimator} is expecting"
                f" {self.n_features} features as input at each timestep."
                f"{_reshape_remedy(inputs, self.n_features)}"
            )

    def column_of_sequences(self, input_features: Any) -> str | None:
        """The one name given, if it is that of a column which held whole sequences."""
        if input_features is None or self.n_columns is not None or len(input_features) != 1:
            return None
        return str(input_features[0])


def _reshape_remedy(inputs: Inputs, n_features: int) -> str:
    """The paragraph on how to give X with so many features at each timestep, if its shape says."""
    n, lengths = len(inputs.sequences), inputs.sequences.lengths
    if inputs.n_columns == n_features:
        return (
            f"\n\nX of shape ({n}, {n_features}) is read as {n} univariate sequences, one a row."
            " Reshape your data: [X] if it is one sequence."
        )
    if inputs.n_columns is not None and n == n_features:
        return "\n\nReshape your data: [X.T] if it is one sequence, channels before timesteps."
    if (lengths == n_features).all():
        return "\n\nIf X has channels before timesteps: sklstm.preprocessing.from_channel_first(X)."
    return ""
