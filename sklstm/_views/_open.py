"""What is opened as stored sequences: paths, and objects that are views already."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sklstm._sequences import BLOCK_VALUES
from sklstm._views._arrow import (
    address_of_files,
    files_of,
    is_large_nested,
    nested_columns,
    source_of_chunks,
    source_of_table,
)
from sklstm._views._dask import source_of_dask
from sklstm._views._folder import address_of_folder, is_folder
from sklstm._views._maps import address_of_map, address_of_npy, is_mapped, source_of_array
from sklstm._views._source import Address
from sklstm._views._stored import StoredSequences
from sklstm._views._stores import (
    address_of_object,
    address_of_store,
    is_hdf5,
    is_zarr,
    source_of_store,
)

# What an option names, where something has it.
BESIDE = ("y", "sample_weight", "groups", "static")
OPTIONS = {
    "folder": ("static",),
    "npy": (),
    "array": (),
    "store": ("key", "offsets", "y", "sample_weight", "groups"),
    "table": ("column", *BESIDE),
}


def as_stored(X: Any, name: str, kinds: str = "f") -> StoredSequences | None:
    """X as stored sequences, if it is such or a view of values that are not in memory; else None.

    Of NumPy's maps only those of these ``kinds`` of float32, float64 and integers.
    """
    if isinstance(X, StoredSequences):
        return X
    if isinstance(X, np.memmap):
        is_float = X.dtype in (np.float32, np.float64)
        if (is_float if kinds == "f" else X.dtype.kind in kinds) and is_mapped(X):
            return StoredSequences(source_of_array(np.asarray(X)), address_of_map(X))
        return None
    kind = _kind_of(X)
    if kind == "store":
        return StoredSequences(source_of_store(X, name), address_of_object(X))
    if kind == "dask":
        return StoredSequences(source_of_dask(X, name))
    if kind == "table" and nested_columns(X):
        _reject_other_columns(X, name)
        return StoredSequences(source_of_table(X, None))
    if kind == "chunks" and is_large_nested(X, BLOCK_VALUES):
        return StoredSequences(source_of_chunks(X))
    return None


def _kind_of(X: Any) -> str | None:
    """Which package an object is of, as far as its values need not be in memory."""
    package, kind = type(X).__module__.partition(".")[0], type(X).__name__
    if (package, kind) in (("h5py", "Dataset"), ("zarr", "Array")):
        return "store"
    if package == "dask" and kind == "Array":
        return "dask"
    if package == "pyarrow" and kind in ("Table", "RecordBatch"):
        return "table"
    # Of an array every chunk is a part.
    return "chunks" if package == "pyarrow" and hasattr(X, "type") else None


def _reject_other_columns(table: Any, name: str) -> None:
    if len(table.schema.names) > 1:
        nested = nested_columns(table)
        raise ValueError(
            f"{name} is a table with the columns {table.schema.names}.\n\nGive the sequences alone,"
            f" {name}[{nested[0]!r}], or open what belongs together:"
            f" open_sequences({name}, column={nested[0]!r}, y='...', static=['...'])."
        )


# Paths --------------------------------------------------------------------------------------------


def open_path(path: str | os.PathLike[str], options: Mapping[str, Any]) -> StoredSequences:
    """Stored sequences of a file or folder."""
    absolute = str(Path(path).absolute())
    if not Path(absolute).exists():
        raise FileNotFoundError(f"There is no {os.fspath(path)!r}.")
    address = _address(absolute, options)
    return StoredSequences(address.open(), address)


def _address(path: str, options: Mapping[str, Any]) -> Address:
    if is_folder(path):
        return address_of_folder(path, **_checked(options, "folder", path))
    if path.lower().endswith(".npy"):
        return address_of_npy(path, **_checked(options, "npy", path))
    if is_hdf5(path) or is_zarr(path):
        return address_of_store(path, **_checked(options, "store", path))
    if files_of(path):
        return address_of_files(path, **_checked(options, "table", path))
    raise ValueError(
        f"{path!r} holds no sequences that can be opened: a folder of write_sequences, an array of"
        " NumPy (.npy), HDF5 (.h5, .hdf5), a folder of zarr, parquet or Arrow files (.parquet,"
        " .arrow, .feather) or a folder of such.\n\nRead it yourself, and write it in blocks:"
        " sklstm.preprocessing.write_sequences(path, blocks)."
    )


def _checked(options: Mapping[str, Any], kind: str, name: str) -> dict[str, Any]:
    """Options that are set, all of which must mean something for this kind of source."""
    given = {
        option: tuple(value) if isinstance(value, (list, tuple)) else value
        for option, value in options.items()
        if value is not None
    }
    for option in given:
        if option not in OPTIONS[kind]:
            known = OPTIONS[kind] or ("none",)
            raise ValueError(
                f"{option!r} has no meaning for {name!r}; possible there: {', '.join(known)}."
            )
    if isinstance(given.get("static"), str):
        raise TypeError(
            f"static must be a list of names. Got a str.\n\nSet static=[{given['static']!r}]."
        )
    return given


# Objects ------------------------------------------------------------------------------------------


def open_object(X: Any, options: Mapping[str, Any]) -> StoredSequences:
    """Stored sequences of an object."""
    kind = "map" if is_mapped(X) else _kind_of(X)
    name = type(X).__name__
    if kind == "table":
        return StoredSequences(source_of_table(X, **_table_options(options, name)))
    _checked(options, "array", name)
    if isinstance(X, StoredSequences):
        return X
    if kind == "map":
        address = address_of_map(X)
        return StoredSequences(address.open(), address)
    if kind == "store":
        return StoredSequences(source_of_store(X, name), address_of_object(X))
    if kind == "dask":
        return StoredSequences(source_of_dask(X, name))
    if kind == "chunks":
        return StoredSequences(source_of_chunks(X))
    raise TypeError(
        "open_sequences opens paths, memory maps of NumPy, arrays of h5py, zarr and dask, tables"
        f" and arrays of pyarrow. Got a {name}.\n\nWhat is in memory is given to estimators as it"
        " is."
    )


def _table_options(options: Mapping[str, Any], name: str) -> dict[str, Any]:
    given = _checked(options, "table", name)
    return {"column": None, **given}
