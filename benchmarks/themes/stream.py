"""One more timestep of a sequence that is still going on, by how many have been seen before."""

from __future__ import annotations

from dataclasses import replace

from matplotlib.figure import Figure

from benchmarks.data import Generated
from benchmarks.harness import Case, Entry
from benchmarks.pictures import line, panels
from benchmarks.results import Target, ThemeResult, missing, ratio, spread
from benchmarks.work import Settings

TITLE = "One more timestep of a stream"
SEEN = (10, 100, 1000, 10_000)
N_FEATURES, WIDTH = 4, 64
PREFIX, CELL = "predict_proba", "LSTMCell"
CONSTANT = 0.10


def cases(long: bool) -> list[Case]:
    """A stream, the prediction of the whole prefix in the same process, and a loop by hand."""
    return [_case(n_seen) for n_seen in SEEN]


def _case(n_seen: int) -> Case:
    data = Generated(8, n_seen, n_features=N_FEATURES)
    settings = Settings(width=WIDTH, calls=200)
    # Such that no run takes seconds.
    few = replace(settings, calls=20 if n_seen < 10_000 else 5)
    entries = (
        Entry("sklstm", "ours", "update_stream", settings, data, settings.calls, process="sklstm"),
        Entry(PREFIX, "ours", "predict_prefix", few, data, few.calls, process="sklstm"),
        Entry(CELL, "by_hand", "step_cell", settings, data, settings.calls),
    )
    return Case(_name(n_seen), "timestep", entries)


def _name(n_seen: int) -> str:
    return f"one more timestep after {n_seen:,}, F{N_FEATURES} H{WIDTH}"


def targets(result: ThemeResult) -> list[Target]:
    """The targets: time does not depend on what has been seen, and is below a millisecond."""
    first, last = (result.case(_name(n_seen)) for n_seen in (SEEN[0], SEEN[-1]))
    constant, short = f"as long as after {SEEN[0]}, within {CONSTANT:.0%}", "< 1 ms"
    ours = first["sklstm"], last["sklstm"]
    failure = missing(last.name, constant, *ours)
    if failure is not None:
        return [failure]
    times = ratio(ours[1], ours[0])
    milliseconds = spread([1e3 * seconds for seconds in ours[1].unit_seconds])
    is_constant = abs(times.median - 1) <= CONSTANT
    return [
        Target(last.name, constant, f"{times} times as long", is_constant),
        Target(last.name, short, f"{milliseconds} ms", milliseconds.median < 1),
    ]


def draw(result: ThemeResult) -> Figure:
    """Milliseconds of one more timestep by the number of timesteps before it."""
    figure, (axes,) = panels(1)
    for name, label in (("sklstm", "Stream.update"), (PREFIX, PREFIX), (CELL, f"{CELL} by hand")):
        points = [
            (n_seen, spread([1e3 * seconds for seconds in record.unit_seconds]))
            for n_seen in SEEN
            if not (record := result.case(_name(n_seen))[name]).failed
        ]
        colour = {"sklstm": "sklstm", PREFIX: "Keras", CELL: "torch loop"}[name]
        line(axes, [n for n, _ in points], [m for _, m in points], colour, label)
    axes.set(xscale="log", yscale="log", xlabel="timesteps seen before", ylabel="ms a timestep")
    axes.legend(frameon=False)
    return figure
