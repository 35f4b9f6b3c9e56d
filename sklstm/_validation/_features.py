"""The input schema: features and columns seen in fit, which later X must match."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from sklstm._sequences import (
    BLOCK_VALUES,
    AnySequences,
    Array,
    Sequences,
    SequenceView,
    in_memory,
)
from sklstm._validation._columns import (
    Categories,
    StaticColumns,
    Widths,
    column_of_sequences,
    drop_absent,
    learn_features,
    learn_static,
    read_features,
    read_static,
    reject_static,
    widths_of,
)
from sklstm._validation._feature_names import check_column_names, check_names, names_of_frames
from sklstm._validation._frames import long_table_remedy
from sklstm._validation._hints import (
    reject_token_ids,
    warn_of_front_padding,
    warn_of_misreading,
)
from sklstm._validation._inputs import (
    IMPUTER,
    Inputs,
    channels_first_remedy,
    check_block,
    check_inputs,
    cut_padding,
)
from sklstm._validation._tokens import check_token_block, check_tokens
from sklstm._validation._views import sample_of
from sklstm._views._frame import as_frame

REMEDY_PIPELINE = (
    "\n\nIn a pipeline X_val is transformed like X only with Pipeline(...,"
    " transform_input=['X_val'])."
)


def check_first(
    X: Any,
    *,
    mask_value: float | None,
    estimator: str,
    takes_tokens: bool = False,
    vocabulary_size: int | None = None,
    check_finite: bool = True,
) -> tuple[Inputs, InputSchema]:
    """Validate X of the first fit of an estimator; the inputs, and what later X must be like.

    A report on data does not ``check_finite``: it counts what is missing and infinite.
    """
    static, table, name = None, None, "X"
    X = as_frame(X)
    column = column_of_sequences(X)
    if column is not None:
        static = learn_static(X, column, name)
        X, table = read_static(X, static, estimator=estimator, name=name)
        name = f"X[{column!r}]"
    features: dict[str, Categories] = {}
    if takes_tokens:
        inputs = check_tokens(X, vocabulary_size=vocabulary_size, input_name=name)
    else:
        reject_token_ids(X, estimator=estimator)
        names = names_of_frames(X, name)
        features = {} if names is None else learn_features(X, names.tolist(), name)
        options: dict[str, Any] = {"mask_value": mask_value, "estimator": estimator}
        options["check_finite"] = check_finite
        inputs = _read(X, features, names, **options, input_name=name)
    sampled = _sampled(inputs)
    if not takes_tokens:
        warn_of_misreading(X, sampled, mask_value, name)
    warn_of_front_padding(sampled, mask_value, name)
    if static is not None:
        inputs = _with_static(inputs, table)
        own = inputs.column_names
        static = replace(static, features=None if own is None else tuple(own))
    return inputs, replace(InputSchema.of(inputs), categories=features, static=static)


def _read(
    X: Any, categories: Mapping[str, Categories], names: Array | None, **options: Any
) -> Inputs:
    """Validated measurements, of data frames with these categories among their features."""
    if not categories or names is None:
        return check_inputs(X, **options)
    name = options["input_name"]
    frames, codes = read_features(X, categories, name)
    lengths = np.array([len(frame) for frame in X])
    if len(categories) == len(names):
        sequences = Sequences.from_lengths(np.empty((len(codes), 0)), lengths)
        sequences = cut_padding(sequences, None, name)
    else:
        sequences = in_memory(check_inputs(frames, **options, can_impute=False).sequences)
    starts = np.repeat(np.cumsum(lengths) - lengths, sequences.lengths)
    # The ends of sequences may be padding.
    steps = np.arange(len(starts)) - np.repeat(sequences.offsets[:-1], sequences.lengths)
    return Inputs(replace(sequences, codes=codes[starts + steps]), None, names)


def _sampled(inputs: Inputs) -> Inputs:
    """Inputs of which the first sequences are in memory."""
    sequences = inputs.sequences
    if isinstance(sequences, SequenceView):
        sequences = sample_of(sequences, BLOCK_VALUES)
    return inputs._replace(sequences=sequences)


def _with_static(inputs: Inputs, table: Array | None) -> Inputs:
    return inputs._replace(sequences=replace(inputs.sequences, static=table))


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
    categories : dict of str to tuple
        Categories of each categorical feature, which ``n_features`` does not count.
    static : StaticColumns or None
        Columns of a data frame with a column of sequences; None for any other form.
    """

    n_features: int
    n_columns: int | None = None
    names: Array | None = None
    vocabulary_size: int | None = None
    categories: Mapping[str, Categories] = field(default_factory=dict)
    static: StaticColumns | None = None

    @classmethod
    def of(cls, inputs: Inputs) -> InputSchema:
        """The schema of validated inputs."""
        n_features = inputs.sequences.n_features
        return cls(n_features, inputs.n_columns, inputs.column_names, inputs.vocabulary_size)

    @property
    def attributes(self) -> dict[str, Any]:
        """The public fitted attributes that the schema defines."""
        n_features, names = self.n_columns or self.n_features + len(self.categories), self.names
        if self.static is not None:
            n_features = len(self.static.columns)
            names = np.array(self.static.columns, dtype=object)
        named = {} if names is None else {"feature_names_in_": names}
        return {"n_features_in_": n_features} | named

    @property
    def widths(self) -> Widths:
        """Widths of the inputs of a network."""
        return widths_of(self.categories, self.static)

    def without_absent(self, sequences: AnySequences) -> tuple[InputSchema, AnySequences]:
        """The schema and the sequences without categories that no sequence has."""
        sequences, categories, static = drop_absent(sequences, self.categories, self.static)
        return replace(self, categories=categories, static=static), sequences

    def check_X(
        self,
        X: Any,
        *,
        mask_value: float | None,
        estimator: str,
        check_values: bool = True,
        input_name: str = "X",
    ) -> Inputs:
        """Validate X against the schema: the same columns, features or vocabulary.

        If X is a view, ``check_values=False`` leaves its values to `check_block`.
        """
        X = as_frame(X)
        options: dict[str, Any] = {"mask_value": mask_value, "estimator": estimator}
        options["check_values"] = check_values
        if self.static is not None:
            whole = replace(self, static=None)
            X, table = read_static(X, self.static, estimator=estimator, name=input_name)
            name = self._name_of_sequences(input_name)
            inputs = whole.check_X(X, **options, input_name=name)
            return _with_static(inputs, table)
        reject_static(X, estimator=estimator, name=input_name)
        if self.vocabulary_size is None:
            names = self._names_of(X, estimator, input_name) if self.categories else None
            inputs = _read(X, self.categories, names, **options, input_name=input_name)
            self.check(X, inputs, estimator=estimator, input_name=input_name)
            return inputs
        inputs = check_tokens(
            X,
            vocabulary_size=self.vocabulary_size,
            check_values=check_values,
            input_name=input_name,
        )
        own, names = inputs.column_names, self.names
        # The number of columns may differ: zeros at the end of a row are padding.
        if names is not None and own is not None and len(own) == len(names):
            check_column_names(own, names, estimator=estimator, name=input_name)
        return inputs

    def check_block(
        self,
        block: Sequences,
        first: int,
        *,
        mask_value: float | None,
        estimator: str,
        input_name: str = "X",
    ) -> Sequences:
        """Values of a part of a view, in memory, that `check_X` has read: without padding, checked.

        Parameters
        ----------
        block : Sequences
            Consecutive sequences.
        first : int
            Their first is ``X[first]``, for messages.
        """
        name = self._name_of_sequences(input_name)
        if self.vocabulary_size is not None:
            size = self.vocabulary_size
            return check_token_block(block, first, vocabulary_size=size, input_name=name)
        imputer = f"make_pipeline({IMPUTER}, {estimator}())"
        return check_block(block, first, mask_value=mask_value, imputer=imputer, input_name=name)

    def _name_of_sequences(self, name: str) -> str:
        """What messages call the sequences."""
        return name if self.static is None else f"{name}[{self.static.sequences!r}]"

    def _names_of(self, X: Any, estimator: str, name: str) -> Array:
        """The feature names of a list of data frames, which must be those of fit."""
        names = names_of_frames(X, name)
        if names is None:
            fitted = [] if self.names is None else self.names.tolist()
            kinds = sorted({type(item).__name__ for item in X}) if isinstance(X, list) else []
            raise ValueError(
                f"{estimator} was fitted with categories among the features, so {name} must be a"
                f" list of data frames. Got a {type(X).__name__}{f' of {kinds}' if kinds else ''}."
                f"\n\nGive a data frame with the columns {fitted} for each sequence."
            )
        check_names(names, self.names, X, estimator=estimator, name=name)
        return names

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
                f"{_reshape_remedy(X, inputs, self.n_features, name)}"
            )

    def column_of_sequences(self, input_features: Any) -> str | None:
        """The only name in ``input_features``, if X in fit was a column of whole sequences."""
        if input_features is None or self.n_columns is not None or len(input_features) != 1:
            return None
        return str(input_features[0])


def _reshape_remedy(X: Any, inputs: Inputs, n_features: int, name: str) -> str:
    """The paragraph on how to reshape X, if its shape suggests it."""
    n, lengths, n_columns = len(inputs.sequences), inputs.sequences.lengths, inputs.n_columns
    if n_columns is None:
        if (lengths == n_features).all():
            return channels_first_remedy(name)
        return REMEDY_PIPELINE if name.startswith("X_val") else ""
    reading = (
        f"\n\n{name} of shape ({n}, {n_columns}) is read as {n} univariate sequences, one a row."
    )
    if n_columns == n_features:
        return f"{reading} Reshape your data: [{name}] if it is one sequence."
    if n == n_features:
        return (
            f"\n\nReshape your data: [{name}.T] if it is one sequence, channels before timesteps."
        )
    return f"{reading}{long_table_remedy(X, name)}"
