"""The same sequences in every form that is opened as a view."""

import numpy as np
import pytest

from sklstm.preprocessing import open_sequences, write_sequences

# More than a block of the smallest stores below, and no multiple of it.
N, T, F = 23, 5, 2


def cube(dtype=np.float64):
    return np.random.default_rng(0).normal(size=(N, T, F)).astype(dtype)


def ragged(dtype=np.float64):
    rng = np.random.default_rng(1)
    return [rng.normal(size=(n, F)).astype(dtype) for n in rng.integers(1, 7, size=N)]


def folder(X, path):
    return write_sequences(path / "folder", X)


def npy(X, path):
    np.save(path / "X.npy", X)
    return open_sequences(path / "X.npy")


def memmap(X, path):
    np.save(path / "X.npy", X)
    return open_sequences(np.load(path / "X.npy", mmap_mode="r"))


def hdf5(X, path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(path / "X.h5", "w") as file:
        file.create_dataset("X", data=X, chunks=(4, *X.shape[1:]))
    return open_sequences(path / "X.h5")


def h5py_object(X, path):
    h5py = pytest.importorskip("h5py")
    hdf5(X, path)
    return open_sequences(h5py.File(path / "X.h5", "r")["X"])


def zarr(X, path):
    zarr = pytest.importorskip("zarr")
    array = zarr.create_array(
        path / "X.zarr", shape=X.shape, dtype=X.dtype, chunks=(4, 3, *X.shape[2:])
    )
    array[...] = X
    return open_sequences(path / "X.zarr")


def zarr_object(X, path):
    zarr = pytest.importorskip("zarr")
    zarr.save_array(path / "X.zarr", X)
    return open_sequences(zarr.open(path / "X.zarr", mode="r"))


def dask(X, path):
    array = pytest.importorskip("dask.array")
    return open_sequences(array.from_array(X, chunks=(4, 3, *X.shape[2:])))


def as_table(X):
    """A table of pyarrow with a column of sequences."""
    pyarrow = pytest.importorskip("pyarrow")
    kind = pyarrow.list_(pyarrow.list_(pyarrow.from_numpy_dtype(X[0].dtype), X[0].shape[1]))
    column = pyarrow.array([x.tolist() for x in X], kind)
    names = ["cat", "dog"] * N
    return pyarrow.table({"id": np.arange(len(X)), "signal": column, "label": names[: len(X)]})


def parquet(X, path):
    parquet = pytest.importorskip("pyarrow.parquet")
    parquet.write_table(as_table(X), path / "X.parquet", row_group_size=4)
    return open_sequences(path / "X.parquet", y="label")


def parquet_folder(X, path):
    parquet = pytest.importorskip("pyarrow.parquet")
    table = as_table(X)
    for i in range(0, len(X), 10):
        parquet.write_table(table.slice(i, 10), path / f"part-{i:03}.parquet", row_group_size=4)
    return open_sequences(path, column="signal")


def feather(X, path):
    feather = pytest.importorskip("pyarrow.feather")
    feather.write_feather(as_table(X), str(path / "X.feather"), chunksize=4)
    return open_sequences(path / "X.feather")


def table(X, path):
    return open_sequences(as_table(X), y="label")


def chunked(X, path):
    pyarrow = pytest.importorskip("pyarrow")
    column = as_table(X)["signal"]
    parts = [column.slice(i, 4).combine_chunks() for i in range(0, len(X), 4)]
    return open_sequences(pyarrow.chunked_array(parts))


OF_FILES = [folder, npy, memmap, hdf5, h5py_object, zarr, zarr_object]
OF_FILES += [parquet, parquet_folder, feather]
OF_OBJECTS = [dask, table, chunked]
OF_RAGGED = [folder, parquet, parquet_folder, feather, table, chunked]

__all__ = ["OF_FILES", "OF_OBJECTS", "OF_RAGGED", "F", "N", "T", "cube", "ragged"]
