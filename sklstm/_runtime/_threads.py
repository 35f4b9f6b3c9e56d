"""Intra-process threading: a thread pool in place of OpenMP teams."""

from __future__ import annotations

import ctypes
import math
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import torch
from threadpoolctl import ThreadpoolController, threadpool_limits

from sklstm._runtime._cluster import share_of_threads
from sklstm._runtime._concurrency import ThreadTeam
from sklstm._runtime._shares import Share

# The slower mode is tried again for about one TRIAL_INTERVAL-th of the time.
TRIAL_INTERVAL = 50
# Number of initial steps, and those of them without the team: work that can be shared is mostly
# faster shared.
N_FIRST_STEPS, SINGLE_THREADED_STEPS = 8, {1, 4}
# Weight of the latest measurement in the exponential moving average.
SMOOTHING = 0.3


class ThreadingAutotuner:
    """Chooses whether a step uses the thread team or one thread, by measured speed.

    Only time depends on the choice. It is measured because it depends on the load of the machine: a
    team of two made a step 1.6 times faster on two idle cores, and 4 times slower while other
    processes used them (benchmarks/LOG.md).
    """

    def __init__(self, team: ThreadTeam | None) -> None:
        self.team = team
        self._pace = {True: math.inf, False: math.inf}
        self._n_steps = 0
        self._seconds_since_trial = 0.0

    @contextmanager
    def step(self, work: float) -> Iterator[ThreadTeam | None]:
        """The team or None for a step, whose ``work`` is in any unit, such as timesteps."""
        if self.team is None:
            yield None
            return
        has_team = self._next(work)
        start = time.perf_counter()
        yield self.team if has_team else None
        self._record(has_team, time.perf_counter() - start, work)

    def _next(self, work: float) -> bool:
        if self._n_steps < N_FIRST_STEPS:
            return self._n_steps not in SINGLE_THREADED_STEPS
        faster = self._pace[True] < self._pace[False]
        is_due = self._seconds_since_trial > TRIAL_INTERVAL * self._pace[not faster] * work
        return faster is not is_due

    def _record(self, has_team: bool, seconds: float, work: float) -> None:
        self._n_steps += 1
        latest, known = seconds / work, self._pace[has_team]
        if self._n_steps <= N_FIRST_STEPS:
            # The minimum: the first steps also compile kernels and allocate memory.
            self._pace[has_team] = min(latest, known)
        elif known <= self._pace[not has_team]:
            self._seconds_since_trial += seconds
            self._pace[has_team] = (1 - SMOOTHING) * known + SMOOTHING * latest
        else:
            # Tried seldom, so the latest counts, but a single slow step must not rule it out.
            self._seconds_since_trial = 0.0
            self._pace[has_team] = min(latest, 2 * known)


# torch's number of threads outside, for a thread that is inside `single_threaded`.
_here = threading.local()


class thread_team(AbstractContextManager["ThreadTeam | None"]):
    """Team of torch's number of threads, each single-threaded; None for one thread or a GPU.

    torch would run every operation on an OpenMP team of all threads. The thousands of operations of
    an LSTM are too small for that, and each waits for the slowest thread: on a busy machine that
    was up to 1000 times slower than one thread. So OpenMP is limited to one thread inside, and
    whole parts of the work are shared instead, with the same bits as on one thread. This thread's
    limits are restored afterwards; those of other threads are never touched.

    A team that ``shares`` has no more threads than other such teams leave, see `Share`.

    References
    ----------
    ADR 21, ADR 67.
    """

    def __init__(self, device: torch.device, *, shares: bool = False) -> None:
        self.team: ThreadTeam | None = None
        self._device = device
        self._single_threaded = single_threaded()
        self._share = Share() if shares else None

    def __enter__(self) -> ThreadTeam | None:
        n_threads = min(self._single_threaded.__enter__(), getattr(_here, "most", sys.maxsize))
        if self._device.type != "cpu":
            return None
        if self._share is not None:
            n_threads = self._share.take(n_threads)
        if n_threads > 1:
            self.team = ThreadTeam(n_threads - 1, stay_single_threaded)
            self.team.__enter__()
            # None if the system provides no more threads.
            if self.team.n_others == 0:
                self.team = None
        return self.team

    def __exit__(self, *error: object) -> None:
        if self.team is not None:
            self.team.__exit__()
        if self._share is not None:
            self._share.give_back()
        self._single_threaded.__exit__()


class single_threaded(AbstractContextManager[int]):
    """Limit OpenMP and MKL to one thread in this thread; gives the number of threads to use.

    It is torch's, or less in a task of Dask.

    Not by `torch.set_num_threads`, which also affects threads that start later. Fits and
    predictions run inside as a whole: a forked child would deadlock, waiting for the OpenMP threads
    that its parent had used.
    """

    def __init__(self) -> None:
        self._is_outermost = False
        self._openmp_before: list[tuple[Any, int]] = []
        self._mkl_before: list[int] = []

    def __enter__(self) -> int:
        n_threads: int = getattr(_here, "n_threads", 0)
        if n_threads > 0:
            return n_threads
        # torch sets a new thread's limits at the first query, so query before setting them.
        n_threads = torch.get_num_threads()
        if n_threads > 1:
            self._is_outermost = True
            libraries = _openmp_libraries()
            self._openmp_before = [(library, library.get_num_threads()) for library in libraries]
            for library in libraries:
                library.set_num_threads(1)
            # Setting MKL's limit returns the old one. One call, which Ctrl-C cannot split.
            self._mkl_before.extend(map(_limit_mkl(), [1]))
            n_threads = share_of_threads(n_threads)
            _here.n_threads = n_threads
        return n_threads

    def __exit__(self, *error: object) -> None:
        for library, n_threads in self._openmp_before:
            library.set_num_threads(n_threads)
        for n_threads in self._mkl_before:
            _limit_mkl()(n_threads)
        if self._is_outermost:
            _here.n_threads = 0


class at_most_threads(AbstractContextManager[None]):
    """Limit teams of this thread, and BLAS in all threads, within the context.

    Parameters
    ----------
    n_threads : int
        Maximum number of threads, this one included.
    """

    def __init__(self, n_threads: int) -> None:
        self._n_threads = n_threads
        self._blas: Any = None

    def __enter__(self) -> None:
        _here.most = self._n_threads
        self._blas = threadpool_limits(self._n_threads, user_api="blas")

    def __exit__(self, *error: object) -> None:
        if self._blas is not None:
            self._blas.restore_original_limits()
        _here.most = sys.maxsize


def stay_single_threaded() -> None:
    # As in `single_threaded`: query before setting.
    torch.get_num_threads()
    for library in _openmp_libraries():
        library.set_num_threads(1)
    _limit_mkl()(1)


@cache
def _openmp_libraries() -> list[Any]:
    """OpenMP libraries that the process has loaded: torch's and any others."""
    libraries: list[Any] = ThreadpoolController().select(user_api="openmp").lib_controllers
    return libraries


@cache
def _limit_mkl() -> Callable[[int], int]:
    """MKL's setter of the calling thread's limit, 0 for none, which returns the old limit.

    MKL is linked into torch's library, where threadpoolctl does not look.
    """
    try:
        (path,) = Path(torch.__file__).parent.glob("lib/libtorch_cpu.*")
        limit: Callable[[int], int] = ctypes.CDLL(str(path)).MKL_Set_Num_Threads_Local
    except (AttributeError, OSError, ValueError):
        return lambda n_threads: 0
    return limit
