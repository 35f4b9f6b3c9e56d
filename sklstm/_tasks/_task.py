"""What a task is: all that loop, batches, splits and files do not know of the targets."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Self

from torch import nn

from sklstm._config._options import Options
from sklstm._sequences import Array, IntArray


class Task(ABC):
    """From what a user gives as y to what the loss takes, and from outputs to predictions.

    y is as the user gives it, targets are what the loss takes: an array of one row per sequence.
    """

    # What must hold of each of the `attributes` in a model file.
    attribute_checks: ClassVar[Mapping[str, Callable[[Any], bool]]]

    @staticmethod
    @abstractmethod
    def check_y(y: Any, *, estimator: str, input_name: str) -> Array:
        """y as an array of one row per sequence."""

    @classmethod
    @abstractmethod
    def learn(cls, y: Array) -> Self:
        """The task that the checked y of a training asks for."""

    @classmethod
    @abstractmethod
    def of(cls, attributes: Mapping[str, Any]) -> Self:
        """The task that has these fitted `attributes`."""

    @property
    @abstractmethod
    def attributes(self) -> dict[str, Any]:
        """What a fitted estimator holds of it, by the public names of the attributes."""

    @property
    @abstractmethod
    def n_outputs(self) -> int:
        """Outputs of the network."""

    @abstractmethod
    def encode(self, y: Array, *, input_name: str) -> Array:
        """The targets of checked y."""

    @abstractmethod
    def decode(self, targets: Array) -> Array:
        """y, as scorers take it."""

    @abstractmethod
    def strata(self, targets: Array) -> IntArray:
        """The stratum of each target, of which a validation part holds its share."""

    @abstractmethod
    def describe(self, targets: Array) -> str:
        """Some of these targets, in the user's words, for a message."""

    def lack(self, targets: Array) -> str:
        """What these validation targets lack, as a clause for a message; "" for nothing."""
        return ""

    @abstractmethod
    def weigh(
        self, targets: Array, sample_weight: Array, options: Options
    ) -> Callable[[Array], Array]:
        """The factor of a target's sample weight, as these targets of a training part ask for."""

    @abstractmethod
    def digest_of(self, targets: Array) -> list[Array]:
        """Arrays that differ whenever y does."""

    @abstractmethod
    def build_loss(self, options: Options) -> nn.Module:
        """The loss: outputs, targets, weights and mixup's weights -> a scalar."""

    @abstractmethod
    def predictor(self, outputs: Array) -> Any:
        """A fitted estimator of this task whose outputs are known, as scorers take it."""
