"""sklstm with what all others have: last state, Adam at a constant rate, no clipping, no mixup."""

from __future__ import annotations

import numpy as np
import torch

from benchmarks.contestants import candidates
from benchmarks.data import Data
from benchmarks.work import Settings, Work
from sklstm import LSTMSequenceClassifier
from sklstm.streaming import Stream


def build_estimator(settings: Settings, seed: int = 0) -> LSTMSequenceClassifier:
    """The estimator; its standardisation, which the others do not have, stays."""
    if settings.has_defaults:
        return LSTMSequenceClassifier(max_epochs=settings.epochs, random_state=seed)
    return LSTMSequenceClassifier(
        (settings.width,) * settings.n_layers,
        bidirectional=settings.bidirectional,
        pooling="last",
        patch_size=1,
        conv_filters=(),
        n_kernels=0,
        batch_size=settings.batch_size,
        max_epochs=settings.epochs,
        learning_rate=1e-3,
        lr_schedule=None,
        max_grad_norm=None,
        mixup_alpha=0.0,
        standardize=True,
        precision=settings.precision,
        random_state=seed,
    )


def given(X: list[np.ndarray], data: Data) -> np.ndarray | list[np.ndarray]:
    """Sequences as a user has them: an array where lengths are equal, else a list."""
    return np.stack(X) if data.is_rectangular else X


def train(settings: Settings, data: Data) -> Work:
    """One call of ``fit``: checks, standardisation and all."""
    X = given(data.X, data)

    def run(repeat: int) -> LSTMSequenceClassifier:
        return build_estimator(settings, repeat).fit(X, data.y)

    return Work(run, lambda estimator: check_fitted(estimator, data))


def check_fitted(estimator: LSTMSequenceClassifier, data: Data) -> dict[str, float]:
    """Steps taken, and accuracy if there is something to test on."""
    figures: dict[str, float] = {"steps": sum(estimator.net_.history[:, "train_batch_count"])}
    if data.X_test:
        figures["accuracy"] = estimator.score(given(data.X_test, data), data.y_test)
    return figures


def fitted(settings: Settings, data: Data) -> LSTMSequenceClassifier:
    """An estimator that has seen a few of the sequences: enough to predict with."""
    X = given(data.X[: 4 * settings.batch_size], data)
    return build_estimator(settings).fit(X, data.y[: len(X)])


def predict(settings: Settings, data: Data) -> Work:
    """One call of ``predict_proba``."""
    estimator, X = fitted(settings, data), given(data.X, data)
    return Work(lambda repeat: estimator.predict_proba(X), lambda rows: {"rows": len(rows)})


def predict_one_by_one(settings: Settings, data: Data) -> Work:
    """``calls`` calls of ``predict_proba``, each of few sequences, as a service makes them."""
    estimator = fitted(settings, data)
    requests = [given(X, data) for X in requests_of(settings, data)]

    def run(repeat: int) -> list[np.ndarray]:
        return [estimator.predict_proba(X) for X in requests]

    return Work(run, lambda rows: {"rows": len(rows)})


def requests_of(settings: Settings, data: Data) -> list[list[np.ndarray]]:
    """The sequences of each call, ``n_together`` of them; after the last comes the first."""
    n, size = len(data.X), settings.n_together
    starts = range(0, size * settings.calls, size)
    return [[data.X[(start + i) % n] for i in range(size)] for start in starts]


def call_network(settings: Settings, data: Data) -> Work:
    """``calls`` calls of the estimator's bare network, each on a tensor prepared beforehand."""
    network = fitted(settings, data).net_.module_
    requests = [torch.from_numpy(x)[None] for x in data.X[: settings.calls]]

    def run(repeat: int) -> list[torch.Tensor]:
        with torch.inference_mode():
            return [network(inputs) for inputs in requests]

    return Work(run, lambda rows: {"rows": len(rows)})


def fitted_shortly(settings: Settings, data: Data) -> LSTMSequenceClassifier:
    """An estimator that has seen the first timesteps of the sequences."""
    X = np.tile([x[:10] for x in data.X], (data.n_classes, 1, 1))
    return build_estimator(settings).fit(X, np.arange(len(X)) % data.n_classes)


def update_stream(settings: Settings, data: Data) -> Work:
    """``calls`` updates of a stream by one timestep each, behind the first sequence."""
    stream, x = Stream(fitted_shortly(settings, data)), data.X[0]
    stream.update(x)
    timesteps = [x[t % len(x)][np.newaxis] for t in range(settings.calls)]

    def run(repeat: int) -> list[np.ndarray]:
        return [stream.update(timestep) for timestep in timesteps]

    return Work(run, lambda rows: {"rows": len(rows)})


def predict_prefix(settings: Settings, data: Data) -> Work:
    """``calls`` calls of ``predict_proba`` of the first sequence, one after each timestep."""
    estimator, X = fitted_shortly(settings, data), data.X[:1]

    def run(repeat: int) -> list[np.ndarray]:
        return [estimator.predict_proba(X) for _ in range(settings.calls)]

    return Work(run, lambda rows: {"rows": len(rows)})


def search(settings: Settings, data: Data) -> Work:
    """A grid search by cross-validation."""
    names, X = ("learning_rate", "dropout"), given(data.X, data)
    return candidates.search(build_estimator(settings), *names, X, settings, data)


def recipe(settings: Settings, data: Data) -> Work:
    """One call of ``fit`` by the package's recipe, LSTM layers alone, no mixup, for accuracy."""
    X = given(data.X, data)

    def run(repeat: int) -> LSTMSequenceClassifier:
        options = {"max_epochs": settings.epochs, "precision": settings.precision}
        options |= {"patch_size": 1, "conv_filters": (), "n_kernels": 0, "mixup_alpha": 0.0}
        options |= {"batch_size": 32}
        return LSTMSequenceClassifier(**options, random_state=repeat).fit(X, data.y)

    return Work(run, lambda estimator: check_fitted(estimator, data))
