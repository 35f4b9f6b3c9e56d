"""Half and a quarter of the time: a schedule that ends with it beside one that is cut off.

``python -m benchmarks.time_limit`` prints the figures of ADR 60. Time is
counted in training steps, so that they are the same on any machine, whatever else it does. "Known"
is a fit of so many epochs, whose schedule has been planned for them from the start. Models are
scored on folds of the training part.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import numpy as np
from sklearn.metrics import accuracy_score, log_loss
from sklearn.model_selection import StratifiedKFold

from benchmarks.data import Archive
from sklstm import LSTMSequenceClassifier
from sklstm._training import _time_limit
from sklstm._training._net import SequenceNet
from sklstm._training._time_limit import Pace

SETS = ("JapaneseVowels", "ItalyPowerDemand", "ArrowHead")
N_FOLDS = 5
# The network alone: a linear model beside it would hide half of what becomes of it.
OPTIONS: dict[str, Any] = {
    "hidden_sizes": 32,
    "n_kernels": 0,
    "conv_filters": (),
    "max_epochs": 100,
}
SHARES = (0.5, 0.25)


class Steps:
    """A clock that counts training steps."""

    def __init__(self) -> None:
        self.n = 0.0

    def __call__(self) -> float:
        return self.n


@contextmanager
def counted(adapts: bool) -> Iterator[None]:
    """Time is training steps; whether the schedule follows it."""
    clock, step, settled = Steps(), SequenceNet.train_step_single, Pace._has_settled

    def timed(net: SequenceNet, batch: object, **params: object) -> object:
        clock.n += 1
        return step(net, batch, **params)

    with (
        patch.object(_time_limit, "clock", clock),
        patch.object(SequenceNet, "train_step_single", timed),
        patch.object(Pace, "_has_settled", settled if adapts else lambda pace: False),
    ):
        yield


def fit_all(
    X: list[np.ndarray], y: np.ndarray, n_epochs: int, seed: int
) -> Iterator[tuple[str, float, float]]:
    """Name, accuracy and log-loss of each fit on each fold."""
    for train, test in StratifiedKFold(N_FOLDS, shuffle=True, random_state=seed).split(y, y):
        n_batches = -(-len(train) // 32)
        n_steps = n_epochs * n_batches
        whole: dict[str, float] = {"max_epochs": n_epochs}
        runs = [("whole", whole, True)]
        for share in SHARES:
            limit = whole | {"max_time": share * n_steps + 0.5}
            known: dict[str, float] = {"max_epochs": int(share * n_epochs)}
            runs += [(f"{share:g} adapted", limit, True), (f"{share:g} cut off", limit, False)]
            runs += [(f"{share:g} known", known, True)]
        for name, changes, adapts in runs:
            options = {**OPTIONS, "batch_size": 32, "random_state": seed, **changes}
            model = LSTMSequenceClassifier(**options)
            with counted(adapts):
                model.fit([X[i] for i in train], y[train])
            probabilities = model.predict_proba([X[i] for i in test])
            predicted = model.classes_[probabilities.argmax(axis=1)]
            loss = log_loss(y[test], probabilities, labels=model.classes_)
            yield name, accuracy_score(y[test], predicted), loss


def main() -> None:
    """Print means over folds and seeds, and in how many seeds the adapted schedule was better."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.time_limit", description=__doc__)
    parser.add_argument("--epochs", type=int, default=100, help="epochs of a whole fit")
    parser.add_argument("--seeds", type=int, default=3, help="number of seeds")
    arguments = parser.parse_args()
    for dataset in SETS:
        data, began = Archive(dataset).make(), time.perf_counter()
        means: dict[str, list[np.ndarray]] = {}
        for seed in range(arguments.seeds):
            of_seed: dict[str, list[tuple[float, float]]] = {}
            for name, accuracy, loss in fit_all(data.X, data.y, arguments.epochs, seed):
                of_seed.setdefault(name, []).append((accuracy, loss))
            for name, figures in of_seed.items():
                means.setdefault(name, []).append(np.mean(figures, axis=0))
        print(f"{dataset}: {len(data.y)} sequences, {time.perf_counter() - began:.0f} s")
        for name, rows in means.items():
            (accuracy, loss), spread = np.mean(rows, axis=0), np.std(rows, axis=0)
            print(
                f"  {name:14}accuracy {accuracy:.3f} ± {spread[0]:.3f}, "
                f"log-loss {loss:.3f} ± {spread[1]:.3f}"
            )
        for share in SHARES:
            pairs = zip(means[f"{share:g} adapted"], means[f"{share:g} cut off"], strict=True)
            wins = np.sum([(a[0] > c[0], a[1] < c[1]) for a, c in pairs], axis=0)
            print(f"  {share:g}: adapted better in accuracy {wins[0]}, in log-loss {wins[1]}"
                  f" of {arguments.seeds} seeds", flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
