"""Reading ahead: one call at a time runs in a thread while its result is not needed yet."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from typing import TypeVar

from sklstm._runtime._concurrency import BackgroundTasks, ThreadTeam
from sklstm._runtime._threads import stay_single_threaded

T = TypeVar("T")


class HasEndedError(Exception):
    """A call was given up, since nobody waits for its result any more."""


class ReadAhead(AbstractContextManager["ReadAhead"]):
    """A thread, inside the context, in which the next of many calls runs; outside there is none.

    An error of a call is raised where its result is asked for. Leaving the context waits for the
    running call, which can ask `check` whether to go on.
    """

    def __init__(self) -> None:
        self._team = ThreadTeam(1, stay_single_threaded)
        self._latest: BackgroundTasks | None = None
        self._is_over = False

    def __enter__(self) -> ReadAhead:
        self._team.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._is_over = True
        if self._latest is not None:
            self._latest.__exit__()
        self._team.__exit__()

    def check(self) -> None:
        """Raise an error, which nobody sees, if the context has been left."""
        if self._is_over:
            raise HasEndedError

    def results(self, calls: Iterable[Callable[[], T]]) -> Iterator[T]:
        """Result of each call. When one is given, the next has begun."""
        waiting: Callable[[], T] | None = None
        for call in calls:
            begun = self._begin(call)
            if waiting is not None:
                yield waiting()
            waiting = begun
        if waiting is not None:
            yield waiting()

    def _begin(self, call: Callable[[], T]) -> Callable[[], T]:
        if self._is_over or self._team.n_others == 0:
            return call
        self._latest = BackgroundTasks(self._team)
        return self._latest.start(call).result
