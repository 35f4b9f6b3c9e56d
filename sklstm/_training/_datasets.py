"""Checked sequences, classes and weights -> what is trained on and what is validated on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from sklstm._batching._loader import LabelledSequences, to_device
from sklstm._batching._scaling import Scaling
from sklstm._sequences import Array, IntArray, Sequences
from sklstm._training._specification import Specification
from sklstm._training._split import split_rows
from sklstm._training._stopping import Validation
from sklstm._validation._frames import long_table_remedy
from sklstm._validation._groups import check_groups, number_groups
from sklstm._validation._targets import check_classes, check_targets, encode_targets
from sklstm._validation._weights import check_weights, class_weights


@dataclass(frozen=True, eq=False)
class Given:
    """What a user gives for a training or for its validation, unchecked."""

    X: Any
    y: Any
    sample_weight: Any = None
    groups: Any = None


@dataclass(frozen=True, eq=False)
class Labelled:
    """Sequences with the position of each one's label in ``classes`` and its sample weight, > 0.

    ``groups`` numbers the group of each sequence, if they have any.
    """

    sequences: Sequences
    codes: IntArray
    classes: Array
    sample_weight: Array
    is_weighted: bool
    groups: IntArray | None = None

    def take(self, indices: IntArray) -> Labelled:
        """The part at ``indices``."""
        return Labelled(
            self.sequences.take(indices),
            self.codes[indices],
            self.classes,
            self.sample_weight[indices],
            self.is_weighted,
            None if self.groups is None else self.groups[indices],
        )

    @property
    def labels(self) -> Array:
        """The user's own labels."""
        labels: Array = self.classes[self.codes]
        return labels

    @property
    def relative_weight(self) -> Array:
        """The sample weights by their ratios, which alone count.

        From 1e-30, which float32 still holds, to 1: sums of squares and of inverses stay finite.
        """
        weights: Array = np.maximum(self.sample_weight / self.sample_weight.max(), 1e-30)
        return weights


def label(sequences: Sequences, given: Given, classes: Array | None, *, estimator: str) -> Labelled:
    """The sequences with codes, weights and groups; those of weight 0 are left out.

    ``classes`` None says that they are to be found in what is left.
    """
    remedy = long_table_remedy(given.X)
    labels = check_targets(given.y, len(sequences), estimator=estimator, remedy=remedy)
    weights = check_weights(given.sample_weight, sequences)
    names = None if given.groups is None else check_groups(given.groups, len(sequences))
    if not weights.all():
        rows = np.flatnonzero(weights)
        sequences, labels, weights = sequences.take(rows), labels[rows], weights[rows]
        names = None if names is None else names[rows]
    if classes is None:
        classes = check_classes(labels)
    codes = encode_targets(labels, classes)
    groups = None if names is None else number_groups(names)
    return Labelled(sequences, codes, classes, weights, given.sample_weight is not None, groups)


def split_for_validation(data: Labelled, specification: Specification) -> tuple[Labelled, Labelled]:
    """The part to train on and the part to validate on."""
    train_rows, valid_rows = split_rows(
        data.codes,
        data.classes,
        data.groups,
        part=specification.validation_part,
        fraction=specification.validation_fraction,
        seed=specification.seed,
    )
    return data.take(train_rows), data.take(valid_rows)


def fit_scaling(data: Labelled, *, standardize: bool | str) -> Scaling:
    """The scaling of the features, learnt from these sequences alone."""
    if standardize in (False, "sequence"):
        return Scaling.identity(data.sequences.n_features, "sequence" if standardize else "dataset")
    per = "both" if standardize == "both" else "dataset"
    return Scaling.standard(data.sequences, data.relative_weight, per)


def weigh_classes(data: Labelled, class_weight: Mapping[Any, float] | str | None) -> Array:
    """The weight of each class, counted in these sequences alone."""
    if class_weight != "balanced":
        return class_weights(class_weight, data.classes, data.labels, data.relative_weight)
    present = np.unique(data.codes)
    weights = np.ones(len(data.classes))
    weights[present] = class_weights(
        class_weight, data.classes[present], data.labels, data.relative_weight
    )
    return weights


def drop_weightless(data: Labelled, weight_of_class: Array) -> Labelled:
    """The sequences whose class has any weight."""
    kept = np.flatnonzero(weight_of_class[data.codes])
    if len(kept) == 0:
        raise ValueError(
            "class_weight leaves no sequence with a weight: the labels"
            f" {np.unique(data.labels)[:3].tolist()} have weight 0."
        )
    return data if len(kept) == len(data.codes) else data.take(kept)


def put_on_device(
    data: Labelled, weight_of_class: Array, scaling: Scaling | None, device: torch.device
) -> LabelledSequences:
    """The sequences, scaled, with class weight times sample weight, 1 on average."""
    weights = data.relative_weight * weight_of_class[data.codes]
    # Only the ratios count; about 1 they neither overflow float32 nor vanish in it.
    weights = np.maximum(weights / weights.mean(), np.finfo(np.float32).tiny)
    return LabelledSequences(
        to_device(data.sequences, scaling, device),
        torch.from_numpy(data.codes).to(device),
        torch.from_numpy(weights.astype(np.float32)).to(device),
    )


def as_validation(
    data: Labelled, weight_of_class: Array, scaling: Scaling | None, device: torch.device
) -> Validation:
    """The held-out part, as the monitor wants it."""
    data = drop_weightless(data, weight_of_class)
    return Validation(
        put_on_device(data, weight_of_class, scaling, device),
        list(data.sequences),
        data.labels,
        data.classes,
        data.sample_weight if data.is_weighted else None,
    )
