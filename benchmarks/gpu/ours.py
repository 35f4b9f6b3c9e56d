"""The estimator: steps, epochs, fits, captures, and predictions of one sequence."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median
from typing import Any

import numpy as np
import torch
from skorch.callbacks import Callback

from benchmarks.gpu.work import N_EPOCHS, Work, wait
from sklstm import LSTMSequenceClassifier
from sklstm._training import _steps

# Predictions of one sequence that are timed.
N_CALLS = 200


def ours(work: Work, device: str) -> float:
    """Seconds of a step of the estimator."""
    classifier = LSTMSequenceClassifier(
        work.width, bidirectional=work.bidirectional, pooling="last", conv_filters=(), n_kernels=0,
        patch_size=1, mixup_alpha=0.0, batch_size=work.batch_size, max_epochs=N_EPOCHS,
        precision=work.precision, device=device, random_state=0,
    )  # fmt: skip
    return epoch_of(classifier, *work.data()) / work.n_batches


class LooksAtBatches(Callback):
    """Has steps taken one operation at a time."""

    def on_batch_end(self, net: Any, **kwargs: Any) -> None:
        pass


def epoch_of(classifier: LSTMSequenceClassifier, X: Any, y: Any) -> float:
    """Median time of the later epochs of a fit."""
    durations = classifier.fit(X, y).history_["dur"]
    return float(np.median(durations[len(durations) // 2 :]))


def captures(fit: Callable[[], Any]) -> list[float]:
    """Seconds of each capture of a graph in a fit."""
    seconds, capture = [], _steps.GraphCache._capture

    def timed(self: Any, kind: Any) -> Any:
        wait()
        start = time.perf_counter()
        graph = capture(self, kind)
        seconds.append(time.perf_counter() - start)
        return graph

    _steps.GraphCache._capture = timed  # type: ignore[method-assign]
    try:
        fit()
    finally:
        _steps.GraphCache._capture = capture  # type: ignore[method-assign]
    return seconds


def one_by_one(classifier: LSTMSequenceClassifier, X: Any) -> dict[str, float]:
    """Milliseconds of a prediction of one sequence, and of a call of the bare network."""
    network, device = classifier.net_.module_, torch.device(classifier.net_.device)
    values = torch.from_numpy(np.asarray(X[:1], dtype=np.float32)).to(device)

    def bare() -> None:
        with torch.inference_mode():
            network(values)
        wait()

    calls = {"sklstm": lambda: classifier.predict_proba(X[:1]), "bare network": bare}
    times: dict[str, list[float]] = {name: [] for name in calls}
    # In turns, the first of which warm up.
    for _ in range(N_CALLS):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            times[name].append(time.perf_counter() - start)
    return {name: 1e3 * median(found[N_CALLS // 4 :]) for name, found in times.items()}
