"""Threads shared among what a process computes at the same time."""

from __future__ import annotations

import os
import threading

_lock = threading.Lock()
_taken: dict[Share, int] = {}


class Share:
    """The threads of one of several predictions that run at once: what the others leave, or one.

    Dask's and joblib's pools of threads predict in each of them. If every prediction took as many
    threads as it takes alone, there would be as many as the square of the number of cores.
    """

    def take(self, n_threads: int) -> int:
        """Take up to ``n_threads`` of so many in all; the number taken, at least one."""
        self._thread = threading.get_ident()
        with _lock:
            n_left = n_threads - sum(_taken.values())
            _taken[self] = max(1, n_left)
            return _taken[self]

    def give_back(self) -> None:
        """End the prediction; again if an interruption came between."""
        with _lock:
            _taken.pop(self, None)

    def is_here(self) -> bool:
        """Whether this thread has taken it."""
        return self._thread == threading.get_ident()


def _begin_in_child() -> None:
    """Forget other threads, which a forked child does not have."""
    global _lock
    _lock = threading.Lock()
    for share in [share for share in _taken if not share.is_here()]:
        del _taken[share]


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_in_child)
