"""Regression task: one or more numbers per sequence, or quantiles of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from sklearn.base import BaseEstimator, RegressorMixin
from torch import nn

from sklstm._config._options import Options
from sklstm._sequences import Array, IntArray
from sklstm._tasks._known import of_known
from sklstm._tasks._losses import WeightedRegressionLoss
from sklstm._tasks._ridge import (
    fit_regression,
    fit_sparse_regression,
    predict_sparse_left_out,
)
from sklstm._tasks._task import Task
from sklstm._validation._targets import check_numbers

# Shares of a network that are tried, and the number of sequences that equal ones count as.
SHARES = np.linspace(0.0, 1.0, 41).tolist()
PRIOR = 30


class Regression(Task):
    """Regression: targets are standardised numbers (k,), outputs the same or their quantiles.

    Attributes
    ----------
    mean, scale : ndarray of shape (k,)
        Mean and standard deviation of each target.
    n_dimensions : int
        Dimensions of y.
    quantiles : ndarray of shape (q,)
        Probabilities of the quantiles, ascending; empty if the outputs are the numbers themselves.
    """

    noun: ClassVar[str] = "values"
    predicts_numbers: ClassVar[bool] = True
    fits_shares: ClassVar[bool] = True

    def __init__(self, mean: Array, scale: Array, n_dimensions: int, quantiles: Array) -> None:
        self.mean, self.scale, self.n_dimensions = mean, scale, n_dimensions
        self.quantiles = quantiles

    attribute_checks: ClassVar[Mapping[str, Callable[[Any], bool]]] = {
        "target_mean_": lambda value: _is_vector(value) and len(value) >= 1,
        "target_scale_": lambda value: _is_vector(value) and bool((value > 0).all()),
        "quantiles_": lambda value: _is_vector(value) and _are_probabilities(value),
        "_n_dimensions": lambda value: value in (1, 2),
    }

    check_y = staticmethod(check_numbers)

    @classmethod
    def learn(cls, y: Array, weights: Array, options: Options) -> Regression:
        shares, columns = weights / weights.sum(), y.reshape(len(y), -1)
        with np.errstate(over="ignore", invalid="ignore"):
            mean = shares @ columns
            scale = np.sqrt(shares @ np.square(columns - mean))
        if not np.isfinite(scale).all():
            raise ValueError(
                f"y is too large: its largest absolute value is {np.abs(y).max():.3g}.\n\nDivide y"
                " by a constant."
            )
        # Of a constant target rounding errors are left.
        is_constant = scale <= 1e-12 * np.maximum(np.abs(mean), np.finfo(np.float64).tiny)
        quantiles = np.sort(options.quantiles) if options.loss == "quantile" else np.empty(0)
        return cls(mean, np.where(is_constant, 1.0, scale), y.ndim, quantiles)

    @classmethod
    def of(cls, attributes: Mapping[str, Any]) -> Regression:
        names = ("target_mean_", "target_scale_", "_n_dimensions", "quantiles_")
        mean, scale, n_dimensions, quantiles = (attributes[name] for name in names)
        if len(mean) != len(scale) or (n_dimensions == 1 and len(mean) > 1):
            raise ValueError("target_mean_, target_scale_ and _n_dimensions do not agree.")
        return cls(mean, scale, n_dimensions, quantiles)

    @property
    def attributes(self) -> dict[str, Any]:
        return {
            "target_mean_": self.mean,
            "target_scale_": self.scale,
            "quantiles_": self.quantiles,
            "_n_dimensions": self.n_dimensions,
        }

    @property
    def n_outputs(self) -> int:
        return len(self.mean) * max(1, len(self.quantiles))

    @property
    def fits_shifts(self) -> bool:
        """Whether outputs are quantiles: a network is too sure of those of its training targets."""
        return len(self.quantiles) > 0

    def encode(self, y: Array, *, input_name: str = "y") -> Array:
        n_targets = len(self.mean)
        if y.shape[1:] != (n_targets,) * (self.n_dimensions - 1):
            raise ValueError(
                f"{input_name} has shape {y.shape}, but the shape was"
                f" {('n_sequences', n_targets)[: self.n_dimensions]} in training."
            )
        standardised = (y.reshape(len(y), -1) - self.mean) / self.scale
        if np.abs(standardised).max() > np.finfo(np.float32).max:
            raise ValueError(f"{input_name} is too large beside the y of training.")
        return standardised.astype(np.float32)

    def decode(self, targets: Array) -> Array:
        return self._in_units(targets)

    def _in_units(self, standardised: Array) -> Array:
        """Numbers in the units and the dimensions of y, from (n, k)."""
        numbers: Array = standardised * self.scale + self.mean
        return numbers[:, 0] if self.n_dimensions == 1 else numbers

    def strata(self, targets: Array) -> IntArray:
        return np.zeros(len(targets), dtype=np.int64)

    def describe(self, targets: Array) -> str:
        return f"{self.decode(targets)[:3].tolist()}"

    def weigh(
        self, targets: Array, sample_weight: Array, options: Options
    ) -> Callable[[Array], Array]:
        return lambda targets: np.ones(len(targets))

    def digest_of(self, targets: Array) -> list[Array]:
        return [targets, self.mean, self.scale, self.quantiles, np.array(self.n_dimensions)]

    def build_loss(self, options: Options) -> nn.Module:
        if (options.loss == "quantile") != (len(self.quantiles) > 0):
            raise ValueError(
                "Further training requires the same outputs; loss='quantile' has others than the"
                " other losses.\n\nSet loss back, or train a new network: fit with"
                " warm_start=False, or sklearn.base.clone."
            )
        return WeightedRegressionLoss(options.loss, self.quantiles.tolist())

    def fit_linear(
        self, features: Array, targets: Array, weights: Array, factors: Array | None = None
    ) -> tuple[Array, Array, None]:
        """Weight (n_outputs, P) and bias of a ridge regression.

        For quantiles it is shifted by those of its left-out residuals.
        """
        weight, bias, left_out = fit_regression(features, targets, weights, factors)
        if len(self.quantiles):
            weight, bias = self._of_quantiles(weight, bias, targets - left_out, weights)
        return weight, bias, None

    def fit_sparse(self, features: Any, targets: Array, weights: Array) -> tuple[Array, Array]:
        """The same of sparse features."""
        weight, bias = fit_sparse_regression(features, targets, weights)
        if not len(self.quantiles):
            return weight, bias
        left_out = predict_sparse_left_out(features, targets, weights)
        return self._of_quantiles(weight, bias, targets - left_out, weights)

    def _of_quantiles(
        self, weight: Array, bias: Array, residuals: Array, weights: Array
    ) -> tuple[Array, Array]:
        """Weight and bias of all quantiles: those of the mean, shifted by residuals (n, k)."""
        shifts = _quantiles(residuals, weights, self.quantiles).T
        n_quantiles = len(self.quantiles)
        return np.repeat(weight, n_quantiles, axis=0), np.repeat(bias, n_quantiles) + shifts.ravel()

    def fit_shares(self, members: Array, targets: Array, weights: Array) -> tuple[float, float]:
        """Those of the least squared error, or quantile loss, among weighted means of both.

        They are drawn towards equal ones, as by `PRIOR` sequences.
        """
        kind = "quantile" if len(self.quantiles) else "squared_error"
        loss = WeightedRegressionLoss(kind, self.quantiles.tolist())
        of_network, of_linear, *given = map(
            torch.from_numpy, (members[:, 0], members[:, 1], targets, weights)
        )
        losses = [float(loss(torch.lerp(of_linear, of_network, s), *given)) for s in SHARES]
        best, n = SHARES[int(np.argmin(losses))], len(targets)
        share = (n * best + PRIOR * 0.5) / (n + PRIOR)
        return share, 1.0 - share

    def fit_shifts(self, outputs: Array, targets: Array, weights: Array) -> Array:
        """The quantile of what each output misses, by one sequence in n + 1 farther outwards.

        Y. Romano, E. Patterson, E. Candes, "Conformalized Quantile Regression", NeurIPS 2019.
        """
        n = len(targets)
        ascending = np.sort(outputs.reshape(n, targets.shape[1], -1), axis=2)
        residuals = targets[:, :, None] - ascending
        shifts = np.empty(residuals.shape[1:])
        for j, q in enumerate(self.quantiles):
            sign, level = (1 if q > 0.5 else -1), max(q, 1 - q) * (n + 1) / n
            own = sign * residuals[:, :, j]
            shifts[:, j] = sign * _quantiles(own, weights, min(level, 1.0))
        return shifts.ravel()

    def predictor(self, outputs: Array) -> RegressorOfOutputs:
        return RegressorOfOutputs(outputs, self)

    def point(self, outputs: Array) -> Array:
        """The numbers, or of the quantiles the nearest to the median, in the units of y."""
        if not len(self.quantiles):
            return self._in_units(outputs)
        nearest = int(np.abs(self.quantiles - 0.5).argmin())
        return np.asarray(self.quantiles_of(outputs)[..., nearest])

    def quantiles_of(self, outputs: Array) -> Array:
        """Quantiles in the units of y, ascending, shape (n, q) or (n, k, q)."""
        by_target = outputs.reshape(len(outputs), len(self.mean), -1)
        # Outputs may cross: sorting brings the quantiles nearer to the true ones (V. Chernozhukov,
        # I. Fernandez-Val, A. Galichon, "Quantile and Probability Curves Without Crossing",
        # Econometrica 78, 2010).
        ascending = np.sort(by_target, axis=2)
        numbers: Array = ascending * self.scale[:, None] + self.mean[:, None]
        return numbers[:, 0] if self.n_dimensions == 1 else numbers


class RegressorOfOutputs(RegressorMixin, BaseEstimator):
    """Fitted regressor of precomputed outputs, for predictions and scikit-learn's scorers.

    X is not needed, and only that of ``X_`` is accepted, where it is set.
    """

    def __init__(self, outputs: Array, task: Regression) -> None:
        self.outputs = outputs
        self.task = task

    @of_known
    def predict(self) -> Array:
        """Numbers, in the shape of y."""
        return self.task.point(self.outputs)

    @of_known
    def predict_quantiles(self) -> Array:
        """Quantiles, ascending along the last axis."""
        return self.task.quantiles_of(self.outputs)


def _quantiles(values: Array, weights: Array, probabilities: Any) -> Array:
    """Quantiles of each column: values themselves, since an interval must cover some."""
    return np.asarray(
        np.quantile(values, probabilities, axis=0, method="inverted_cdf", weights=weights)
    )


def _is_vector(value: Any) -> bool:
    return bool(value.ndim == 1 and value.dtype == np.float64 and np.isfinite(value).all())


def _are_probabilities(value: Array) -> bool:
    return bool(((value > 0) & (value < 1)).all() and (np.diff(value) > 0).all())
