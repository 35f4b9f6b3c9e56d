"""Atomic writing of files."""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import BinaryIO

# What network file systems without fsync answer: the file is written all the same. A full or a
# failing disk answers something else.
REFUSED = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EPERM)


def write_atomically(path: str | os.PathLike[str], chunks: Iterable[bytes | memoryview]) -> None:
    """Write the chunks to the file at ``path`` atomically.

    Whatever happens, Ctrl-C and loss of power included, the file there is either the earlier one or
    the new one, complete. After an error nothing else is left behind. The new file has the
    permissions of the earlier one, and never more.
    """
    target = follow_links(path)
    # Not made of the file's own name, which may be as long as a name can be.
    temporary = target.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        mode = stat.S_IMODE(target.stat().st_mode) if target.exists() else None
        # Until it has the permissions of the file that it replaces, it is its owner's alone.
        opener = partial(os.open, mode=0o666 if mode is None else 0o600)
        # Path.open takes no opener.
        with open(temporary, "xb", opener=opener) as file:
            file.writelines(chunks)
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
    """The path without symbolic links, whether the file exists or not; OSError if they are cyclic.

    So a link stays a link: what it points to is replaced, in its own folder.
    """
    with suppress(FileNotFoundError):
        # Unlike resolve(), it reports cycles in all versions of Python.
        Path(path).stat()
    return Path(path).resolve()


def _sync(file: BinaryIO) -> None:
    """Flush the file to the disk, where the file system can."""
    try:
        os.fsync(file.fileno())
    except OSError as error:
        if error.errno not in REFUSED:
            raise


def _sync_folder(folder: Path) -> None:
    """Flush the folder's new entry to the disk, where the system can."""
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
