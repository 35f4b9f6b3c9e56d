"""A grid search by cross-validation, alone and with two jobs."""

from __future__ import annotations

from dataclasses import replace

from matplotlib.figure import Figure

from benchmarks.data import Archive
from benchmarks.harness import Case, Entry
from benchmarks.pictures import ratios
from benchmarks.results import Target, ThemeResult, at_least
from benchmarks.work import Settings

TITLE = "Grid search: 12 candidates, 3 folds, JapaneseVowels"
ONE, TWO = "sklstm, n_jobs=1", "sklstm, n_jobs=2"


def cases(long: bool) -> list[Case]:
    """One case; scikeras searches one candidate of the twelve in the short profile."""
    data, settings = Archive("JapaneseVowels"), Settings(width=64, epochs=20)
    few = replace(settings, n_candidates=12 if long else 1)
    entries = (
        Entry(TWO, "ours", "search", replace(settings, n_jobs=2), data, units=12),
        Entry(ONE, "ours", "search", settings, data, units=12),
        Entry("scikeras", "with_scikeras", "search", few, data, units=few.n_candidates),
    )
    return [Case(f"grid search, JapaneseVowels, {settings.epochs} epochs", "candidate", entries)]


def targets(result: ThemeResult) -> list[Target]:
    """The targets."""
    return [
        target
        for case in result.cases
        for target in (at_least(case, 1.6, ONE, TWO), at_least(case, 5, "scikeras", TWO))
    ]


def draw(result: ThemeResult) -> Figure:
    """How many times as long as sklstm the others took."""
    return ratios(result.cases)
