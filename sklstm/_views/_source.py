"""What is behind stored sequences: timesteps, places of sequences, and columns beside them."""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

import numpy as np

from sklstm._sequences import Array, IntArray, Rows

# Of a folder of more files only the name is in an error: each would make a pickle longer.
MOST_STAMPS = 8
# What a column of sequences is called where it has no name.
SEQUENCES = "sequences"


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """One value for each sequence: numbers, or with ``names`` codes of texts, -1 being none."""

    values: Array
    names: Array | None = None

    def take(self, indices: range | Array) -> Array:
        """The values at these indices, in memory."""
        values = np.array(self.values[as_key(indices)])
        if self.names is None:
            return values
        if len(values) and values.min() < 0:
            with_none: Array = np.array([*self.names.tolist(), None], dtype=object)[values]
            return with_none
        texts: Array = self.names[values]
        return texts


def as_key(indices: range | Array) -> slice | Array:
    """Indices as a key of an array, which of a range takes no memory."""
    if not isinstance(indices, range):
        return indices
    if not indices:
        # Its bounds may be -1, which in a slice is the last.
        return slice(0)
    stop = indices.stop if indices.step > 0 or indices.stop >= 0 else None
    return slice(indices.start, stop, indices.step)


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Source:
    """Opened sequences.

    Attributes
    ----------
    rows : Rows
        All timesteps.
    starts, lengths : ndarray of shape (n_sequences,)
        As of `SequenceView`.
    item_ndim : int
        Dimensions of one sequence as the user gets it: 1 if it was given so, otherwise 2.
    n_columns : int or None
        Number of columns if the sequences are the rows of a 2-D array.
    names : tuple of str or None
        Names of the features of a timestep.
    holds_token_ids : bool
        Whether they were written from the output of TokenEncoder.
    columns : dict of str to Column
        "y", "sample_weight" and "groups", as far as there are such.
    static : dict of str to Column
        Static columns.
    sequences : str
        The name of the column of sequences among the static ones.
    order : tuple of str
        All of these names, in order.
    """

    rows: Rows
    starts: IntArray
    lengths: IntArray
    item_ndim: int = 2
    n_columns: int | None = None
    names: tuple[str, ...] | None = None
    holds_token_ids: bool = False
    columns: Mapping[str, Column] = field(default_factory=dict)
    static: Mapping[str, Column] = field(default_factory=dict)
    sequences: str = SEQUENCES
    order: tuple[str, ...] = ()


def places_of_rectangle(n_sequences: int, n_timesteps: int) -> tuple[IntArray, IntArray]:
    """Starts and lengths of sequences of one length, one after the other."""
    starts = np.arange(n_sequences, dtype=np.int64) * n_timesteps
    return starts, np.full(n_sequences, n_timesteps, dtype=np.int32)


# Addresses ----------------------------------------------------------------------------------------

# The name of a file relative to the path, its size in bytes, the time of its last change in ns.
Stamp = tuple[str, int, int]


@dataclass(frozen=True, slots=True)
class Address:
    """Where a source is opened from, and what its files were like: all that a pickle holds.

    ``opener`` is a function of a module that takes the path and the options.
    """

    path: str
    opener: Callable[..., Source]
    options: tuple[tuple[str, Any], ...] = ()
    stamps: tuple[Stamp, ...] = ()

    def open(self) -> Source:
        """The source, which a process opens once while it is in use."""
        self._check()
        # Not what was opened before a fork: both processes would move one file's position.
        key = (os.getpid(), self)
        source = OPENED.get(key)
        if source is None:
            source = OPENED[key] = self.opener(self.path, **dict(self.options))
        return source

    def _check(self) -> None:
        """Raise if the files are not there, or are not those of the address."""
        if not Path(self.path).exists():
            raise FileNotFoundError(
                f"There is no {self.path!r} on this machine. Stored sequences are sent to other"
                " processes as their path, and read there.\n\nPut them where each machine finds"
                " them under that path, such as in a shared folder."
            )
        for name, *before in self.stamps:
            file = Path(self.path) / name
            now = stamp_of(file)
            if now is None or list(now) != before:
                raise ValueError(
                    f"{str(file)!r} is not what the sequences were opened from: its size or the"
                    " time of its last change differs.\n\nOpen the sequences again. A copy on"
                    " another machine has to keep the time, as by cp -p and rsync -t."
                )


# A source that nobody uses is closed.
OPENED: WeakValueDictionary[tuple[int, Address], Source] = WeakValueDictionary()


def address_of(
    path: str, opener: Callable[..., Source], files: list[str] | None = None, **options: Any
) -> Address:
    """The address of a path, with stamps of these files in it, or of itself."""
    stamps = []
    for name in ([""] if files is None else files)[:MOST_STAMPS]:
        stamp = stamp_of(Path(path) / name)
        if stamp is not None:
            stamps.append((name, *stamp))
    given = tuple((name, value) for name, value in options.items() if value is not None)
    return Address(path, opener, given, tuple(stamps))


def stamp_of(file: Path) -> tuple[int, int] | None:
    """Size and time; of files of a pattern their number, and a checksum of all of it."""
    if "*" in file.name:
        stamps = [(own.name, stamp_of(own)) for own in sorted(file.parent.glob(file.name))]
        return len(stamps), zlib.crc32(repr(stamps).encode())
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns


def column_of(values: Array) -> Column:
    """A column of numbers or texts in memory."""
    if values.dtype.kind not in "OU":
        return Column(values)
    names, codes = np.unique(values.astype(str), return_inverse=True)
    return Column(codes.reshape(values.shape).astype(np.int32), names)
