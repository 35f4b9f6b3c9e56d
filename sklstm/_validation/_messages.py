"""Parts of error messages."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from sklstm._sequences import Array

REMEDY_TEXT = (
    "Turn text into token ids first: make_pipeline(sklstm.preprocessing.TokenEncoder(),"
    " LSTMSequenceClassifier(embedding_dim=...))."
)


def enumerate_names(culprits: Sequence[Any] | Array, name: Callable[[Any], str] = repr) -> str:
    """The names of the first three culprits, then how many more there are."""
    listed = ", ".join(map(name, culprits[:3]))
    return listed if len(culprits) <= 3 else f"{listed} and {len(culprits) - 3} more"


def counted(number: int, noun: str) -> str:
    """1 window, 2 windows."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def spanned(lowest: int, highest: int, noun: str) -> str:
    """3, 5, "timestep" -> "3 to 5 timesteps"; 1, 1, "timestep" -> "1 timestep"."""
    return f"{lowest} to " * (lowest < highest) + counted(highest, noun)


def name_of_whole(name: str) -> str:
    """The name of the data that an item belongs to: X[17] -> X, X['trip'][17] -> X['trip']."""
    return re.sub(r"(\[\d+(, \d+)*\])+$", "", name)


def none_found(thing: str, shape: tuple[int, ...]) -> str:
    """scikit-learn's words for an X without any "sample" or "feature"."""
    return f"Found array with 0 {thing}(s) (shape={shape}) while a minimum of 1 is required."


def shorten(text: str | bytes) -> str:
    """The text as it is written in Python, its first 30 characters if it is long."""
    return repr(text[:30]) + "..." * (len(text) > 30)
