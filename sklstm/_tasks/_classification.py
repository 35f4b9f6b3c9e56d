"""Classification task: one label per sequence, of which several labels are a case of their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np
from scipy.special import log_softmax, softmax
from sklearn.base import BaseEstimator, ClassifierMixin
from torch import nn

from sklstm._config._configuration import Configuration
from sklstm._config._options import Options
from sklstm._sequences import Array
from sklstm._tasks._class_weights import balanced_weights, weights_of_dict
from sklstm._tasks._indicators import has_columns, reject_one_hot
from sklstm._tasks._known import of_known
from sklstm._tasks._labels import are_classes, check_classes, check_labels, encode_labels
from sklstm._tasks._logistic import fit_logistic, fit_shares, match_confidence
from sklstm._tasks._losses import WeightedCrossEntropy
from sklstm._tasks._multilabel import Multilabel
from sklstm._tasks._ridge import fit_classification
from sklstm._tasks._task import Task

# From this number of sequences on the share of a network beside fixed convolutions is fitted: with
# fewer nothing was gained on average (benchmarks/LOG.md).
ENOUGH_FOR_NETWORK_SHARE = 500


class Classification(Task):
    """Classification: targets are indices into the sorted ``classes``, outputs are logits."""

    def __init__(self, classes: Array) -> None:
        self.classes = classes

    attribute_checks: ClassVar[Mapping[str, Callable[[Any], bool]]] = {
        "classes_": are_classes,
        "multilabel_": lambda value: isinstance(value, bool),
    }
    attribute_defaults: ClassVar[Mapping[str, Any]] = {"multilabel_": False}
    # A network is overconfident.
    shares: ClassVar[tuple[float, float]] = (0.25, 0.5)
    fits_shares: ClassVar[bool] = True
    check_y = staticmethod(check_labels)

    @classmethod
    def learn(cls, y: Array, weights: Array, options: Options) -> Task:
        if y.ndim == 1:
            return cls(check_classes(y))
        # Once more: sequences of weight 0 are gone.
        reject_one_hot(y, None, "y")
        return Multilabel.learn(y, weights, options)

    @classmethod
    def of(cls, attributes: Mapping[str, Any]) -> Task:
        classes = attributes["classes_"]
        if not attributes["multilabel_"]:
            return cls(classes)
        if not np.array_equal(classes, np.arange(len(classes))):
            raise ValueError("classes_ and multilabel_ do not agree.")
        return Multilabel.of(attributes)

    @classmethod
    def of_classes(cls, classes: Array, y: Any, *, estimator: str) -> Task:
        """The task of these classes, for labels of the kind of y, the first ones."""
        if not has_columns(y):
            return cls(classes)
        check_labels(y, estimator=estimator)
        if not np.array_equal(classes, np.arange(len(classes))):
            raise ValueError(
                "classes must be the numbers of the columns of y where y has a column for each of"
                f" several labels. Got {classes.tolist()}.\n\nGive classes=range(y.shape[1])."
            )
        return Multilabel(len(classes))

    @property
    def attributes(self) -> dict[str, Any]:
        return {"classes_": self.classes, "multilabel_": False}

    @property
    def n_outputs(self) -> int:
        return len(self.classes)

    def encode(self, y: Array, *, input_name: str = "y") -> Array:
        return encode_labels(y, self.classes, input_name=input_name)

    def decode(self, targets: Array) -> Array:
        labels: Array = self.classes[targets]
        return labels

    def strata(self, targets: Array) -> Array:
        return targets

    def describe(self, targets: Array) -> str:
        return f"{self.classes[np.unique(targets)][:3].tolist()}"

    def lack(self, targets: Array) -> str:
        missing = self.classes[np.setdiff1d(np.arange(len(self.classes)), targets)].tolist()
        return f", which lack the classes {missing[:3]}" if missing else ""

    def weigh(
        self, targets: Array, sample_weight: Array, options: Options
    ) -> Callable[[Array], Array]:
        """Class weights; "balanced" ones count these targets."""
        weights = np.ones(len(self.classes))
        if isinstance(options.class_weight, list):
            raise ValueError(
                "class_weight must be a dict, 'balanced' or None where each sequence has one label."
                " Got a list, which has a dict for each of several labels per sequence."
            )
        if isinstance(options.class_weight, Mapping):
            weights = weights_of_dict(options.class_weight, self.classes)
        elif options.class_weight == "balanced":
            weights = balanced_weights(targets, len(self.classes), sample_weight)
        return lambda targets: weights[targets]

    def digest_of(self, targets: Array) -> list[Array]:
        return [targets, np.array([self.classes.dtype.str, *map(repr, self.classes.tolist())])]

    def build_loss(self, options: Options) -> nn.Module:
        return WeightedCrossEntropy()

    def fit_linear(
        self, features: Array, targets: Array, weights: Array, factors: Array | None = None
    ) -> tuple[Array, Array, Array]:
        """Weight (C, P), bias and left-out logits of a ridge classifier, calibrated."""
        return fit_classification(features, targets, len(self.classes), weights, factors)

    def fit_sparse(self, features: Any, targets: Array, weights: Array) -> tuple[Array, Array]:
        """Weight (C, P) and bias of logits: those of a logistic regression."""
        return fit_logistic(features, targets, len(self.classes), weights)

    def fit_shares(self, members: Array, targets: Array, weights: Array) -> tuple[float, float]:
        """Those of the least log-loss."""
        return fit_shares(members, targets, weights, self.shares)

    def fits_network_share(self, configuration: Configuration, n_sequences: int) -> bool:
        """With enough sequences; early stopping has scored the plain mean of both."""
        return n_sequences >= ENOUGH_FOR_NETWORK_SHARE and not configuration.early_stopping

    def fit_network_share(self, outputs: Array, left_out: Array, weights: Array) -> float:
        """The one by which the network is as confident as the ridge is of what was left out."""
        return match_confidence(outputs, left_out, weights)

    def predictor(self, outputs: Array) -> ClassifierOfLogits:
        return ClassifierOfLogits(outputs, self.classes)


class ClassifierOfLogits(ClassifierMixin, BaseEstimator):
    """Fitted classifier of precomputed logits (n, C), for predictions and scikit-learn's scorers.

    X is not needed, and only that of ``X_`` is accepted, where it is set.
    """

    def __init__(self, logits: Array, classes: Array) -> None:
        self.logits = logits
        self.classes_ = classes

    @of_known
    def predict(self) -> Array:
        labels: Array = self.classes_[self.logits.argmax(axis=1)]
        return labels

    @of_known
    def predict_proba(self) -> Array:
        return np.asarray(softmax(self.logits, axis=1))

    @of_known
    def predict_log_proba(self) -> Array:
        return np.asarray(log_softmax(self.logits, axis=1))

    @of_known
    def decision_function(self) -> Array:
        """Logits (n, C), or for two classes their difference (n,), as in scikit-learn."""
        logits = self.logits
        return logits[:, 1] - logits[:, 0] if logits.shape[1] == 2 else logits
