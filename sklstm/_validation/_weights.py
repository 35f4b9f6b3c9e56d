"""class_weight and sample_weight -> one weight for each sequence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.utils.class_weight import compute_class_weight

from sklstm._compat import check_sample_weight
from sklstm._sequences import Array, Sequences
from sklstm._validation._forms import as_host
from sklstm._validation._missing import reject_missing


def check_weights(sample_weight: Any, sequences: Sequences) -> Array:
    """One non-negative float64 weight for each sequence, not all of them 0."""
    if sample_weight is not None:
        reject_missing(sample_weight, "sample_weight", "weight")
    weights: Array = check_sample_weight(
        as_host(sample_weight),
        # One number for each sequence: to array_api_dispatch, sequences are no array.
        sequences.offsets[1:],
        dtype=np.float64,
        ensure_non_negative=True,
        allow_all_zero_weights=True,
    )
    if not weights.any():
        raise ValueError(
            "Sample weights must contain at least one non-zero number: sample_weight is 0"
            " throughout."
        )
    return weights


def class_weights(
    class_weight: Mapping[Any, float] | str | None, classes: Array, y: Array, sample_weight: Array
) -> Array:
    """Weight of each class, shape (n_classes,), float64.

    ``"balanced"`` counts sample weights as repetitions: sum(w) / (n_classes * sum(w of the class)).
    """
    if isinstance(class_weight, Mapping):
        return _from_mapping(class_weight, classes)
    weights: Array = compute_class_weight(
        class_weight, classes=classes, y=y, sample_weight=sample_weight
    )
    return weights


def _from_mapping(class_weight: Mapping[Any, float], classes: Array) -> Array:
    """Weights by label, 1 where a label is not named.

    Not scikit-learn's own: that one looks the label "1" up as the integer 1, and 1.5 as 1.
    """
    labels = classes.tolist()
    unknown = [label for label in class_weight if label not in labels]
    # A fold may lack a rare class that is named; a key that matches nothing beside a label that is
    # not named is a mistake.
    if unknown and any(label not in class_weight for label in labels):
        raise ValueError(
            f"class_weight has keys that are not labels of y: {unknown[:3]}. Labels: {labels}."
        )
    weights = np.array([class_weight.get(label, 1.0) for label in labels], dtype=np.float64)
    if not (np.isfinite(weights) & (weights >= 0)).all() or not weights.any():
        raise ValueError(
            "class_weight must hold finite weights of at least 0, not all of them 0. Got"
            f" {dict(class_weight)}."
        )
    return weights


def check_partial_fit_weight(class_weight: Mapping[Any, float] | str | None) -> None:
    """Raise for a class_weight that needs to see all labels at once."""
    if class_weight == "balanced":
        raise ValueError(
            "class_weight='balanced' is not supported by partial_fit, which does not see all"
            " labels at once.\n\nGive the weights as a dict: class_weight=dict(zip(classes,"
            " sklearn.utils.class_weight.compute_class_weight('balanced', classes=classes,"
            " y=y)))."
        )
