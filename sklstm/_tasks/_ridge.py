"""Ridge regression with leave-one-out predictions for each regularisation strength."""

from __future__ import annotations

from collections.abc import Callable
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
# Number of runs of neighbouring rows that a regression is computed without.
N_RUNS = 100
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

    def _factors(self, strength: float) -> Array:
        """Factors of the projected targets on the basis."""
        inverse = 1.0 / (self._values + strength * self._unit)
        return np.asarray(self._values * inverse if self._is_dual else inverse)

    def left_out(self, strength: float) -> Array:
        """Prediction of each target by a regression without its row, shape (n, k)."""
        factors = self._factors(strength)
        fitted = self._basis @ (factors[:, None] * self._projected) / self._roots + self._offset
        leverage = np.square(self._basis) @ factors + self._shares
        residuals = (self._targets - fitted) / np.maximum(1.0 - leverage, 1e-9)[:, None]
        return np.asarray(self._targets - residuals)

    def left_out_in_runs(self, strength: float) -> Array:
        """The same without the row and its neighbours: one of a hundred runs of rows.

        Neighbours may be windows of one recording, which overlap; a regression without the row
        alone would know it all the same.
        """
        n = len(self._targets)
        if n <= N_RUNS:
            return self.left_out(strength)
        factors = self._factors(strength)
        roots = self._roots
        fitted = self._basis @ (factors[:, None] * self._projected) + roots * self._offset
        residuals = roots * self._targets - fitted
        for rows in np.array_split(np.arange(n), N_RUNS):
            basis, own = self._basis[rows], roots[rows]
            hat = (basis * factors) @ basis.T + own @ own.T
            residuals[rows] = np.linalg.solve(np.eye(len(rows)) * (1 + 1e-9) - hat, residuals[rows])
        return np.asarray(self._targets - residuals / roots)

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
    left_out = [ridge.left_out_in_runs(strength) for strength in STRENGTHS]
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
) -> tuple[Array, Array, Array]:
    """Coefficients and intercepts of logits, and left-out logits: a ridge classifier, scaled.

    The strength and the scale have the least left-out log-loss. Among strengths that differ by less
    than `TOLERANCE` it is the largest: a class of next to no weight then counts for nothing.
    """
    is_class = classes[:, None] == np.arange(n_classes)
    ridge = Ridge(features, np.where(is_class, 1.0, -1.0), weights, factors)
    shares = weights / weights.sum()

    def loss(logits: Array) -> Array:
        return np.atleast_1d(-shares @ log_softmax(logits, axis=1)[is_class])

    (strength,), (factor,) = _calibrate(ridge, loss)
    coefficients, intercepts = ridge.coefficients(strength)
    return factor * coefficients, factor * intercepts, factor * ridge.left_out(strength)


def fit_labels(
    features: Array, labels: Array, weights: Array, factors: Array | None = None
) -> tuple[Array, Array]:
    """Coefficients (k, p) and intercepts of logits of labels (n, k), each 0 or 1: as of classes.

    Each label has a strength and a scale of its own. ``weights`` have shape (n,) or (n, k); labels
    of equal weights share a decomposition. A label without variation is as likely as its opposite
    in one more row.
    """
    is_present = labels > 0
    coefficients = np.zeros((labels.shape[1], features.shape[1]))
    intercepts = np.zeros(labels.shape[1])
    weights = np.broadcast_to(weights.T, labels.T.shape)
    distinct, kinds = np.unique(weights, axis=0, return_inverse=True)
    for kind, of_rows in enumerate(distinct):
        rows, columns = np.flatnonzero(of_rows), np.flatnonzero(kinds.ravel() == kind)
        counts = is_present[np.ix_(rows, columns)].sum(axis=0)
        intercepts[columns] = np.where(counts > 0, 1, -1) * np.log1p(len(rows))
        columns = columns[(counts > 0) & (counts < len(rows))]
        if len(columns):
            table = features[rows] if len(rows) < len(features) else features
            cells = is_present[np.ix_(rows, columns)]
            fitted = _fit_varying_labels(table, cells, of_rows[rows], factors)
            coefficients[columns], intercepts[columns] = fitted
    return coefficients, intercepts


def _fit_varying_labels(
    features: Array, is_present: Array, weights: Array, factors_P: Array | None
) -> tuple[Array, Array]:
    """The same of labels that vary and have the same positive weights."""
    signs = np.where(is_present, 1.0, -1.0)
    ridge = Ridge(features, signs, weights, factors_P)
    shares = weights / weights.sum()

    def loss(scores: Array) -> Array:
        # Of the classes "absent" and "present", whose scores are each other's negative.
        return np.asarray(shares @ np.logaddexp(0.0, -2.0 * signs * scores))

    strengths, factors = _calibrate(ridge, loss)
    coefficients = np.empty((len(strengths), features.shape[1]))
    intercepts = np.empty(len(strengths))
    for strength in np.unique(strengths):
        chosen, (of_all, offsets) = strengths == strength, ridge.coefficients(strength)
        coefficients[chosen], intercepts[chosen] = of_all[chosen], offsets[chosen]
    return 2.0 * factors[:, None] * coefficients, 2.0 * factors * intercepts


def _calibrate(ridge: Ridge, loss: Callable[[Array], Array]) -> tuple[Array, Array]:
    """Strengths and factors of the least left-out loss, one of each for each figure of ``loss``.

    Among strengths that differ by less than `TOLERANCE` it is the largest.
    """
    losses_SFK = np.array(
        [[loss(f * scores) for f in FACTORS] for scores in map(ridge.left_out, STRENGTHS)]
    )
    is_enough_SK = losses_SFK.min(axis=1) <= losses_SFK.min(axis=(0, 1)) + TOLERANCE
    strongest_K = len(STRENGTHS) - 1 - is_enough_SK[::-1].argmax(axis=0)
    best_K = losses_SFK.argmin(axis=1)[strongest_K, np.arange(losses_SFK.shape[2])]
    return np.array(STRENGTHS)[strongest_K], np.array(FACTORS)[best_K]
