"""Files of `to_onnx`: what rounding does to them, how fast they are, and what exactness costs.

``python -m benchmarks.onnx`` prints the figures of ADR 54, one thread each.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from aeon.datasets import load_classification

from sklstm import LSTMSequenceClassifier
from sklstm._batching._loader import to_device
from sklstm._batching._scaling import Scaling
from sklstm._sequences import Sequences
from sklstm._tasks._classification import Classification
from sklstm._training._closed_form import compute_features, fit_convolutions
from sklstm.export import to_onnx
from sklstm.nn import FixedConvolutions

N_NEW, N_TIMESTEPS, N_SEEDS = 400, 150, 20
# Those that aeon brings along.
SETS = ("ArrowHead", "GunPoint", "UnitTest", "OSULeaf", "PickupGestureWiimoteZ", "ACSF1")


def walks(rng: Any, n: int) -> Any:
    return rng.normal(size=(n, N_TIMESTEPS, 1)).cumsum(axis=1)


KINDS: dict[str, Callable[[Any, int], Any]] = {
    "walks": walks,
    "noise": lambda rng, n: rng.normal(size=(n, N_TIMESTEPS, 3)),
    "walks in whole numbers": lambda rng, n: walks(rng, n).round(),
    "rare events": lambda rng, n: (rng.random((n, N_TIMESTEPS, 1)) < 0.05).astype(float),
    "steps": lambda rng, n: np.repeat(rng.normal(size=(n, N_TIMESTEPS // 15, 1)), 15, axis=1),
}


def session(model: Any) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    with tempfile.TemporaryDirectory() as folder:
        to_onnx(model, Path(folder) / "model.onnx")
        return onnxruntime.InferenceSession(Path(folder) / "model.onnx", options)


def predict(file: Any, X: Any) -> Any:
    inputs = {"x": X.astype(np.float32), "lengths": np.full(len(X), X.shape[1])}
    return file.run(["probabilities"], inputs)[0]


def compare() -> None:
    for name, make in KINDS.items():
        rng = np.random.default_rng(0)
        model = LSTMSequenceClassifier(hidden_sizes=8, max_epochs=2, random_state=0)
        X = make(rng, 60)
        # A class that can be learnt: the second half is above the first one.
        halves = X[:, :, 0].reshape(60, 2, -1).mean(axis=2)
        model.fit(X, halves[:, 1] > halves[:, 0])
        # Numbers that the file can be given.
        X, file = make(rng, N_NEW).astype(np.float32), session(model)
        expected = model.predict_proba(X)
        found = np.concatenate([predict(file, X[i : i + 50]) for i in range(0, N_NEW, 50)])
        differences = np.abs(found - expected).max(axis=1)
        share = (differences > 1e-5).mean()
        print(f"{name:24}largest {differences.max():.1e}, above 1e-5: {share:.1%}")


def milliseconds(function: Callable[[], Any]) -> float:
    times = []
    for _ in range(16):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return float(np.median(times[1:])) * 1e3


def measure() -> None:
    networks: dict[str, tuple[int, dict[str, Any]]] = {
        "default, one feature": (1, {}),
        "default, three features": (3, {}),
        "LSTM layers alone": (3, {"n_kernels": 0, "conv_filters": ()}),
    }
    rng = np.random.default_rng(0)
    for name, (n_features, parameters) in networks.items():
        X = rng.normal(size=(100, N_TIMESTEPS, n_features)).cumsum(axis=1)
        model = LSTMSequenceClassifier(max_epochs=2, random_state=0, **parameters)
        model.fit(X[:60], np.arange(60) % 2)
        file = session(model)
        for n in (1, 100):
            own = milliseconds(lambda: predict(file, X[:n]))  # noqa: B023
            theirs = milliseconds(lambda: model.predict_proba(X[:n]))  # noqa: B023
            print(f"{name:24}{n:4} sequences: file {own:.2f} ms, predict_proba {theirs:.2f}")


def read(name: str, split: str) -> tuple[Sequences, Any]:
    X, y = load_classification(name, split=split)
    columns = [np.asarray(x, dtype=float).T for x in X]
    return Sequences.from_lengths(np.concatenate(columns), [len(x) for x in columns]), y


def score() -> None:
    """Accuracy of the linear model alone on test parts."""
    device = torch.device("cpu")
    for name in SETS:
        (training, y), (test, y_test) = read(name, "train"), read(name, "test")
        classes, targets = np.unique(y, return_inverse=True)
        scaling = Scaling.standard(training, np.ones(len(training)))
        parts = [to_device(part, scaling, device) for part in (training, test)]
        accuracies = []
        for seed in range(N_SEEDS):
            torch.manual_seed(seed)
            size = int(np.median(training.lengths))
            convolutions = FixedConvolutions(training.n_features, size, 3000).float()
            fit_convolutions(convolutions, parts[0], np.random.default_rng(seed))
            features = [compute_features(convolutions, part)[1] for part in parts]
            task = Classification(classes)
            weight, bias = task.fit_linear(features[0], targets, np.ones(len(targets)))
            found = classes[(features[1] @ weight.T + bias).argmax(axis=1)]
            accuracies.append((found == y_test).mean())
        print(
            f"{name:24}accuracy {np.mean(accuracies):.3f} +- {np.std(accuracies):.3f}", flush=True
        )


if __name__ == "__main__":
    torch.set_num_threads(1)
    compare()
    measure()
    score()
