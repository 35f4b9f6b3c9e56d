"""Texts that are numbers, and errors for a y that holds none."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np

from sklstm._validation._forms import as_host
from sklstm._validation._messages import shorten
from sklstm._validation._missing import entries


def reject_non_numbers(y: Any, name: str) -> None:
    """Raise if an entry is text that is no number, or if rows have unequal numbers of entries."""
    table = entries(as_host(y))
    if table.dtype.kind not in "OSU":
        return
    for index, value in np.ndenumerate(table):
        place = f"{name}[{', '.join(map(str, index))}]"
        if isinstance(value, (list, tuple, np.ndarray)):
            raise ValueError(
                f"{name} must have one number for each sequence, or the same number of them. Got"
                f" {value!r:.60} at {place}."
            )
        if isinstance(value, (str, bytes)) and not reads_as_number(value):
            raise ValueError(
                f"{name} must be numbers. Got {shorten(value)} at {place}.\n\nFor labels use"
                " LSTMSequenceClassifier."
            )


def reads_as_number(value: Any) -> bool:
    """Whether a value is a text such as "0.13" or "1e3"."""
    if not isinstance(value, (str, bytes)):
        return False
    try:
        float(value)
    except ValueError:
        return False
    return True


def are_mostly_numbers(values: Collection[Any]) -> bool:
    """Whether more than half of the values are texts that are numbers: measurements, as a rule."""
    return 2 * sum(map(reads_as_number, values)) > len(values)
