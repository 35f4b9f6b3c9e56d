"""Ranks on the workers of a Dask cluster."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

import torch

from sklstm._optional import require
from sklstm._runtime._ranks import Work
from sklstm.distributed._watch import check_places, needs_gpu, resolve_on, seats_of, wait_for
from sklstm.distributed._worker import (
    Outcome,
    Place,
    Seat,
    describe,
    forget,
    is_running,
    packed,
    run_rank,
    unpacked,
)

T = TypeVar("T")

# Fits with ranks wait for each other: each would hold the workers that the other one waits for.
LOCK = "sklstm-ranks"
# Seconds in which a worker must begin, the import of torch included.
START_WITHIN = 120.0
# Seconds in which a worker that was lost must be back.
BACK_WITHIN = 20.0
# Seconds that a cancelled rank has before its process is ended.
END_WITHIN = 3.0


class DaskRanks:
    """Ranks on Dask workers, one on each, with all of its threads.

    Parameters
    ----------
    client : distributed.Client
    n_ranks : int or None
        None: as many as there are workers now. Workers that come later are not used.
    timeout : float
        Seconds without a heartbeat after which a rank hangs.
    """

    def __init__(self, client: Any, n_ranks: int | None, timeout: float) -> None:
        self._client, self._timeout = client, timeout
        self.size = check_client(client, n_ranks)

    def run(self, work: Work[T]) -> T:
        """Result of a work."""
        distributed = require("distributed", extra="dask")
        with self._client.as_current():
            lock = distributed.Lock(LOCK)
        # In short waits, which Ctrl-C ends.
        while not lock.acquire(timeout=1):
            pass
        try:
            workers = choose_workers(self._client, self.size)
            return work.receive(self._run(DaskFleet(self._client, workers), work))
        finally:
            lock.release()

    def resolve_device(self, device: str | torch.device) -> torch.device:
        """Device of the parameter on the workers."""
        if not needs_gpu(device):
            return torch.device(device)
        fleet = DaskFleet(self._client, choose_workers(self._client, self.size))
        return resolve_on(fleet.describe(looks_for_gpus=True), fleet.workers, device)

    def _run(self, fleet: DaskFleet, work: Work[Any]) -> Any:
        try:
            places = fleet.describe(opens_store=True, looks_for_gpus=work.device.type != "cpu")
            check_places(places, fleet.workers)
            fleet.start(work, self._timeout)
            return unpacked(wait_for(fleet, self._timeout))
        finally:
            fleet.stop()

    def close(self) -> None:
        """Nothing is kept: the workers are the user's."""


def check_client(client: Any, n_ranks: int | None) -> int:
    """Number of ranks: the number given, or that of the workers."""
    if client.asynchronous:
        raise TypeError(
            "The client must not be asynchronous.\n\nclient = Client(address) without"
            " asynchronous=True"
        )
    if client.status != "running":
        raise ValueError(
            f"The client is {client.status}; it must be connected to a scheduler.\n\n"
            "client = Client(address) connects anew."
        )
    n_workers = len(client.scheduler_info()["workers"])
    n_ranks = n_workers if n_ranks is None else n_ranks
    if not 0 < n_ranks <= n_workers:
        raise _too_few(n_ranks, n_workers)
    return n_ranks


def choose_workers(client: Any, n_ranks: int) -> dict[str, dict[str, Any]]:
    """Addresses of the workers that the ranks run on, and what the scheduler knows of them.

    A worker that was lost a moment ago is waited for, since its nanny starts it again.
    """
    deadline = time.monotonic() + BACK_WITHIN
    while len(workers := client.scheduler_info()["workers"]) < n_ranks:
        if time.monotonic() > deadline:
            raise _too_few(n_ranks, len(workers))
        time.sleep(0.2)
    return dict(sorted(workers.items())[:n_ranks])


def _too_few(n_ranks: int, n_workers: int) -> ValueError:
    return ValueError(
        f"{max(1, n_ranks)} ranks need as many workers. The cluster has {n_workers} now.\n\n"
        f"client.wait_for_workers({max(1, n_ranks)}) waits for them; n_ranks= takes fewer."
    )


class DaskFleet:
    """Ranks as tasks, each pinned to a worker; see `Fleet`.

    Pinned by address: a worker that is started again gets another one, or is told from the first
    by its process, so that no rank begins a second time.
    """

    def __init__(self, client: Any, workers: Mapping[str, Mapping[str, Any]]) -> None:
        self._client, self._infos = client, dict(workers)
        self._addresses = list(workers)
        self.workers: Sequence[str] = [f"worker {a}" for a in self._addresses]
        self.run = uuid.uuid4().hex
        self._places: list[Place] = []
        self._futures: dict[int, Any] = {}
        self._has_stopped = False

    def describe(self, *, looks_for_gpus: bool, opens_store: bool = False) -> list[Place]:
        """What each worker says of itself, once it has imported what a rank needs."""
        distributed = require("distributed", extra="dask")
        futures = [
            self._submit(rank, _describe, self.run, opens_store and rank == 0, looks_for_gpus)
            for rank in range(len(self._addresses))
        ]
        try:
            self._wait_until_started(distributed, futures)
            self._places = self._client.gather(futures)
        finally:
            self._client.cancel(futures, force=True)
        return self._places

    def _wait_until_started(self, distributed: Any, futures: Sequence[Any]) -> None:
        deadline = time.monotonic() + START_WITHIN
        while waiting := [r for r, f in enumerate(futures) if f.status == "pending"]:
            with suppress(distributed.TimeoutError):
                distributed.wait([futures[r] for r in waiting], timeout=1)
            if gone := self.lost():
                rank, why = next(iter(gone.items()))
                raise RuntimeError(f"{self.workers[rank].capitalize()} was lost: {why}")
            if time.monotonic() > deadline:
                raise RuntimeError(
                    f"{self.workers[waiting[0]].capitalize()} did not begin rank {waiting[0]}"
                    f" within {START_WITHIN:.0f} s. It computes other tasks, or is paused for lack"
                    " of memory.\n\nWait for the other tasks, or choose fewer workers with n_ranks."
                )

    def start(self, work: Work[Any], timeout: float) -> None:
        """Ship the data to one worker, from where the others get them, and start all ranks."""
        first = self._addresses[0]
        is_direct = _is_reachable(first)
        data = self._client.scatter([work.data], workers=[first], hash=False, direct=is_direct)[0]
        call = packed(work.call)
        n_threads = [int(info["nthreads"]) for info in self._infos.values()]
        for seat in seats_of(self.run, self._places, n_threads, str(work.device), timeout):
            self._futures[seat.rank] = self._submit(seat.rank, _run, seat, call, data)

    def _submit(self, rank: int, function: Callable[..., Any], *args: Any) -> Any:
        return self._client.submit(
            function,
            *args,
            workers=[self._addresses[rank]],
            allow_other_workers=False,
            pure=False,
            retries=0,
            key=f"sklstm-rank-{rank}-{uuid.uuid4().hex}",
        )

    def collect(self, seconds: float) -> dict[int, Outcome]:
        """Outcomes that came within the seconds, by rank."""
        distributed = require("distributed", extra="dask")
        pending = [future for future in self._futures.values() if future.status == "pending"]
        # Cancelled by Dask: the data that it needs was lost with a worker.
        with suppress(distributed.TimeoutError, distributed.CancelledError):
            if pending:
                distributed.wait(pending, timeout=seconds, return_when="FIRST_COMPLETED")
        outcomes = {}
        for rank, future in list(self._futures.items()):
            if future.status not in ("pending", "cancelled"):
                # Its worker may have been lost a moment ago.
                with suppress(distributed.TimeoutError):
                    outcomes[rank] = _outcome_of(rank, future)
                    del self._futures[rank]
        return outcomes

    def lost(self) -> dict[int, str]:
        """Ranks whose worker is not there any more."""
        alive = self._client.scheduler_info()["workers"]
        return {
            rank: "its process ended. It was killed, or needed more memory than the worker has: a"
            " nanny ends a worker at 95 % of its memory_limit."
            for rank, address in enumerate(self._addresses)
            if address not in alive or alive[address]["id"] != self._infos[address]["id"]
        }

    def heartbeats(self) -> dict[int, float]:
        """When the scheduler has heard of each worker, by rank."""
        alive = self._client.scheduler_info()["workers"]
        return {
            rank: alive[address]["last_seen"]
            for rank, address in enumerate(self._addresses)
            if address in alive
        }

    def kill(self, rank: int) -> str | None:
        """Have the nanny of a worker end its process; it then starts another one."""
        address, (_, pid, _) = self._addresses[rank], self._places[rank].process
        if self._infos[address].get("nanny") is None:
            return f"It has no nanny that could end it: end process {pid} by hand."
        self._ask(_kill, pid, workers=[address], nanny=True)
        return None

    def stop(self) -> None:
        """End all ranks that are still at work: by an interruption, then by their nannies."""
        if self._has_stopped:
            return
        self._has_stopped = True
        self._client.cancel(list(self._futures.values()), force=True)
        deadline = time.monotonic() + END_WITHIN
        while running := self._running():
            if time.monotonic() > deadline:
                for rank in running:
                    self.kill(rank)
                break
            time.sleep(0.1)
        self._ask(partial(forget, self.run), workers=self._alive())

    def _alive(self) -> list[str]:
        gone = self.lost()
        return [a for rank, a in enumerate(self._addresses) if rank not in gone]

    def _running(self) -> list[int]:
        alive = self._alive()
        answers = self._ask(partial(is_running, self.run), workers=alive) if alive else {}
        return [self._addresses.index(a) for a in alive if answers.get(a, True) is True]

    def _ask(self, function: Callable[..., Any], *args: Any, **options: Any) -> dict[str, Any]:
        """Answers of workers, by address; none if one does not answer."""
        answers: dict[str, Any] = {}

        def ask() -> None:
            with suppress(Exception):
                answers.update(self._client.run(function, *args, on_error="ignore", **options))

        thread = threading.Thread(target=ask, daemon=True)
        thread.start()
        thread.join(END_WITHIN)
        return dict(answers)


def _describe(run: str, opens_store: bool, looks_for_gpus: bool) -> Place:
    """The worker that this is called on."""
    distributed = require("distributed", extra="dask")
    host = distributed.comm.get_address_host(distributed.get_worker().contact_address)
    return describe(run, host=host, opens_store=opens_store, looks_for_gpus=looks_for_gpus)


def _run(seat: Seat, call: bytes, data: Any) -> Outcome:
    """A rank on the worker that this is called on."""
    worker = require("distributed", extra="dask").get_worker()
    key = worker.get_current_task()

    def is_wanted() -> bool:
        # A task whose caller has cancelled it, has ended or is lost.
        task = worker.state.tasks.get(key)
        return task is not None and task.state == "executing"

    return run_rank(seat, call, data, is_wanted)


def _outcome_of(rank: int, future: Any) -> Outcome:
    """What the future of a rank holds; an error only if Dask itself failed."""
    if future.status == "error":
        error = future.exception(timeout=5)
        return Outcome(rank, None, error, f"{type(error).__name__}: {error}")
    outcome: Outcome = future.result(timeout=30)
    return outcome


def _kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def _is_reachable(address: str) -> bool:
    """Whether this machine reaches a worker itself, so that data need not pass the scheduler."""
    comm = require("distributed.comm", extra="dask")
    try:
        host, port = comm.get_address_host_port(address)
        with socket.create_connection((host, port), timeout=2):
            return True
    except (OSError, ValueError):
        return False
