"""Ranks as actors of Ray."""

from __future__ import annotations

import os
import signal
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import Any, TypeVar

import torch

from sklstm._optional import require
from sklstm._runtime._ranks import Work
from sklstm.distributed._watch import check_places, needs_gpu, resolve_on, seats_of, wait_for
from sklstm.distributed._worker import Outcome, Place, Seat, describe, packed, run_rank, unpacked

T = TypeVar("T")

# Seconds in which the cluster must give all ranks what they need, and these must begin.
START_WITHIN = 120.0
# Seconds that an actor has to end itself.
END_WITHIN = 3.0


class RayRanks:
    """Ranks as actors of Ray, in one placement group.

    They are kept for all fits of a context: only the first one waits for the import of torch.

    Parameters
    ----------
    size : int
        Number of ranks.
    cpus_per_worker : int
        Threads of a rank.
    gpus_per_worker : float
        A fraction lets ranks share a GPU.
    timeout : float
        Seconds without a heartbeat after which a rank hangs.
    """

    def __init__(
        self, size: int, cpus_per_worker: int, gpus_per_worker: float, timeout: float
    ) -> None:
        self._ray = require("ray", extra="ray")
        self.size, self._timeout = size, timeout
        self._bundle: dict[str, float] = {"CPU": cpus_per_worker}
        if gpus_per_worker:
            self._bundle["GPU"] = gpus_per_worker
        self._fleet: RayFleet | None = None
        self._group, self._own = ExitStack(), ExitStack()

    def run(self, work: Work[T]) -> T:
        """Result of a work."""
        try:
            fleet = self._fleet or self._start()
            fleet.start(work, self._timeout)
            value = wait_for(fleet, self._timeout)
        except BaseException:
            self._end()
            raise
        return work.receive(unpacked(value))

    def resolve_device(self, device: str | torch.device) -> torch.device:
        """Device of the parameter in the actors."""
        if not needs_gpu(device):
            return torch.device(device)
        fleet = self._fleet or self._start()
        return resolve_on(fleet.places, fleet.workers, device)

    def _start(self) -> RayFleet:
        ray = self._ray
        if not ray.is_initialized():
            ray.init(include_dashboard=False, log_to_driver=False)
            self._own.callback(ray.shutdown)
        group = self._group.enter_context(_placed(ray, [self._bundle] * self.size))
        self._fleet = RayFleet(ray, group, self.size, self._bundle)
        self._fleet.describe(looks_for_gpus="GPU" in self._bundle)
        check_places(self._fleet.places, self._fleet.workers)
        return self._fleet

    def _end(self) -> None:
        fleet, self._fleet = self._fleet, None
        if fleet is not None:
            fleet.stop()
        self._group.close()

    def close(self) -> None:
        """End all actors, and Ray, if it was initialised here."""
        self._end()
        self._own.close()


@contextmanager
def _placed(ray: Any, bundles: list[dict[str, float]]) -> Iterator[Any]:
    """A placement group of the bundles; all of them or an error."""
    util = require("ray.util", extra="ray")
    group = util.placement_group(bundles, strategy="PACK")
    try:
        _wait_until_placed(ray, group, bundles)
        yield group
    finally:
        util.remove_placement_group(group)


def _wait_until_placed(ray: Any, group: Any, bundles: list[dict[str, float]]) -> None:
    total = ray.cluster_resources()
    needed = {name: amount * len(bundles) for name, amount in bundles[0].items()}
    # In short waits, which Ctrl-C ends.
    deadline = time.monotonic() + START_WITHIN
    while not group.wait(timeout_seconds=1):
        is_short = any(total.get(name, 0) < amount for name, amount in needed.items())
        if time.monotonic() > deadline or (is_short and not _grows(ray)):
            has = {name: total.get(name, 0) for name in needed}
            free = {name: ray.available_resources().get(name, 0) for name in needed}
            raise ValueError(
                f"{len(bundles)} ranks need {needed}. The cluster has {has}, of which {free} are"
                " free.\n\nAsk for fewer ranks, or lower cpus_per_worker or gpus_per_worker."
            )


def _grows(ray: Any) -> bool:
    """Whether there are nodes that may still come: more than one node is a cluster."""
    return len(ray.nodes()) > 1


class RayFleet:
    """Ranks as actors, which are never restarted; see `Fleet`."""

    def __init__(self, ray: Any, group: Any, n_ranks: int, bundle: Mapping[str, float]) -> None:
        self._ray = ray
        strategies = require("ray.util.scheduling_strategies", extra="ray")
        actor = ray.remote(RankActor)
        self._n_threads = max(1, int(bundle["CPU"]))
        self._actors = [
            actor.options(
                num_cpus=bundle["CPU"],
                num_gpus=bundle.get("GPU", 0),
                max_restarts=0,
                max_task_retries=0,
                # The rank, and beside it the questions whether it lives.
                max_concurrency=2,
                scheduling_strategy=strategies.PlacementGroupSchedulingStrategy(group, rank),
            ).remote()
            for rank in range(n_ranks)
        ]
        self.workers: Sequence[str] = [f"Ray worker {rank}" for rank in range(n_ranks)]
        self.places: list[Place] = []
        self._nodes: list[str] = []
        self._pending: dict[int, Any] = {}
        self._pings: dict[int, Any] = {}
        self._beats: dict[int, int] = {}
        self._lost: dict[int, str] = {}
        self._has_stopped = False

    def describe(self, *, looks_for_gpus: bool) -> list[Place]:
        """What each actor says of itself, once it has imported what a rank needs."""
        asked = [
            actor.describe.remote(rank == 0, looks_for_gpus)
            for rank, actor in enumerate(self._actors)
        ]
        try:
            answers = self._ray.get(asked, timeout=START_WITHIN)
        except self._ray.exceptions.GetTimeoutError:
            raise RuntimeError(
                f"Ray did not start {len(asked)} ranks within {START_WITHIN:.0f} s."
            ) from None
        self.places, self._nodes = [a[0] for a in answers], [a[1] for a in answers]
        self.workers = [f"Ray worker {p.process[1]} of {p.host}" for p in self.places]
        return self.places

    def start(self, work: Work[Any], timeout: float) -> None:
        """Put the data into the object store once, and start all ranks."""
        data, call = self._ray.put(work.data), packed(work.call)
        n_threads = [self._n_threads] * len(self._actors)
        # Fits of a context use one store.
        run = uuid.uuid4().hex
        for seat in seats_of(run, self.places, n_threads, str(work.device), timeout):
            self._pending[seat.rank] = self._actors[seat.rank].run.remote(seat, call, data)

    def collect(self, seconds: float) -> dict[int, Outcome]:
        """Outcomes that came within the seconds, by rank."""
        ray, outcomes = self._ray, {}
        if not self._pending:
            time.sleep(seconds)
            return {}
        ray.wait(list(self._pending.values()), num_returns=1, timeout=seconds)
        for rank, reference in list(self._pending.items()):
            if ray.wait([reference], timeout=0)[0]:
                del self._pending[rank]
                try:
                    outcomes[rank] = ray.get(reference)
                except ray.exceptions.RayActorError:
                    self._lost[rank] = "its process ended. It was killed, or the node was short of"
                    self._lost[rank] += " memory."
                except ray.exceptions.RayError as error:
                    outcomes[rank] = Outcome(rank, None, error, f"{type(error).__name__}: {error}")
        return outcomes

    def lost(self) -> dict[int, str]:
        """Ranks whose process ended."""
        return self._lost

    def heartbeats(self) -> dict[int, int]:
        """Number of questions that each rank's process has answered."""
        for rank in self._pending:
            reference = self._pings.get(rank)
            if reference is None or self._ray.wait([reference], timeout=0)[0]:
                self._beats[rank] = self._beats.get(rank, 0) + 1
                self._pings[rank] = self._actors[rank].answer.remote()
        return {rank: self._beats[rank] for rank in self._pending}

    def kill(self, rank: int) -> str | None:
        """End the process of a rank from another process of its node."""
        strategies = require("ray.util.scheduling_strategies", extra="ray")
        here = strategies.NodeAffinitySchedulingStrategy(self._nodes[rank], soft=False)
        # max_calls: the process that does it ends, too.
        decorate = self._ray.remote(
            num_cpus=0, max_retries=0, max_calls=1, scheduling_strategy=here
        )
        task = decorate(_kill)
        pid = self.places[rank].process[1]
        with suppress(self._ray.exceptions.RayError):
            if self._ray.get(task.remote(pid), timeout=END_WITHIN + 5):
                return None
        return f"It could not be ended: end process {pid} of {self.places[rank].host} by hand."

    def stop(self) -> None:
        """End all actors, and with each its process."""
        if self._has_stopped:
            return
        self._has_stopped = True
        for actor in self._actors:
            self._ray.kill(actor)


class RankActor:
    """A process that one rank runs in."""

    def describe(self, opens_store: bool, looks_for_gpus: bool) -> tuple[Place, str]:
        """This process and its node."""
        ray = require("ray", extra="ray")
        host = ray.util.get_node_ip_address()
        node = ray.get_runtime_context().get_node_id()
        options = {"opens_store": opens_store, "looks_for_gpus": looks_for_gpus}
        # The store ends with the process.
        return describe("", host=host, **options), node

    def run(self, seat: Seat, call: bytes, data: Any) -> Outcome:
        """The rank."""
        return run_rank(seat, call, data, lambda: True)

    def answer(self) -> None:
        """Show that the process lives."""


def _kill(pid: int) -> bool:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    return True
