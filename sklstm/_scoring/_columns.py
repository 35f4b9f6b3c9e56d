"""Tables: which columns hold the sequences, and an X of them that an estimator takes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from sklstm._optional import require
from sklstm._sequences import offsets_of
from sklstm._validation._columns import holds_sequences
from sklstm._validation._frames import is_frame
from sklstm._validation._messages import enumerate_names
from sklstm._validation._nested import flatten_nested
from sklstm._warnings import warn_user

EXTRA = "arrow"
# Beginnings of "[0.1, 0.2]" and "[-0.1 0.2]".
LIST_AS_TEXT = re.compile(r"\[+\s*-?\d")


def is_arrow_table(X: Any) -> bool:
    """Whether X is a table or record batch of pyarrow."""
    is_arrow = type(X).__module__.partition(".")[0] == "pyarrow"
    return is_arrow and hasattr(X, "schema") and hasattr(X, "num_rows")


def is_table(X: Any) -> bool:
    """Whether X has columns with names: of pandas, polars or pyarrow, or a dict of arrays."""
    return isinstance(X, Mapping) or is_arrow_table(X) or is_frame(X)


def n_rows_of(X: Any) -> int:
    """Number of rows of a table, or of sequences."""
    if is_arrow_table(X):
        return int(X.num_rows)
    if isinstance(X, Mapping):
        return len(next(iter(X.values()), ()))
    return len(X)


def nested_of(table: Any) -> dict[Any, bool]:
    """Whether each column of a table holds sequences."""
    if is_arrow_table(table):
        return nested_of_schema(table.schema)
    if isinstance(table, Mapping):
        return {name: _holds_arrays(values) for name, values in table.items()}
    return {name: bool(holds_sequences(table[name])) for name in table.columns}


def nested_of_schema(schema: Any) -> dict[str, bool]:
    """Whether each field of a schema of pyarrow holds sequences."""
    pyarrow = require("pyarrow", extra=EXTRA)
    return {field.name: pyarrow.types.is_nested(_stored_as(field.type)) for field in schema}


def _stored_as(kind: Any) -> Any:
    """The type of a column's storage: tensors, such as those of Ray, are an extension of lists."""
    return getattr(kind, "storage_type", kind)


def _holds_arrays(values: Any) -> bool:
    if getattr(values, "ndim", 1) > 1:
        return True
    first = values[0] if len(values) else None
    return hasattr(first, "__len__") and not isinstance(first, (str, bytes, Mapping))


def choose(
    nested: Mapping[Any, bool],
    column: str | Sequence[str] | None,
    known: Any,
    *,
    keep: Sequence[Any] = (),
) -> list[Any] | Any:
    """The column of sequences, or a list of the columns that the estimator takes as a whole.

    ``column`` is what the user has said, ``known`` the names that the estimator was fitted with.
    Columns to ``keep``, such as ids, are no timesteps, unless one of these names them.
    """
    if column is not None:
        check_columns(nested, [column] if isinstance(column, str) else column)
        return column if isinstance(column, str) else [*column]
    if known is not None and set(known) <= nested.keys():
        return [*known]
    sequences = [name for name in nested if nested[name]]
    if len(sequences) == 1:
        return sequences[0]
    if nested and not sequences:
        # A single column may hold texts.
        names = [*nested] if len(nested) == 1 else [name for name in nested if name not in keep]
        if names:
            return names if len(names) > 1 else names[0]
    listed = ", ".join(map(repr, [*nested][:10]))
    raise ValueError(
        f"X is a table with the columns {listed}, of which {len(sequences)} hold sequences.\n\n"
        "Say which one to score, column='...', or several that are a feature each,"
        " column=['...', '...']."
    )


def warn_of_rows_as_sequences(columns: Sequence[Any]) -> None:
    """Warn that columns of a table without lists were taken for timesteps, unasked."""
    warn_user(
        "X has no column of lists: each row is read as a sequence whose timesteps are the columns"
        f" {enumerate_names(columns)}.\n\nName them: column=['...', '...']. If X is a long table,"
        " one row per timestep, read it with sklstm.preprocessing.sequences_from_frame."
    )


def reject_lists_as_texts(table: Any) -> None:
    """Raise for a frame of pandas whose lists Dask has converted to texts, such as "[0.1 0.2]"."""
    if not hasattr(table, "iloc"):
        return
    for name in table.columns[[kind not in "biufcmM" for kind in map(_kind_of, table.dtypes)]]:
        first = table[name].iloc[0]
        if isinstance(first, str) and LIST_AS_TEXT.match(first):
            raise ValueError(
                f"The column {name!r} holds lists as texts, such as {first:.30}...\n\nDask makes"
                " texts of lists when it takes a frame of pandas: call"
                " dask.config.set({'dataframe.convert-string': False}) before from_pandas, or read"
                " the lists from parquet files."
            )


def _kind_of(dtype: Any) -> str:
    return str(getattr(dtype, "kind", "O"))


def names_of(table: Any) -> list[Any]:
    """Names of the columns of a table."""
    if is_arrow_table(table):
        return list(table.schema.names)
    return [*table] if isinstance(table, Mapping) else [*table.columns]


def check_columns(known: Iterable[Any], wanted: Iterable[Any]) -> None:
    """Raise unless a table with the columns ``known`` has those that are ``wanted``."""
    known = [*known]
    for name in wanted:
        if name not in known:
            listed = ", ".join(map(repr, known[:10]))
            raise ValueError(f"X has no column {name!r}; its columns are {listed}.")


def take(table: Any, columns: list[Any] | Any, *, named: bool = True) -> Any:
    """An X that an estimator takes: a column of sequences or texts, or a frame of these columns.

    ``named``: whether columns that are a feature each give their names to the features, as an
    estimator expects that was fitted with names.
    """
    if not isinstance(columns, list):
        return _column(table, columns)
    nested = nested_of(table)
    if all(nested[name] for name in columns):
        whole = _side_by_side(table, columns)
        return whole if named else _without_names(whole)
    if is_arrow_table(table):
        pandas = require("pandas", extra=EXTRA)
        pyarrow = require("pyarrow", extra=EXTRA)

        def keep_nested(kind: Any) -> Any:
            return pandas.ArrowDtype(kind) if pyarrow.types.is_nested(kind) else None

        return table.select(columns).to_pandas(types_mapper=keep_nested)
    if isinstance(table, Mapping):
        pandas = require("pandas", extra=EXTRA)
        # pandas takes no column of two dimensions.
        whole = {n: [*table[n]] if nested[n] else table[n] for n in columns}
        return pandas.DataFrame(whole)
    return table[columns]


def _column(table: Any, name: Any) -> Any:
    """One column: sequences as they are, a text for each row as a list."""
    values = table.column(name) if is_arrow_table(table) else table[name]
    if is_arrow_table(table) and hasattr(values.type, "storage_type"):
        return _from_tensors(values)
    if is_arrow_table(table) and not hasattr(values.type, "value_type"):
        is_struct = str(values.type).startswith("struct<")
        return values if is_struct else values.to_pylist()
    return values


def _from_tensors(values: Any) -> Any:
    """A column of tensors as one array, or as a list of arrays of unequal length."""
    parts = []
    for chunk in getattr(values, "chunks", [values]):
        is_native = hasattr(chunk, "to_numpy_ndarray")
        parts.append(chunk.to_numpy_ndarray() if is_native else chunk.to_numpy(False))
    if len({part.shape[1:] for part in parts}) == 1 and parts[0].dtype != object:
        return np.concatenate(parts)
    return [sequence for part in parts for sequence in part]


def _side_by_side(table: Any, columns: list[Any]) -> Any:
    """Columns with a list for each sequence, one column a feature, as structs of pyarrow."""
    pyarrow = require("pyarrow", extra=EXTRA)
    parts = []
    for name in columns:
        values = table.column(name) if is_arrow_table(table) else table[name]
        if hasattr(values, "to_arrow"):
            values = values.to_arrow()
        elif not is_arrow_table(table):
            values = pyarrow.array(np.asarray(values) if _is_flat(values) else [*values])
        parts.append(values.combine_chunks() if hasattr(values, "combine_chunks") else values)
    if len(parts) == 1 and pyarrow.types.is_nested(parts[0].type.value_type):
        # The features are inside the column, which has the name of the only one.
        return parts[0]
    return pyarrow.StructArray.from_arrays(parts, columns)


def _without_names(structs: Any) -> Any:
    """Lists of timesteps, each a list of features, from structs of lists."""
    pyarrow = require("pyarrow", extra=EXTRA)
    nested = flatten_nested(structs, "X")
    if nested is None:
        return structs
    offsets = offsets_of(nested.lengths)
    values = pyarrow.array(np.ascontiguousarray(nested.values).ravel())
    timesteps = pyarrow.FixedSizeListArray.from_arrays(values, nested.values.shape[1])
    return pyarrow.LargeListArray.from_arrays(offsets, timesteps)


def _is_flat(values: Any) -> bool:
    return getattr(values, "ndim", 1) == 1
