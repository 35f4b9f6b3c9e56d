"""bfloat16 beside float32: the time of a step, and the accuracy on three data sets."""

from __future__ import annotations

import math
import statistics

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.data import Archive, Generated
from benchmarks.harness import Case, Entry
from benchmarks.pictures import line, panels
from benchmarks.results import (
    CaseResult,
    Record,
    Target,
    ThemeResult,
    at_least,
    missing,
    ratio,
    spread,
)
from benchmarks.themes.step import N_BATCHES, Size
from benchmarks.work import Settings

TITLE = "bfloat16"
FULL, HALF = "float32", "bfloat16"
SIZES = (Size(64, 100, 10, 128), Size(256, 100, 10, 128), Size(64, 100, 100, 256))
SETS = ("JapaneseVowels", "GunPoint", "ItalyPowerDemand")
TIMES, ERRORS = 1.6, 3


def cases(long: bool) -> list[Case]:
    """Steps of three sizes, and the package's own recipe on three sets, a seed for each repeat."""
    steps = [_step(size) for size in SIZES]
    return steps + [_accuracy(name, 100 if long else 25) for name in SETS]


def _step(size: Size) -> Case:
    epochs = max(1, round(100 / size.gflop / N_BATCHES))
    data = Generated(N_BATCHES * size.batch, size.timesteps, n_features=size.features)
    entries = (
        Entry(
            precision,
            "ours",
            "train",
            Settings(size.width, batch_size=size.batch, epochs=epochs, precision=precision),
            data,
            units=N_BATCHES * epochs,
        )
        for precision in (HALF, FULL)
    )
    return Case(f"bfloat16, {size}", "step", tuple(entries))


def _accuracy(name: str, epochs: int) -> Case:
    entries = (
        Entry(precision, "ours", "recipe", Settings(epochs=epochs, precision=precision),
              Archive(name))
        for precision in (HALF, FULL)
    )  # fmt: skip
    return Case(f"bfloat16, {name}, {epochs} epochs", "fit", tuple(entries))


def targets(result: ThemeResult) -> list[Target]:
    """The targets, which hold where the processor has the format."""
    if not result.environment["bfloat16"]:
        return [Target(TITLE, f">= {TIMES}x {FULL}", "the processor has none", None)]
    speeds, accuracies = result.cases[: len(SIZES)], result.cases[len(SIZES) :]
    return [
        *(at_least(case, TIMES, FULL, HALF) for case in speeds),
        *(_within_noise(case) for case in accuracies),
    ]


def _within_noise(case: CaseResult) -> Target:
    """Whether the mean accuracies differ by no more than the seeds make them."""
    target, half, full = "accuracy within seed noise", case[HALF], case[FULL]
    failure = missing(case.name, target, half, full)
    if failure is not None:
        return failure
    means = [statistics.mean(accuracies(record)) for record in (half, full)]
    met = abs(means[0] - means[1]) <= ERRORS * standard_error(half, full)
    measured = " against ".join(f"{mean:.3f}" for mean in means)
    return Target(case.name, target, f"{measured}, means of {len(half.checks)} seeds", met)


def accuracies(record: Record) -> list[float]:
    """Test accuracy of each seed."""
    return [check["accuracy"] for check in record.checks]


def standard_error(a: Record, b: Record) -> float:
    """Standard error of the difference of two mean accuracies."""
    if len(a.checks) < 2:
        return math.inf
    return math.sqrt(sum(statistics.variance(accuracies(r)) / len(r.checks) for r in (a, b)))


def draw(result: ThemeResult) -> Figure:
    """Left how many times as fast, right the accuracies."""
    figure, (left, right) = panels(2)
    speeds, sets = result.cases[: len(SIZES)], result.cases[len(SIZES) :]
    _draw_speeds(left, [case for case in speeds if not (case[HALF].failed or case[FULL].failed)])
    for precision, name in ((FULL, ""), (HALF, "sklstm")):
        known = [(row, case[precision]) for row, case in enumerate(sets)]
        known = [(row, record) for row, record in known if not record.failed]
        for row, record in known:
            shift = 0.1 if precision == HALF else -0.1
            label = precision if row == known[0][0] else ""
            line(right, [row + shift], [spread(accuracies(record))], name, label)
    right.set_xticks(range(len(SETS)), SETS, fontsize="small")
    right.set_ylabel("test accuracy: median, range")
    right.legend(frameon=False, fontsize="small")
    return figure


def _draw_speeds(axes: Axes, cases: list[CaseResult]) -> None:
    for row, case in enumerate(cases):
        line(axes, [row], [ratio(case[FULL], case[HALF])], "sklstm")
    labels = [case.name.split("step ")[1].split(",")[0] for case in cases]
    axes.set_xticks(range(len(cases)), [x.replace(" F", "\nF") for x in labels], fontsize="small")
    if not cases:
        axes.text(0.5, 0.5, "not measured", ha="center", transform=axes.transAxes)
    axes.set_ylabel(f"times as fast as {FULL}")
    axes.set_ylim(bottom=0)
