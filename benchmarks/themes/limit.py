"""How close a whole fit comes to the rate of torch's kernel, and that to a matrix product's."""

from __future__ import annotations

from matplotlib.figure import Figure

from benchmarks.contestants.kernel import SIDE
from benchmarks.data import Generated
from benchmarks.harness import Case, Entry
from benchmarks.pictures import bars
from benchmarks.results import CaseResult, Record, Target, ThemeResult, missing, ratio, show, spread
from benchmarks.themes.step import LARGE, LARGE_BOTH, Size
from benchmarks.work import Settings

TITLE = "Distance to the limit"
FIT, KERNEL = "sklstm, whole fit", "bare nn.LSTM"
N_BATCHES, SHARE = 10, 0.75


def cases(long: bool) -> list[Case]:
    """One direction and both; a time is given for 10^9 operations."""
    return [_case(size) for size in (LARGE, LARGE_BOTH)]


def _case(size: Size) -> Case:
    options = {"bidirectional": size.bidirectional, "batch_size": size.batch, "width": size.width}
    fit = Settings(**options, epochs=5 if size.bidirectional else 10)
    kernel, products = Settings(**options, calls=50), Settings(calls=10)
    data = Generated(N_BATCHES * size.batch, size.timesteps, n_features=size.features)
    entries = (
        Entry(FIT, "ours", "train", fit, data, units=size.gflop * N_BATCHES * fit.epochs),
        Entry(KERNEL, "kernel", "lstm", kernel, data, units=size.gflop * kernel.calls),
        *(
            Entry(name, "kernel", work, products, units=2 * SIDE**3 / 1e9 * products.calls)
            for name, work in (("sgemm, torch.mm", "matmul"), ("sgemm, oneDNN", "onednn_matmul"))
        ),
    )
    return Case(f"limit, {size}", "GFLOP", entries)


def targets(result: ThemeResult) -> list[Target]:
    """The target."""
    return [_target(case) for case in result.cases]


def _target(case: CaseResult) -> Target:
    """The fit's rate as a share of the kernel's."""
    target, fit, kernel = f">= {SHARE} of the rate of {KERNEL}", case[FIT], case[KERNEL]
    failure = missing(case.name, target, fit, kernel)
    if failure is not None:
        return failure
    share = ratio(kernel, fit)
    rates = " and ".join(f"{show(rate(record))}" for record in (fit, kernel))
    return Target(case.name, target, f"{share}, {rates} GFLOP/s", share.median >= SHARE)


def rate(record: Record) -> float:
    """Median of 10^9 operations a second."""
    return spread([1 / seconds for seconds in record.unit_seconds]).median


def draw(result: ThemeResult) -> Figure:
    """Rates in 10^9 operations a second."""
    return bars(result.cases, "GFLOP/s", lambda seconds: 1 / seconds)
