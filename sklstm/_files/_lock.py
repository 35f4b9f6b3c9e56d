"""Exclusive locks on files."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

# What a system says that has no locks, as some of the file systems that clusters share.
NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the exclusive lock of a path; BlockingIOError if another process or thread holds it.

    The system releases the lock when the process ends, so none outlives a SIGKILL. Other machines
    are excluded if the file system has locks for them. Without any locks nobody is excluded.
    """
    # It registers fork hooks for the whole process.
    from filelock import FileLock, Timeout

    # A name that nobody else uses: poetry's lock file is poetry.lock.
    lock_file = path.with_name(f".{path.name}.sklstm-lock")
    # Two attempts: another may remove the file between opening and locking it.
    lock = FileLock(lock_file, timeout=0.1, poll_interval=0.01, fallback_to_soft=False)
    try:
        # Fails where the path cannot be written; filelock would make a missing folder, or wait.
        lock_file.touch()
        lock.acquire()
    except Timeout as error:
        raise BlockingIOError(f"{str(path)!r} is locked by another process or thread.") from error
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise OSError(error.errno, error.strerror, str(path)) from error
    try:
        yield
    finally:
        # A file with content is somebody else's. Windows keeps open files.
        with suppress(OSError):
            if lock_file.stat().st_size == 0:
                lock_file.unlink()
        lock.release()
