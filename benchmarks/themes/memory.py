"""Peak memory of a prediction as the number of sequences grows, each in a new process."""

from __future__ import annotations

from matplotlib.figure import Figure

from benchmarks.data import Generated
from benchmarks.harness import Case, Entry
from benchmarks.pictures import line, panels
from benchmarks.results import Target, ThemeResult, missing, show, spread
from benchmarks.work import Settings

TITLE = "Peak memory of a prediction"
NUMBERS = (1000, 3000, 10_000)
EVERYBODY = (("sklstm", "ours"), ("torch loop", "by_hand"), ("Keras", "with_keras"))
# MiB for each sequence that count as none: what its probabilities and its place in the order need.
NOTHING = 200 / 2**20


def cases(long: bool) -> list[Case]:
    """One case for each number of sequences; everybody in a new process."""
    return [_case(n) for n in NUMBERS]


def _case(n: int) -> Case:
    data, settings = Generated(n, 400, "log-normal"), Settings()
    entries = (
        Entry(name, module, "predict", settings, data, n / 1000) for name, module in EVERYBODY
    )
    return Case(f"memory, {n} sequences", "1000 sequences", tuple(entries), for_memory=True)


def targets(result: ThemeResult) -> list[Target]:
    """The target."""
    target = f"no more for {NUMBERS[-1]:,} sequences than for {NUMBERS[0]:,}"
    records = [case["sklstm"] for case in result.cases]
    failure = missing(TITLE, target, *records)
    if failure is not None:
        return [failure]
    few, *_, many = (record.memory_mib for record in records)
    met = many - few <= NOTHING * (NUMBERS[-1] - NUMBERS[0])
    return [Target(TITLE, target, f"{show(few)} and {show(many)} MiB", met)]


def draw(result: ThemeResult) -> Figure:
    """MiB by number of sequences."""
    figure, (axes,) = panels(1)
    for name, _ in EVERYBODY:
        records = [case[name] for case in result.cases]
        known = [r for r in records if not r.failed and r.memory_mib is not None]
        if known:
            numbers = [1000 * record.units for record in known]
            line(axes, numbers, [spread([record.memory_mib]) for record in known], name, name)
    axes.set(xlabel="sequences", ylabel="rise of memory, MiB")
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False)
    return figure
