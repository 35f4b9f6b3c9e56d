"""X, y and groups of a report, read as a fit reads them."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.utils.multiclass import type_of_target

from sklstm._sequences import Array, Sequences, in_memory
from sklstm._tasks._labels import check_labels
from sklstm._validation._features import InputSchema, check_first
from sklstm._validation._groups import check_groups
from sklstm._validation._inputs import Inputs
from sklstm._validation._targets import check_numbers, check_one_each
from sklstm._validation._tokens import TokenIds
from sklstm.preprocessing import TokenEncoder

# Whole numbers with more values than this fraction of the sequences are numbers to predict.
MANY_VALUES = 0.5


@dataclass(frozen=True, eq=False)
class Checked:
    """Checked data.

    ``kind`` is "numbers", "token ids" or "texts", ``encoder`` has read the texts, and ``warnings``
    are those of a fit.
    """

    kind: str
    inputs: Inputs
    schema: InputSchema
    encoder: TokenEncoder | None
    warnings: list[str]
    estimator: str
    predicts_numbers: bool
    targets: Array | None
    groups: Array | None

    @property
    def sequences(self) -> Sequences:
        """The sequences."""
        return in_memory(self.inputs.sequences)

    @property
    def takes_tokens(self) -> bool:
        """Whether timesteps are token ids."""
        return self.kind != "numbers"

    @property
    def names(self) -> list[str]:
        """Names of the features of a timestep, numbers and categories."""
        if self.takes_tokens:
            return ["token"]
        # Those of a table are names of timesteps.
        own = self.inputs.column_names if self.schema.n_columns is None else None
        if own is not None:
            return [str(name) for name in own]
        width, static = self.sequences.n_features, self.schema.static
        if static is not None and width == 1:
            return [static.sequences]
        return [f"x{i}" for i in range(width)]

    @property
    def static_names(self) -> list[str]:
        """Names of the static columns."""
        static = self.schema.static
        return [] if static is None else [c for c in static.columns if c != static.sequences]


def read(
    X: Any, y: Any, groups: Any, *, mask_value: float | None, token_ids: bool, task: str
) -> Checked:
    """Check X, y and groups by the checks of a fit, but for missing and infinite values."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        predicts_numbers = _predicts_numbers(y) if task == "auto" else task == "regression"
        estimator = f"LSTMSequence{'Regressor' if predicts_numbers else 'Classifier'}"
        kind, encoder, sequences = "numbers", None, X
        if _are_texts(X):
            kind, encoder = "texts", TokenEncoder()
            sequences = encoder.fit(X).transform(X)
        elif token_ids or isinstance(X, TokenIds):
            kind = "token ids"
        inputs, schema = check_first(
            sequences,
            mask_value=mask_value,
            estimator=estimator,
            takes_tokens=kind != "numbers",
            check_finite=False,
        )
        n = len(inputs.sequences)
        targets = None if y is None else _check_y(y, X, n, predicts_numbers, estimator)
    return Checked(
        kind,
        inputs._replace(sequences=in_memory(inputs.sequences)),
        schema,
        encoder,
        [str(warning.message) for warning in caught],
        estimator,
        predicts_numbers,
        targets,
        None if groups is None else check_groups(groups, n),
    )


def _are_texts(X: Any) -> bool:
    if isinstance(X, (str, bytes)) or not hasattr(X, "__len__") or not hasattr(X, "__iter__"):
        return False
    # Of a data frame and a dict, what comes first is a name.
    has_names = isinstance(X, Mapping) or hasattr(X, "columns")
    if len(X) == 0 or getattr(X, "ndim", 1) != 1 or has_names:
        return False
    return isinstance(next(iter(X)), str)


def _predicts_numbers(y: Any) -> bool:
    """Whether y has fractions, or more whole numbers than classes would be."""
    if y is None:
        return False
    try:
        kind = type_of_target(y)
    except (TypeError, ValueError):
        # The check of y says more.
        return False
    array = np.asarray(y)
    if kind.startswith("continuous"):
        return True
    if array.dtype.kind not in "iuf":
        return False
    if kind == "multiclass-multioutput":
        return True
    return kind == "multiclass" and len(np.unique(array)) > MANY_VALUES * len(array)


def _check_y(y: Any, X: Any, n: int, predicts_numbers: bool, estimator: str) -> Array:
    check = check_numbers if predicts_numbers else check_labels
    targets: Array = check(y, estimator=estimator)
    check_one_each(targets, n, X, noun="values" if predicts_numbers else "labels")
    return targets
