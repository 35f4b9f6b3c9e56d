"""Time of `sklstm.datasets.describe` beside passes of NumPy: python -m benchmarks.data_report."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from sklstm._sequences import Sequences
from sklstm._validation._inputs import check_inputs
from sklstm.datasets import describe
from sklstm.datasets._columns import statistics_of

N_SEQUENCES, N_FEATURES, N_RUNS = 100_000, 3, 7


def main() -> None:
    """Print ratios of alternating runs: median, minimum and maximum."""
    rng = np.random.default_rng(0)
    lengths = rng.integers(20, 180, N_SEQUENCES)
    values = rng.normal(size=(lengths.sum(), N_FEATURES))
    X, y = np.split(values, np.cumsum(lengths)[:-1]), rng.integers(0, 5, N_SEQUENCES)
    sequences = Sequences.from_lengths(values, lengths)
    work: dict[str, Callable[[], Any]] = {
        "np.std": lambda: values.std(axis=0),
        "moments": lambda: statistics_of(sequences),
        "validation of fit": lambda: check_inputs(X, estimator="benchmark"),
        "describe": lambda: describe(X, y),
    }
    runs: dict[str, list[float]] = {name: [] for name in work}
    for _ in range(N_RUNS):
        for name, function in work.items():
            started = time.perf_counter()
            function()
            runs[name].append(time.perf_counter() - started)
    print(f"{N_SEQUENCES} sequences, {values.nbytes / 1e6:.0f} MB, {N_RUNS} alternating runs")
    for name, of in (
        ("moments", "np.std"),
        ("describe", "np.std"),
        ("describe", "validation of fit"),
    ):
        ratios = [a / b for a, b in zip(runs[name], runs[of], strict=True)]
        spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
        print(f"{name} / {of}: median {statistics.median(ratios):.2f} ({spread})")


if __name__ == "__main__":
    main()
