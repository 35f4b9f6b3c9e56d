"""Arrays of dask as stored sequences, computed chunk by chunk."""

from __future__ import annotations

from typing import Any

import numpy as np

from sklstm._compat._dask import dask_worker
from sklstm._sequences import Array, offsets_of
from sklstm._views._blocked import BlockedRows
from sklstm._views._source import Source, places_of_rectangle


class DaskBlocks:
    """Blocks of an array of dask: its chunks along the first dimension."""

    def __init__(self, array: Any, n_timesteps: int, n_features: int) -> None:
        self._array = array
        self.n_features = n_features
        self.dtype = np.dtype(array.dtype)
        self._firsts = offsets_of(array.chunks[0])
        self.bounds = self._firsts * n_timesteps

    def load(self, index: int) -> Array:
        """All timesteps of a chunk."""
        first, stop = self._firsts[index], self._firsts[index + 1]
        part = self._array[first:stop]
        # In a task of Dask its own scheduler would lend this thread to the next task and then wait
        # for it, which may wait for the turn of this fit.
        is_here = dask_worker() is not None and not _is_on_cluster(part)
        options = {"scheduler": "synchronous"} if is_here else {}
        return np.asarray(part.compute(**options)).reshape(-1, self.n_features)


def _is_on_cluster(array: Any) -> bool:
    """Whether results that workers keep are needed, as of a persisted array."""
    return any(type(task).__name__ == "Future" for task in dict(array.__dask_graph__()).values())


def source_of_dask(array: Any, name: str) -> Source:
    """Sequences of an array of shape (n, timesteps, features) or (n, timesteps)."""
    if any(np.isnan(size) for size in array.shape):
        raise ValueError(
            f"{name} is a dask array with chunks of unknown size, shape {array.shape}.\n\nCompute"
            f" the sizes first: {name}.compute_chunk_sizes()."
        )
    if array.ndim not in (2, 3):
        raise ValueError(
            f"{name} has the shape {array.shape}; sequences are an array of shape (n_sequences,"
            " n_timesteps, n_features), or (n_sequences, n_timesteps) if univariate."
        )
    n, timesteps, n_features = (*array.shape, 1)[:3]
    starts, lengths = places_of_rectangle(n, timesteps)
    is_table = array.ndim == 2
    return Source(
        BlockedRows(DaskBlocks(array, timesteps, n_features)),
        starts,
        lengths,
        item_ndim=array.ndim - 1,
        n_columns=timesteps if is_table else None,
    )
