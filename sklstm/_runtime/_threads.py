"""Intra-process threading: a thread pool in place of OpenMP teams."""

from __future__ import annotations

import ctypes
import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import torch
from threadpoolctl import ThreadpoolController

from sklstm._runtime._concurrency import ThreadTeam

# Of the time, about one in so many parts goes into trying the way that was slower so far.
TRIAL_INTERVAL = 50
# The first steps of a training, and those of them that this thread does alone: where the work can
# be shared at all it is mostly faster shared, and where it is not, steps are short.
FIRST_STEPS, ALONE = 8, {1, 4}
# The share of the latest measurement in the average.
LATEST = 0.3


class ThreadingAutotuner:
    """Gives the team to a step or lets this thread do it alone, whichever was faster so far.

    Nothing but time depends on it. It has to be found out, since it depends on what else the
    machine does: a team of two that made a step 1.6 times faster on two free cores made it 4 times
    slower while other processes kept them busy (benchmarks/LOG.md).
    """

    def __init__(self, team: ThreadTeam | None) -> None:
        self.team = team
        self._pace = {True: math.inf, False: math.inf}
        self._n_steps = 0
        self._seconds_since_trial = 0.0

    @contextmanager
    def step(self, work: float) -> Iterator[ThreadTeam | None]:
        """The team or None, for a step of so much ``work`` in any unit."""
        if self.team is None:
            yield None
            return
        has_team = self._next(work)
        start = time.perf_counter()
        yield self.team if has_team else None
        self._record(has_team, time.perf_counter() - start, work)

    def _next(self, work: float) -> bool:
        if self._n_steps < FIRST_STEPS:
            return self._n_steps not in ALONE
        faster = self._pace[True] < self._pace[False]
        is_due = self._seconds_since_trial > TRIAL_INTERVAL * self._pace[not faster] * work
        return faster is not is_due

    def _record(self, has_team: bool, seconds: float, work: float) -> None:
        self._n_steps += 1
        latest, known = seconds / work, self._pace[has_team]
        if self._n_steps <= FIRST_STEPS:
            # The fastest: kernels are compiled and memory is taken for the first time meanwhile.
            self._pace[has_team] = min(latest, known)
        elif known <= self._pace[not has_team]:
            self._seconds_since_trial += seconds
            self._pace[has_team] = (1 - LATEST) * known + LATEST * latest
        else:
            # Seldom tried, so that the latest counts; but one mishap must not put it off for long.
            self._seconds_since_trial = 0.0
            self._pace[has_team] = min(latest, 2 * known)


# How many threads torch would use outside, for a thread that is inside `single_threaded`.
_here = threading.local()


class thread_team(AbstractContextManager["ThreadTeam | None"]):
    """As many threads as torch may use here, each computing on its own; None if that is one.

    torch itself would give every operation to an OpenMP team of them all. An LSTM is thousands of
    operations too small for that, each of which ends when the slowest member has arrived; where
    other work shares the cores, that was up to 1000 times slower than one thread. So inside every
    OpenMP team has one member, and whole parts of the work are given to the threads instead, which
    also leaves each bit as it is with one thread. Afterwards this thread's OpenMP team is what it
    was; those of other threads are never touched.

    References
    ----------
    ADR 21.
    """

    def __init__(self, device: torch.device) -> None:
        self.team: ThreadTeam | None = None
        self._device = device
        self._single_threaded = single_threaded()

    def __enter__(self) -> ThreadTeam | None:
        n_threads = self._single_threaded.__enter__()
        if self._device.type == "cpu" and n_threads > 1:
            self.team = ThreadTeam(n_threads - 1, _stay_single_threaded)
            self.team.__enter__()
            # The system may give no more threads.
            if self.team.n_others == 0:
                self.team = None
        return self.team

    def __exit__(self, *error: object) -> None:
        if self.team is not None:
            self.team.__exit__()
        self._single_threaded.__exit__()


class single_threaded(AbstractContextManager[int]):
    """Inside, this thread computes without others' help; gives how many torch would have used.

    Not by `torch.set_num_threads`, which also decides for threads that start later. Everything of
    ours that computes is inside, a fit and a prediction as a whole, since a forked child would wait
    for ever for the members of an OpenMP team that its parent has had.
    """

    def __init__(self) -> None:
        self._is_outermost = False
        self._openmp_before: list[tuple[Any, int]] = []
        self._mkl_before: list[int] = []

    def __enter__(self) -> int:
        n_threads: int = getattr(_here, "n_threads", 0)
        if n_threads > 0:
            return n_threads
        # torch sets a new thread's limits when first asked for them, so it has to be asked first.
        n_threads = torch.get_num_threads()
        if n_threads > 1:
            self._is_outermost = True
            libraries = _openmp_libraries()
            self._openmp_before = [(library, library.get_num_threads()) for library in libraries]
            for library in libraries:
                library.set_num_threads(1)
            # MKL tells its limit when it is set. Both in one call: Ctrl-C could come between two.
            self._mkl_before.extend(map(_limit_mkl(), [1]))
            _here.n_threads = n_threads
        return n_threads

    def __exit__(self, *error: object) -> None:
        for library, n_threads in self._openmp_before:
            library.set_num_threads(n_threads)
        for n_threads in self._mkl_before:
            _limit_mkl()(n_threads)
        if self._is_outermost:
            _here.n_threads = 0


def _stay_single_threaded() -> None:
    # As in `single_threaded`: torch must not set them later.
    torch.get_num_threads()
    for library in _openmp_libraries():
        library.set_num_threads(1)
    _limit_mkl()(1)


@cache
def _openmp_libraries() -> list[Any]:
    """torch's OpenMP, and any other that the process has loaded by now."""
    libraries: list[Any] = ThreadpoolController().select(user_api="openmp").lib_controllers
    return libraries


@cache
def _limit_mkl() -> Callable[[int], int]:
    """MKL's limit for one thread, 0 for none, which torch.set_num_threads sets beside OpenMP's.

    It hides in torch's own library, where threadpoolctl does not look.
    """
    try:
        (path,) = Path(torch.__file__).parent.glob("lib/libtorch_cpu.*")
        limit: Callable[[int], int] = ctypes.CDLL(str(path)).MKL_Set_Num_Threads_Local
    except (AttributeError, OSError, ValueError):
        return lambda n_threads: 0
    return limit
