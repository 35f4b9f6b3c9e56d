"""How the time of a fit grows with the data, the network and the cores."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.data import Generated
from benchmarks.harness import Case, Entry
from benchmarks.pictures import line, panels
from benchmarks.results import CaseResult, Record, Target, ThemeResult, missing, ratio, show, spread
from benchmarks.work import Settings

TITLE = "Growth"
BY_NUMBER = "growth with the sequences, log-normal lengths 10 to 400"
BY_TIMESTEPS = "growth with all timesteps, 1000 sequences, log-normal lengths"
BY_OUTLIER = "growth with all timesteps, 1000 sequences, one of them long"
BY_LENGTH = "growth with T, B64 F10 H64"
BY_WIDTH = "growth with H, B64 T100 F10"
BY_CORES = "growth with cores, B64 T100 F10"
STRAIGHT = 0.10


def cases(long: bool) -> list[Case]:
    """sklstm alone; in each case one thing grows, and the sizes take turns."""
    once, rectangle = Settings(), Settings(batch_size=64, epochs=3)
    factors = (1, 2, 4, 8, 16) if long else (1, 2, 4, 8)
    return [
        _by_data(BY_NUMBER, "1000 sequences", once,
                 {500 * k: Generated(500 * k, 400, "log-normal") for k in factors}),
        _by_data(BY_TIMESTEPS, "1000 timesteps", once,
                 _by_size(Generated(1000, 100 * k, "log-normal") for k in factors)),
        _by_data(BY_OUTLIER, "1000 timesteps", once,
                 _by_size(Generated(1000, t, "outlier") for t in (30, 100, 300, 1000))),
        _by_data(BY_LENGTH, "1000 timesteps", rectangle,
                 _by_size(Generated(640, 25 * k) for k in factors)),
        Case(BY_WIDTH, "fit", tuple(_of_width(32 * k) for k in factors[:4])),
        Case(BY_CORES, "fit", tuple(_on_cores(n, width) for width in (64, 128) for n in (1, 2))),
    ]  # fmt: skip


def _by_size(recipes: Iterable[Generated]) -> dict[int, Generated]:
    """The recipes by the number of all timesteps."""
    return {recipe.make().n_timesteps: recipe for recipe in recipes}


def _by_data(name: str, unit: str, settings: Settings, recipes: dict[int, Generated]) -> Case:
    entries = (
        Entry(f"{size:,}", "ours", "train", settings, recipe, size / 1000, process="sklstm")
        for size, recipe in recipes.items()
    )
    return Case(name, unit, tuple(entries))


def _of_width(width: int) -> Entry:
    settings = Settings(width=width, batch_size=64, epochs=2)
    return Entry(f"H{width}", "ours", "train", settings, Generated(640, 100), process="sklstm")


def _on_cores(n: int, width: int) -> Entry:
    settings = Settings(width=width, batch_size=64, epochs=2)
    name = f"H{width}, {n} core{'s' * (n > 1)}"
    return Entry(name, "ours", "train", settings, Generated(640, 100), cores=n)


def targets(result: ThemeResult) -> list[Target]:
    """The targets."""
    straight = [_straight(result.case(name)) for name in (BY_NUMBER, BY_TIMESTEPS)]
    return [*straight, _outlier(result.case(BY_OUTLIER))]


def _straight(case: CaseResult) -> Target:
    """Whether time grows along a straight line."""
    target = f"a straight line within {STRAIGHT:.0%}"
    failure = missing(case.name, target, *case.records)
    if failure is not None:
        return failure
    off = deviation(*_points(case.records))
    times = _median(case.records[-1]) / _median(case.records[0])
    size = case.records[-1].units / case.records[0].units
    measured = f"{off:.0%} off at most; {show(times)}x the time for {show(size)}x the size"
    return Target(case.name, target, measured, off <= STRAIGHT)


def _outlier(case: CaseResult) -> Target:
    """Whether a timestep takes as long with a very long sequence as without one."""
    target = f"a timestep takes no longer, within {STRAIGHT:.0%}"
    failure = missing(case.name, target, *case.records)
    if failure is not None:
        return failure
    times = ratio(case.records[-1], case.records[0])
    return Target(case.name, target, f"{times} times as long", times.median <= 1 + STRAIGHT)


def _points(records: list[Record]) -> tuple[list[float], list[float]]:
    """Sizes and median times."""
    return [record.units for record in records], [_median(record) for record in records]


def _median(record: Record) -> float:
    return spread(record.seconds).median


def deviation(sizes: list[float], seconds: list[float]) -> float:
    """By which fraction of itself a time is off the best straight line, at most."""
    x, y = np.array(sizes), np.array(seconds)
    fitted = np.polyval(np.polyfit(x, y, 1, w=1 / y), x)
    return float(np.max(np.abs(fitted / y - 1)))


def draw(result: ThemeResult) -> Figure:
    """One panel for each case."""
    figure, all_axes = panels(len(result.cases))
    for axes, case in zip(all_axes, result.cases, strict=True):
        records = [record for record in case.records if not record.failed]
        grown, _, rest = case.name.removeprefix("growth with ").partition(", ")
        axes.set_title(f"growth with {grown}\n{rest}", fontsize="small")
        axes.set_ylabel("seconds")
        axes.tick_params(labelsize="small")
        if records:
            _draw(axes, case, records)
    return figure


def _draw(axes: Axes, case: CaseResult, records: list[Record]) -> None:
    measured = [spread(record.seconds) for record in records]
    if case.name == BY_CORES:
        for row, m in enumerate(measured):
            line(axes, [row], [m], "sklstm")
        axes.set_xticks(range(len(records)), [r.name.replace(", ", "\n") for r in records])
    elif case.name == BY_WIDTH:
        line(axes, [record.settings["width"] for record in records], measured, "sklstm")
        axes.set_xlabel("H")
    else:
        line(axes, [record.units for record in records], measured, "sklstm")
        axes.set_xlabel(case.unit)
    # A run that another process held up does not squeeze the others.
    axes.set_ylim(0, 1.4 * max(m.median for m in measured))
