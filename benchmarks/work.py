"""What a contestant offers, and the settings that all of them share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Work:
    """Something to time, and what to say of its result.

    Attributes
    ----------
    run : callable
        Takes the number of the repeat, which is the seed where one is needed, and returns a result.
        This is what is timed.
    check : callable
        Takes the result and returns figures that show what was done: steps, accuracy, rows.
    """

    run: Callable[[int], Any]
    check: Callable[[Any], dict[str, float]]


@dataclass(frozen=True)
class Settings:
    """The network and its training, the same for every contestant: Adam, last state, one head.

    Attributes
    ----------
    n_sequences : int or None
        Use only so many of the sequences: for contestants too slow for all of them.
    n_candidates : int
        Candidates of a grid search.
    calls : int
        Calls in one timed run, where one call is too short to be timed.
    n_together : int
        Sequences of one such call.
    has_defaults : bool
        Whether the estimator has its default architecture, which only sklstm has.
    module : str
        What to import, where imports are timed.
    case : str
        Which of several of `benchmarks.scale`, or which network of `benchmarks.keras_port`.
    """

    width: int = 64
    n_layers: int = 1
    bidirectional: bool = False
    batch_size: int = 32
    epochs: int = 1
    precision: str = "float32"
    n_sequences: int | None = None
    n_candidates: int = 12
    n_jobs: int = 1
    calls: int = 1
    n_together: int = 1
    has_defaults: bool = False
    module: str = ""
    case: str = ""
