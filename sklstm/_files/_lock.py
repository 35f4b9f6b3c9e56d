"""A file that one at a time works on."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

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
    # A name that nobody else uses: poetry's lock file is poetry.lock.
    beside = path.with_name(f".{path.name}.sklstm-lock")
    try:
        file = _acquire(beside)
    except BlockingIOError as error:
        raise BlockingIOError(f"Another process or thread works on {str(path)!r}.") from error
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from error
    with file:
        try:
            yield
        finally:
            _remove_empty(beside)


def _remove_empty(path: Path) -> None:
    """Remove what was made for the lock, while that is held: a file that says something stays."""
    # Windows keeps open files.
    with suppress(OSError):
        if path.stat().st_size == 0:
            path.unlink()


def _acquire(path: Path) -> BinaryIO:
    """The file, which is made if there is none, open and locked."""
    while True:
        # Not a bare descriptor: that would stay locked if Ctrl-C came before the end of this.
        file = path.open("ab")
        try:
            _lock(file.fileno())
        except OSError as error:
            if error.errno not in NO_LOCKS:
                file.close()
                raise
        # Another may have removed it between the two calls; then the lock is on nothing.
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return file
        file.close()
