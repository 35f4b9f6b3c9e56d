"""One sequence predicted at a time by a fitted estimator, as a service does it."""

from __future__ import annotations

from matplotlib.figure import Figure

from benchmarks.data import Generated
from benchmarks.harness import Case, Entry
from benchmarks.pictures import ratios
from benchmarks.results import Target, ThemeResult, missing, spread
from benchmarks.work import Settings

TITLE = "One sequence predicted at a time"
SIZES = ((20, 4, 32), (100, 10, 64), (100, 10, 128))
BARE = "bare network"


def cases(long: bool) -> list[Case]:
    """The estimator and its own network in one process; Keras beside them for scale."""
    return [_case(*size) for size in SIZES]


def _case(n_timesteps: int, n_features: int, width: int) -> Case:
    data = Generated(200, n_timesteps, n_features=n_features)
    many, few = (Settings(width=width, calls=calls) for calls in (200, 5))
    entries = (
        Entry("sklstm", "ours", "predict_one_by_one", many, data, many.calls, process="sklstm"),
        Entry(BARE, "ours", "call_network", many, data, many.calls, process="sklstm"),
        Entry("Keras", "with_keras", "predict_one_by_one", few, data, few.calls),
    )
    name = f"one sequence at a time, T{n_timesteps} F{n_features} H{width}"
    return Case(name, "sequence", entries)


def targets(result: ThemeResult) -> list[Target]:
    """The target, for each size."""
    return [_target(case) for case in result.cases]


def _target(case) -> Target:
    """What is left of the estimator's time, less 0.3 ms, as a multiple of the network's."""
    target, ours, bare = f"<= 1.5x the {BARE} + 0.3 ms", case["sklstm"], case[BARE]
    failure = missing(case.name, target, ours, bare)
    if failure is not None:
        return failure
    pairs = list(zip(ours.unit_seconds, bare.unit_seconds, strict=True))
    met = spread([a - 1.5 * b for a, b in pairs]).median <= 0.3e-3
    a, b = (spread([1e3 * seconds for seconds in side]) for side in zip(*pairs, strict=True))
    return Target(case.name, target, f"{a} ms against {b} ms", met)


def draw(result: ThemeResult) -> Figure:
    """How many times as long as sklstm the others took."""
    return ratios(result.cases)
