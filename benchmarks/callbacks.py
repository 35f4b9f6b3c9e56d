"""What callbacks cost a fit: runs in turns, ratios to the fit without any.

    python -m benchmarks.callbacks --rounds 15

Two sizes of epochs, since a bar costs the same each epoch. Bars draw as on a terminal, into
nothing. Time is that of the processor, of all threads: scikit-learn's bars have one of their own.
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

# Sequences, timesteps and units of an epoch; number of epochs.
SIZES = {"short epochs": (128, 20, 4, 40), "longer epochs": (512, 40, 16, 10)}


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


def measure(prepare: Fit, size: tuple[int, int, int, int]) -> float:
    """Seconds of processor time of an epoch."""
    n_sequences, n_timesteps, units, n_epochs = size
    X = np.random.default_rng(0).normal(size=(n_sequences, n_timesteps, 2))
    y = X.mean(axis=(1, 2)) > 0
    classifier = LSTMSequenceClassifier(units, max_epochs=n_epochs, n_kernels=0, random_state=0)
    prepare(classifier)
    with Path(os.devnull).open("w") as nothing, redirect_stdout(nothing), redirect_stderr(nothing):
        begin = time.process_time()
        classifier.fit(X, y)
        return (time.process_time() - begin) / n_epochs


def main() -> None:
    """Print the ratios of all contestants, median and quartiles."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    n_rounds = parser.parse_args().rounds
    # rich takes anything for a terminal then.
    os.environ["TTY_COMPATIBLE"] = os.environ["TTY_INTERACTIVE"] = "1"
    for name, size in SIZES.items():
        seconds: dict[str, list[float]] = {contestant: [] for contestant in CONTESTANTS}
        for _ in range(n_rounds + 1):
            for contestant, prepare in CONTESTANTS.items():
                seconds[contestant].append(measure(prepare, size))
        # The first round warms up.
        base = seconds["none"][1:]
        print(f"{name}: {1000 * statistics.median(base):.1f} ms each without callbacks")
        for contestant in list(CONTESTANTS)[1:]:
            ratios = [a / b for a, b in zip(seconds[contestant][1:], base, strict=True)]
            first, median, third = statistics.quantiles(ratios, n=4)
            print(f"  {contestant:15} {median:.3f} ({first:.3f} to {third:.3f})", flush=True)


if __name__ == "__main__":
    main()
