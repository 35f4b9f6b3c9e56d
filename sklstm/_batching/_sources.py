"""What a training reads its sequences from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np
import torch
from torch import Tensor

from sklstm._sequences import IntArray

if TYPE_CHECKING:
    from sklstm._batching._loader import DeviceSequences, PaddedInputs, Plan


class TrainingSequences(Protocol):
    """What is trained on: `DeviceSequences`, or `WindowedSequences` of which a part is there."""

    device: torch.device
    host_lengths: IntArray
    have_one_length: bool

    def __len__(self) -> int: ...

    @property
    def static(self) -> Tensor | None:
        """Static columns, on the device."""

    @property
    def contexts(self) -> list[AbstractContextManager[Any]]:
        """Contexts of a training."""

    def batch(self, indices: IntArray) -> PaddedInputs:
        """Inputs of the sequences at ``indices``."""

    def shuffled(self, batch_size: int, rng: np.random.Generator) -> Iterator[list[IntArray]]:
        """The mini-batches of a newly shuffled epoch, in lists of those that are read together."""

    def read(self, plans: Iterable[Plan]) -> Iterator[tuple[Plan, Gatherer]]:
        """The plans of an epoch, and what gathers the inputs of each."""

    def pieces(self) -> Iterator[tuple[slice, DeviceSequences]]:
        """All sequences, in order."""

    def map_ids(self, function: Callable[[Tensor], Tensor]) -> Self:
        """The same with a function of token ids on the device."""

    def largest(self) -> float | None:
        """Largest absolute input; None of token ids."""


class Gatherer(Protocol):
    """What gathers inputs."""

    def batch(self, indices: IntArray) -> PaddedInputs:
        """Inputs of the sequences at ``indices``."""
