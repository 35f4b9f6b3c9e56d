"""What was measured, on disk and in comparison."""

from __future__ import annotations

import json
import statistics
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.harness import Record


@dataclass(frozen=True)
class CaseResult:
    """The records of one case, otherwise as `benchmarks.harness.Case`."""

    name: str
    unit: str
    records: list[Record]
    for_memory: bool = False

    def __getitem__(self, name: str) -> Record:
        return next(record for record in self.records if record.name == name)

    def __contains__(self, name: str) -> bool:
        return any(record.name == name for record in self.records)


@dataclass(frozen=True)
class ThemeResult:
    """One run of one theme, with the machine it ran on.

    Attributes
    ----------
    seconds : float
        How long all of it took.
    busy_elsewhere : float or None
        The fraction of the cores' time that other processes took meanwhile: a measure of noise.
    """

    theme: str
    recorded: str
    repeats: int
    seconds: float
    busy_elsewhere: float | None
    environment: dict[str, Any]
    cases: list[CaseResult]

    def case(self, name: str) -> CaseResult:
        """The case of that name."""
        return next(case for case in self.cases if case.name == name)

    def save(self, path: Path) -> None:
        """Write JSON that `load` reads."""
        path.write_text(json.dumps(asdict(self), indent=1) + "\n")


def load(path: Path) -> ThemeResult:
    """What `ThemeResult.save` wrote."""
    content = json.loads(path.read_text())
    cases = [
        CaseResult(records=[Record(**record) for record in case.pop("records")], **case)
        for case in content.pop("cases")
    ]
    return ThemeResult(cases=cases, **content)


@dataclass(frozen=True)
class Spread:
    """Median and range of some figures."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{show(self.median)} ({show(self.low)} to {show(self.high)})"


def spread(figures: list[float]) -> Spread:
    """Median and range."""
    return Spread(statistics.median(figures), min(figures), max(figures))


def ratio(slower: Record, faster: Record) -> Spread:
    """How many times as long one took, for one unit, round by round."""
    pairs = zip(slower.unit_seconds, faster.unit_seconds, strict=True)
    return spread([a / b for a, b in pairs])


def show(figure: float) -> str:
    """Three digits, and no exponent."""
    if figure >= 100:
        return f"{figure:.0f}"
    return f"{figure:.1f}" if figure >= 10 else f"{figure:.2f}"


@dataclass(frozen=True)
class Target:
    """What was aimed at and what was measured. ``met`` is None where nothing was measured."""

    theme: str
    target: str
    measured: str
    met: bool | None


def missing(theme: str, target: str, *records: Record) -> Target | None:
    """The row for a target of which one side has no measurement; None if all have."""
    for record in records:
        if record.failed:
            return Target(theme, target, f"not measured: {record.name}: {record.failed}", None)
    return None


def at_least(case: CaseResult, times: float, competitor: str, ours: str = "sklstm") -> Target:
    """Whether ours is so many times as fast as a competitor."""
    slower, faster = case[competitor], case[ours]
    target = f">= {times}x {competitor}"
    failure = missing(case.name, target, slower, faster)
    if failure is not None:
        return failure
    measured = ratio(slower, faster)
    return Target(case.name, target, str(measured), measured.median >= times)


def write_down(
    folder: Path, name: str, figures: Any, tables: dict[str, str], *, indent: int | None = 1
) -> None:
    """Figures as JSON, and tables of reStructuredText by name, for the documentation."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.json").write_text(json.dumps(figures, indent=indent) + "\n")
    for title, table in tables.items():
        (folder / f"{title}.rst").write_text(table + "\n")
