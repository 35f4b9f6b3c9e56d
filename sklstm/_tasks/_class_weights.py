"""Class weights from the parameter class_weight."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from sklearn.utils.class_weight import compute_class_weight

from sklstm._sequences import Array, IntArray
from sklstm._validation._messages import enumerate_names

# A Pipeline passes no sample_weight on, so that is no remedy.
REMEDY_ENCODED = (
    "\n\nCalibratedClassifierCV, and cross_val_predict with method='predict_proba', pass labels as"
    " 0, 1, ... in sorted order. Inside them give class_weight='balanced', or these numbers as"
    " keys."
)


def balanced_weights(codes: IntArray, n_classes: int, sample_weight: Array) -> Array:
    """Balanced class weights, sum(w) / (n_present * sum(w of the class)); 1 for absent classes."""
    weights, present = np.ones(n_classes), np.unique(codes)
    weights[present] = compute_class_weight(
        "balanced", classes=present, y=codes, sample_weight=sample_weight
    )
    return weights


def weights_of_dict(
    class_weight: Mapping[Any, float],
    classes: Array,
    *,
    name: str = "class_weight",
    may_be_encoded: bool = True,
) -> Array:
    """Class weights of a dict, 1 for labels that it does not name.

    scikit-learn's ``compute_class_weight`` looks up the label "1" as the integer 1, and 1.5 as 1.
    """
    labels = classes.tolist()
    unknown = [label for label in class_weight if label not in labels]
    # A fold may lack a rare class that the dict names. An unknown key is a mistake only if a label
    # has no key.
    if unknown and any(label not in class_weight for label in labels):
        named = all(isinstance(label, str) for label in unknown)
        encoded = may_be_encoded and named and labels == list(range(len(labels)))
        raise ValueError(
            f"{name} has keys that are not labels of y: {enumerate_names(unknown)}. Labels:"
            f" {labels}.{REMEDY_ENCODED if encoded else ''}"
        )
    weights = np.array([class_weight.get(label, 1.0) for label in labels], dtype=np.float64)
    if not (np.isfinite(weights) & (weights >= 0)).all() or not weights.any():
        raise ValueError(
            f"{name} must hold finite weights of at least 0, not all of them 0. Got"
            f" {dict(class_weight)}."
        )
    return weights


def weights_of_labels(
    class_weight: Mapping[Any, float] | Sequence[Mapping[Any, float]] | str,
    targets: Array,
    sample_weight: Array,
) -> Array:
    """Weights of each of several labels where it is absent and where it is present, shape (k, 2).

    ``targets`` of shape (n, k) are 0 or 1; "balanced" counts them.
    """
    n_labels = targets.shape[1]
    if isinstance(class_weight, str):
        columns = targets.T.astype(np.int64)
        return np.stack([balanced_weights(column, 2, sample_weight) for column in columns])
    if isinstance(class_weight, Mapping):
        present = weights_of_dict(class_weight, np.arange(n_labels), may_be_encoded=False)
        return np.stack([np.ones(n_labels), present], axis=1)
    if len(class_weight) != n_labels:
        raise ValueError(
            f"class_weight must have one dict for each of the {n_labels} labels of y. Got"
            f" {len(class_weight)}."
        )
    return np.stack(
        [
            weights_of_dict(w, np.arange(2), name=f"class_weight[{label}]", may_be_encoded=False)
            for label, w in enumerate(class_weight)
        ]
    )


def check_partial_fit_weight(
    class_weight: Mapping[Any, float] | Sequence[Mapping[Any, float]] | str | None,
) -> None:
    """Raise for "balanced", which needs all labels at once."""
    if class_weight == "balanced":
        raise ValueError(
            "class_weight='balanced' is not supported by partial_fit, which does not see all"
            " labels at once.\n\nGive the weights as a dict: class_weight=dict(zip(classes,"
            " sklearn.utils.class_weight.compute_class_weight('balanced', classes=classes,"
            " y=y)))."
        )
