"""What a successive halving finds if its fits start again, or go on with one schedule or another.

``python -m benchmarks.scale.rungs`` prints the figures of ADR 71. Candidates are trained for
a few epochs, the better ones for three times as many, and so on, by two folds. The winner is then
trained from the start with one-cycle and mixup, and scored on a part that the search has not seen:
a third of the archive's training part. "Best possible" is the candidate that does best there, "at
random" the mean of all. "Last rung" is the log-loss of the winner's own fits of the search, on
their folds.

- restart: each rung starts again, one-cycle and mixup within it
- constant, plateau: each rung goes on from the one before, without mixup
- stretched: goes on at the place that the one-cycle schedule of all epochs so far has there
- new cycle: goes on with a one-cycle schedule of its own, as with ``warm_start=True``
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import numpy as np
from sklearn.metrics import log_loss
from sklearn.model_selection import ParameterSampler, StratifiedKFold, train_test_split

from benchmarks.data import Archive
from sklstm import LSTMSequenceClassifier
from sklstm._training import _callbacks
from sklstm.model_selection import param_distributions

# Name of a set, and its batch size: smaller ones get enough steps to learn something.
SETS = {"JapaneseVowels": 32, "ItalyPowerDemand": 8, "BasicMotions": 8}
RUNGS, FACTOR, N_CANDIDATES, N_FOLDS = (5, 15, 45), 3, 9, 2
# The network alone: a linear model beside it would hide half of what becomes of it.
ALONE: dict[str, Any] = {"n_kernels": 0, "conv_filters": ()}
# Options of the fits of a search; mixup depends on the number of epochs.
VARIANTS: dict[str, dict[str, Any]] = {
    "restart": {},
    "constant": {"lr_schedule": None, "mixup_alpha": 0.0},
    "plateau": {"lr_schedule": "plateau", "mixup_alpha": 0.0},
    "stretched": {"mixup_alpha": 0.0},
    "new cycle": {"mixup_alpha": 0.0},
}


@contextmanager
def stretched(n_before: int) -> Iterator[None]:
    """A schedule is that of so many epochs more, and begins behind them."""
    build = _callbacks.build_schedule

    def build_later(name: str, optimizer: Any, *, n_epochs: int, n_batches: int) -> Any:
        schedule, by_batch = build(
            name, optimizer, n_epochs=n_before + n_epochs, n_batches=n_batches
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for _ in range(n_before * n_batches):
                schedule.step()
        return schedule, by_batch

    with patch.object(_callbacks, "build_schedule", build_later):
        yield


class Run:
    """One candidate on one fold, through the rungs."""

    def __init__(self, variant: str, options: dict[str, Any], X: Any, y: Any) -> None:
        self.variant, self.data, self.n_done, self.n_trained = variant, (X, y), 0, 0
        self.model = LSTMSequenceClassifier(**options | VARIANTS[variant])

    def train(self, n_epochs: int) -> LSTMSequenceClassifier:
        """The model after so many epochs in all."""
        goes_on = self.variant != "restart" and self.n_done > 0
        n_before = self.n_done if goes_on else 0
        self.model.set_params(max_epochs=n_epochs - n_before, warm_start=goes_on)
        with stretched(n_before if self.variant == "stretched" else 0):
            self.model.fit(*self.data)
        self.n_trained += n_epochs - n_before
        self.n_done = n_epochs
        return self.model


def take(X: Sequence[Any], y: Any, rows: Any) -> tuple[list[Any], Any]:
    """Some of the sequences and their labels."""
    return [X[i] for i in rows], y[rows]


def loss_of(model: LSTMSequenceClassifier, X: Any, y: Any) -> float:
    """Log-loss of a model."""
    return float(log_loss(y, model.predict_proba(X), labels=model.classes_))


def search(
    variant: str, candidates: list[dict[str, Any]], X: Any, y: Any
) -> tuple[int, int, float]:
    """The winner's number, the number of epochs trained and the log-loss in the last rung."""
    folds = list(StratifiedKFold(N_FOLDS, shuffle=True, random_state=0).split(y, y))
    runs = [
        [Run(variant, options, *take(X, y, train)) for train, _ in folds] for options in candidates
    ]
    alive = list(range(len(candidates)))
    for n_epochs in RUNGS:
        losses = [
            np.mean(
                [
                    loss_of(run.train(n_epochs), *take(X, y, test))
                    for run, (_, test) in zip(runs[number], folds, strict=True)
                ]
            )
            for number in alive
        ]
        order = np.argsort(losses)
        alive = [alive[i] for i in order[: max(1, len(alive) // FACTOR)]]
    n_epochs = sum(run.n_trained for of_candidate in runs for run in of_candidate)
    return alive[0], n_epochs, float(min(losses))


def sample(n: int, batch_size: int, seed: int) -> list[dict[str, Any]]:
    """Candidates of a search."""
    space = param_distributions(n) | {"hidden_sizes": [16, 32, 64]}
    for name in ("batch_size", "mixup_alpha", "standardize"):
        del space[name]
    sampled = ParameterSampler(space, N_CANDIDATES, random_state=seed)
    of_all = {**ALONE, "batch_size": batch_size, "random_state": seed}
    return [{**of_all, **options} for options in sampled]


def compare(name: str, batch_size: int, seed: int) -> dict[str, tuple[float, float, int, float]]:
    """Accuracy and log-loss of the winner of each variant, and what `search` says of its search."""
    data = Archive(name).make()
    rows = np.arange(len(data.y))
    mine, other = train_test_split(rows, test_size=1 / 3, stratify=data.y, random_state=seed)
    X, y = take(data.X, data.y, mine)
    candidates = sample(len(y), batch_size, seed)
    finals = []
    for options in candidates:
        model = LSTMSequenceClassifier(**options, max_epochs=RUNGS[-1]).fit(X, y)
        held_out = take(data.X, data.y, other)
        finals.append((float(model.score(*held_out)), loss_of(model, *held_out)))
    found: dict[str, tuple[float, float, int, float]] = {
        "best possible": (*min(finals, key=lambda final: final[1]), 0, np.nan),
        "at random": (*(float(x) for x in np.mean(finals, axis=0)), 0, np.nan),
    }
    for variant in VARIANTS:
        number, *of_search = search(variant, candidates, X, y)
        found[variant] = (*finals[number], *of_search)
    return found


def main(argv: Sequence[str] | None = None) -> None:
    """Print means and standard deviations over the seeds."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale.rungs", description=__doc__)
    parser.add_argument("--seeds", type=int, default=5, help="number of seeds")
    parser.add_argument("--sets", nargs="+", default=list(SETS), choices=list(SETS))
    arguments = parser.parse_args(argv)
    for name in arguments.sets:
        began = time.perf_counter()
        of_seeds = [compare(name, SETS[name], seed) for seed in range(arguments.seeds)]
        print(f"{name}: {time.perf_counter() - began:.0f} s")
        for variant in of_seeds[0]:
            accuracy, loss, n_epochs, last = np.array([found[variant] for found in of_seeds]).T
            print(
                f"  {variant:14}accuracy {accuracy.mean():.3f} ± {accuracy.std():.3f},"
                f" log-loss {loss.mean():.3f} ± {loss.std():.3f}, last rung"
                f" {last.mean():.3f} ± {last.std():.3f}, {n_epochs.mean():.0f} epochs",
                flush=True,
            )


if __name__ == "__main__":
    main()
