"""Heap settings: freed memory stays in the process while computing on a CPU."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import cache

# From glibc's malloc.h.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_MMAP_MAX = -1, -3, -4
KEEP = {M_MMAP_MAX: 0, M_TRIM_THRESHOLD: 2**31 - 1}
# glibc raises both thresholds from 128 KiB, to 32 and 64 MiB at most, as large blocks are freed;
# any call of mallopt ends that. So the maxima are restored, not the initial values: a step of an
# unrelated torch loop took 18 ms before a fit, 19 ms after one, and 22 to 28 with the initial
# thresholds (benchmarks/LOG.md).
RESTORE = {M_MMAP_MAX: 65_536, M_MMAP_THRESHOLD: 32 * 2**20, M_TRIM_THRESHOLD: 64 * 2**20}

_lock = threading.Lock()
_users: set[kept_heap] = set()
_keeps_some = False


class kept_heap(AbstractContextManager[None]):
    """Reuse blocks freed inside the context instead of returning them to the kernel.

    glibc maps and unmaps every large block, so that a training step takes a page fault for each
    4 KiB of activations: at B64 T100 H128 a step took up to 5 times as long as its arithmetic.
    Nested and concurrent contexts share one setting; the last to leave restores the thresholds and
    trims the heap. Without glibc nothing happens.

    References
    ----------
    ADR 6.
    """

    def __enter__(self) -> None:
        self.thread = threading.get_ident()
        with _lock:
            _users.add(self)
            if len(_users) == 1:
                _configure(KEEP)

    def __exit__(self, *error: object) -> None:
        with _lock:
            if _users == {self}:
                _configure(RESTORE)
                trim()
            # Last: `within` calls this again if it is interrupted before.
            _users.discard(self)


def keep_some() -> None:
    """Raise the thresholds to those that are restored, once in a process.

    glibc does so by itself, but only as it sees blocks of each size freed. Until then a prediction
    of a few sequences takes a page fault for each 4 KiB, up to twice its time.
    """
    global _keeps_some
    with _lock:
        if not _keeps_some and not _users:
            _configure(RESTORE)
        _keeps_some = True


def _begin_in_child() -> None:
    """Forget other threads, which a forked child does not have and which would never leave."""
    global _lock
    _lock = threading.Lock()
    gone = {user for user in _users if user.thread != threading.get_ident()}
    _users.difference_update(gone)
    if gone and not _users:
        _configure(RESTORE)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_in_child)


@cache
def _glibc() -> ctypes.CDLL | None:
    """The C library of this process, if it is glibc."""
    try:
        library = ctypes.CDLL(None)
        library.gnu_get_libc_version  # noqa: B018  (the attribute exists in glibc only)
    except (AttributeError, OSError, TypeError):
        return None
    return library


def _configure(settings: dict[int, int]) -> None:
    library = _glibc()
    if library is not None:
        for name, value in settings.items():
            library.mallopt(name, value)


def trim() -> None:
    """Return free memory to the kernel."""
    library = _glibc()
    if library is not None:
        malloc_trim: Callable[[int], int] = library.malloc_trim
        malloc_trim(0)
