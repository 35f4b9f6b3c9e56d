"""Processor time of a fit with `return_train_score`, as a ratio to the same fit without.

``python -m benchmarks.training_scores`` prints median, least and largest of alternating fits.
"""

from __future__ import annotations

import argparse
import time
import warnings
from typing import Any

import numpy as np

from sklstm import LSTMSequenceClassifier

N_SEQUENCES, N_TIMESTEPS, N_CLASSES = 300, 50, 3
KINDS: dict[str, tuple[int, dict[str, Any]]] = {
    "LSTM layers alone": (3, {"n_kernels": 0, "conv_filters": ()}),
    "trained convolutions, three features": (3, {"n_kernels": 0}),
    "defaults, three features": (3, {}),
    "defaults, one feature": (1, {}),
}


def data(n_features: int) -> tuple[Any, Any]:
    """Sequences of noise around the level of their class."""
    rng = np.random.default_rng(0)
    y = np.arange(N_SEQUENCES) % N_CLASSES
    return rng.normal(0.3 * y[:, None, None], size=(N_SEQUENCES, N_TIMESTEPS, n_features)), y


def seconds(X: Any, y: Any, **parameters: Any) -> float:
    """Processor time of a fit."""
    classifier = LSTMSequenceClassifier(max_epochs=10, random_state=0, **parameters)
    start = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        classifier.fit(X, y)
    return time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    scored = {"return_train_score": True, "scoring": ["accuracy", "neg_log_loss"]}
    for name, (n_features, parameters) in KINDS.items():
        X, y = data(n_features)
        seconds(X, y, **parameters)
        ratios = []
        for _ in range(rounds):
            plain = seconds(X, y, **parameters)
            ratios.append(seconds(X, y, **parameters, **scored) / plain)
        print(f"{name}: {np.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})")


if __name__ == "__main__":
    main()
