"""What callbacks cost a fit: runs in turns, ratios to the fit without any.

    python -m benchmarks.callbacks --rounds 9

Time is that of the processor, in the thread of the fit, and in all threads: scikit-learn's bars
have one of their own, which draws ten times a second whatever an epoch takes. They draw as on a
terminal, into nothing.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import numpy as np
from sklearn.callback import ProgressBar, ScoringMonitor

from sklstm import LSTMSequenceClassifier

# Sequences and units; timesteps and epochs are 20 each.
SIZES = {"short epochs": (128, 4), "longer epochs": (512, 16)}


class Nothing:
    """A callback that does nothing: what the hooks cost."""

    def setup(self, estimator: object, context: object) -> None:
        """Begin of a fit."""

    def teardown(self, estimator: object, context: object) -> None:
        """End of a fit."""

    def on_fit_task_begin(self, estimator: object, context: object) -> None:
        """Begin of a task."""

    def on_fit_task_end(self, estimator: object, context: object) -> None:
        """End of a task."""


Fit = Callable[[LSTMSequenceClassifier], LSTMSequenceClassifier]
CONTESTANTS: dict[str, Fit] = {
    "none": lambda each: each,
    "none again": lambda each: each,
    "empty hooks": lambda each: each.set_callbacks(Nothing()),
    "ProgressBar": lambda each: each.set_callbacks(ProgressBar()),
    "verbose=1": lambda each: each.set_params(verbose=1),
    "ScoringMonitor": lambda each: each.set_callbacks(ScoringMonitor(scoring="accuracy")),
}


def measure(prepare: Fit, size: tuple[int, int]) -> tuple[float, float]:
    """Seconds of processor time of a fit, in its own thread and in all."""
    n_sequences, units = size
    X = np.random.default_rng(0).normal(size=(n_sequences, 20, 2))
    y = X.mean(axis=(1, 2)) > 0
    classifier = LSTMSequenceClassifier(units, max_epochs=20, n_kernels=0, random_state=0)
    prepare(classifier)
    with Path(os.devnull).open("w") as nothing, redirect_stdout(nothing), redirect_stderr(nothing):
        begin = time.thread_time(), time.process_time()
        classifier.fit(X, y)
        return time.thread_time() - begin[0], time.process_time() - begin[1]


def main() -> None:
    """Print the ratios of all contestants, median and quartiles."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    n_rounds = parser.parse_args().rounds
    # rich takes anything for a terminal then.
    os.environ["TTY_COMPATIBLE"] = os.environ["TTY_INTERACTIVE"] = "1"
    for name, size in SIZES.items():
        seconds: dict[str, list[tuple[float, float]]] = {each: [] for each in CONTESTANTS}
        for _ in range(n_rounds + 1):
            for contestant, prepare in CONTESTANTS.items():
                seconds[contestant].append(measure(prepare, size))
        print(f"{name}: thread of the fit, all threads")
        for contestant in list(CONTESTANTS)[1:]:
            # The first round warms up.
            pairs = list(zip(seconds[contestant], seconds["none"], strict=True))[1:]
            columns = [describe([a[i] / b[i] for a, b in pairs]) for i in (0, 1)]
            print(f"  {contestant:15} {'   '.join(columns)}", flush=True)


def describe(ratios: list[float]) -> str:
    """Median and quartiles."""
    first, median, third = statistics.quantiles(ratios, n=4)
    return f"{median:.3f} ({first:.3f} to {third:.3f})"


if __name__ == "__main__":
    main()
