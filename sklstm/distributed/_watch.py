"""The caller's side of ranks on a cluster: waits, finds out which rank failed, ends the others."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import torch

from sklstm._runtime._device import resolve_device
from sklstm.distributed._devices import share_out
from sklstm.distributed._worker import Outcome, Place, Process, RankCancelled, Seat
from sklstm.exceptions import RankError

# Seconds between two looks.
INTERVAL = 0.5
# Seconds that the other ranks have to say how they ended, once one has failed.
GRACE = 4.0
# What follows such an error.
REMEDY = (
    "\n\nThe other workers can be used again. With checkpoint=..., a folder that all workers reach,"
    " the same call of fit goes on from the last state in it."
)


class Fleet(Protocol):
    """Ranks that run on a cluster."""

    workers: Sequence[str]

    def collect(self, seconds: float) -> Mapping[int, Outcome]:
        """Outcomes that came within the seconds, by rank."""

    def lost(self) -> Mapping[int, str]:
        """Ranks whose process is gone, and what is known of it."""

    def heartbeats(self) -> Mapping[int, Any]:
        """A value for each rank that changes as long as its process lives."""

    def kill(self, rank: int) -> str | None:
        """End the process of a rank that hangs; a remedy if that cannot be done."""

    def stop(self) -> None:
        """End all ranks that are still at work."""


def check_places(places: Sequence[Place], workers: Sequence[str]) -> None:
    """Check that each rank has a process of its own, and all the same versions."""
    seen: dict[Process, str] = {}
    for place, worker in zip(places, workers, strict=True):
        other = seen.setdefault(place.process, worker)
        if other != worker:
            raise ValueError(
                f"Each rank needs a process of its own. The workers {other} and {worker} are"
                " threads of one process.\n\nStart the workers as processes:"
                " LocalCluster(processes=True), or 'dask worker --nworkers'."
            )
        if place.versions != places[0].versions:
            package = next(p for p, v in place.versions.items() if v != places[0].versions[p])
            raise ValueError(
                f"All workers need the same versions of their packages. {package} is"
                f" {places[0].versions[package]} on {workers[0]} and {place.versions[package]} on"
                f" {worker}.\n\nInstall the same version on all machines."
            )


def seats_of(
    run: str, places: Sequence[Place], n_threads: Sequence[int], device: str, timeout: float
) -> list[Seat]:
    """What each rank of a run is told."""
    gpus = share_out([place.gpus for place in places], device)
    address = places[0].address
    assert address is not None
    return [
        Seat(run, rank, len(places), address, place, timeout, n_threads[rank], gpus[rank])
        for rank, place in enumerate(places)
    ]


def needs_gpu(device: str | torch.device) -> bool:
    """Whether the parameter device may mean a GPU; an error if it is none."""
    try:
        may_be_cpu = device != "auto" and torch.device(device).type != "cuda"
    except (RuntimeError, TypeError):
        may_be_cpu = True
    if may_be_cpu:
        resolve_device(device)
    return not may_be_cpu


def resolve_on(
    places: Sequence[Place], workers: Sequence[str], device: str | torch.device
) -> torch.device:
    """What the parameter device, which may mean a GPU, means in these places."""
    check_gpus(places, workers, str(device))
    if device == "auto":
        return torch.device("cuda" if all(place.gpus for place in places) else "cpu")
    return torch.device(device)


def check_gpus(places: Sequence[Place], workers: Sequence[str], device: str) -> None:
    """Check that all ranks can compute on the device, and on devices of one kind."""
    kind, _, number = device.partition(":")
    n_needed = 0 if kind == "cpu" else int(number or 0) + 1
    short = [w for p, w in zip(places, workers, strict=True) if len(p.gpus) < n_needed]
    if not short or (kind == "auto" and len(short) == len(workers)):
        return
    raise ValueError(
        f"device={device!r} needs a GPU for each rank. torch sees none, or too few, on {short[0]}."
        "\n\nOn Ray, gpus_per_worker=1 gives each rank one. On Dask, CUDA_VISIBLE_DEVICES of the"
        " worker must name one, as dask-cuda's LocalCUDACluster sets it. device='cpu' needs none."
    )


def wait_for(fleet: Fleet, timeout: float) -> bytes:
    """Value of rank 0, once all ranks have ended; or the error of the one that failed first.

    A rank hangs if there is no sign of life for ``timeout`` seconds.
    """
    try:
        outcomes, lost, hung = _wait(fleet, timeout)
    except BaseException:
        # Ctrl-C among them.
        fleet.stop()
        raise
    failed = [outcomes[rank] for rank in sorted(outcomes) if outcomes[rank].has_failed]
    if not (failed or lost or hung):
        value = outcomes[0].value
        assert value is not None
        return value
    fleet.stop()
    raise _error_of(fleet.workers, failed, lost, hung)


def _wait(
    fleet: Fleet, timeout: float
) -> tuple[dict[int, Outcome], dict[int, str], dict[int, str]]:
    """Outcomes of the ranks, those that are lost, and those that hung."""
    outcomes: dict[int, Outcome] = {}
    lost: dict[int, str] = {}
    hung: dict[int, str] = {}
    life, deadline = _Life(timeout), float("inf")
    while len(outcomes.keys() | lost.keys() | hung.keys()) < len(fleet.workers):
        outcomes.update(fleet.collect(INTERVAL))
        gone = fleet.lost()
        lost.update({r: why for r, why in gone.items() if r not in outcomes and r not in hung})
        beats = {r: beat for r, beat in fleet.heartbeats().items() if r not in outcomes | lost}
        for rank in life.silent(beats):
            if rank not in hung:
                hung[rank] = f"there was no sign of life for {timeout:g} s. "
                hung[rank] += fleet.kill(rank) or "Its process was ended."
        if lost or hung or any(o.has_failed for o in outcomes.values()):
            deadline = min(deadline, time.monotonic() + GRACE)
        if time.monotonic() > deadline:
            break
    return outcomes, lost, hung


class _Life:
    """When each rank gave its latest sign of life."""

    def __init__(self, timeout: float) -> None:
        self._timeout = timeout
        self._latest: dict[int, tuple[Any, float]] = {}

    def silent(self, beats: Mapping[int, Any]) -> list[int]:
        """Ranks whose value has not changed for too long."""
        now = time.monotonic()
        for rank, beat in beats.items():
            if rank not in self._latest or self._latest[rank][0] != beat:
                self._latest[rank] = (beat, now)
        return [rank for rank in beats if now - self._latest[rank][1] > self._timeout]


def _error_of(
    workers: Sequence[str],
    failed: Sequence[Outcome],
    lost: Mapping[int, str],
    hung: Mapping[int, str],
) -> BaseException:
    """One error: of what hung or was lost, else of the first rank that raised one of its own."""
    for is_there, what in ((hung, "hangs"), (lost, "was lost")):
        if is_there:
            rank, why = next(iter(is_there.items()))
            return RankError(f"Rank {rank} on {workers[rank]} {what}: {why}{REMEDY}", rank)
    first = next((o for o in failed if not _is_echo(o)), failed[0])
    where = f"Rank {first.rank} on {workers[first.rank]}"
    if first.error is not None and (first.rank == 0 or _is_echo(first)):
        # As without ranks, where this would have happened to the caller.
        first.error.add_note(f"{where}:\n\n{first.traceback}")
        return first.error
    kind = "" if first.error is None else f" raised {type(first.error).__name__}: {first.error}"
    error = RankError(f"{where}{kind or ' failed.'}", first.rank)
    error.add_note(f"{where}:\n\n{first.traceback}")
    error.__cause__ = first.error
    return error


def _is_echo(outcome: Outcome) -> bool:
    """Whether a rank failed for the sake of another one."""
    return isinstance(outcome.error, (RankCancelled, RankError))
