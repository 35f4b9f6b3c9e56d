"""One rank inside a process of a cluster: its place, its settings, how it is ended."""

from __future__ import annotations

import ctypes
import importlib
import os
import pickle
import socket
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

import cloudpickle
import torch

from sklstm._runtime._group import Address, compute_rank, serve
from sklstm._runtime._threads import at_most_threads
from sklstm.distributed._devices import visible_gpus

# Seconds between two looks at whether the rank is still wanted.
INTERVAL = 0.2
# Steps of Python within which what was raised in a thread has arrived.
N_STEPS = 10
# Packages of which all ranks must have one version: another one may compute other bits.
PACKAGES = ("numpy", "sklearn", "sklstm", "torch")
# When this process has begun: its number may be given to another one after its end.
BEGAN = time.time()

# Host, number and beginning of a process.
Process = tuple[str, int, float]


class Place(NamedTuple):
    """A process that a rank may run in, as it describes itself.

    ``host`` is the address by which other workers reach it; ``address`` that of a store in it.
    """

    process: Process
    host: str
    address: Address | None
    gpus: tuple[str, ...]
    versions: dict[str, str]


class Seat(NamedTuple):
    """What a rank is told before it begins; ``gpu`` None: the CPU."""

    run: str
    rank: int
    size: int
    address: Address
    place: Place
    timeout: float
    n_threads: int
    gpu: int | None = None


@dataclass(frozen=True)
class Outcome:
    """What became of a rank: rank 0's pickled result, or an error and its traceback as text."""

    rank: int
    value: bytes | None = None
    error: BaseException | None = None
    traceback: str | None = None

    @property
    def has_failed(self) -> bool:
        """Whether it ended with an error."""
        return self.traceback is not None


class RankCancelled(BaseException):
    """The rank is not wanted any more. Not an `Exception`, so that nobody goes on after it."""


# Runs that have a rank in this process, and stores that are open here.
_running: set[str] = set()
_stores: dict[str, Any] = {}


def describe(run: str, *, host: str, opens_store: bool, looks_for_gpus: bool) -> Place:
    """This process; with ``opens_store``, the ranks of a run may meet here."""
    address = None
    if opens_store:
        _stores[run], address = serve(host)
    gpus = visible_gpus() if looks_for_gpus else ()
    versions = {name: str(importlib.import_module(name).__version__) for name in PACKAGES}
    return Place(_this_process(), host, address, gpus, versions)


def _this_process() -> Process:
    return socket.gethostname(), os.getpid(), BEGAN


def run_rank(seat: Seat, call: bytes, data: Any, is_wanted: Callable[[], bool]) -> Outcome:
    """Compute a rank of a `Work`; what it raises is part of the outcome.

    Once ``is_wanted()`` is False the rank is interrupted.
    """
    if _this_process() != seat.place.process:
        # A cluster may start a task again, in the process that follows one that was lost.
        return Outcome(seat.rank, traceback="The worker was started again.")
    _running.add(seat.run)
    try:
        # Settings first: an interruption in a callback of C, with which threadpoolctl looks for
        # libraries, would be lost.
        with _settings(seat), _interrupted_unless(is_wanted), warnings.catch_warnings():
            # Ray's arrays, which a fit only reads.
            warnings.filterwarnings("ignore", "The given NumPy array is not writable")
            value = _compute(seat, data, call)
        return Outcome(seat.rank, value)
    except BaseException as error:
        return Outcome(seat.rank, None, _shippable(error), traceback.format_exc())
    finally:
        _running.discard(seat.run)


def _compute(seat: Seat, data: Any, call: bytes) -> bytes | None:
    function = unpacked(call)
    if seat.gpu is not None:
        # By its number: the current device of a thread is no other thread's.
        function = function.on(torch.device("cuda", seat.gpu))
    returned = compute_rank(
        function,
        data,
        seat.rank,
        seat.size,
        seat.address,
        prefix=seat.run,
        own_host=seat.place.host,
        gpu=None if seat.gpu is None else seat.place.gpus[seat.gpu],
        # The caller ends a rank that hangs first, so that the others' connections to it break.
        timeout=1.3 * seat.timeout,
    )
    return packed(returned) if seat.rank == 0 else None


def packed(value: Any) -> bytes:
    """The value pickled, functions of scripts and notebooks included."""
    content: bytes = cloudpickle.dumps(value)
    return content


def unpacked(content: bytes) -> Any:
    """What was packed."""
    return pickle.loads(content)  # noqa: S301  (from a rank or the caller)


def is_running(run: str) -> bool:
    """Whether a rank of the run is still at work in this process."""
    return run in _running


def forget(run: str) -> None:
    """Close the store of the run, if it is open here."""
    _stores.pop(run, None)


def _shippable(error: BaseException) -> BaseException | None:
    """The error, if it survives being pickled."""
    try:
        return pickle.loads(pickle.dumps(error))  # type: ignore[no-any-return]  # noqa: S301
    except Exception:
        return None


@contextmanager
def _settings(seat: Seat) -> Iterator[None]:
    """Threads and GPU of the rank."""
    n_before = torch.get_num_threads()
    # Dask's workers have OMP_NUM_THREADS=1 for all of their threads, which a rank has to itself.
    torch.set_num_threads(seat.n_threads)
    try:
        with at_most_threads(seat.n_threads):
            yield
    finally:
        torch.set_num_threads(n_before)


@contextmanager
def _interrupted_unless(is_wanted: Callable[[], bool]) -> Iterator[None]:
    """Raise `RankCancelled` in this thread once ``is_wanted()`` is False."""
    thread, lock, has_ended = threading.get_ident(), threading.Lock(), threading.Event()

    def watch() -> None:
        while not has_ended.wait(INTERVAL):
            if not is_wanted():
                with lock:
                    if not has_ended.is_set():
                        _raise_in(thread, RankCancelled)
                return

    threading.Thread(target=watch, name="sklstm-wanted", daemon=True).start()
    try:
        yield
    finally:
        # One that was raised and has not arrived yet arrives here. To take it back would leave the
        # interpreter looking for it, at each step of each thread, for ever.
        with suppress(RankCancelled):
            with lock:
                has_ended.set()
            for _ in range(N_STEPS):
                pass


def _raise_in(thread: int, error: type[BaseException]) -> None:
    """Raise an error in a thread at its next step of Python, as Ctrl-C does in the main one."""
    set_error = ctypes.pythonapi.PyThreadState_SetAsyncExc
    set_error(ctypes.c_ulong(thread), ctypes.py_object(error))
