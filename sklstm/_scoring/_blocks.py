"""Sources of sequences, read block by block."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

from sklstm._optional import require
from sklstm._scoring._columns import EXTRA, is_arrow_table, n_rows_of, nested_of_schema

# Names of the columns that are needed, from whether each column holds sequences.
Choice = Callable[[Mapping[Any, bool]], list[Any]]

PARQUET = (".parquet", ".pq")
ARROW = (".arrow", ".feather", ".ipc")
# Parquet is read in pieces of so many bytes instead of a whole row group in advance: 20 MB of
# memory instead of 50 to 230 for a million short sequences (ADR 56).
BUFFER = 2**20


def read_blocks(X: Any, batch_size: int, choice: Choice) -> Iterator[Any]:
    """Blocks of at most ``batch_size`` rows, in order: tables of the chosen columns, or sequences.

    Each block of an iterable is one block, whatever its size.
    """
    if isinstance(X, (str, os.PathLike)):
        return _read_path(Path(X), batch_size, choice)
    if type(X).__module__.partition(".")[0] == "pyarrow":
        return _read_arrow(X, batch_size, choice)
    _reject_lazy(X)
    if isinstance(X, Mapping):
        return _cut(X, lambda a, b: {name: values[a:b] for name, values in X.items()}, batch_size)
    if hasattr(X, "iloc"):
        return _cut(X, lambda a, b: X.iloc[a:b], batch_size)
    if hasattr(X, "__len__") and hasattr(X, "__getitem__"):
        if _takes_slices(X):
            return _cut(X, lambda a, b: X[a:b], batch_size)
        return _cut(X, lambda a, b: [X[i] for i in range(a, b)], batch_size)
    if hasattr(X, "__iter__"):
        return iter(X)
    raise TypeError(
        "X must be the path of a parquet or Arrow file, a table, array or data set of pyarrow, an"
        f" array, data frame or list of sequences, or an iterable of blocks. Got a"
        f" {type(X).__name__}."
    )


def _reject_lazy(X: Any) -> None:
    """Raise for a table that is computed elsewhere, with the call that scores it there."""
    for call in ("map_partitions", "map_batches"):
        # A frame of polars has a map_batches of its own, if it is lazy.
        if hasattr(X, call) and not hasattr(X, "collect"):
            raise TypeError(
                f"X is a {type(X).__name__}, which holds its blocks elsewhere.\n\nScore them"
                f" there: X.{call}(sklstm.BatchScorer(model))."
            )
    if hasattr(X, "collect"):
        raise TypeError(
            f"X is a {type(X).__name__}, which holds no data yet.\n\nCompute it first, X.collect(),"
            " or give the path of the files that it reads."
        )


def _takes_slices(X: Any) -> bool:
    """Whether X[a:b] is a part of X; data sets of torch know a single index alone."""
    is_array = hasattr(X, "shape") or hasattr(X, "dtype")
    is_awkward = type(X).__module__.partition(".")[0] == "awkward"
    return is_array or is_awkward or isinstance(X, (list, tuple))


def _cut(X: Any, piece: Callable[[int, int], Any], batch_size: int) -> Iterator[Any]:
    n_rows = n_rows_of(X)
    for start in range(0, n_rows, batch_size):
        yield piece(start, min(start + batch_size, n_rows))


# pyarrow ------------------------------------------------------------------------------------------


def _read_arrow(X: Any, batch_size: int, choice: Choice) -> Iterator[Any]:
    """From a table, a record batch, an array, a reader of batches, a data set or a scanner."""
    if is_arrow_table(X):
        table = X.select(choice(nested_of_schema(X.schema)))
        return _cut(X, lambda a, b: table.slice(a, b - a), batch_size)
    if hasattr(X, "type"):
        return _cut(X, lambda a, b: X.slice(a, b - a), batch_size)
    if hasattr(X, "read_next_batch"):
        return _rebatch(_select(X, X.schema, choice), batch_size)
    if hasattr(X, "scanner"):
        columns = choice(nested_of_schema(X.schema))
        scanner = X.scanner(
            columns=columns, batch_size=batch_size, use_threads=False,
            batch_readahead=1, fragment_readahead=1,
        )  # fmt: skip
        return _rebatch(scanner.to_batches(), batch_size)
    if hasattr(X, "to_batches"):
        return _rebatch(_select(X.to_batches(), X.projected_schema, choice), batch_size)
    raise TypeError(f"X must be a table, an array or a data set. Got a {type(X).__name__}.")


def _select(batches: Iterable[Any], schema: Any, choice: Choice) -> Iterator[Any]:
    columns = choice(nested_of_schema(schema))
    return (batch.select(columns) for batch in batches)


def _rebatch(batches: Iterable[Any], batch_size: int) -> Iterator[Any]:
    """Tables of ``batch_size`` rows, the last one of fewer, from record batches of any size."""
    pyarrow = require("pyarrow", extra=EXTRA)
    pending: list[Any] = []
    n_pending = 0
    for batch in batches:
        rest = batch
        while n_pending + len(rest) >= batch_size:
            n_taken = batch_size - n_pending
            yield pyarrow.Table.from_batches([*pending, rest.slice(0, n_taken)])
            rest, pending, n_pending = rest.slice(n_taken), [], 0
        if len(rest):
            pending.append(rest)
            n_pending += len(rest)
    if pending:
        yield pyarrow.Table.from_batches(pending)


# Files --------------------------------------------------------------------------------------------


def _read_path(path: Path, batch_size: int, choice: Choice) -> Iterator[Any]:
    """From a parquet or Arrow file, or the files below a folder in the order of their paths."""
    # At once, so that a missing file is an error of the call.
    files = _files(path)
    return chain.from_iterable(_read_file(file, batch_size, choice) for file in files)


def _read_file(path: Path, batch_size: int, choice: Choice) -> Iterator[Any]:
    read = _read_parquet if path.suffix.lower() in PARQUET else _read_ipc
    return read(path, batch_size, choice)


def _files(path: Path) -> list[Path]:
    known = (*PARQUET, *ARROW)
    if path.is_dir():
        # What Spark and others leave beside the data begins with these.
        files = [f for f in sorted(path.rglob("*")) if not f.name.startswith((".", "_"))]
        files = [f for f in files if f.suffix.lower() in known and f.is_file()]
        if not files:
            raise FileNotFoundError(
                f"There is no file {' or '.join(known)} in {str(path)!r}.\n\nWhat"
                " write_sequences has written is given as"
                f" sklstm.preprocessing.open_sequences({str(path)!r})."
            )
        return files
    if not path.exists():
        raise FileNotFoundError(f"There is no file {str(path)!r}.")
    if path.suffix.lower() not in known:
        raise ValueError(
            f"A file of sequences must end in {', '.join(known)}. Got {path.name!r}.\n\nOpen it as"
            " an array, such as numpy.load(path, mmap_mode='r'), or as an iterator of blocks, and"
            " give that."
        )
    return [path]


def _read_parquet(path: Path, batch_size: int, choice: Choice) -> Iterator[Any]:
    require("pyarrow", extra=EXTRA)
    from pyarrow import parquet

    with parquet.ParquetFile(path, buffer_size=BUFFER, pre_buffer=False) as file:
        columns = choice(nested_of_schema(file.schema_arrow))
        batches = file.iter_batches(batch_size, columns=columns, use_threads=False)
        yield from _rebatch(batches, batch_size)


def _read_ipc(path: Path, batch_size: int, choice: Choice) -> Iterator[Any]:
    pyarrow = require("pyarrow", extra=EXTRA)
    # Not a memory map, whose pages count as memory of the process.
    with pyarrow.OSFile(str(path)) as source:
        try:
            reader = pyarrow.ipc.open_file(source)
            batches = (reader.get_batch(i) for i in range(reader.num_record_batches))
        except pyarrow.ArrowInvalid:
            # The stream format, which has no table of contents at its end.
            source.seek(0)
            reader = batches = pyarrow.ipc.open_stream(source)
        yield from _rebatch(_select(batches, reader.schema, choice), batch_size)
