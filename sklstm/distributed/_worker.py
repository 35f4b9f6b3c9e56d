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
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch.distributed import TCPStore

from sklstm.distributed._devices import visible_gpus

# Seconds between two looks at whether the rank is still wanted.
INTERVAL = 0.2
# Packages of which all ranks must have one version: another one may compute other bits.
PACKAGES = ("numpy", "sklearn", "sklstm", "torch")
# Where gloo and NCCL look up the network interface.
INTERFACES = ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME")


class Place(NamedTuple):
    """A process that a rank may run in, as it describes itself."""

    process: tuple[str, int, float]
    host: str
    port: int | None
    gpus: tuple[str, ...]
    versions: dict[str, str]


class Seat(NamedTuple):
    """What a rank is told before it begins.

    ``n_threads`` None: as many as the process has. ``gpu`` None: the CPU.
    """

    run: str
    rank: int
    size: int
    address: tuple[str, int]
    place: Place
    backend: str = "gloo"
    gpu: int | None = None
    n_threads: int | None = None


@dataclass(frozen=True)
class Outcome:
    """What became of a rank: a value, or an error and its traceback as text."""

    rank: int
    value: Any = None
    error: BaseException | None = None
    traceback: str | None = None

    @property
    def has_failed(self) -> bool:
        """Whether it ended with an error."""
        return self.traceback is not None


class RankCancelled(BaseException):
    """The rank is not wanted any more. Not an `Exception`, so that nobody goes on after it."""


# Seats taken in this process, and stores that are open here.
_runs: dict[str, int] = {}
_stores: dict[str, TCPStore] = {}


def describe(run: str, *, host: str, opens_store: bool, looks_for_gpus: bool) -> Place:
    """This process; with ``opens_store``, ranks may meet at its host and port."""
    port = None
    if opens_store:
        _stores[run] = TCPStore(host, 0, is_master=True, wait_for_workers=False)
        port = _stores[run].port
    gpus = visible_gpus() if looks_for_gpus else ()
    return Place(_process(), host, port, gpus, _versions())


def _process() -> tuple[str, int, float]:
    # A number of a process may be taken again after its end; the moment of the import not.
    return socket.gethostname(), os.getpid(), _IMPORTED


_IMPORTED = time.time()


def _versions() -> dict[str, str]:
    return {name: str(importlib.import_module(name).__version__) for name in PACKAGES}


def run_rank(
    function: Callable[..., Any], seat: Seat, args: tuple[Any, ...], is_wanted: Callable[[], bool]
) -> Outcome:
    """Call ``function(rank, size, address, *args)``; what it raises is part of the outcome.

    Once ``is_wanted()`` is False the rank is interrupted.
    """
    if _process() != seat.place.process:
        # A cluster may start a task again, in the process that follows one that was lost.
        return Outcome(seat.rank, traceback="The worker was started again.")
    _runs[seat.run] = _runs.get(seat.run, 0) + 1
    try:
        with _interrupted_unless(is_wanted), _settings(seat):
            value = function(seat.rank, seat.size, seat.address, *args)
        return Outcome(seat.rank, value if seat.rank == 0 else None)
    except BaseException as error:
        return Outcome(seat.rank, None, _shippable(error), traceback.format_exc())
    finally:
        _runs[seat.run] -= 1


def is_running(run: str) -> bool:
    """Whether a rank of the run is still at work in this process."""
    return _runs.get(run, 0) > 0


def forget(run: str) -> None:
    """Close the store of the run, if it is open here."""
    _stores.pop(run, None)
    _runs.pop(run, None)


def _shippable(error: BaseException) -> BaseException | None:
    """The error, if it survives being pickled."""
    try:
        return pickle.loads(pickle.dumps(error))  # type: ignore[no-any-return]  # noqa: S301
    except Exception:
        return None


@contextmanager
def _settings(seat: Seat) -> Iterator[None]:
    """Threads, GPU and network interface of the rank."""
    n_before, before = torch.get_num_threads(), {name: os.environ.get(name) for name in INTERFACES}
    interface = _interface_of(seat.place.host)
    try:
        if seat.n_threads is not None:
            torch.set_num_threads(seat.n_threads)
        if seat.gpu is not None:
            torch.cuda.set_device(seat.gpu)
        for name in INTERFACES if interface is not None else ():
            os.environ.setdefault(name, str(interface))
        yield
    finally:
        torch.set_num_threads(n_before)
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)


def _interface_of(host: str) -> str | None:
    """Network interface of this machine that has the address; None if that is not known.

    gloo would take the address of the host's own name, which on many machines is 127.0.1.1.
    """
    with suppress(ImportError, OSError):
        import psutil

        address = socket.gethostbyname(host)
        for name, entries in psutil.net_if_addrs().items():
            if any(entry.address == address for entry in entries):
                return str(name)
    return None


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

    watcher = threading.Thread(target=watch, name="sklstm-wanted", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        with lock:
            has_ended.set()
        # One that was raised and has not arrived yet.
        _raise_in(thread, None)


def _raise_in(thread: int, error: type[BaseException] | None) -> None:
    """Raise an error in a thread at its next step of Python, as Ctrl-C does in the main one."""
    value = None if error is None else ctypes.py_object(error)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), value)
