"""Columns of parquet and Arrow files, and of tables of pyarrow, as stored sequences."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from sklstm._optional import require
from sklstm._sequences import Array, offsets_of
from sklstm._views._blocked import BLOCK_BYTES, BlockedRows
from sklstm._views._nested import from_arrow
from sklstm._views._source import Address, Column, Source, address_of, column_of, stamp_of

EXTRA = "arrow"
PARQUET = (".parquet", ".pq")
ARROW = (".arrow", ".feather", ".ipc")


class Scan(NamedTuple):
    """What the parts of a column are like: number of sequences in each, lengths of all sequences,
    type and number of features, their names, dimensions of one sequence.
    """

    lengths: Array
    bounds: Array
    dtype: np.dtype[Any]
    n_features: int
    names: tuple[str, ...] | None
    item_ndim: int


def scan(parts: Iterator[Any], name: str) -> Scan:
    """Read all parts of a column, one after the other, for their lengths."""
    lengths, sizes, dtypes, widths = [], [], set(), set()
    names, item_ndim = None, 2
    for part in parts:
        if len(part) == 0:
            sizes.append(0)
            continue
        nested = from_arrow(part, name)
        if nested is None:
            raise _no_sequences(name, part.type)
        own = np.asarray(nested.lengths)
        is_short = int(own.max(initial=0)) <= np.iinfo(np.int32).max
        lengths.append(own.astype(np.int32 if is_short else np.int64))
        sizes.append(len(nested.values))
        # Integers become floats where some are null.
        dtypes.add(nested.values.dtype)
        widths.add(nested.values.shape[1])
        names = None if nested.names is None else tuple(map(str, nested.names))
        item_ndim = 1 if names is None and not _is_nested(part.type.value_type) else 2
    if not lengths:
        raise ValueError(f"{name} has no sequences.")
    if len(widths) > 1:
        raise ValueError(f"{name} has timesteps of {min(widths)} to {max(widths)} features.")
    bounds = offsets_of(sizes)
    dtype = np.result_type(*dtypes)
    return Scan(np.concatenate(lengths), bounds, dtype, widths.pop(), names, item_ndim)


def _is_nested(kind: Any) -> bool:
    return any(word in str(kind) for word in ("list", "struct"))


def _no_sequences(name: str, kind: Any) -> TypeError:
    return TypeError(f"{name} holds no sequences. Got a column of {kind}.")


class PartBlocks:
    """Blocks that are parts of a column: row groups, record batches, slices of chunks."""

    def __init__(self, read: Callable[[int], Any], own: Scan, name: str) -> None:
        self._read = read
        self._name = name
        self.bounds, self.dtype, self.n_features = own.bounds, own.dtype, own.n_features

    def load(self, index: int) -> Array:
        """All timesteps of a part."""
        nested = from_arrow(self._read(index), self._name)
        assert nested is not None
        return nested.values.astype(self.dtype, copy=False)


def _source(blocks: PartBlocks, own: Scan, columns: dict[str, Column], **static: Any) -> Source:
    ends = np.cumsum(own.lengths, dtype=np.int64)
    return Source(
        BlockedRows(blocks),
        ends - own.lengths,
        own.lengths,
        item_ndim=own.item_ndim,
        names=own.names,
        columns=columns,
        **static,
    )


# Files --------------------------------------------------------------------------------------------


def files_of(path: str) -> list[str]:
    """The parquet or Arrow files at a path: it itself, or those in a folder, by name."""
    own = Path(path)
    if not own.is_dir():
        return [path] if own.suffix.lower() in (*PARQUET, *ARROW) else []
    for suffix in (*PARQUET, *ARROW):
        found = sorted(map(str, own.glob(f"*{suffix}")))
        if found:
            return found
    return []


def address_of_files(path: str, **options: Any) -> Address:
    """The address of a column of parquet or Arrow files."""
    files = None
    if Path(path).is_dir():
        files = [f"*{Path(files_of(path)[0]).suffix}"]
    return address_of(path, open_files, files, **options)


def open_files(
    path: str, column: str | None = None, static: tuple[str, ...] = (), **names: str
) -> Source:
    """Open a column of parquet or Arrow files."""
    require("pyarrow", extra=EXTRA)
    files = tuple(files_of(path))
    schema = _schema(files[0])
    column = _column(schema, column, path)
    places = _places(files)
    stamps = tuple(stamp_of(Path(file)) for file in files)
    name = f"Column {column!r} of {path!r}"
    own = _scanned(places, column, stamps, name)
    read = partial(_read_part, places, column)
    beside = _beside(partial(_read_whole, files), schema, path, column, static, names)
    return _source(PartBlocks(read, own, name), own, **beside)


# Places of parts: file, index of the row group or record batch in it.
Places = tuple[tuple[str, int], ...]


# A process that opens a file again for each task of a search does not read it again.
@lru_cache(maxsize=4)
def _scanned(
    places: Places, column: str, stamps: tuple[tuple[int, int] | None, ...], name: str
) -> Scan:
    return scan((_read_part(places, column, i) for i in range(len(places))), name)


def _is_parquet(file: str) -> bool:
    return file.lower().endswith(PARQUET)


def _schema(file: str) -> Any:
    if not _is_parquet(file):
        return _open_arrow(file).schema
    pyarrow = require("pyarrow", extra=EXTRA)
    try:
        return require("pyarrow.parquet", extra=EXTRA).read_schema(file)
    except pyarrow.ArrowInvalid as error:
        raise ValueError(f"{file!r} cannot be opened as parquet: {error}") from error


def _open_arrow(file: str) -> Any:
    pyarrow = require("pyarrow", extra=EXTRA)
    try:
        return require("pyarrow.ipc", extra=EXTRA).open_file(pyarrow.memory_map(file))
    except pyarrow.ArrowInvalid as error:
        raise ValueError(
            f"{file!r} cannot be read from any place, as Arrow files can (feather, IPC):"
            f" {error}.\n\nWrite it by pyarrow.feather.write_feather."
        ) from error


def _places(files: Sequence[str]) -> Places:
    places = []
    for file in files:
        if _is_parquet(file):
            n = require("pyarrow.parquet", extra=EXTRA).read_metadata(file).num_row_groups
        else:
            n = _open_arrow(file).num_record_batches
        places += [(file, index) for index in range(n)]
    return tuple(places)


def _read_part(places: Places, column: str, index: int) -> Any:
    """One row group or record batch of the column."""
    file, place = places[index]
    if not _is_parquet(file):
        return _open_arrow(file).get_batch(place).column(column)
    parquet = require("pyarrow.parquet", extra=EXTRA)
    with parquet.ParquetFile(file) as opened:
        # Not in threads: workers times threads are at most the cores.
        return opened.read_row_group(place, columns=[column], use_threads=False)[column]


def _read_whole(files: Sequence[str], column: str) -> Any:
    """A column of one value for each sequence, of all files."""
    pyarrow = require("pyarrow", extra=EXTRA)
    chunks = []
    for file in files:
        if _is_parquet(file):
            table = require("pyarrow.parquet", extra=EXTRA).read_table(file, columns=[column])
        else:
            table = _open_arrow(file).read_all().select([column])
        chunks += table[column].chunks
    return pyarrow.chunked_array(chunks)


def _column(schema: Any, column: str | None, name: str) -> str:
    """The column of sequences, which must be named if there are several."""
    nested = [field.name for field in schema if _is_nested(field.type)]
    if column is None and len(nested) == 1:
        return str(nested[0])
    if column is None:
        raise ValueError(
            f"{name!r} has {len(nested)} columns of sequences, {nested}.\n\nGive the name of the"
            " one to read: open_sequences(..., column='...')."
        )
    if column not in schema.names:
        raise ValueError(f"{name!r} has no column {column!r}; it has {schema.names}.")
    if column not in nested:
        raise _no_sequences(f"Column {column!r} of {name!r}", schema.field(column).type)
    return column


# Columns beside -----------------------------------------------------------------------------------


def _beside(
    read: Callable[[str], Any],
    schema: Any,
    path: str,
    column: str,
    static: Sequence[str],
    names: dict[str, str],
) -> dict[str, Any]:
    """Arguments of a source: what lies beside the sequences."""
    for name in (*names.values(), *static):
        if name not in schema.names:
            raise ValueError(f"{path!r} has no column {name!r}; it has {schema.names}.")
    columns = {c: _values(read(name), name) for c, name in names.items()}
    of_static = {name: _values(read(name), name) for name in static}
    order = tuple(n for n in schema.names if n == column or n in static) if static else ()
    return {"columns": columns, "static": of_static, "sequences": column, "order": order}


def _values(column: Any, name: str) -> Column:
    """A column of numbers or texts."""
    kind = str(column.type)
    if kind.startswith(("dictionary", "string", "large_string")):
        listed = column.to_pylist()
        names = sorted({*listed} - {None})
        codes = {None: -1} | {value: code for code, value in enumerate(names)}
        encoded = np.array([codes[value] for value in listed], dtype=np.int32)
        return Column(encoded, np.array(names))
    values = column.to_numpy()
    if values.dtype.kind not in "biuf":
        raise TypeError(f"Column {name!r} must hold numbers or texts. Got {kind}.")
    return column_of(values)


# Objects ------------------------------------------------------------------------------------------


def source_of_table(table: Any, column: str | None, **beside: Any) -> Source:
    """Sequences of a column of a table."""
    column = _column(table.schema, column, "X")
    static, names = beside.pop("static", ()), beside
    own = _beside(lambda name: table[name], table.schema, "X", column, static, names)
    return _source_of_chunks(table[column], f"Column {column!r}", own)


def source_of_chunks(X: Any) -> Source:
    """Sequences of an array of pyarrow, in chunks or not."""
    return _source_of_chunks(X, "X", {"columns": {}})


def _source_of_chunks(X: Any, name: str, beside: dict[str, Any]) -> Source:
    parts = []
    for chunk in X.chunks if hasattr(X, "chunks") else [X]:
        n_bytes = max(1, chunk.get_total_buffer_size() // max(1, len(chunk)))
        size = max(1, BLOCK_BYTES // n_bytes)
        parts += [chunk.slice(i, size) for i in range(0, len(chunk), size)]
    own = scan(iter(parts), name)
    return _source(PartBlocks(parts.__getitem__, own, name), own, **beside)


def is_large_nested(X: Any, n_values: int) -> bool:
    """Whether an array in chunks holds lists, and more than so many values."""
    if not hasattr(X, "chunks") or not hasattr(X, "type") or not _is_nested(X.type):
        return False
    # Of 4 bytes at least, all values and offsets.
    return bool(X.get_total_buffer_size() > 4 * n_values)


def nested_columns(table: Any) -> list[str]:
    """Names of the columns of sequences of a table."""
    return [field.name for field in table.schema if _is_nested(field.type)]
