"""Ranks that are processes: a process group of torch.distributed, with an end for each mishap."""

from __future__ import annotations

import ctypes
import importlib
import os
import pickle
import signal
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor

from sklstm._compat._torch import gloo_group
from sklstm._runtime._gpu_sums import GpuSums, may_use_nccl
from sklstm._runtime._heartbeats import Heartbeats
from sklstm._sequences import Array
from sklstm.exceptions import RankError

T = TypeVar("T")

# Seconds a rank waits for the others to arrive, by default, and for one without heartbeats.
ARRIVAL, TIMEOUT = 120.0, 30.0
# Seconds in which ranks connect to each other. Collectives never time out: heartbeats tell a long
# step from a rank that hangs.
CONNECTION, FOREVER = timedelta(seconds=60), timedelta(days=365)
# Seconds between two looks at the heartbeats, and at Ctrl-C, while a collective runs.
GLANCE = timedelta(seconds=0.5)
# A value that is told takes one message up to this number of bytes.
SMALL = 512
# Maximum number of bytes of a message.
MAX_MESSAGE = 2**26


def _distributed() -> Any:
    """torch.distributed, whose import takes a tenth of a second that only such fits pay."""
    return importlib.import_module("torch.distributed")


class Address(NamedTuple):
    """Where the store of a fit is."""

    host: str
    port: int


def serve(host: str, port: int = 0) -> tuple[Any, Address]:
    """A store of this machine, as long as it is kept, and its address; port 0 is any free one."""
    store = _store(Address(host, port), is_server=True)
    # One of 60 connections that were made at once waited 5 s for an answer, with torch 2.13.
    time.sleep(0.05)
    return store, Address(host, store.port)


def _store(address: Address, *, is_server: bool = False) -> Any:
    wait = timedelta(seconds=ARRIVAL)
    return _distributed().TCPStore(*address, None, is_server, wait, wait_for_workers=False)


class ProcessRanks:
    """`Ranks`, of which this process is one.

    Parameters
    ----------
    group : torch.distributed.ProcessGroup
        Group of all ranks for tensors of the host; tensors of a GPU go by way of it.
    heartbeats : Heartbeats
        Those of all ranks.
    gpu_sums : GpuSums, default=None
        Sums tensors of GPUs without that way.
    """

    def __init__(self, group: Any, heartbeats: Heartbeats, gpu_sums: GpuSums | None = None) -> None:
        self.rank, self.size = heartbeats.rank, heartbeats.size
        self.heartbeats = heartbeats
        self._group = group
        self._gpu_sums = gpu_sums
        self._pending: Any = None
        self._sum, self._broadcast_of_first = _endless()

    def __reduce__(self) -> Any:
        # A callback may pickle or copy the net.
        return type(None), ()

    @property
    def own(self) -> range:
        """The share of this rank."""
        return range(self.rank, self.rank + 1)

    def sum(self, summands: Sequence[Tensor]) -> Tensor:
        """Sum over all ranks of the tensor of each."""
        (summand,) = summands
        if self._gpu_sums is not None and summand.device.type == "cuda":
            return self._sum_on_gpus(self._gpu_sums, summand)
        on_host = summand.cpu()
        self._wait_for(lambda: self._group.allreduce([on_host], self._sum))
        return on_host if on_host is summand else summand.copy_(on_host)

    def _sum_on_gpus(self, sums: GpuSums, summand: Tensor) -> Tensor:
        try:
            return sums.sum(summand)
        except RankError:
            raise
        except RuntimeError:
            raise self.heartbeats.failure() from None

    def combine(self, array: Array) -> Array:
        """The array of which each rank has computed some rows, the others being 0."""
        flat = torch.from_numpy(array).view(-1)
        for piece in flat.split(MAX_MESSAGE // flat.element_size()):
            self.sum([piece])
        return array

    def tell(self, value: T) -> T:
        """What rank 0 calls this with."""
        content = pickle.dumps(value) if self.rank == 0 else b""
        first = torch.zeros(8 + SMALL, dtype=torch.uint8)
        head = len(content).to_bytes(8, "little") + content[:SMALL]
        first[: len(head)] = torch.frombuffer(bytearray(head), dtype=torch.uint8)
        self._broadcast(first)
        n = int.from_bytes(bytes(first[:8].tolist()), "little")
        rest = torch.zeros(max(0, n - SMALL), dtype=torch.uint8)
        if len(rest):
            if self.rank == 0:
                rest.copy_(torch.frombuffer(bytearray(content[SMALL:]), dtype=torch.uint8))
            self._broadcast(rest)
        if self.rank == 0:
            return value
        received = bytes(first[8:].tolist())[:n] + rest.numpy().tobytes()
        told: T = pickle.loads(received)  # noqa: S301  (from rank 0 of this fit)
        return told

    def tell_tensors(self, tensors: Sequence[Tensor]) -> None:
        """Overwrite tensors by those of rank 0."""
        for tensor in tensors:
            on_host = tensor.detach().cpu().contiguous()
            self._broadcast(on_host)
            if self.rank != 0:
                with torch.no_grad():
                    tensor.copy_(on_host)

    def report(self, error: BaseException) -> None:
        """Let the other ranks know why this one is about to fail."""
        self.heartbeats.report(error)

    def failure(self) -> BaseException:
        """What another rank has reported."""
        return self.heartbeats.failure()

    def _broadcast(self, tensor: Tensor) -> None:
        self._wait_for(lambda: self._group.broadcast([tensor], self._broadcast_of_first))

    def _wait_for(self, begin: Callable[[], Any]) -> None:
        """Wait for a collective; raise RankError if a rank fails, dies or hangs meanwhile."""
        try:
            self._pending = begin()
            while not _has_ended(self._pending):
                if self.heartbeats.hung is not None:
                    raise self.heartbeats.hung
        except RankError:
            raise
        except RuntimeError:
            # gloo only knows that a connection broke.
            raise self.heartbeats.failure() from None
        self._pending = None

    def meet(self) -> None:
        """Wait for all ranks."""
        self.sum([torch.zeros(1)])

    def close(self, on_hung: Callable[[Mapping[str, Any]], None] | None = None) -> None:
        """Leave the group, on which the others' collectives fail."""
        hung = self.heartbeats.hung
        if hung is not None and hung.rank is not None and on_hung is not None:
            on_hung(self.heartbeats.who(hung.rank))
            with suppress(RuntimeError):
                self._pending.wait(timedelta(seconds=5))
        if self._pending is not None and not self._pending.is_completed():
            # Its destructor would wait for the collective, at the end of the process as well.
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._group))
        self._pending = self._group = None
        if self._gpu_sums is not None:
            self._gpu_sums.close()


def kill(who: Mapping[str, Any]) -> None:
    """Kill the "process" of a rank that hangs, if it is on this "host"."""
    if who["host"] == socket.gethostname():
        with suppress(OSError):
            os.kill(who["process"], getattr(signal, "SIGKILL", signal.SIGTERM))


def _endless() -> tuple[Any, Any]:
    """Options of a sum and of a broadcast of rank 0 without time limits."""
    options: tuple[Any, Any] = (
        _distributed().AllreduceOptions(),
        _distributed().BroadcastOptions(),
    )
    for option in options:
        option.timeout = FOREVER
    options[1].rootRank = 0
    return options


def _has_ended(work: Any) -> bool:
    """Whether a collective ends before the next glance; its error if it fails."""
    try:
        work.wait(GLANCE)
    except RuntimeError:
        if work.is_completed():
            raise
        return False
    return True


@contextmanager
def join(
    rank: int,
    size: int,
    address: Address,
    *,
    own_host: str | None = None,
    prefix: str = "",
    timeout: float = TIMEOUT,
    arrival: float = ARRIVAL,
    gpu: str | None = None,
    check: Callable[[], None] | None = None,
    on_hung: Callable[[Mapping[str, Any]], None] | None = None,
) -> Iterator[ProcessRanks]:
    """Be a rank within the context.

    Parameters
    ----------
    rank, size : int
        Number of this rank, from 0, and number of ranks.
    address : Address
        Of the store.
    own_host : str, default=None
        Name or address of this machine by which the other ranks reach it; None: the host's name.
    prefix : str, default=""
        Distinguishes fits that use the same store.
    timeout : float, default=30.0
        Seconds without a heartbeat after which a rank hangs. A step may take longer.
    arrival : float, default=120.0
        Seconds in which all ranks must arrive.
    gpu : str, default=None
        Name, unique in the world, of the GPU that this rank computes on. If each rank has one of
        its own, they sum gradients by NCCL.
    check : callable, default=None
        Called several times a second while this rank waits for the others to arrive; raises an
        error if there is no use in it.
    on_hung : callable, default=None
        Called with the "process" and the "host" of a rank that hangs, to kill it, before this rank
        ends.
    """
    prefix_store = _distributed().PrefixStore
    store, own = (prefix_store(f"sklstm/{prefix}", _store(address)) for _ in range(2))
    heartbeats = Heartbeats(own, rank, size, timeout, gpu)
    _wait_for_all(heartbeats, arrival, check)
    heartbeats.begin()
    ranks = None
    try:
        gpu_sums = None
        if may_use_nccl([heartbeats.who(r)["gpu"] for r in range(size)]):
            of_gpus = _distributed().PrefixStore("nccl", store)
            gpu_sums = GpuSums(of_gpus, rank, size, heartbeats.check)
        # No name here for the group: its connections end with the last reference.
        ranks = ProcessRanks(
            gloo_group(store, rank, size, own_host, CONNECTION), heartbeats, gpu_sums
        )
        yield ranks
        ranks.meet()
    except BaseException as error:
        if not isinstance(error, RankError):
            heartbeats.report(error)
        heartbeats.leave()
        raise
    finally:
        heartbeats.end()
        if ranks is not None:
            ranks.close(on_hung)


def _wait_for_all(heartbeats: Heartbeats, arrival: float, check: Callable[[], None] | None) -> None:
    missing, end = set(range(heartbeats.size)), time.monotonic() + arrival
    while missing:
        missing = {rank for rank in missing if not heartbeats.has_arrived(rank)}
        if check is not None:
            check()
        if time.monotonic() > end:
            raise RankError(
                f"Rank {min(missing)} of {heartbeats.size} has not started within {arrival:g}"
                " seconds."
            )
        if missing:
            time.sleep(0.02)


def compute_rank(
    call: Callable[[Any, ProcessRanks], Any],
    data: Any,
    rank: int,
    size: int,
    address: Address,
    **options: Any,
) -> Any:
    """Compute a rank in this process, by ``call`` and ``data`` of a Work; options of `join`."""
    with join(rank, size, address, **options) as ranks:
        return call(data, ranks)
