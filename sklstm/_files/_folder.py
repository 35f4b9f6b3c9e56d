"""Folders that are written whole or not at all."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def new_folder(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary folder beside ``path``, which becomes it at the end of the block.

    After an error, Ctrl-C included, neither is left. A process that is killed leaves the temporary
    folder behind, whose name begins with a dot.

    Raises
    ------
    FileExistsError
        If there is something at ``path``; nothing is replaced.
    """
    target = Path(path).absolute()
    _reject_existing(target, path)
    if not target.parent.is_dir():
        raise FileNotFoundError(f"There is no folder {str(target.parent)!r} to write in.")
    temporary = target.with_name(f".{secrets.token_hex(8)}.tmp")
    temporary.mkdir()
    try:
        yield temporary
        # An empty folder that has come since would be replaced.
        _reject_existing(target, path)
        temporary.rename(target)
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def _reject_existing(target: Path, path: str | os.PathLike[str]) -> None:
    if os.path.lexists(target):
        raise FileExistsError(
            f"{os.fspath(path)!r} exists already, and nothing is written over.\n\nGive another"
            " name, or delete it first: shutil.rmtree(path)."
        )
