"""The pictures of the themes: ratios as dots, times and rates as bars, growth as lines."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.results import CaseResult, Record, Spread, ratio, show, spread

COLOURS = {
    "sklstm": "#1b6ca8",
    "torch loop": "#d1495b",
    "skorch": "#edae49",
    "Keras": "#66a182",
    "scikeras": "#66a182",
    "MLPClassifier": "#8d6a9f",
    "onnxruntime": "#d1495b",
    "bare network": "#edae49",
}
OTHER = "#7d8491"


def ratios(cases: Sequence[CaseResult]) -> Figure:
    """One line for each case: how many times as long as its first entry each other one took."""
    figure = Figure(figsize=(8, 1.1 + 0.42 * len(cases)), layout="constrained")
    axes, labelled = figure.add_subplot(), set()
    for row, case in enumerate(cases):
        first, *others = (record for record in case.records if not record.failed)
        for record in others:
            label = None if record.name in labelled else record.name
            labelled.add(record.name)
            _dot(axes, ratio(record, first), row, record.name, label)
    axes.set_yticks(range(len(cases)), [case.name for case in cases])
    axes.set_ylim(len(cases) - 0.5, -0.5)
    axes.axvline(1, color=COLOURS["sklstm"])
    axes.set_xscale("log")
    axes.set_xlabel(f"times as long as {cases[0].records[0].name} (median and range)")
    _number(axes)
    _tidy(axes, "x")
    figure.legend(loc="outside upper right", ncols=len(labelled), frameon=False)
    return figure


def _dot(axes: Axes, measured: Spread, row: float, name: str, label: str | None) -> None:
    colour = COLOURS.get(name, OTHER)
    axes.plot([measured.low, measured.high], [row, row], color=colour, linewidth=2, alpha=0.5)
    axes.plot(measured.median, row, "o", color=colour, label=label)


def bars(
    cases: Sequence[CaseResult],
    label: str,
    figure_of: Callable[[float], float] = lambda seconds: 1e3 * seconds,
) -> Figure:
    """Beside each other the cases, in each a bar for each entry, by default milliseconds."""
    height = 1.0 + 0.38 * max(len(case.records) for case in cases)
    figure = Figure(figsize=(8, height), layout="constrained")
    all_axes = figure.subplots(1, len(cases), squeeze=False, sharey=True)[0]
    all_axes[0].invert_yaxis()
    for axes, case in zip(all_axes, cases, strict=True):
        records = [record for record in case.records if not record.failed]
        for row, record in enumerate(records):
            _bar(axes, spread([figure_of(s) for s in record.unit_seconds]), row, record)
        axes.set_yticks(range(len(records)), [record.name for record in records])
        axes.set_xlabel(label)
        axes.margins(x=0.2)
        axes.set_title(case.name, fontsize="small")
        _tidy(axes, "x")
    return figure


def _bar(axes: Axes, measured: Spread, row: int, record: Record) -> None:
    """A bar to the median, a line over the range, and the median as a number."""
    ours = record.name.startswith("sklstm")
    axes.barh(row, measured.median, color=COLOURS["sklstm"] if ours else OTHER, height=0.6)
    axes.plot([measured.low, measured.high], [row, row], color="black", linewidth=1)
    axes.text(measured.high, row, f" {show(measured.median)}", va="center", fontsize="small")


def line(
    axes: Axes, xs: Sequence[float], measured: Sequence[Spread], name: str, label: str = ""
) -> None:
    """Medians joined, with their ranges."""
    medians = [m.median for m in measured]
    errors = [[m.median - m.low for m in measured], [m.high - m.median for m in measured]]
    colour = COLOURS.get(name, OTHER)
    axes.errorbar(xs, medians, errors, color=colour, marker="o", markersize=4, label=label or None)


def panels(count: int) -> tuple[Figure, list[Axes]]:
    """A figure with axes beside each other, three in a row at most."""
    columns = min(count, 3)
    rows = -(-count // columns)
    figure = Figure(figsize=(max(5, 3.1 * columns), 2.8 * rows), layout="constrained")
    axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    for empty in axes[count:]:
        empty.remove()
    for used in axes[:count]:
        _tidy(used, "both")
    return figure, axes[:count]


def _number(axes: Axes) -> None:
    """Ratios as people write them: 0.5, 1, 2, 5, 10; over a wide range the powers of ten."""
    low, high = axes.get_xlim()
    steps = (1, 2, 5) if high < 1000 * low else (1,)
    ticks = [m * 10**e for e in range(-3, 5) for m in steps]
    axes.set_xticks([tick for tick in ticks if low <= tick <= high], minor=False)
    axes.set_xticks([], minor=True)
    axes.xaxis.set_major_formatter(lambda tick, _: f"{tick:g}")


def _tidy(axes: Axes, grid: str) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis=grid, alpha=0.3)
    axes.set_axisbelow(True)
