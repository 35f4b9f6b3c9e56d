"""What a data frame must not hold: errors that name the column and the call that is meant."""

from __future__ import annotations

from typing import Any

import numpy as np

# How the names of the dtypes of pandas, polars and pyarrow begin that are points or spans of time.
KINDS_OF_TIME = ("date", "time", "duration", "period")
# What no timestep of a univariate sequence is called.
NAMES_IN_LONG_TABLES = ("id", "time", "timepoint", "timepoints", "timestamp", "timestep")

ROW_IS_A_SEQUENCE = "a data frame is read as one univariate sequence of numbers per row"


def reject_times(frame: Any, name: str = "X") -> None:
    """Raise an error that names a column of times, if ``frame`` is a data frame that has one.

    NumPy would take some of them for numbers: so many nanoseconds since 1970.
    """
    if not _is_frame(frame):
        return
    times = {
        column: dtype
        for column, dtype in zip(frame.columns, frame.dtypes, strict=True)
        if str(dtype).lower().startswith(KINDS_OF_TIME)
    }
    for column, dtype in times.items():
        raise TypeError(
            f"Column {column!r} of {name} holds times ({dtype}); {_reading(name)}.\n\n"
            f"{_remedy(frame, name, list(times), time=column)}"
        )


def reject_cells(frame: Any, name: str, error: Exception) -> None:
    """Raise an error that names the first cell that is no number, if ``frame`` is a data frame."""
    if not _is_frame(frame):
        return
    odd = [cell for place in range(len(frame.columns)) for cell in _first_odd_cell(frame, place)]
    nested = [column for column, _, value in odd if np.ndim(value) > 0]
    if nested and name == "X":
        raise ValueError(_nested_message(frame, nested)) from error
    for column, where, value in odd:
        place = f"{name}[{where}] is"
        if isinstance(value, (str, bytes)):
            raise ValueError(
                f"{place} text ({value[:30]!r}), in column {column!r}; {_reading(name)}.\n\n"
                f"{_remedy(frame, name, [column], text=column)}"
            ) from error
        if hasattr(value, "isoformat"):
            raise TypeError(
                f"{place} {value!r}, in column {column!r}; {_reading(name)}.\n\n"
                f"{_remedy(frame, name, [column], time=column)}"
            ) from error


def find_long_table(X: Any) -> str | None:
    """What to say of a data frame with a name that tells of one row per timestep."""
    names = [*_levels(X), *X.columns] if _is_frame(X) else []
    told = [name for name in names if str(name).lower() in NAMES_IN_LONG_TABLES]
    return f"X has {told[0]!r}, but {ROW_IS_A_SEQUENCE}.{long_table_remedy(X)}" if told else None


def long_table_remedy(X: Any) -> str:
    """The paragraph on how to read a long table; nothing if X is no data frame."""
    if not _is_frame(X):
        return ""
    table, sequence, time = "X", "...", "..."
    if levels := _levels(X):
        table, sequence, time = "X.reset_index()", repr(levels[:-1]), repr(levels[-1])
    return (
        "\n\nIf X is a long table, one row per timestep, read it with"
        f" sklstm.preprocessing.sequences_from_frame({table}, sequence={sequence}, time={time})."
    )


def _levels(frame: Any) -> list[Any]:
    """The levels of a frame's index, as reset_index names them; none if there is one only."""
    names = getattr(getattr(frame, "index", None), "names", ())
    named = [f"level_{i}" if name is None else name for i, name in enumerate(names)]
    return named if len(named) > 1 else []


def _is_frame(X: Any) -> bool:
    return hasattr(X, "columns") and hasattr(X, "dtypes")


def _first_odd_cell(frame: Any, place: int) -> list[tuple[Any, str, Any]]:
    """Column, index and value of the first text, time or sequence in a column, or nothing."""
    column = np.asarray(getattr(frame, "iloc", frame)[:, place], dtype=object)
    for row, value in enumerate(column):
        if isinstance(value, (str, bytes)) or hasattr(value, "isoformat") or np.ndim(value) > 0:
            return [(frame.columns[place], f"{row}, {place}", value)]
    return []


def _reading(name: str) -> str:
    if name == "X":
        return ROW_IS_A_SEQUENCE
    return "a sequence in a data frame is numbers, one row per timestep"


def _remedy(
    frame: Any, name: str, columns: list[Any], *, time: Any = None, text: Any = None
) -> str:
    """How to go on without these columns, or with what they are for."""
    is_pandas = hasattr(frame, "iloc")
    drop = f".drop(columns={columns!r})" if is_pandas else f".drop({columns!r})"
    if name != "X":
        return f"Leave it out, [x{drop} for x in X], or make it a number."
    named = "..." if time is None else repr(time)
    remedy = (
        "If X is a long table, one row per timestep, read it with"
        f" sklstm.preprocessing.sequences_from_frame(X, sequence=..., time={named}, label=...)."
    )
    if text is not None:
        remedy += (
            f" If the texts are to be classified, give X[{text!r}] to"
            " make_pipeline(sklstm.preprocessing.TokenEncoder(),"
            " LSTMSequenceClassifier(embedding_dim=32))."
        )
    return f"{remedy} Otherwise leave the column out: X{drop}."


def _nested_message(frame: Any, nested: list[Any]) -> str:
    columns = ", ".join(map(repr, nested[:3])) + (", ..." if len(nested) > 3 else "")
    held = f"column {columns} holds" if len(nested) == 1 else f"columns {columns} hold"
    found = (
        "X must be a float array of shape (n_sequences, n_timesteps, n_features) or a list of"
        " arrays of shape (n_timesteps_i, n_features), not a data frame with sequences in its"
        f" cells. Got a {type(frame).__name__} whose {held} sequences."
    )
    if len(nested) == 1:
        return f"{found}\n\nGive that column: X[{nested[0]!r}]."
    part = "X" if len(nested) == len(frame.columns) else f"X[{nested!r}]"
    if not hasattr(frame, "iloc"):
        part += ".to_pandas()"
    return f"{found}\n\nIf each is a feature: sklstm.preprocessing.from_channel_first({part})."
