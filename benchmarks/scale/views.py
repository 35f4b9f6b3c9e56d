"""Reading views of every store beside an array in memory: python -m benchmarks.scale.views.

For each store: bytes of a pickle of the view, the rise of anonymous memory while all of it is read
in order, the speed of a check of all values, and the time of two kinds of reading over that of a
copy in memory, in turns. The files are in the page cache.
"""

from __future__ import annotations

import argparse
import gc
import pickle
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from benchmarks.results import spread
from sklstm._sequences import AnySequences, Array, Sequences, view_of
from sklstm._validation._inputs import check_inputs
from sklstm.preprocessing import open_sequences, write_sequences

N_TIMESTEPS, N_FEATURES = 100, 10
BATCH, RUN = 128, 256


def folder(X: Array, path: Path) -> Any:
    return write_sequences(path / "folder", X)


def npy(X: Array, path: Path) -> Any:
    np.save(path / "X.npy", X)
    return open_sequences(path / "X.npy")


def hdf5(X: Array, path: Path, *, chunk: int = RUN) -> Any:
    import h5py

    with h5py.File(path / f"{chunk}.h5", "w") as file:
        file.create_dataset("X", data=X, chunks=(chunk, *X.shape[1:]))
    return open_sequences(path / f"{chunk}.h5")


def hdf5_small_chunks(X: Array, path: Path) -> Any:
    return hdf5(X, path, chunk=16)


def zarr(X: Array, path: Path) -> Any:
    import zarr

    array = zarr.create_array(
        path / "X.zarr", shape=X.shape, dtype=X.dtype, chunks=(RUN, *X.shape[1:])
    )
    array[...] = X
    return open_sequences(path / "X.zarr")


def _table(X: Array) -> Any:
    import pyarrow

    steps = pyarrow.FixedSizeListArray.from_arrays(pyarrow.array(X.ravel()), N_FEATURES)
    offsets = np.arange(len(X) + 1, dtype=np.int32) * N_TIMESTEPS
    return pyarrow.table({"X": pyarrow.ListArray.from_arrays(offsets, steps)})


def parquet(X: Array, path: Path) -> Any:
    from pyarrow.parquet import write_table

    write_table(_table(X), path / "X.parquet", row_group_size=RUN)
    return open_sequences(path / "X.parquet")


def feather(X: Array, path: Path) -> Any:
    from pyarrow.feather import write_feather

    write_feather(_table(X), str(path / "X.feather"), compression="uncompressed", chunksize=RUN)
    return open_sequences(path / "X.feather")


STORES = [folder, npy, hdf5, hdf5_small_chunks, zarr, parquet, feather]


def runs(sequences: AnySequences, rng: np.random.Generator) -> None:
    """Runs of neighbours of about 1 MiB, in random order."""
    for first in rng.permutation(len(sequences) // RUN):
        np.array(sequences.load(np.arange(first * RUN, (first + 1) * RUN)).values)


def batches(sequences: AnySequences, rng: np.random.Generator) -> None:
    """A tenth of the sequences, in batches drawn from everywhere."""
    indices = rng.permutation(len(sequences))[: len(sequences) // 10]
    for first in range(0, len(indices), BATCH):
        np.array(sequences.load(np.sort(indices[first : first + BATCH])).values)


def anonymous() -> float:
    """Anonymous memory of this process, MiB."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("RssAnon:")[1].split()[0]) / 1024


def rise(sequences: AnySequences) -> float:
    """The highest anonymous memory above that before, while all is read in order, MiB."""
    gc.collect()
    before = highest = anonymous()
    for _, block in sequences.blocks():
        # Touched, as a check of it would.
        block.values.sum()
        highest = max(highest, anonymous())
    return highest - before


def ratios(
    read: Callable[[AnySequences, np.random.Generator], None],
    sequences: AnySequences,
    in_memory: AnySequences,
    repeats: int,
) -> list[float]:
    """Times over those from memory, in turns."""
    found = []
    for repeat in range(repeats):
        seconds = []
        for own in (sequences, in_memory):
            rng, began = np.random.default_rng(repeat), perf_counter()
            read(own, rng)
            seconds.append(perf_counter() - began)
        found.append(seconds[0] / seconds[1])
    return found


def main(argv: Sequence[str] | None = None) -> None:
    """Print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mib", type=int, default=100, help="size of the values")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args(argv)
    n = options.mib * 2**20 // (4 * N_TIMESTEPS * N_FEATURES)
    X = np.random.default_rng(0).normal(size=(n, N_TIMESTEPS, N_FEATURES)).astype(np.float32)
    lengths = np.full(n, N_TIMESTEPS)
    in_memory = view_of(Sequences.from_lengths(X.reshape(-1, N_FEATURES), lengths))
    for store in STORES:
        with tempfile.TemporaryDirectory() as path:
            stored = store(X, Path(path))
            sequences = check_inputs(stored, estimator="E", check_values=False).sequences
            memory = rise(sequences)
            began = perf_counter()
            check_inputs(stored, estimator="E")
            speed = options.mib / (perf_counter() - began)
            figures = [
                str(spread(ratios(read, sequences, in_memory, options.repeats)))
                for read in (runs, batches)
            ]
            print(
                f"{store.__name__}: pickle {len(pickle.dumps(stored))} bytes,"
                f" rise {memory:.0f} MiB, check {speed:.0f} MiB/s;"
                f" over memory: runs {figures[0]}, batches {figures[1]}",
                flush=True,
            )


if __name__ == "__main__":
    main()
