"""Prediction of many sequences of unequal length."""

from __future__ import annotations

from dataclasses import replace

from matplotlib.figure import Figure

from benchmarks.data import Generated
from benchmarks.harness import Case, Entry
from benchmarks.pictures import ratios
from benchmarks.results import Target, ThemeResult, at_least
from benchmarks.work import Settings

TITLE = "Prediction of 10,000 sequences, unequal lengths"
NAME = "prediction, 10,000 sequences, log-normal lengths 10 to 400"
N_SEQUENCES = 10_000


def cases(long: bool) -> list[Case]:
    """One case; the competitors predict fewer sequences in the short profile."""
    data, settings = Generated(N_SEQUENCES, 400, "log-normal"), Settings(width=64)
    few = replace(settings, n_sequences=N_SEQUENCES if long else N_SEQUENCES // 4)
    entries = [Entry("sklstm", "ours", "predict", settings, data, units=N_SEQUENCES / 1000)]
    entries += [
        Entry(name, contestant, "predict", few, data, units=few.n_sequences / 1000)
        for name, contestant in (
            ("torch loop", "by_hand"),
            ("skorch", "plain_skorch"),
            ("Keras", "with_keras"),
        )
    ]
    return [Case(NAME, "1000 sequences", tuple(entries))]


def targets(result: ThemeResult) -> list[Target]:
    """The targets."""
    case = result.case(NAME)
    return [at_least(case, 4, "torch loop"), at_least(case, 10, "Keras")]


def draw(result: ThemeResult) -> Figure:
    """How many times as long as sklstm the others took."""
    return ratios(result.cases)
