"""Large data without copies: parts of them, and the list of sequences that scorers are given."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, overload

import numpy as np

from sklstm._batching._sizes import is_large
from sklstm._sequences import AnySequences, Array, Sequences, SequenceView, view_of


def without_copies(sequences: AnySequences) -> AnySequences:
    """The sequences, large ones such that a part of them takes no memory."""
    if isinstance(sequences, Sequences) and is_large(sequences.values.nbytes):
        return view_of(sequences)
    return sequences


def as_list(sequences: AnySequences) -> Sequence[Array]:
    """The values of each sequence, of shape (n_timesteps, n_features)."""
    return list(sequences) if isinstance(sequences, Sequences) else LazySequences(sequences)


class LazySequences(Sequence[Array]):
    """Values of each sequence of a view, read when they are asked for.

    Parameters
    ----------
    view : SequenceView
        The sequences.
    """

    def __init__(self, view: SequenceView) -> None:
        self._view = view

    def __len__(self) -> int:
        return len(self._view)

    def __iter__(self) -> Iterator[Array]:
        return iter(self._view)

    @overload
    def __getitem__(self, index: int) -> Array: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Array]: ...
    def __getitem__(self, index: Any) -> Any:
        """The values of a sequence, or some sequences."""
        indices = range(len(self))[index]
        if isinstance(indices, range):
            return LazySequences(self._view.take(np.array(indices, dtype=np.int64)))
        return self._view.load([indices]).values
