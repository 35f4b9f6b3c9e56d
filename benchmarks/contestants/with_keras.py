"""Keras on TensorFlow, as Keras' documentation has it: padded sequences and ``Masking``."""

from __future__ import annotations

import os

# Before TensorFlow is imported, which otherwise tells how it was built.
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"

import keras
import numpy as np

from benchmarks.data import Data
from benchmarks.work import Settings, Work


def build_model(settings: Settings, data: Data) -> keras.Model:
    """The network, compiled; masked where lengths differ."""
    model = keras.Sequential([keras.Input((data.longest, data.n_features))])
    if not data.is_rectangular:
        model.add(keras.layers.Masking())
    for i in range(settings.n_layers):
        layer = keras.layers.LSTM(settings.width, return_sequences=i < settings.n_layers - 1)
        model.add(keras.layers.Bidirectional(layer) if settings.bidirectional else layer)
    model.add(keras.layers.Dense(data.n_classes, activation="softmax"))
    optimizer = keras.optimizers.Adam(1e-3)
    model.compile(optimizer, "sparse_categorical_crossentropy")
    return model


def train(settings: Settings, data: Data) -> Work:
    """One call of ``fit`` of a model that is built and, after the first run, traced."""
    model, X = build_model(settings, data), data.padded(data.X)
    options = {"batch_size": settings.batch_size, "epochs": settings.epochs, "verbose": 0}
    taken = [0]

    def run(repeat: int) -> keras.Model:
        model.fit(X, data.y, **options)
        return model

    def check(model: keras.Model) -> dict[str, float]:
        taken.append(int(model.optimizer.iterations))
        return {"steps": taken[-1] - taken[-2]}

    return Work(run, check)


def predict(settings: Settings, data: Data) -> Work:
    """One call of ``predict`` on inputs padded beforehand."""
    model, X = build_model(settings, data), data.padded(data.X)

    def run(repeat: int) -> np.ndarray:
        return model.predict(X, batch_size=settings.batch_size, verbose=0)

    return Work(run, lambda rows: {"rows": len(rows)})


def predict_one_by_one(settings: Settings, data: Data) -> Work:
    """``calls`` calls of the model on one sequence each, which Keras advises for small inputs."""
    model, X = build_model(settings, data), data.padded(data.X[: settings.calls])

    def run(repeat: int) -> list[np.ndarray]:
        return [np.asarray(model(x[None], training=False)) for x in X]

    return Work(run, lambda rows: {"rows": len(rows)})
