"""Keep freed memory in the process while training on a CPU."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache

# From glibc's malloc.h.
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_MMAP_MAX = -1, -3, -4
KEEP = {M_MMAP_MAX: 0, M_TRIM_THRESHOLD: 2**31 - 1}
# glibc starts from 128 KiB and raises both thresholds, to 32 and 64 MiB at most, as large blocks
# are freed; any call of mallopt ends that. So where it would have arrived is restored, not where it
# starts: a step of somebody else's torch loop took 18 ms before a fit, 19 ms after one, and 22 to
# 28 with the initial thresholds (benchmarks/LOG.md).
RESTORE = {M_MMAP_MAX: 65_536, M_MMAP_THRESHOLD: 32 * 2**20, M_TRIM_THRESHOLD: 64 * 2**20}

_lock = threading.Lock()
_users = 0


@contextmanager
def kept_heap() -> Iterator[None]:
    """Blocks freed inside the context are reused instead of returned to the kernel.

    glibc maps every large block anew and unmaps it when freed, so a training step takes a page
    fault for each 4 KiB of activations: at B64 T100 H128 that made a step up to 5 times as long as
    its arithmetic. Nested and concurrent contexts share one setting; the last to leave restores
    the thresholds and returns what is free. Without glibc nothing happens.

    References
    ----------
    ADR 6.
    """
    global _users
    with _lock:
        _users += 1
        if _users == 1:
            _configure(KEEP)
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if _users == 0:
                _configure(RESTORE)
                trim()


@cache
def _glibc() -> ctypes.CDLL | None:
    """The process's own C library if it is glibc."""
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
    """Return to the kernel what is free."""
    library = _glibc()
    if library is not None:
        malloc_trim: Callable[[int], int] = library.malloc_trim
        malloc_trim(0)
