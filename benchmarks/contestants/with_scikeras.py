"""``KerasClassifier`` of scikeras, as its documentation has it, on padded sequences."""

from __future__ import annotations

from typing import Any

import keras
from scikeras.wrappers import KerasClassifier

from benchmarks.contestants import candidates
from benchmarks.data import Data
from benchmarks.work import Settings, Work


def build_model(meta: dict[str, Any], width: int, dropout: float) -> keras.Model:
    """The network; scikeras compiles it."""
    return keras.Sequential([
        keras.Input(meta["X_shape_"][1:]),
        keras.layers.Masking(),
        keras.layers.LSTM(width),
        keras.layers.Dropout(dropout),
        keras.layers.Dense(meta["n_classes_"], activation="softmax"),
    ])  # fmt: skip


def build_classifier(settings: Settings) -> KerasClassifier:
    """The classifier, not fitted."""
    return KerasClassifier(
        build_model,
        width=settings.width,
        dropout=0.0,
        optimizer="adam",
        optimizer__learning_rate=1e-3,
        loss="sparse_categorical_crossentropy",
        batch_size=settings.batch_size,
        epochs=settings.epochs,
        verbose=0,
    )


def train(settings: Settings, data: Data) -> Work:
    """One call of ``fit``, which builds, compiles and traces the model as every fit does."""
    X = data.padded(data.X)

    def run(repeat: int) -> KerasClassifier:
        return build_classifier(settings).fit(X, data.y)

    def check(classifier: KerasClassifier) -> dict[str, float]:
        accuracy = classifier.score(data.padded(data.X_test), data.y_test)
        return {"steps": int(classifier.model_.optimizer.iterations), "accuracy": accuracy}

    return Work(run, check)


def search(settings: Settings, data: Data) -> Work:
    """A grid search by cross-validation."""
    names = ("optimizer__learning_rate", "dropout")
    X = data.padded(data.X)
    return candidates.search(build_classifier(settings), *names, X, settings, data)
