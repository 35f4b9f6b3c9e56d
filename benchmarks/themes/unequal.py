"""Time of one epoch on sequences of unequal length."""

from __future__ import annotations

from dataclasses import replace

from matplotlib.figure import Figure

from benchmarks.data import Generated
from benchmarks.harness import Case, Entry
from benchmarks.pictures import ratios
from benchmarks.results import Target, ThemeResult, at_least
from benchmarks.work import Settings

TITLE = "One epoch, unequal lengths"
LOG_NORMAL = "epoch, log-normal lengths 10 to 400"
SETTINGS = Settings(width=64, batch_size=32)


def cases(long: bool) -> list[Case]:
    """Lengths of three kinds."""
    n = 1280 if long else 320
    return [
        _case(LOG_NORMAL, Generated(1280, 400, "log-normal"), 1280 if long else 640),
        _case("epoch, uniform lengths 10 to 400", Generated(n, 400, "uniform"), n),
        _case("epoch, lengths 10 to 30 and one of 1000", Generated(n, 1000, "outlier"), n),
    ]


def _case(name: str, data: Generated, n_sequences: int) -> Case:
    """sklstm trains several epochs on all sequences, the slow ones a part of one."""
    ours, few = replace(SETTINGS, epochs=5), replace(SETTINGS, n_sequences=n_sequences)
    share = n_sequences / data.n_sequences
    entries = (
        Entry("sklstm", "ours", "train", ours, data, units=ours.epochs),
        Entry("torch loop", "by_hand", "train", few, data, units=share),
        Entry("skorch", "plain_skorch", "train", few, data, units=share),
        Entry("Keras", "with_keras", "train", few, data, units=share),
    )
    return Case(name, "epoch", entries)


def targets(result: ThemeResult) -> list[Target]:
    """The targets."""
    case = result.case(LOG_NORMAL)
    return [at_least(case, 12, competitor) for competitor in ("torch loop", "Keras")]


def draw(result: ThemeResult) -> Figure:
    """How many times as long as sklstm the others took."""
    return ratios(result.cases)
