"""A file that one at a time works on."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

if sys.platform == "win32":
    import msvcrt

    def _lock(descriptor: int) -> None:
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except PermissionError as error:
            raise BlockingIOError(error.errno, error.strerror) from error
else:
    import fcntl

    def _lock(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


# What a system says that has no locks, as some of the file systems that clusters share.
NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Inside, nobody else is inside for the same path; BlockingIOError if somebody is already.

    Threads, processes and, where the file system has locks for them, machines exclude one another.
    The system ends the lock with the process, so that none outlives a SIGKILL. Where there are no
    locks, nobody is kept out.
    """
    beside = path.with_name(f"{path.name}.lock")
    try:
        descriptor = _acquire(beside)
    except BlockingIOError as error:
        raise BlockingIOError(f"Another process or thread works on {str(path)!r}.") from error
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
    try:
        yield
    finally:
        # While it is locked: nobody else may have taken it for theirs. Windows keeps open files.
        with suppress(OSError):
            beside.unlink()
        os.close(descriptor)


def _acquire(path: Path) -> int:
    """A descriptor of the file, which it made, locked."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            _lock(descriptor)
        except OSError as error:
            if error.errno not in NO_LOCKS:
                os.close(descriptor)
                raise
        # Another may have removed it between the two calls; then the lock is on nothing.
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(descriptor), path.stat()):
                return descriptor
        os.close(descriptor)
