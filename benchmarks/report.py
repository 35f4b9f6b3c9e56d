"""Results as tables: Markdown for people, reStructuredText for the documentation."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from tabulate import tabulate

from benchmarks.machine import describe
from benchmarks.results import CaseResult, Record, ThemeResult, ratio, show, spread
from benchmarks.themes import THEMES

# Targets that stand at the top of the documentation's page, by the name of their theme.
HEADLINES = {
    "step B64 T100 F10 H128, one direction": "training step, sequences of equal length",
    "epoch, log-normal lengths 10 to 400": "epoch, sequences of unequal length",
    "fit, JapaneseVowels, 30 epochs": "fit of JapaneseVowels",
    "prediction, 10,000 sequences, log-normal lengths 10 to 400": "prediction of 10,000 sequences",
    "grid search, JapaneseVowels, 20 epochs": "grid search, two jobs",
}
MET = {True: "yes", False: "no", None: "n/a"}


def targets_table(results: Iterable[ThemeResult], form: str = "github") -> str:
    """One row for each target, of all themes that there are results of."""
    targets = [target for result in results for target in THEMES[result.theme].targets(result)]
    rows = [(t.theme, t.target, t.measured, MET[t.met]) for t in targets]
    headers = ("theme", "target", "measured: median (range)", "met")
    return tabulate(rows, headers, tablefmt=form, disable_numparse=True)


def headline_table(results: Iterable[ThemeResult], form: str = "github") -> str:
    """One row for each competitor of a few themes: how many times as fast as it sklstm is."""
    targets = [target for result in results for target in THEMES[result.theme].targets(result)]
    found = [(t, re.fullmatch(r">= [\d.]+x (.+)", t.target)) for t in targets]
    rows = [
        (HEADLINES[target.theme], match[1], target.measured)
        for target, match in found
        if match and target.theme in HEADLINES
    ]
    headers = ("what", "compared with", "times as fast: median (range)")
    return tabulate(rows, headers, tablefmt=form, disable_numparse=True)


def case_table(case: CaseResult, form: str = "github") -> str:
    """One row for each entry."""
    first = case.records[0]
    if case.for_memory:
        figures: tuple[str, ...] = ("rise of memory, MiB",)
        rows = [_row(record, _memory(record)) for record in case.records]
    else:
        figures = (f"ms a {case.unit}", f"times {first.name}")
        rows = [_row(record, *_times(record, first)) for record in case.records]
    headers = (case.name, *figures, "what was done")
    return tabulate(rows, headers, tablefmt=form, disable_numparse=True)


def _row(record: Record, *figures: str) -> tuple[str, ...]:
    if record.failed:
        return record.name, *("n/a" for _ in figures), f"not measured: {record.failed}"
    return record.name, *figures, _checks(record)


def _times(record: Record, first: Record) -> tuple[str, str]:
    """Milliseconds for one unit, and how many times as long as the first entry."""
    if record.failed:
        return "n/a", "n/a"
    milliseconds = spread([1e3 * seconds for seconds in record.unit_seconds])
    return str(milliseconds), "n/a" if first.failed else str(ratio(record, first))


def _memory(record: Record) -> str:
    return "n/a" if record.memory_mib is None else show(record.memory_mib)


def _checks(record: Record) -> str:
    names = record.checks[0]
    return ", ".join(f"{n} {_median(record, n)}" for n in names)


def _median(record: Record, name: str) -> str:
    figure = spread([check[name] for check in record.checks]).median
    return f"{figure:.0f}" if figure == round(figure) and figure > 1 else show(figure)


def write(results: list[ThemeResult], folder: Path) -> None:
    """The whole report and, by themselves for the documentation, its tables."""
    folder.joinpath("README.md").write_text(markdown(results))
    folder.joinpath("machine.rst").write_text(machines(results) + "\n")
    folder.joinpath("targets.rst").write_text(targets_table(results, "rst") + "\n")
    folder.joinpath("headlines.rst").write_text(headline_table(results, "rst") + "\n")
    for result in results:
        tables = (case_table(case, "rst") for case in result.cases)
        folder.joinpath(f"{result.theme}.rst").write_text("\n\n".join(tables) + "\n")
        THEMES[result.theme].draw(result).savefig(folder / f"{result.theme}.png", dpi=110)


def markdown(results: list[ThemeResult]) -> str:
    """Targets, then each theme with its picture and its tables."""
    parts = ["# Measurements", "Written by `python -m benchmarks`; not to be edited."]
    parts += [machines(results), "## Targets", targets_table(results)]
    for result in results:
        title = THEMES[result.theme].TITLE
        parts += [f"## {title}", _circumstances(result), f"![{title}]({result.theme}.png)"]
        parts += [case_table(case) for case in result.cases]
    return "\n\n".join(parts) + "\n"


def machines(results: list[ThemeResult]) -> str:
    """Where the themes ran: one paragraph, or one for each machine or set of versions."""
    themes: dict[str, list[str]] = {}
    for result in results:
        themes.setdefault(describe(result.environment), []).append(result.theme)
    if len(themes) == 1:
        return "\n".join(themes)
    return "\n\n".join(f"{', '.join(names)}: {where}" for where, names in themes.items())


def _noise(result: ThemeResult) -> str:
    if result.busy_elsewhere is None:
        return ""
    return f", other processes took {result.busy_elsewhere:.0%} of the cores"


def _circumstances(result: ThemeResult) -> str:
    return f"{result.recorded}, {result.repeats} repeats in {result.seconds:.0f} s{_noise(result)}."
