"""The caller's side of ranks on a cluster: waits, finds out which rank failed, ends the others."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from torch.distributed import DistError

from sklstm.distributed._worker import Outcome, Place, RankCancelled

# Seconds between two looks.
INTERVAL = 0.5
# Seconds that the other ranks have to say how they ended, once one has failed.
GRACE = 4.0
# Seconds without a sign of life after which a rank hangs. Below a minute with all that follows.
SILENCE = 40.0


class RankError(RuntimeError):
    """A rank of a fit on many processes raised an error, was ended, or hangs.

    The estimator is left as it was, and no rank is left running. With ``checkpoint``, the same
    call goes on from the last epoch that was written.
    """


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
    seen: dict[tuple[str, int, float], str] = {}
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


def wait_for(fleet: Fleet) -> Any:
    """Value of rank 0, once all ranks have ended; or the error of the one that failed first."""
    try:
        outcomes, lost, hung = _wait(fleet)
    except BaseException:
        # Ctrl-C among them.
        fleet.stop()
        raise
    failed = [outcomes[rank] for rank in sorted(outcomes) if outcomes[rank].has_failed]
    if not (failed or lost or hung):
        return outcomes[0].value
    fleet.stop()
    raise _error_of(fleet.workers, failed, lost, hung)


def _wait(fleet: Fleet) -> tuple[dict[int, Outcome], dict[int, str], dict[int, str]]:
    """Outcomes of the ranks, those that are lost, and those that hung."""
    outcomes: dict[int, Outcome] = {}
    lost: dict[int, str] = {}
    hung: dict[int, str] = {}
    life, deadline = _Life(), float("inf")
    while len(outcomes.keys() | lost.keys() | hung.keys()) < len(fleet.workers):
        outcomes.update(fleet.collect(INTERVAL))
        gone = fleet.lost()
        lost.update({r: why for r, why in gone.items() if r not in outcomes and r not in hung})
        beats = {r: beat for r, beat in fleet.heartbeats().items() if r not in outcomes | lost}
        for rank in life.silent(beats):
            if rank not in hung:
                hung[rank] = fleet.kill(rank) or ""
        if lost or hung or any(o.has_failed for o in outcomes.values()):
            deadline = min(deadline, time.monotonic() + GRACE)
        if time.monotonic() > deadline:
            break
    return outcomes, lost, hung


class _Life:
    """When each rank gave its latest sign of life."""

    def __init__(self) -> None:
        self._latest: dict[int, tuple[Any, float]] = {}

    def silent(self, beats: Mapping[int, Any]) -> list[int]:
        """Ranks whose value has not changed for too long."""
        now = time.monotonic()
        for rank, beat in beats.items():
            if rank not in self._latest or self._latest[rank][0] != beat:
                self._latest[rank] = (beat, now)
        return [rank for rank in beats if now - self._latest[rank][1] > SILENCE]


def _error_of(
    workers: Sequence[str],
    failed: Sequence[Outcome],
    lost: Mapping[int, str],
    hung: Mapping[int, str],
) -> BaseException:
    """One error: of what hung or was lost, else of the first rank that raised one of its own."""
    remedy = (
        "\n\nThe workers that are left can be used again. With the parameter 'checkpoint', a folder"
        " that all workers reach, the same call goes on from the last epoch that was written."
    )
    if hung:
        rank, cannot = next(iter(hung.items()))
        what = f"Rank {rank} on {workers[rank]} hangs: no sign of life for {SILENCE:.0f} s."
        return RankError(f"{what} {cannot or 'Its process was ended.'}{remedy}")
    if lost:
        rank, why = next(iter(lost.items()))
        return RankError(f"Rank {rank} on {workers[rank]} was lost: {why}{remedy}")
    first = next((o for o in failed if not _is_echo(o)), failed[0])
    if first.error is not None and _is_common(failed, len(workers)):
        first.error.add_note(f"Raised on all ranks. On {workers[0]}:\n\n{first.traceback}")
        return first.error
    error = RankError(
        f"Rank {first.rank} on {workers[first.rank]} raised an error:\n\n{first.traceback}"
    )
    error.__cause__ = first.error
    return error


def _is_echo(outcome: Outcome) -> bool:
    """Whether a rank failed for the sake of another one: connections break when one ends."""
    text = str(outcome.error)
    return isinstance(outcome.error, (RankCancelled, RankError, DistError)) or "gloo" in text


def _is_common(failed: Sequence[Outcome], size: int) -> bool:
    """Whether all ranks raised the same: an error of the fit, not of a rank."""
    return len(failed) == size and len({repr(outcome.error) for outcome in failed}) == 1
