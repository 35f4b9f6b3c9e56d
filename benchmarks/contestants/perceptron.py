"""scikit-learn's ``MLPClassifier`` on padded and flattened sequences: no LSTM, for scale."""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from benchmarks.data import Data
from benchmarks.work import Settings, Work


def train(settings: Settings, data: Data) -> Work:
    """One call of ``fit``: one hidden layer of the LSTM's width."""
    X = flattened(data.X, data)

    def run(repeat: int) -> MLPClassifier:
        classifier = MLPClassifier(
            settings.width,
            batch_size=settings.batch_size,
            max_iter=settings.epochs,
            n_iter_no_change=settings.epochs,
            random_state=repeat,
        )
        with warnings.catch_warnings():
            # The number of epochs is given, as for all others.
            warnings.simplefilter("ignore", ConvergenceWarning)
            return classifier.fit(X, data.y)

    def check(classifier: MLPClassifier) -> dict[str, float]:
        n_steps = classifier.n_iter_ * -(-len(data.X) // settings.batch_size)
        accuracy = classifier.score(flattened(data.X_test, data), data.y_test)
        return {"steps": n_steps, "accuracy": accuracy}

    return Work(run, check)


def flattened(X: list[np.ndarray], data: Data) -> np.ndarray:
    """One row for each sequence."""
    return data.padded(X).reshape(len(X), -1)
