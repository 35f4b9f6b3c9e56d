"""The processes that train one model together, called ranks, and who starts them."""

from __future__ import annotations

from collections.abc import Sequence
from contextvars import ContextVar
from typing import Any, Protocol, TypeVar

import torch
from torch import Tensor

from sklstm._runtime._device import resolve_device
from sklstm._sequences import Array

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Ranks(Protocol):
    """The ranks of a fit, as one of them sees them.

    All of them call the same methods in the same order. A rank that fails lets these methods raise
    a RankError in all others.

    Attributes
    ----------
    rank, size : int
        Number of this rank, from 0, and number of ranks.
    own : range
        Shares of the work that this process computes: the one of its number.
    """

    @property
    def rank(self) -> int:
        """Number of this rank."""

    @property
    def size(self) -> int:
        """Number of ranks."""

    @property
    def own(self) -> range:
        """Shares that this process computes."""

    def sum(self, summands: Sequence[Tensor]) -> Tensor:
        """Sum over all ranks of one tensor for each share of ``own``; they are overwritten."""

    def combine(self, array: Array) -> Array:
        """The array, float32, of which each rank has computed other rows, and no rank the rest."""

    def tell(self, value: T) -> T:
        """What rank 0 calls this with."""

    def tell_tensors(self, tensors: Sequence[Tensor]) -> None:
        """Overwrite tensors by those of rank 0."""

    def report(self, error: BaseException) -> None:
        """Let the other ranks know why this one is about to fail."""

    def failure(self) -> BaseException:
        """What another rank has reported."""


class Work(Protocol[T_co]):
    """One fit, to be computed by several ranks.

    Attributes
    ----------
    data : object
        The sequences and their targets, of any size, to be pickled. A view is pickled as its path.
    call : callable
        The rest, to be pickled by cloudpickle. ``call(data, ranks)`` computes a rank in another
        process, and returns there what `receive` takes: for rank 0 the result, to be pickled by
        cloudpickle, for the others None. ``call.on(device)`` is the same on another device, and
        ``call.for_others()`` without what rank 0 alone needs.
    device : torch.device
        Device that the ranks compute on.
    """

    @property
    def data(self) -> Any:
        """The sequences and their targets."""

    @property
    def call(self) -> Any:
        """Function of data and ranks."""

    @property
    def device(self) -> torch.device:
        """Device that the ranks compute on."""

    def here(self, ranks: Ranks, device: torch.device | None = None) -> T_co:
        """Compute a rank in this process, with its callbacks if it is rank 0; the result."""

    def receive(self, returned: Any) -> T_co:
        """The result, of what ``call`` returned in rank 0."""


class Launcher(Protocol):
    """Who starts the ranks of each fit within a context.

    One whose ranks all run elsewhere has a method ``resolve_device(device)``, which resolves the
    parameter device as they will.

    ``run`` lets ``size`` processes compute a work, each with `Ranks` of its own, which
    `sklstm._runtime._group.join` gives it, and returns the result of rank 0. This process may be
    rank 0, by ``work.here(ranks)``, or wait for it, by ``work.receive(returned)``. If a rank fails
    it raises one error when all of them have ended: that of rank 0 as it is, unless that is the
    RankError which another rank's failure has become there.
    """

    def run(self, work: Work[T]) -> T:
        """Result of rank 0."""


_launcher: ContextVar[Launcher | None] = ContextVar("launcher", default=None)


def set_launcher(launcher: Launcher | None) -> Any:
    """Let a launcher start the ranks of fits in this context; a token for `reset_launcher`."""
    return _launcher.set(launcher)


def reset_launcher(token: Any) -> None:
    """Undo `set_launcher`."""
    _launcher.reset(token)


def take_launcher() -> Launcher | None:
    """The launcher of this context, which it has no longer: nested fits start no ranks."""
    launcher = _launcher.get()
    _launcher.set(None)
    return launcher


def device_of_ranks(device: str | torch.device) -> torch.device:
    """Device of the parameter: where ranks compute elsewhere, what it means there."""
    resolve = getattr(_launcher.get(), "resolve_device", resolve_device)
    resolved: torch.device = resolve(device)
    return resolved


class InTurn:
    """Ranks whose shares one process computes in turn: the same bits as of two processes.

    It is the launcher of these ranks as well. Of more than two, processes add up gradients in
    another order.

    Parameters
    ----------
    size : int
        Number of ranks.
    """

    rank = 0

    def __init__(self, size: int) -> None:
        self.size = size

    @property
    def own(self) -> range:
        """All shares."""
        return range(self.size)

    def sum(self, summands: Sequence[Tensor]) -> Tensor:
        """Sum of the tensors, in their order."""
        total = summands[0]
        for summand in summands[1:]:
            total += summand
        return total

    def combine(self, array: Array) -> Array:
        """The array as it is."""
        return array

    def tell(self, value: T) -> T:
        """The value."""
        return value

    def tell_tensors(self, tensors: Sequence[Tensor]) -> None:
        """Nothing to do."""

    def report(self, error: BaseException) -> None:
        """Nothing to do."""

    def failure(self) -> BaseException:
        """Never called: there is no other process."""
        raise AssertionError

    def run(self, work: Work[T]) -> T:
        """Result of the work."""
        return work.here(self)


def share_of(ranks: Ranks | None, batches: Sequence[T]) -> list[T]:
    """Those of the batches that this process computes, each rank every ``size``-th of them."""
    if ranks is None:
        return list(batches)
    return [batch for rank in ranks.own for batch in batches[rank :: ranks.size]]


def is_first(ranks: Ranks | None) -> bool:
    """Whether callbacks and scorers are called here."""
    return ranks is None or ranks.rank == 0
