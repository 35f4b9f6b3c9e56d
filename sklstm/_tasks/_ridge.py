"""Ridge regression with leave-one-out predictions for each regularisation strength."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.linalg import eigh
from scipy.special import log_softmax
from sklearn.linear_model import Ridge as SparseRidge
from sklearn.model_selection import KFold

from sklstm._sequences import Array, IntArray

# Regularisation strengths, in units of the mean squared norm of a standardised row.
STRENGTHS = np.logspace(-7, 1, 17).tolist()
# Factors from scores to logits that are tried.
FACTORS = np.geomspace(0.5, 15, 24).tolist()
# Number of parts that predictions of sparse features are left out in.
N_FOLDS = 5
# Difference in log-loss that is none.
TOLERANCE = 1e-3


class Ridge:
    """Ridge regressions of one or more targets, with an intercept, for all `STRENGTHS`.

    Parameters
    ----------
    features : ndarray of shape (n, p)
        Features; each is divided by its standard deviation, and multiplied by its ``factors``.
    targets : ndarray of shape (n, k)
        Targets.
    weights : ndarray of shape (n,)
        Positive sample weights.
    factors : ndarray of shape (p,), default=None
        Positive factors of the features, of which larger ones are penalised less; None means 1.
    """

    def __init__(
        self, features: Array, targets: Array, weights: Array, factors: Array | None = None
    ) -> None:
        shares = weights / weights.sum()
        self._mean = shares @ features
        deviations = np.sqrt(np.maximum(shares @ np.square(features - self._mean), 0.0))
        # Of a constant feature rounding errors are left.
        self._scale = np.where(deviations > 1e-7, deviations, np.inf)
        if factors is not None:
            self._scale /= factors
        self._offset = shares @ targets
        # Rows times the root of their weight: ordinary least squares.
        roots = np.sqrt(shares)[:, None]
        self._rows = (features - self._mean) / self._scale * roots
        residuals = (targets - self._offset) * roots
        # The kernel form for fewer sequences than features, and the other one otherwise.
        self._is_dual = len(features) <= features.shape[1]
        rows = self._rows
        self._values, self._vectors = eigh(rows @ rows.T if self._is_dual else rows.T @ rows)
        self._values = np.maximum(self._values, 0.0)
        # The number of features that vary, at least.
        self._unit = max(float(self._values.sum()), 1.0)
        basis = self._vectors if self._is_dual else rows @ self._vectors
        self._projected = basis.T @ residuals
        self._basis, self._roots, self._shares = basis, roots, shares
        self._targets = targets

    def left_out(self, strength: float) -> Array:
        """Prediction of each target by a regression without its row, shape (n, k)."""
        inverse = 1.0 / (self._values + strength * self._unit)
        factors = self._values * inverse if self._is_dual else inverse
        fitted = self._basis @ (factors[:, None] * self._projected) / self._roots + self._offset
        leverage = np.square(self._basis) @ factors + self._shares
        residuals = (self._targets - fitted) / np.maximum(1.0 - leverage, 1e-9)[:, None]
        return np.asarray(self._targets - residuals)

    def coefficients(self, strength: float) -> tuple[Array, Array]:
        """Coefficients (k, p) and intercepts (k,)."""
        inverse = 1.0 / (self._values + strength * self._unit)
        inner = self._vectors @ (inverse[:, None] * self._projected)
        weights = (self._rows.T @ inner if self._is_dual else inner) / self._scale[:, None]
        return weights.T, self._offset - self._mean @ weights


def fit_regression(
    features: Array, targets: Array, weights: Array, factors: Array | None = None
) -> tuple[Array, Array, Array]:
    """Coefficients, intercepts and left-out predictions (n, k) of a regression.

    Its strength is the one with the least left-out squared error.
    """
    ridge = Ridge(features, targets, weights, factors)
    left_out = [ridge.left_out(strength) for strength in STRENGTHS]
    best = int(np.argmin([weights @ np.square(p - targets).sum(axis=1) for p in left_out]))
    return *ridge.coefficients(STRENGTHS[best]), left_out[best]


def fit_sparse_regression(features: Any, targets: Array, weights: Array) -> tuple[Array, Array]:
    """Coefficients (k, p) and intercepts (k,) of scikit-learn's ridge for sparse features."""
    model = SparseRidge().fit(features, targets, sample_weight=weights / weights.mean())
    return np.atleast_2d(model.coef_), np.atleast_1d(model.intercept_)


def predict_sparse_left_out(features: Any, targets: Array, weights: Array) -> Array:
    """Prediction of each target (n, k) by that ridge without a fifth of the rows, its own included.

    That of a single row is the row itself.
    """
    n_folds = min(N_FOLDS, len(targets))
    if n_folds < 2:
        return targets
    left_out = np.empty(targets.shape)
    for rows, others in KFold(n_folds, shuffle=True, random_state=0).split(targets):
        weight, bias = fit_sparse_regression(features[rows], targets[rows], weights[rows])
        left_out[others] = features[others] @ weight.T + bias
    return left_out


def fit_classification(
    features: Array,
    classes: IntArray,
    n_classes: int,
    weights: Array,
    factors: Array | None = None,
) -> tuple[Array, Array]:
    """Coefficients and intercepts of logits: a ridge classifier, whose scores are scaled.

    The strength and the scale have the least left-out log-loss. Among strengths that differ by less
    than `TOLERANCE` it is the largest: a class of next to no weight then counts for nothing.
    """
    is_class = classes[:, None] == np.arange(n_classes)
    ridge = Ridge(features, np.where(is_class, 1.0, -1.0), weights, factors)
    shares = weights / weights.sum()
    candidates = []
    for strength in STRENGTHS:
        scores = ridge.left_out(strength)
        losses = [-shares @ log_softmax(f * scores, axis=1)[is_class] for f in FACTORS]
        best = int(np.argmin(losses))
        candidates.append((losses[best], strength, FACTORS[best]))
    # The strongest of those that are as good as the best.
    enough = min(candidates)[0] + TOLERANCE
    _, strength, factor = [c for c in candidates if c[0] <= enough][-1]
    coefficients, intercepts = ridge.coefficients(strength)
    return factor * coefficients, factor * intercepts
