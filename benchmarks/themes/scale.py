"""Two processes, data on disk and two Dask workers, beside one process with all in memory."""

from __future__ import annotations

from matplotlib.figure import Figure

from benchmarks.harness import Case, Entry, Record
from benchmarks.pictures import ratios
from benchmarks.results import CaseResult, Spread, Target, ThemeResult, missing, spread
from benchmarks.scale.ranks import CASES
from benchmarks.work import Settings

TITLE = "Beyond one process"
ONE, TWO = "1 process", "2 processes"
MAP, ARRAY, LIST = "memory map", "array", "list"
KINDS = {MAP: "map", ARRAY: "memory", LIST: "list"}
START, RISE, EPOCHS = "start of 2 processes", "memory of a fit of 200 MB", "epochs of 200 MB"
SEARCH, PREDICTION = "search over a view on 2 Dask workers", "predictions on 2 Dask workers"
NETWORKS = ("LSTM, 64 units, one direction", "default network")
WORKERS = "2 workers"


def cases(long: bool) -> list[Case]:
    """Epochs of three networks, a start, memory and epochs of a file, a search, predictions."""
    return [
        *(Case(case.name, "fit", _on_processes(case.name)) for case in CASES),
        Case(START, "start", (_entry(TWO, "start"),)),
        Case(RISE, "fit", tuple(_entry(n, "rise", k) for n, k in KINDS.items()), for_memory=True),
        Case(EPOCHS, "fit", tuple(_entry(n, "epochs_of", KINDS[n]) for n in (MAP, ARRAY))),
        Case(SEARCH, "search", (_entry(WORKERS, "search_on_dask"),)),
        *(
            Case(f"{PREDICTION}, {n}", "round", (_entry(WORKERS, "predictions_on_dask", n),))
            for n in NETWORKS
        ),
    ]


def _on_processes(name: str) -> tuple[Entry, Entry]:
    return (
        Entry(TWO, "at_scale", "epochs", Settings(case=name, n_jobs=2)),
        Entry(ONE, "at_scale", "epochs", Settings(case=name)),
    )


def _entry(name: str, work: str, case: str = "") -> Entry:
    return Entry(name, "at_scale", work, Settings(case=case))


def targets(result: ThemeResult) -> list[Target]:
    """The targets."""
    of_ranks = {case.name: f">= {case.target}x {ONE}" for case in CASES}
    found = []
    for case in result.cases:
        if case.name in of_ranks:
            least = next(c.target for c in CASES if c.name == case.name)
            found.append(_compare(case, ONE, TWO, of_ranks[case.name], least=least))
        elif case.name == START:
            found.append(_alone(case, TWO, "s beyond imports", "<= 5 s beyond imports", most=5.0))
        elif case.name == RISE:
            found.append(_alone(case, MAP, "MiB", f"<= 100 MiB, {MAP}", most=100.0))
            for name in (ARRAY, LIST):
                told = f"<= 1.3 times the data, {name}"
                found.append(_alone(case, name, "times the data", told, most=1.3))
        elif case.name == EPOCHS:
            found.append(_compare(case, MAP, ARRAY, f"<= 1.15x {ARRAY}", most=1.15))
        elif case.name == SEARCH:
            told = "<= 0.3 s overhead a task"
            found.append(_alone(case, WORKERS, "s overhead a task", told, most=0.3))
        else:
            told = ">= 0.9 of in-process, per CPU second"
            found.append(_alone(case, WORKERS, "of in-process", told, least=0.9))
    return found


def _figures(record: Record, name: str) -> list[float]:
    return [check[name] for check in record.checks]


def _compare(case: CaseResult, above: str, below: str, told: str, **bounds: float) -> Target:
    """Time of an epoch of one entry over that of another, round by round."""
    records = case[above], case[below]
    failure = missing(case.name, told, *records)
    if failure is not None:
        return failure
    pairs = zip(*(_figures(record, "s an epoch") for record in records), strict=True)
    return _judge(case.name, told, spread([a / b for a, b in pairs]), **bounds)


def _alone(case: CaseResult, entry: str, name: str, told: str, **bounds: float) -> Target:
    """A figure of one entry."""
    failure = missing(case.name, told, case[entry])
    if failure is not None:
        return failure
    return _judge(case.name, told, spread(_figures(case[entry], name)), **bounds)


def _judge(
    theme: str, told: str, found: Spread, *, least: float = 0.0, most: float = float("inf")
) -> Target:
    return Target(theme, told, str(found), least <= found.median <= most)


def draw(result: ThemeResult) -> Figure:
    """How many times as long one process took."""
    return ratios([case for case in result.cases if TWO in case and ONE in case])
