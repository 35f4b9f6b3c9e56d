"""Logistic regression of sparse features, and shares of two classifiers in an ensemble."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.optimize import brentq, minimize
from scipy.special import log_softmax, softmax
from sklearn.linear_model import LogisticRegression

from sklstm._sequences import Array, IntArray

# Inverse strength of the regularisation: weaker than scikit-learn's 1.0, since the shares of the
# ensemble calibrate the result (benchmarks/LOG.md).
INVERSE_STRENGTH = 20.0
# L-BFGS took 17 to 87 on texts of 2 to 21 classes; noise alone would take thousands.
MAX_ITERATIONS = 100
# Standard deviation of the logarithms of shares around those that they have without evidence.
DEVIATION = 0.5
SHARE_BOUNDS = (-7.0, 2.0)
# Bounds of the factor of a network's logits: a ridge may know little of what a network has learnt.
FACTOR_BOUNDS = (0.1, 1.0)


def fit_logistic(
    features: Any, classes: IntArray, n_classes: int, weights: Array
) -> tuple[Array, Array]:
    """Weight (n_classes, p) and bias of logits of a logistic regression of sparse features (n, p).

    Classes without a row are as likely as one row in n + 1.
    """
    present = np.unique(classes)
    weight = np.zeros((n_classes, features.shape[1]))
    bias = np.full(n_classes, -np.log1p(len(classes)))
    if len(present) == 1:
        bias[present] = 0.0
        return weight, bias
    model = LogisticRegression(C=INVERSE_STRENGTH, max_iter=MAX_ITERATIONS)
    with warnings.catch_warnings():
        # An ensemble does without the last digits; what y is like has been said before.
        warnings.simplefilter("ignore")
        model.fit(features, classes, sample_weight=weights / weights.mean())
    # Of two classes there is the difference.
    scale = np.array([[-0.5], [0.5]]) if len(present) == 2 else 1.0
    weight[present] = scale * model.coef_
    bias[present] = np.ravel(scale) * model.intercept_
    return weight, bias


def fit_logistic_labels(features: Any, labels: Array, weights: Array) -> tuple[Array, Array]:
    """Weight (k, p) and bias of logits of labels (n, k), each 0 or 1: a regression of each.

    ``weights`` have shape (n,) or (n, k). A label without variation is as likely as its opposite
    in one more row.
    """
    n_labels = labels.shape[1]
    weight, bias = np.zeros((n_labels, features.shape[1])), np.zeros(n_labels)
    of_labels = np.broadcast_to(weights.T, labels.T.shape)
    for label, (column, of_rows) in enumerate(zip(labels.T, of_labels, strict=True)):
        rows = np.flatnonzero(of_rows)
        if len(rows):
            table = features[rows] if len(rows) < len(column) else features
            of_classes = fit_logistic(table, column[rows].astype(np.int64), 2, of_rows[rows])
            weight[label], bias[label] = (np.diff(part, axis=0)[0] for part in of_classes)
    return weight, bias


def fit_shares(
    members: Array, classes: IntArray, weights: Array, prior: tuple[float, float]
) -> tuple[float, float]:
    """Factors of the logits of two members (n, 2, C): those of the least log-loss of the sum.

    Their logarithms have a normal prior around those of ``prior``.
    """
    is_class = classes[:, None] == np.arange(members.shape[2])
    shares = weights / weights.sum()

    def loss(logits: Array) -> float:
        return float(-shares @ log_softmax(logits, axis=1)[is_class])

    return _least_loss(members, loss, prior)


def fit_shares_of_labels(
    members: Array, labels: Array, weights: Array, prior: tuple[float, float]
) -> tuple[float, float]:
    """The same of labels (n, k), each 0 or 1; ``weights`` have shape (n,) or (n, k)."""
    signs = np.where(labels > 0, 1.0, -1.0)
    shares = np.broadcast_to(weights.T, labels.T.shape).T
    shares = shares / shares.sum()

    def loss(logits: Array) -> float:
        return float((shares * np.logaddexp(0.0, -signs * logits)).sum())

    return _least_loss(members, loss, prior)


def match_confidence(logits: Array, left_out: Array, weights: Array) -> float:
    """Factor of logits (n, C) by which they are as confident as left-out ones of another model.

    Confidence is the weighted mean of the largest probability. That of a network for what it was
    trained on says nothing about what is new, and of the latter there is no other evidence.
    """

    def excess(factor: float) -> float:
        return _confidence(factor * logits, weights) - _confidence(left_out, weights)

    smallest, largest = FACTOR_BOUNDS
    # Negated, so that NaN of outputs that overflow is no evidence either.
    if not excess(smallest) < 0:
        return smallest
    if excess(largest) <= 0:
        return largest
    return float(brentq(excess, smallest, largest))


def _confidence(logits: Array, weights: Array) -> float:
    return float(np.average(softmax(logits, axis=1).max(axis=1), weights=weights))


def _least_loss(
    members: Array, loss_of: Callable[[Array], float], prior: tuple[float, float]
) -> tuple[float, float]:
    """The shares by which the sum of two members has the least loss."""
    expected = np.log(prior)

    def loss(logarithms: Array) -> float:
        logits = np.tensordot(members, np.exp(logarithms), (1, 0))
        distance = np.square((logarithms - expected) / DEVIATION).sum() / 2
        return float(loss_of(logits) + distance / len(members))

    bounds = [SHARE_BOUNDS, SHARE_BOUNDS]
    best = minimize(loss, expected, method="L-BFGS-B", bounds=bounds).x
    of_network, of_linear = np.exp(best).tolist()
    return of_network, of_linear
