"""What callbacks cost a fit: runs in turns, ratios to the fit without any.

    python -m benchmarks.callbacks --rounds 9

Time is that of the processor, in the thread of the fit, and in all threads: scikit-learn's bars
have one of their own, which draws ten times a second whatever an epoch takes. They draw as on a
terminal, into nothing. Last comes the share of the hooks of the epochs in the thread of the fit, by
a clock around them: a ratio of fits is too noisy to see it.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from rich.progress import Progress
from sklearn.callback import ProgressBar, ScoringMonitor

from sklstm import LSTMSequenceClassifier
from sklstm._training._sklearn_callbacks import FitTask

N_EPOCHS = 20
# Sequences and units.
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


@contextmanager
def timed_hooks() -> Iterator[list[float]]:
    """List of the seconds that each hook of an epoch takes."""
    seconds: list[float] = []

    def timed(hook: Callable[..., None]) -> Callable[..., None]:
        def call(*args: Any, **kwargs: Any) -> None:
            begin = time.thread_time()
            hook(*args, **kwargs)
            seconds.append(time.thread_time() - begin)

        return call

    hooks = {name: timed(getattr(FitTask, name)) for name in ("on_epoch_begin", "on_epoch_end")}
    with patch.multiple(FitTask, **hooks):
        yield seconds


def measure(prepare: Fit, size: tuple[int, int]) -> tuple[float, float, float]:
    """Seconds of processor time of a fit, in its own thread and in all, and of the hooks."""
    n_sequences, units = size
    X = np.random.default_rng(0).normal(size=(n_sequences, 20, 2))
    y = X.mean(axis=(1, 2)) > 0
    classifier = LSTMSequenceClassifier(units, max_epochs=N_EPOCHS, n_kernels=0, random_state=0)
    prepare(classifier)
    with (
        timed_hooks() as hooks,
        Path(os.devnull).open("w") as nothing,
        redirect_stdout(nothing),
        redirect_stderr(nothing),
    ):
        begin = time.thread_time(), time.process_time()
        classifier.fit(X, y)
        return time.thread_time() - begin[0], time.process_time() - begin[1], sum(hooks)


def main() -> None:
    """Print the ratios of all contestants, median and quartiles."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    n_rounds = parser.parse_args().rounds
    # rich takes anything for a terminal then.
    os.environ["TTY_COMPATIBLE"] = os.environ["TTY_INTERACTIVE"] = "1"
    print(f"drawing a bar: {drawing():.4f} of a processor, at ten times a second")
    for name, size in SIZES.items():
        seconds: dict[str, list[tuple[float, float, float]]] = {each: [] for each in CONTESTANTS}
        for _ in range(n_rounds + 1):
            for contestant, prepare in CONTESTANTS.items():
                seconds[contestant].append(measure(prepare, size))
        print(f"{name}: thread of the fit, all threads, share of the hooks")
        for contestant in list(CONTESTANTS)[1:]:
            # The first round warms up.
            pairs = list(zip(seconds[contestant], seconds["none"], strict=True))[1:]
            columns = [describe([a[i] / b[i] for a, b in pairs]) for i in (0, 1)]
            columns.append(describe([a[2] / a[0] for a, _ in pairs]))
            print(f"  {contestant:15} {'   '.join(columns)}", flush=True)


def drawing() -> float:
    """Share of a processor that drawing a bar ten times a second takes."""
    with (
        Path(os.devnull).open("w") as nothing,
        redirect_stdout(nothing),
        Progress(auto_refresh=False) as progress,
    ):
        progress.add_task("LSTMSequenceClassifier - fit", total=100)
        begin = time.thread_time()
        for _ in range(100):
            progress.refresh()
        return (time.thread_time() - begin) / 100 * 10


def describe(ratios: list[float]) -> str:
    """Median and quartiles."""
    first, median, third = statistics.quantiles(ratios, n=4)
    return f"{median:.4f} ({first:.4f} to {third:.4f})"


if __name__ == "__main__":
    main()
