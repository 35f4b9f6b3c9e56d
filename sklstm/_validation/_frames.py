"""Errors for data frames with unsupported columns, with the call that is probably meant."""

from __future__ import annotations

from typing import Any

import numpy as np

from sklstm._validation._messages import enumerate_names

# Prefixes of the temporal dtypes of pandas, polars and pyarrow.
KINDS_OF_TIME = ("date", "time", "duration", "period")
# Column names that indicate a table in long format.
NAMES_IN_LONG_TABLES = ("id", "time", "timepoint", "timepoints", "timestamp", "timestep")

ROW_IS_A_SEQUENCE = "a data frame is read as one univariate sequence of numbers per row"


def reject_times(frame: Any, name: str, item: str = "") -> None:
    """Raise if ``frame`` is a data frame with a temporal column.

    ``name`` is that of X, ``item`` is "[17]" if the frame is X[17].

    NumPy would convert some of them to numbers, the nanoseconds since 1970.
    """
    if not is_frame(frame):
        return
    kinds = zip(frame.columns, frame.dtypes, strict=True)
    times = {column: d for column, d in kinds if str(d).lower().startswith(KINDS_OF_TIME)}
    for column, dtype in times.items():
        raise TypeError(
            f"Column {column!r} of {name}{item} holds times ({dtype}); {_reading(item)}.\n\n"
            f"{_remedy(frame, name, item, list(times), time=column)}"
        )


def reject_cells(frame: Any, error: Exception, name: str, item: str = "") -> None:
    """Raise for the first non-numeric cell, if ``frame`` is a data frame."""
    if not is_frame(frame):
        return
    odd = [cell for place in range(len(frame.columns)) for cell in _first_odd_cell(frame, place)]
    nested = [column for column, _, value in odd if np.ndim(value) > 0]
    if nested and not item:
        raise ValueError(_nested_message(frame, nested, name)) from error
    for column, where, value in odd:
        is_text = isinstance(value, (str, bytes))
        if not is_text and not hasattr(value, "isoformat"):
            continue
        found = f"text ({value[:30]!r})" if is_text else repr(value)
        remedy = _remedy(frame, name, item, [column], **{"text" if is_text else "time": column})
        raise (ValueError if is_text else TypeError)(
            f"{name}{item}[{where}] is {found}, in column {column!r}; {_reading(item)}.\n\n{remedy}"
        ) from error


def find_long_table(X: Any) -> str | None:
    """The warning for a data frame whose column names indicate a long format."""
    names = [*_levels(X), *X.columns] if is_frame(X) else []
    told = [name for name in names if str(name).lower() in NAMES_IN_LONG_TABLES]
    return (
        f"X has {told[0]!r}, but {ROW_IS_A_SEQUENCE}.{long_table_remedy(X, 'X')}" if told else None
    )


def long_table_remedy(X: Any, name: str) -> str:
    """The paragraph on how to read a long table; "" if X is no data frame."""
    if not is_frame(X):
        return ""
    table, sequence, time = name, "...", "..."
    if levels := _levels(X):
        table, sequence, time = f"{name}.reset_index()", repr(levels[:-1]), repr(levels[-1])
    return (
        f"\n\nIf {name} is a long table, one row per timestep, read it with"
        f" sklstm.preprocessing.sequences_from_frame({table}, sequence={sequence}, time={time})."
    )


def _levels(frame: Any) -> list[Any]:
    """Names of the levels of a MultiIndex after reset_index; none for a plain index."""
    names = getattr(getattr(frame, "index", None), "names", ())
    named = [f"level_{i}" if name is None else name for i, name in enumerate(names)]
    return named if len(named) > 1 else []


def is_frame(X: Any) -> bool:
    """Whether X is a data frame of pandas or polars, whose values are there."""
    # Of the type, since pandas makes a series of the dtypes at each access.
    kind = type(X)
    return hasattr(kind, "columns") and hasattr(kind, "dtypes") and not hasattr(kind, "collect")


def _first_odd_cell(frame: Any, place: int) -> list[tuple[Any, str, Any]]:
    """Column, index and value of the first text, time or sequence in a column, if any."""
    column = np.asarray(getattr(frame, "iloc", frame)[:, place], dtype=object)
    for row, value in enumerate(column):
        if isinstance(value, (str, bytes)) or hasattr(value, "isoformat") or np.ndim(value) > 0:
            return [(frame.columns[place], f"{row}, {place}", value)]
    return []


def _reading(item: str) -> str:
    return (
        "a sequence in a data frame is numbers, one row per timestep" if item else ROW_IS_A_SEQUENCE
    )


def _remedy(
    frame: Any, name: str, item: str, columns: list[Any], *, time: Any = None, text: Any = None
) -> str:
    """How to use these columns as intended, or to drop them."""
    is_pandas = hasattr(frame, "iloc")
    drop = f".drop(columns={columns!r})" if is_pandas else f".drop({columns!r})"
    if item:
        return f"Leave it out, [x{drop} for x in {name}], or make it a number."
    named = "..." if time is None else repr(time)
    remedy = (
        f"If {name} is a long table, one row per timestep, read it with"
        f" sklstm.preprocessing.sequences_from_frame({name}, sequence=..., time={named},"
        " label=...)."
    )
    if text is not None:
        remedy += (
            f" If the texts are to be classified, give {name}[{text!r}] to"
            " make_pipeline(sklstm.preprocessing.TokenEncoder(),"
            " LSTMSequenceClassifier(embedding_dim=32))."
        )
    return f"{remedy} Otherwise leave the column out: {name}{drop}."


def _nested_message(frame: Any, nested: list[Any], name: str) -> str:
    columns = enumerate_names(nested)
    held = f"column {columns} holds" if len(nested) == 1 else f"columns {columns} hold"
    found = (
        f"{name} must be a float array of shape (n_sequences, n_timesteps, n_features) or a list of"
        " arrays of shape (n_timesteps_i, n_features), not a data frame with sequences in its"
        f" cells. Got a {type(frame).__name__} whose {held} sequences."
    )
    if len(nested) == 1:
        return f"{found}\n\nGive that column: {name}[{nested[0]!r}]."
    part = name if len(nested) == len(frame.columns) else f"{name}[{nested!r}]"
    if not hasattr(frame, "iloc"):
        part += ".to_pandas()"
    return f"{found}\n\nIf each is a feature: sklstm.preprocessing.from_channel_first({part})."
