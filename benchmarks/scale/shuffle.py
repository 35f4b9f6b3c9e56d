"""Test accuracy of networks trained in windows of shuffled blocks, and with a full shuffle.

``python -m benchmarks.scale.shuffle`` prints means and standard deviations over seeds. Constants
are made small, so that small data have as many windows and blocks as large data have.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from aeon.datasets import load_classification
from sklearn.metrics import log_loss

from sklstm import LSTMSequenceClassifier
from sklstm._batching import _sizes, _windows

# Number of windows of an epoch, and of blocks of a window; 1 is a full shuffle.
PLANS = ("1x1", "4x128", "16x256", "16x128", "16x32", "16x8")
N_TRAIN, N_TEST, N_CLASSES, N_TIMESTEPS, N_FEATURES = 12_000, 4000, 10, 12, 2

Data = tuple[Any, Any, Any, Any]


def made(seed: int) -> Data:
    """Noisy oscillations, of a frequency and a phase between features for each class."""
    rng = np.random.default_rng(seed)
    n = N_TRAIN + N_TEST
    y = rng.integers(N_CLASSES, size=n)
    phase = (
        rng.uniform(0, 2 * np.pi, size=(n, 1))
        + np.arange(N_TIMESTEPS) * (0.4 + 0.15 * (y // 2))[:, None]
    )
    shift = np.pi / 2 * (y % 2)[:, None]
    X = np.stack([np.sin(phase), np.sin(phase + shift)], axis=2)
    X += rng.normal(scale=0.7, size=X.shape)
    X = X.astype(np.float32)
    return X[:N_TRAIN], y[:N_TRAIN], X[N_TRAIN:], y[N_TRAIN:]


def vowels(seed: int) -> Data:
    """JapaneseVowels, by its default split."""
    train, test = (load_classification("JapaneseVowels", split=part) for part in ("train", "test"))
    y_train, y_test = (np.unique(part[1], return_inverse=True)[1] for part in (train, test))
    X_train, X_test = ([np.asarray(x).T for x in part[0]] for part in (train, test))
    return X_train, y_train, X_test, y_test


SETS: dict[str, tuple[Callable[[int], Data], dict[str, Any]]] = {
    "made, LSTM alone": (made, {"conv_filters": (), "max_epochs": 6}),
    "made, with convolutions": (made, {"conv_filters": (16, 16), "max_epochs": 3}),
    "JapaneseVowels, LSTM alone": (vowels, {"conv_filters": (), "max_epochs": 60, "batch_size": 8}),
}


def set_plan(X: Any, n_windows: int, n_blocks: int) -> None:
    """Make windows and blocks so small that X has so many of them."""
    n_bytes = sum(4 * np.size(x) + _windows.SEQUENCE_BYTES for x in X)
    window = -(-n_bytes // n_windows)
    _sizes.WHOLE_BYTES = 2**40 if n_windows == 1 else 0
    _windows.WINDOW_BYTES = window
    _windows.BLOCK_BYTES = max(1, window // n_blocks)


def score(data: Data, plan: tuple[int, int], seed: int, *, by_class: bool, **options: Any) -> Any:
    """Accuracy and log-loss on the test sequences."""
    X, y, X_test, y_test = data
    order = (
        np.argsort(y, kind="stable")
        if by_class
        else np.random.default_rng(seed).permutation(len(y))
    )
    X = [X[i] for i in order]
    set_plan(X, *plan)
    network = {"hidden_sizes": 16, "n_kernels": 0, "random_state": seed} | options
    probabilities = LSTMSequenceClassifier(**network).fit(X, y[order]).predict_proba(X_test)
    return np.mean(probabilities.argmax(axis=1) == y_test), log_loss(y_test, probabilities)


def main(argv: Sequence[str] | None = None) -> list[dict[str, Any]]:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--sets", nargs="+", default=list(SETS))
    parser.add_argument("--plans", nargs="+", default=list(PLANS))
    parser.add_argument("--json", help="file for the figures")
    arguments = parser.parse_args(argv)
    rows = []
    for name in arguments.sets:
        make, options = SETS[name]
        for by_class in (False, True):
            for plan in [tuple(map(int, text.split("x"))) for text in arguments.plans]:
                scores = [score(make(s), plan, s, by_class=by_class, **options)
                          for s in range(arguments.seeds)]  # fmt: skip
                means, deviations = np.mean(scores, axis=0), np.std(scores, axis=0)
                windows = (
                    "full shuffle" if plan[0] == 1 else f"{plan[0]} windows of {plan[1]} blocks"
                )
                order = "sorted by class" if by_class else "in random order"
                print(f"{name}, {order}, {windows}: accuracy {means[0]:.3f} ({deviations[0]:.3f}),"
                      f" log-loss {means[1]:.3f} ({deviations[1]:.3f})", flush=True)  # fmt: skip
                rows.append({"set": name, "by_class": by_class, "plan": plan, "scores": scores})
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(rows) + "\n")
    return rows


if __name__ == "__main__":
    main()
