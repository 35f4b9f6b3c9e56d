"""Whole fits, from raw sequences to a classifier that predicts."""

from __future__ import annotations

from matplotlib.figure import Figure

from benchmarks.data import Archive, Generated, Recipe
from benchmarks.harness import Case, Entry
from benchmarks.pictures import ratios
from benchmarks.results import Target, ThemeResult, at_least
from benchmarks.work import Settings

TITLE = "A whole fit"
VOWELS = "fit, JapaneseVowels"
EVERYBODY = (
    ("sklstm", "ours"),
    ("torch loop", "by_hand"),
    ("skorch", "plain_skorch"),
    ("scikeras", "with_scikeras"),
    ("MLPClassifier", "perceptron"),
)


def cases(long: bool) -> list[Case]:
    """A small set with many epochs, and 7,000 sequences with few."""
    generated = Generated(7000, 60, "log-normal", n_features=6, n_test=500)
    return [
        _case(VOWELS, Archive("JapaneseVowels"), epochs=100 if long else 30),
        _case("fit, 7,000 sequences, log-normal lengths to 60", generated, 10 if long else 1),
    ]


def _case(name: str, data: Recipe, epochs: int) -> Case:
    settings = Settings(width=64, epochs=epochs)
    entries = (Entry(who, module, "train", settings, data) for who, module in EVERYBODY)
    return Case(f"{name}, {epochs} epoch{'s' * (epochs > 1)}", "fit", tuple(entries))


def targets(result: ThemeResult) -> list[Target]:
    """The target."""
    return [at_least(case, 5, "scikeras") for case in result.cases if case.name.startswith(VOWELS)]


def draw(result: ThemeResult) -> Figure:
    """How many times as long as sklstm the others took."""
    return ratios(result.cases)
