"""Two ways of doing the same work, timed alternately in one process."""

from __future__ import annotations

import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version

import torch


@dataclass(frozen=True)
class Comparison:
    """Seconds of each repeat of ours and of theirs, run A B A B."""

    theme: str
    theirs: list[float]
    ours: list[float]

    @property
    def ratios(self) -> list[float]:
        """How many times as long theirs took, pair by pair, ascending."""
        return sorted(b / a for a, b in zip(self.ours, self.theirs, strict=True))

    def row(self) -> str:
        """One line of the table: medians in milliseconds, the ratio's median and range."""
        theirs, ours = (1e3 * statistics.median(times) for times in (self.theirs, self.ours))
        low, middle, high = self.ratios[0], statistics.median(self.ratios), self.ratios[-1]
        return (
            f"| {self.theme} | {theirs:.1f} | {ours:.1f} | {middle:.1f} ({low:.1f} to {high:.1f}) |"
        )


HEADER = "| work | by hand, ms | sklstm, ms | ratio, median (range) |\n|---|---|---|---|"


def compare(
    theme: str, theirs: Callable[[], None], ours: Callable[[], None], *, repeats: int, units: int
) -> Comparison:
    """Time both ``repeats`` times after one run each; ``units`` divides each time."""
    theirs(), ours()
    seconds: tuple[list[float], list[float]] = ([], [])
    for _ in range(repeats):
        for work, times in zip((theirs, ours), seconds, strict=True):
            start = time.perf_counter()
            work()
            times.append((time.perf_counter() - start) / units)
    return Comparison(theme, *seconds)


def environment() -> str:
    """The machine, its threads and the versions that figures were taken with."""
    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "skorch", "scikit-learn"))
    machine = f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}"
    threads = f"{torch.get_num_threads()} torch threads"
    return f"{machine}, {threads}, Python {platform.python_version()}, {packages}"
