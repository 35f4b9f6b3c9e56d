"""Ranks on this machine: the calling process, and processes that loky starts."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from concurrent.futures import Future, wait
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any, TypeVar

import joblib
import torch
from joblib.externals.loky import ProcessPoolExecutor

from sklstm._runtime._group import Address, compute_rank, join, kill, serve
from sklstm._runtime._ranks import Work
from sklstm._runtime._threads import at_most_threads
from sklstm._warnings import warn_user
from sklstm.distributed._devices import Gpu, gpus_of_machine
from sklstm.exceptions import RankError

T = TypeVar("T")

LOCALHOST = "127.0.0.1"
# Variables that libraries read their number of threads from.
THREADS = ("OMP", "MKL", "OPENBLAS", "BLIS", "VECLIB_MAXIMUM", "NUMEXPR")
# Seconds that the others have to end by themselves when rank 0 has failed.
PATIENCE = 5.0


class LokyRanks:
    """The calling process as rank 0, and the others as processes that stay for all fits.

    Callbacks, progress and Ctrl-C are the caller's as without ranks. The others start as
    new programs, not as forks, and do not run the caller's script again.

    Parameters
    ----------
    size : int
        Number of ranks.
    timeout : float
        Seconds without a heartbeat after which a rank hangs.
    """

    def __init__(self, size: int, timeout: float) -> None:
        self.size, self.timeout = size, timeout
        n_cores = joblib.cpu_count()
        if size > n_cores:
            warn_user(
                f"data_parallel({size}) starts more processes than the {n_cores} cores of this"
                f" machine, which will wait for each other.\n\nUse data_parallel({n_cores})."
            )
        self.n_threads = max(1, min(torch.get_num_threads(), n_cores // size))
        self._executor: ProcessPoolExecutor | None = None

    def run(self, work: Work[T]) -> T:
        """Result of a work."""
        server, address = serve(LOCALHOST)
        with TemporaryDirectory(prefix="sklstm-", ignore_cleanup_errors=True) as folder:
            path = Path(folder) / "data.joblib"
            joblib.dump(work.data, path)
            gpus = gpus_of_machine(work.device, self.size)
            others = self._start(work, path, address, gpus)
            try:
                return self._compute(work, address, others, gpus[0])
            except RankError as error:
                self._explain(error, others)
                raise
            finally:
                self._end(others)
                del server

    def _start(
        self, work: Work[Any], path: Path, address: Address, gpus: Sequence[Gpu | None]
    ) -> list[Future[Any]]:
        # Callbacks stay here: they need not be such as can be pickled.
        call = work.call.for_others()
        if self._executor is None:
            env = {f"{name}_NUM_THREADS": str(self.n_threads) for name in THREADS}
            self._executor = ProcessPoolExecutor(self.size - 1, env=env, initializer=_begin)
        arguments = (self.size, address, self.timeout)
        return [
            self._executor.submit(_compute_other, call, path, gpus[rank], rank, *arguments)
            for rank in range(1, self.size)
        ]

    def _compute(
        self, work: Work[T], address: Address, others: Sequence[Future[Any]], gpu: Gpu | None
    ) -> T:
        with (
            at_most_threads(self.n_threads),
            join(
                0,
                self.size,
                address,
                own_host=LOCALHOST,
                timeout=self.timeout,
                gpu=None if gpu is None else gpu.name,
                check=partial(self._check, others),
                on_hung=kill,
            ) as ranks,
        ):
            return work.here(ranks, None if gpu is None else gpu.device)

    def _check(self, others: Sequence[Future[Any]]) -> None:
        """Raise RankError if another rank has ended already."""
        for rank, other in enumerate(others, start=1):
            if other.done():
                error = other.exception()
                raise RankError(
                    f"Rank {rank} of {self.size} could not start: {type(error).__name__}: {error}",
                    rank,
                ) from error

    def _explain(self, error: RankError, others: Sequence[Future[Any]]) -> None:
        """Chain what loky knows of a rank that died, and could not say why."""
        wait(others, timeout=PATIENCE)
        has_said_why = bool(getattr(error, "__notes__", ()))
        if error.rank is not None and error.rank > 0 and not has_said_why:
            other = others[error.rank - 1]
            error.__cause__ = other.exception() if other.done() else None

    def _end(self, others: Sequence[Future[Any]]) -> None:
        """Wait for the other ranks, which end when rank 0 does; kill those that do not."""
        _, running = wait(others, timeout=PATIENCE)
        # One that was killed leaves an executor that is broken.
        if running or any(_is_of_loky(other.exception()) for other in others):
            self.close()

    def close(self) -> None:
        """End all processes but this one."""
        executor, self._executor = self._executor, None
        if executor is not None:
            executor.shutdown(wait=True, kill_workers=True)


def _is_of_loky(error: BaseException | None) -> bool:
    return error is not None and type(error).__module__.startswith(("joblib", "loky", "concurrent"))


def _begin() -> None:
    """Leave Ctrl-C, which a terminal sends to all, to the caller; end when the caller is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_end_with, args=(os.getppid(),), name="sklstm-parent", daemon=True).start()


def _end_with(parent: int) -> None:
    # loky's processes wait for their next task for ever.
    while os.getppid() == parent:
        time.sleep(1.0)
    os.kill(os.getpid(), signal.SIGTERM)


def _compute_other(
    call: Any, path: Path, gpu: Gpu | None, rank: int, size: int, address: Address, timeout: float
) -> None:
    # Mapped, not read: the ranks share the memory. Copies where something is written.
    data = joblib.load(path, mmap_mode="c")
    options: dict[str, Any] = {"own_host": LOCALHOST, "timeout": timeout}
    if gpu is not None:
        call, options["gpu"] = call.on(gpu.device), gpu.name
    compute_rank(call, data, rank, size, address, **options)
