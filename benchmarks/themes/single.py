"""Few sequences at a time predicted by a fitted estimator, as a service does it."""

from __future__ import annotations

from matplotlib.figure import Figure

from benchmarks.data import Generated
from benchmarks.harness import Case, Entry
from benchmarks.pictures import ratios
from benchmarks.results import Target, ThemeResult, missing, ratio
from benchmarks.work import Settings

TITLE = "Few sequences predicted at a time"
# Timesteps, features, and, of a plain LSTM instead of the default network, its width.
SIZES = ((45, 3, None), (150, 3, None), (51, 24, None), (100, 10, 64))
N_TOGETHER = (1, 8, 64)
# Sequences and longest length of the last case.
N_RAGGED, LONGEST = 1000, 150
BARE, ONNX, KERNELS = "bare network", "onnxruntime", "bare LSTM and convolutions"


def cases(long: bool) -> list[Case]:
    """The estimator, onnxruntime with the same model, and torch's modules with nothing around them.

    A plain LSTM with its bare network as well.
    """
    several = [_case(*size, n) for size in SIZES for n in N_TOGETHER]
    return [*several, _ragged()]


def _case(n_timesteps: int, n_features: int, width: int | None, n_together: int) -> Case:
    data = Generated(200, n_timesteps, n_features=n_features)
    calls = {1: 200, 8: 50, 64: 8}[n_together]
    many = _settings(width, calls, n_together)
    entries = [
        Entry("sklstm", "ours", "predict_one_by_one", many, data, calls, process="sklstm"),
        Entry(ONNX, "with_onnxruntime", "predict_one_by_one", many, data, calls),
        Entry(KERNELS, "kernel", "lstm_and_convolutions", many, data, calls, process="sklstm"),
    ]
    if width is not None and n_together == 1:
        few = _settings(width, 5, 1)
        entries += [
            Entry(BARE, "ours", "call_network", many, data, calls, process="sklstm"),
            Entry("Keras", "with_keras", "predict_one_by_one", few, data, few.calls),
        ]
    kind = "default network" if width is None else f"LSTM of {width} units"
    count = f"{n_together} sequence{'s' * (n_together > 1)}"
    name = f"{count} of {n_timesteps} timesteps, {n_features} features, {kind}"
    return Case(name, "call", tuple(entries))


def _ragged() -> Case:
    data = Generated(N_RAGGED, LONGEST, "log-normal", n_features=3)
    settings, units = _settings(None, 1, 1), N_RAGGED / 1000
    entries = (
        Entry("sklstm", "ours", "predict", settings, data, units),
        Entry(ONNX, "with_onnxruntime", "predict", settings, data, units),
    )
    name = f"{N_RAGGED} sequences of log-normal lengths up to {LONGEST}, default network"
    return Case(name, "1000 sequences", entries)


def _settings(width: int | None, calls: int, n_together: int) -> Settings:
    if width is None:
        return Settings(calls=calls, n_together=n_together, has_defaults=True)
    return Settings(width=width, calls=calls, n_together=n_together)


def targets(result: ThemeResult) -> list[Target]:
    """The target, for each case."""
    return [_target(case) for case in result.cases]


def _target(case) -> Target:
    """The estimator's time as a multiple of onnxruntime's."""
    largest = 1.0 if str(N_RAGGED) in case.name else 1.5
    target, ours, other = f"<= {largest}x {ONNX}", case["sklstm"], case[ONNX]
    failure = missing(case.name, target, ours, other)
    if failure is not None:
        return failure
    measured = ratio(ours, other)
    return Target(case.name, target, str(measured), measured.median <= largest)


def draw(result: ThemeResult) -> Figure:
    """How many times as long as sklstm the others took."""
    return ratios(result.cases)
