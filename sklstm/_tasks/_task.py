"""Interface of a learning task: everything that depends on the kind of target."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import numpy as np
from torch import nn

from sklstm._config._configuration import Configuration
from sklstm._config._options import Options
from sklstm._sequences import Array, IntArray
from sklstm._tasks._ridge import fit_regression, fit_sparse_regression

# From this number of sequences on, a tenth of them tells more about the shares of a network and a
# ridge regression than it would teach (benchmarks/LOG.md).
ENOUGH_FOR_NUMBERS = 500


class Task(ABC):
    """Learning task: encodes y as targets of the loss, and turns outputs into predictions.

    y is the user's; targets are the loss function's, an array of one row per sequence.
    """

    # Checks of the `attributes` that are read from a model file.
    attribute_checks: ClassVar[Mapping[str, Callable[[Any], bool]]]
    # What an attribute was that an older file lacks.
    attribute_defaults: ClassVar[Mapping[str, Any]] = {}
    # What y holds.
    noun: ClassVar[str] = "labels"
    # Whether y is numbers.
    predicts_numbers: ClassVar[bool] = False
    # Factors of the outputs of a network and of a linear model in their sum, without evidence, and
    # whether `fit_shares` finds others.
    shares: ClassVar[tuple[float, float]] = (0.5, 0.5)
    fits_shares: ClassVar[bool] = False
    # Whether the training part of a split needs targets of each of the `strata`.
    needs_all_strata: ClassVar[bool] = True

    @staticmethod
    @abstractmethod
    def check_y(y: Any, *, estimator: str, input_name: str) -> Array:
        """Validate y; return it as an array of one row per sequence."""

    @classmethod
    @abstractmethod
    def learn(cls, y: Array, weights: Array, options: Options) -> Task:
        """Build the task from the checked y of a fit and its positive sample weights."""

    @classmethod
    @abstractmethod
    def of(cls, attributes: Mapping[str, Any]) -> Task:
        """Build the task from its fitted `attributes`."""

    @property
    @abstractmethod
    def attributes(self) -> dict[str, Any]:
        """Fitted attributes of the estimator, by their public names."""

    @property
    @abstractmethod
    def n_outputs(self) -> int:
        """Number of outputs of the network."""

    @abstractmethod
    def encode(self, y: Array, *, input_name: str) -> Array:
        """Encode checked y as targets."""

    @abstractmethod
    def decode(self, targets: Array) -> Array:
        """Decode targets to y, as scorers take it."""

    @abstractmethod
    def strata(self, targets: Array) -> IntArray:
        """Stratum of each target, for a stratified validation split."""

    @abstractmethod
    def describe(self, targets: Array) -> str:
        """Some of these targets, decoded, for a message."""

    def lack(self, targets: Array) -> str:
        """Clause for a message on what these validation targets lack; "" if nothing."""
        return ""

    @abstractmethod
    def weigh(
        self, targets: Array, sample_weight: Array, options: Options
    ) -> Callable[[Array], Array]:
        """Function from targets to factors of their sample weights, fitted to training targets.

        Factors have shape (n,), or (n, n_outputs) for a loss that is weighted by output.
        """

    def calibrates(
        self, configuration: Configuration, n_sequences: int, *, is_validated: bool
    ) -> bool:
        """Whether a part is held out for shares or shifts; with early stopping none is."""
        network = configuration.network
        is_enough = self.predicts_numbers and n_sequences >= ENOUGH_FOR_NUMBERS
        has_shares = network.has_tfidf or (network.n_kernels > 0 and is_enough)
        needs = (has_shares and self.fits_shares) or (self.fits_shifts and not is_validated)
        return needs and not configuration.early_stopping

    def fits_network_share(self, configuration: Configuration, n_sequences: int) -> bool:
        """Whether `fit_network_share` finds the share of a network beside fixed convolutions."""
        return False

    @abstractmethod
    def digest_of(self, targets: Array) -> list[Array]:
        """Arrays that identify y in a fingerprint."""

    @abstractmethod
    def build_loss(self, options: Options) -> nn.Module:
        """Loss function of outputs, targets, weights and mixup weights; a scalar."""

    def fit_linear(
        self, features: Array, targets: Array, weights: Array, factors: Array | None = None
    ) -> tuple[Array, Array, Array | None]:
        """Weight (n_outputs, P) and bias of a linear model of the outputs, in closed form.

        ``factors`` (P,) multiply standardised features, of which larger ones are penalised less.
        The last are left-out outputs (n, n_outputs), None for a task without `fit_network_share`.
        """
        columns = targets.reshape(len(targets), -1)
        return *fit_regression(features, columns, weights, factors)[:2], None

    def fit_sparse(self, features: Any, targets: Array, weights: Array) -> tuple[Array, Array]:
        """Weight (n_outputs, P) and bias of a linear model of sparse features (n, P)."""
        return fit_sparse_regression(features, targets.reshape(len(targets), -1), weights)

    def fit_shares(self, members: Array, targets: Array, weights: Array) -> tuple[float, float]:
        """Factors of the outputs of network and linear model (n, 2, n_outputs) in their sum."""
        return self.shares

    def fit_network_share(self, outputs: Array, left_out: Array, weights: Array) -> float:
        """Share of a network, by its training outputs and the left-out ones of `fit_linear`."""
        return self.shares[0]

    @property
    def fits_shifts(self) -> bool:
        """Whether `fit_shifts` finds any."""
        return False

    def fit_shifts(self, outputs: Array, targets: Array, weights: Array) -> Array:
        """Shifts (n_outputs,) of the outputs, by those of held-out sequences (n, n_outputs)."""
        return np.zeros(self.n_outputs)

    @abstractmethod
    def predictor(self, outputs: Array) -> Any:
        """Fitted estimator of precomputed outputs, as scorers take it."""
