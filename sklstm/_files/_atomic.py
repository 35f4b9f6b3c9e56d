"""Writing a file as a whole or not at all."""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

# What file systems say that have no such thing, as some that are mounted from elsewhere: the file
# is written all the same. A full or a failing disk says something else.
REFUSED = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EPERM)


def write_atomically(path: str | os.PathLike[str], chunks: Iterable[bytes | memoryview]) -> None:
    """Put the chunks, one after another, into the file at ``path``.

    Whatever goes wrong, Ctrl-C and loss of power included, the file there is either the earlier one
    or the new one, whole. After an error nothing else is left behind. The new file has the
    permissions of the earlier one, and at no time more than that.
    """
    target = follow_links(path)
    # Not made of the file's own name, which may be as long as a name can be.
    temporary = target.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        mode = _mode_of(target)
        opener = _as_new if mode is None else _as_private
        # Path.open takes no opener.
        with open(temporary, "xb", opener=opener) as file:
            for chunk in chunks:
                file.write(chunk)
            file.flush()
            _sync(file)
        if mode is not None:
            with suppress(OSError):
                temporary.chmod(mode)
        temporary.replace(target)
    except BaseException as error:
        with suppress(OSError):
            temporary.unlink()
        if isinstance(error, OSError):
            # The user knows nothing of the temporary file.
            raise OSError(error.errno, error.strerror, os.fspath(path)) from error
        raise
    _sync_folder(target.parent)


def follow_links(path: str | os.PathLike[str]) -> Path:
    """Where the path leads to, be there a file or not; OSError if its links lead nowhere.

    A link stays a link: what it points to is replaced, in its own folder.
    """
    with suppress(FileNotFoundError):
        # The one that tells of links that go round in a circle in all versions of Python.
        Path(path).stat()
    return Path(path).resolve()


def _mode_of(path: Path) -> int | None:
    """The permissions of the file there, None if there is none."""
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except FileNotFoundError:
        return None


def _as_new(path: str, flags: int) -> int:
    return os.open(path, flags, 0o666)


def _as_private(path: str, flags: int) -> int:
    """For its owner alone, until it has the permissions of the file that it replaces."""
    return os.open(path, flags, 0o600)


def _sync(file: BinaryIO) -> None:
    """Bring what was written to the disk, where the file system knows how to."""
    try:
        os.fsync(file.fileno())
    except OSError as error:
        if error.errno not in REFUSED:
            raise


def _sync_folder(folder: Path) -> None:
    """Bring the folder's new entry to the disk, where the system lets one."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
