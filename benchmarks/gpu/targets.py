"""What was aimed at on an H100 or H200, and whether a run has reached it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Figures = dict[str, Any]


@dataclass(frozen=True)
class Target:
    """A bound on a figure: a ratio of two times of one run, or milliseconds."""

    work: str
    what: str
    find: Callable[[Figures], float]
    bound: float
    is_most: bool = False

    def row(self, figures: Figures) -> dict[str, str]:
        """What is printed."""
        sign = "<=" if self.is_most else ">="
        row = {"work": self.work, "figure": self.what, "target": f"{sign} {self.bound:g}"}
        try:
            found = self.find(figures)
        except (KeyError, StopIteration, TypeError):
            return row | {"found": "-", "verdict": "not measured"}
        is_reached = found <= self.bound if self.is_most else found >= self.bound
        verdict = "reached" if is_reached else "missed"
        return row | {"found": f"{found:.3g}", "verdict": verdict}


def _row(figures: Figures, table: str, work: str) -> dict[str, float]:
    row: dict[str, float] = next(r for r in figures[table] if r["work"] == work)
    return row


def _ratio(table: str, work: str, above: str, below: str = "sklstm") -> Callable[[Figures], float]:
    def find(figures: Figures) -> float:
        row = _row(figures, table, work)
        return row[above] / row[below]

    return find


def _figure(table: str, work: str, name: str) -> Callable[[Figures], float]:
    return lambda figures: _row(figures, table, work)[name]


def _excess(figures: Figures) -> float:
    """Milliseconds of a prediction beyond one and a half calls of the bare network, at worst."""
    return max(row["sklstm"] - 1.5 * row["bare network"] for row in figures["predictions"])


def _slowest_fit(figures: Figures) -> float:
    rows = [row for row in figures["fits"] if row["work"].startswith("fit of 10 epochs")]
    return min(row["without graphs"] / row["sklstm"] for row in rows)


LOOP, WIDE = "loop by hand", "step B512 T128 F64 H1024, both directions, bfloat16"
DEFAULT, RAGGED = "epoch of the default network, 150 x 6", "epoch, log-normal lengths, H64"
WHOLE = "whole default fit, 270 x 25 x 12"
TARGETS = (
    *(
        Target(work, f"{LOOP} / sklstm", _ratio("steps", work, LOOP), bound)
        for work, bound in {
            "step B32 T20 F4 H32": 12.0,
            "step B64 T100 F10 H128": 2.8,
            "step B64 T100 F10 H128, both directions": 2.2,
            "step B256 T200 F32 H512": 1.4,
            WIDE: 1.05,
        }.items()
    ),
    Target(WIDE, "kernels alone / sklstm", _ratio("steps", WIDE, "kernels alone"), 0.9),
    Target(RAGGED, "packed loop / sklstm", _ratio("fits", RAGGED, "packed loop"), 20.0),
    Target(DEFAULT, "without graphs / sklstm", _ratio("fits", DEFAULT, "without graphs"), 8.0),
    Target(DEFAULT, "CPU / sklstm", _ratio("fits", DEFAULT, "on the CPU"), 10.0),
    Target(WHOLE, "without graphs / sklstm", _ratio("fits", WHOLE, "without graphs"), 4.0),
    Target(WHOLE, "CPU / sklstm", _ratio("fits", WHOLE, "on the CPU"), 1.0),
    Target(WHOLE, "milliseconds of a capture", _figure("fits", WHOLE, "capture"), 5.0, True),
    Target("fits of 10 epochs", "without graphs / sklstm, at least", _slowest_fit, 1.0),
    Target("prediction of one sequence", "ms beyond 1.5 bare calls", _excess, 0.1, True),
)  # fmt: skip


def targets_table(figures: Figures, *, counts: bool) -> list[dict[str, str]]:
    """Each target, what was found, and the verdict; none if the run only shows that all works."""
    rows = [target.row(figures) for target in TARGETS]
    return rows if counts else [row | {"verdict": "none: not the work, or no GPU"} for row in rows]
