"""Stored sequences and their static columns in the shape of a data frame."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sklstm._sequences import Array
from sklstm._views._stored import StoredSequences, source_of, without_static


@dataclass(frozen=True, slots=True, eq=False)
class StoredColumn:
    """A static column, with what is asked of one of pandas."""

    name: str
    values: Array
    are_categories: bool

    @property
    def dtype(self) -> str:
        """The type as pandas calls it."""
        return "category" if self.are_categories else str(self.values.dtype)

    def to_list(self) -> list[Any]:
        """The values."""
        listed: list[Any] = self.values.tolist()
        return listed

    def to_numpy(self) -> Array:
        """The values."""
        return self.values


@dataclass(frozen=True, slots=True, eq=False)
class StoredFrame:
    """Stored sequences that have static columns."""

    stored: StoredSequences

    def __len__(self) -> int:
        return len(self.stored)

    @property
    def sequences(self) -> str:
        """The name of the column of sequences."""
        return source_of(self.stored).sequences

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of all columns, in order."""
        return source_of(self.stored).order

    @property
    def dtypes(self) -> list[str]:
        """The type of each column."""
        return [str(self[name].dtype) for name in self.columns]

    def __getitem__(self, name: str) -> Any:
        if name == self.sequences:
            return without_static(self.stored)
        are_categories = source_of(self.stored).static[name].names is not None
        return StoredColumn(name, self.stored.static[name], are_categories)


def as_frame(X: Any) -> Any:
    """Stored sequences with static columns as a frame of both; anything else as it is."""
    has_static = isinstance(X, StoredSequences) and source_of(X).static
    return StoredFrame(X) if has_static else X
