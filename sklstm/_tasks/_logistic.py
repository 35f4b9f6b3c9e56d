"""Logistic regression of sparse features, and shares of two classifiers in an ensemble."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from scipy.optimize import minimize
from scipy.special import log_softmax
from sklearn.linear_model import LogisticRegression

from sklstm._sequences import Array, IntArray

# Inverse strength of the regularisation: weaker than scikit-learn's 1.0, since the shares of the
# ensemble calibrate the result (benchmarks/LOG.md).
INVERSE_STRENGTH = 20.0
# L-BFGS took 17 to 87 on texts of 2 to 50 classes; noise alone would take thousands.
MAX_ITERATIONS = 100
# Standard deviation of the logarithms of shares around those that they have without evidence.
DEVIATION = 0.5
SHARE_BOUNDS = (-7.0, 2.0)


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


def fit_shares(
    members: Array, classes: IntArray, weights: Array, prior: tuple[float, float]
) -> tuple[float, float]:
    """Factors of the logits of two members (n, 2, C): those of the least log-loss of the sum.

    Their logarithms have a normal prior around those of ``prior``.
    """
    expected = np.log(prior)
    is_class = classes[:, None] == np.arange(members.shape[2])
    shares = weights / weights.sum()

    def loss(logarithms: Array) -> float:
        logits = np.tensordot(members, np.exp(logarithms), (1, 0))
        distance = np.square((logarithms - expected) / DEVIATION).sum() / 2
        cross_entropy = -shares @ log_softmax(logits, axis=1)[is_class]
        return float(cross_entropy + distance / len(classes))

    bounds = [SHARE_BOUNDS, SHARE_BOUNDS]
    best = minimize(loss, expected, method="L-BFGS-B", bounds=bounds).x
    of_network, of_linear = np.exp(best).tolist()
    return of_network, of_linear
