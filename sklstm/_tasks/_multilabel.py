"""Multilabel task: several labels per sequence."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np
from scipy.special import expit
from sklearn.base import BaseEstimator, ClassifierMixin
from torch import nn

from sklstm._config._options import Options
from sklstm._sequences import Array, IntArray
from sklstm._tasks._class_weights import weights_of_labels
from sklstm._tasks._indicators import check_indicators, has_columns
from sklstm._tasks._known import of_known
from sklstm._tasks._logistic import fit_logistic_labels, fit_shares_of_labels
from sklstm._tasks._losses import WeightedBinaryCrossEntropy
from sklstm._tasks._ridge import fit_labels
from sklstm._tasks._task import Task


class Multilabel(Task):
    """Several labels per sequence: targets are 0 or 1 (k,), outputs the logit of each label.

    `Classification` learns it of an indicator matrix.
    """

    # As of one label.
    shares: ClassVar[tuple[float, float]] = (0.25, 0.5)
    fits_shares: ClassVar[bool] = True
    # Any of the labels may be absent.
    needs_all_strata: ClassVar[bool] = False

    def __init__(self, n_labels: int) -> None:
        self.n_labels = n_labels

    @staticmethod
    def check_y(y: Any, *, estimator: str, input_name: str = "y") -> Array:
        if y is None or not has_columns(y):
            found = "None" if y is None else "one label for each sequence"
            raise ValueError(
                f"{input_name} must be an indicator matrix of shape (n_sequences, n_labels), as in"
                f" the first fit. Got {found}."
            )
        return check_indicators(y, estimator=estimator, input_name=input_name)

    @classmethod
    def learn(cls, y: Array, weights: Array, options: Options) -> Multilabel:
        return cls(y.shape[1])

    @classmethod
    def of(cls, attributes: Mapping[str, Any]) -> Multilabel:
        return cls(len(attributes["classes_"]))

    @property
    def attributes(self) -> dict[str, Any]:
        return {"classes_": np.arange(self.n_labels), "multilabel_": True}

    @property
    def n_outputs(self) -> int:
        return self.n_labels

    def encode(self, y: Array, *, input_name: str = "y") -> Array:
        if y.shape[1] != self.n_labels:
            raise ValueError(
                f"{input_name} has {y.shape[1]} columns, but there are {self.n_labels} labels."
            )
        return y

    def decode(self, targets: Array) -> Array:
        return targets.astype(np.int64)

    def strata(self, targets: Array) -> IntArray:
        """The rarest label of each sequence; sequences without any are a stratum of their own."""
        counts = np.where(targets > 0, targets.sum(axis=0), np.inf)
        rarest: IntArray = np.where(targets.any(axis=1), counts.argmin(axis=1), self.n_labels)
        return rarest

    def describe(self, targets: Array) -> str:
        return f"{self.decode(targets)[:3].tolist()}"

    def lack(self, targets: Array) -> str:
        constant = np.flatnonzero((targets == targets[0]).all(axis=0)).tolist()
        return f", in which labels {constant[:3]} do not vary" if constant else ""

    def weigh(
        self, targets: Array, sample_weight: Array, options: Options
    ) -> Callable[[Array], Array]:
        """Class weights of each label, shape (n, k); "balanced" ones count these targets."""
        if options.class_weight is None:
            return lambda targets: np.ones(len(targets))
        absent, present = weights_of_labels(options.class_weight, targets, sample_weight).T
        return lambda targets: np.where(targets > 0, present, absent)

    def digest_of(self, targets: Array) -> list[Array]:
        return [targets]

    def build_loss(self, options: Options) -> nn.Module:
        return WeightedBinaryCrossEntropy()

    def fit_linear(
        self, features: Array, targets: Array, weights: Array, factors: Array | None = None
    ) -> tuple[Array, Array, None]:
        """Weight (k, P) and bias of logits: a ridge classifier of each label, calibrated."""
        return *fit_labels(features, targets, weights, factors), None

    def fit_sparse(self, features: Any, targets: Array, weights: Array) -> tuple[Array, Array]:
        """Weight (k, P) and bias of logits: a logistic regression of each label."""
        return fit_logistic_labels(features, targets, weights)

    def fit_shares(self, members: Array, targets: Array, weights: Array) -> tuple[float, float]:
        """Those of the least log-loss of all labels."""
        return fit_shares_of_labels(members, targets, weights, self.shares)

    def predictor(self, outputs: Array) -> ClassifierOfLabels:
        return ClassifierOfLabels(outputs)


class ClassifierOfLabels(ClassifierMixin, BaseEstimator):
    """Fitted multilabel classifier of precomputed logits (n, k), for predictions and scorers.

    X is not needed, and only that of ``X_`` is accepted, where it is set. ``classes_`` lists the
    classes of each label, as of scikit-learn's forests: scorers would take two labels with
    ``classes_`` [0, 1] for a single one.
    """

    def __init__(self, logits: Array) -> None:
        self.logits = logits
        self.classes_ = [np.arange(2)] * logits.shape[1]

    @of_known
    def predict(self) -> Array:
        """Indicator matrix: 1 where the probability exceeds 0.5."""
        return (self.logits > 0).astype(np.int64)

    @of_known
    def predict_proba(self) -> Array:
        return np.asarray(expit(self.logits))

    @of_known
    def predict_log_proba(self) -> Array:
        return -np.logaddexp(0.0, -self.logits)

    @of_known
    def decision_function(self) -> Array:
        return self.logits
