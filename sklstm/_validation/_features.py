"""The features that an estimator was fitted on, and whether X has them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sklstm._compat import check_feature_names, check_n_features
from sklstm._validation._feature_names import check_names
from sklstm._validation._hints import reject_token_ids, warn_of_misreading
from sklstm._validation._inputs import Inputs, check_inputs
from sklstm._validation._parameters import takes_tokens
from sklstm._validation._tokens import check_tokens


def check_first_X(X: Any, parameters: Mapping[str, Any], *, estimator: str) -> Inputs:
    """X for an estimator that has not been fitted: measurements, or token ids if it embeds them."""
    if not takes_tokens(parameters):
        reject_token_ids(X, estimator=estimator)
        inputs = check_inputs(X, mask_value=parameters["mask_value"], estimator=estimator)
        warn_of_misreading(X, inputs)
        return inputs
    return check_tokens(X, vocabulary_size=given_vocabulary_size(parameters))


def given_vocabulary_size(parameters: Mapping[str, Any]) -> int | None:
    """How many token ids the parameters say there are; None if they do not."""
    size: int | None = parameters["vocabulary_size"]
    weights = parameters["embedding_weights"]
    return len(weights) if size is None and weights is not None else size


def check_next_X(
    fitted: Any, X: Any, *, n_features: int, vocabulary_size: int | None, mask_value: float | None
) -> Inputs:
    """X for an estimator that has a form: it must have the same features or the same vocabulary."""
    if vocabulary_size is not None:
        inputs = check_tokens(X, vocabulary_size=vocabulary_size)
        check_token_columns(fitted, X, inputs)
        return inputs
    inputs = check_inputs(X, mask_value=mask_value, estimator=type(fitted).__name__)
    check_features(fitted, X, inputs, n_features=n_features, n_columns=fitted._n_columns_in)
    return inputs


def check_features(
    estimator: Any, X: Any, inputs: Inputs, *, n_features: int, n_columns: int | None
) -> None:
    """Raise unless X fits an estimator of so many features at each timestep.

    ``n_columns`` is that of the 2-D X that the estimator was fitted on, None after any other: only
    rows that are to be compared with rows must have the same length, and names of columns are names
    of timesteps there, of features anywhere else.
    """
    if inputs.n_columns is None and n_columns is None:
        check_names(estimator, inputs.column_names, X)
    if inputs.n_columns is not None and n_columns is not None:
        check_feature_names(estimator, X, reset=False)
        check_n_features(estimator, X, reset=False)
    elif inputs.n_columns == 1:
        n = len(inputs.sequences)
        raise ValueError(
            f"X of shape ({n}, 1) is one sequence of {n} timesteps, or {n} sequences of one"
            " timestep.\n\nReshape your data: [X] for the first, X[:, :, None] for the second."
        )
    if inputs.sequences.n_features != n_features:
        raise ValueError(
            f"X has {inputs.sequences.n_features} features, but {type(estimator).__name__} is"
            f" expecting {n_features} features as input at each timestep."
            f"{_reshape_remedy(inputs, n_features)}"
        )


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


def check_token_columns(estimator: Any, X: Any, inputs: Inputs) -> None:
    """Raise if the columns of token ids are named otherwise than those fitted on.

    Their number may differ: zeros at the end of a row are padding.
    """
    fitted = getattr(estimator, "feature_names_in_", None)
    names = inputs.column_names
    if fitted is not None and names is not None and len(names) == len(fitted):
        check_feature_names(estimator, X, reset=False)


def form_of(inputs: Inputs) -> dict[str, Any]:
    """What an estimator keeps of the form of X, by the names of its attributes."""
    form: dict[str, Any] = {
        "_n_columns_in": inputs.n_columns,
        "n_features_in_": inputs.n_columns or inputs.sequences.n_features,
    }
    if inputs.column_names is not None:
        form["feature_names_in_"] = inputs.column_names
    return form


def kept_form(estimator: Any) -> dict[str, Any]:
    """The form that a fitted estimator has kept."""
    names = ("_n_columns_in", "n_features_in_", "feature_names_in_")
    return {name: vars(estimator)[name] for name in names if name in vars(estimator)}


def keep_form(estimator: Any, inputs: Inputs) -> None:
    """Set these attributes, and unset the names of columns that an earlier X had."""
    vars(estimator).pop("feature_names_in_", None)
    vars(estimator).update(form_of(inputs))


def column_of_sequences(estimator: Any, input_features: Any) -> str | None:
    """The one name given, if it is that of a column which held whole sequences."""
    if input_features is None or estimator._n_columns_in is not None or len(input_features) != 1:
        return None
    return str(input_features[0])


def bare(estimator: Any, form: Mapping[str, Any]) -> Any:
    """An estimator of the same class that has this form and nothing else."""
    other = object.__new__(type(estimator))
    vars(other).update(form)
    return other
