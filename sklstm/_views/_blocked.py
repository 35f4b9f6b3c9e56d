"""Timesteps that lie in blocks, each of which is read as a whole: chunks, row groups, batches."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Any, NamedTuple, Protocol

import numpy as np

from sklstm._sequences import Array, ArrayRows, IntArray, rows_of

# Bytes of blocks that are kept; the last one is kept whatever its size.
CACHE_BYTES = 2**25
# Bytes that are read at a time where a store leaves it open, or has smaller chunks.
BLOCK_BYTES = 2**20


class Blocks(Protocol):
    """A store of blocks of timesteps.

    ``bounds`` are the first timesteps of all blocks, and the number of all timesteps.
    """

    bounds: IntArray
    n_features: int
    dtype: np.dtype[Any]

    def load(self, index: int) -> Array:
        """All timesteps of a block, shape (n_timesteps, n_features)."""


class BlockedRows:
    """The timesteps of a store; each block is read once for all that is gathered from it.

    Parameters
    ----------
    blocks : Blocks
        The store.
    """

    def __init__(self, blocks: Blocks) -> None:
        self._blocks = blocks
        self._kept: OrderedDict[int, Array] = OrderedDict()
        # A thread that prefetches reads beside others.
        self._lock = threading.Lock()

    def __reduce__(self) -> tuple[Any, ...]:
        return BlockedRows, (self._blocks,)

    @property
    def shape(self) -> tuple[int, int]:
        """Number of timesteps and of features."""
        return int(self._blocks.bounds[-1]), self._blocks.n_features

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of what is read."""
        return self._blocks.dtype

    def read(self, start: int, stop: int) -> Array:
        """Timesteps ``start`` to ``stop``."""
        return self.gather(np.array([start]), np.array([stop - start]))

    def gather(self, starts: IntArray, lengths: IntArray) -> Array:
        """So many timesteps from each start, concatenated."""
        taken = np.empty((int(lengths.sum(dtype=np.int64)), self._blocks.n_features), self.dtype)
        pieces = cut_at(self._blocks.bounds, starts, lengths)
        order = np.argsort(pieces.blocks, kind="stable")
        edges = np.flatnonzero(np.diff(pieces.blocks[order])) + 1
        with self._lock:
            for own in np.split(order, edges):
                if len(own):
                    self._copy(pieces, own, taken)
        return taken

    def _copy(self, pieces: Pieces, own: IntArray, taken: Array) -> None:
        """Copy the pieces of one block to their places."""
        block = int(pieces.blocks[own[0]])
        starts, lengths = pieces.starts[own] - self._blocks.bounds[block], pieces.lengths[own]
        values = ArrayRows(self._block(block)).gather(starts, lengths)
        places = pieces.places[own]
        if (places[1:] == places[:-1] + lengths[:-1]).all():
            taken[places[0] : places[0] + len(values)] = values
        else:
            taken[rows_of(places, lengths)] = values

    def _block(self, index: int) -> Array:
        values = self._kept.pop(index, None)
        if values is None:
            # Before it is read: never more than the limit and one block.
            self._forget(CACHE_BYTES)
            values = self._blocks.load(index)
        self._kept[index] = values
        self._forget(CACHE_BYTES)
        return values

    def _forget(self, n_bytes: int) -> None:
        """Forget the blocks that were used the longest ago; one stays."""
        while len(self._kept) > 1 and sum(v.nbytes for v in self._kept.values()) > n_bytes:
            self._kept.popitem(last=False)


class Pieces(NamedTuple):
    """Pieces of what is gathered, each in one block: its block, start, length, and place there."""

    blocks: IntArray
    starts: IntArray
    lengths: IntArray
    places: IntArray


def cut_at(bounds: IntArray, starts: IntArray, lengths: IntArray) -> Pieces:
    """Cut runs of timesteps at the bounds of blocks.

    Bounds [0, 4, 8], the run of 3 from 2 on -> 2 from 2 on in block 0, 1 from 4 on in block 1.
    """
    starts, lengths = starts[lengths > 0].astype(np.int64), lengths[lengths > 0].astype(np.int64)
    stops = starts + lengths
    first = np.searchsorted(bounds, starts, side="right") - 1
    last = np.searchsorted(bounds, stops, side="left") - 1
    n_pieces = last - first + 1
    blocks = rows_of(first, n_pieces)
    begins = np.maximum(np.repeat(starts, n_pieces), bounds[blocks])
    own = np.minimum(np.repeat(stops, n_pieces), bounds[blocks + 1]) - begins
    # Not of blocks without timesteps.
    kept = own > 0
    return Pieces(blocks[kept], begins[kept], own[kept], (np.cumsum(own) - own)[kept])
