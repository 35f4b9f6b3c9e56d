"""What both sides of `benchmarks.keras_port` share: epochs, times, scores. Only NumPy is needed."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.data import Data
from benchmarks.work import Settings, Work


def epochs_of(settings: Settings, repeat: int) -> int:
    """All epochs, or one where repeat 0 warms up."""
    return settings.epochs if repeat else 1


def timed_work(
    fit: Callable[[int], Any],
    predict: Callable[[Any], np.ndarray],
    describe: Callable[[Any], dict[str, float]],
    data: Data,
) -> Work:
    """A fit, judged by its predictions of the test part.

    Times are of the processor, all threads of the process together: what other processes do on a
    machine hardly changes them.
    """

    def run(seed: int) -> tuple[Any, float]:
        start = time.process_time()
        model = fit(seed)
        return model, time.process_time() - start

    def check(fitted: tuple[Any, float]) -> dict[str, float]:
        model, fit_seconds = fitted
        # The first call is not timed: Keras traces the model in it.
        predict(model)
        start = time.process_time()
        probabilities = predict(model)
        seconds = {"fit": fit_seconds, "predict": time.process_time() - start}
        return seconds | judge(probabilities, data.y_test) | describe(model)

    return Work(run, check)


def judge(probabilities: np.ndarray, y: np.ndarray) -> dict[str, float]:
    """Accuracy and log-loss."""
    rows = np.asarray(probabilities, dtype=np.float64)
    true = np.clip(rows[np.arange(len(y)), y], np.finfo(np.float32).eps, 1.0)
    return {
        "accuracy": float(np.mean(rows.argmax(axis=1) == y)),
        "log_loss": float(-np.log(true).mean()),
    }


def count_tokens(data: Data) -> int:
    """Number of token ids, padding included."""
    return int(max(x.max() for x in data.X + data.X_test)) + 1
