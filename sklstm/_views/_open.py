"""What is opened as stored sequences: paths, and objects that are views already."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from sklstm._views._folder import address_of_folder, is_folder
from sklstm._views._maps import address_of_map, address_of_npy, is_mapped, source_of_array
from sklstm._views._stored import StoredSequences


def as_stored(X: Any, name: str) -> StoredSequences | None:
    """X if it is stored sequences, a view of X if it is one of NumPy's maps; else None."""
    if isinstance(X, StoredSequences):
        return X
    if isinstance(X, np.memmap) and X.dtype in (np.float32, np.float64) and is_mapped(X):
        return StoredSequences(source_of_array(np.asarray(X)))
    return None


def open_path(path: str | os.PathLike[str]) -> StoredSequences:
    """Stored sequences of a file or folder."""
    absolute = str(Path(path).absolute())
    if not Path(absolute).exists():
        raise FileNotFoundError(f"There is no {os.fspath(path)!r}.")
    if is_folder(absolute):
        address = address_of_folder(absolute)
    elif absolute.endswith(".npy"):
        address = address_of_npy(absolute)
    else:
        raise ValueError(f"{os.fspath(path)!r} holds no sequences.")
    return StoredSequences(address.open(), address)


def open_object(X: Any) -> StoredSequences:
    """Stored sequences of an object."""
    if isinstance(X, StoredSequences):
        return X
    if is_mapped(X):
        address = address_of_map(X)
        return StoredSequences(address.open(), address)
    raise TypeError(f"{type(X).__name__} cannot be opened as stored sequences.")
