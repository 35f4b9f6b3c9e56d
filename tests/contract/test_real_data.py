"""Real data, from inside the wheel of aeon: nothing is downloaded."""

import numpy as np
import pytest
from aeon.datasets import load_classification

from sklstm import LSTMSequenceClassifier


def load(name):
    (X_train, y_train), (X_test, y_test) = (
        load_classification(name, split=part) for part in ("train", "test")
    )
    return [x.T for x in X_train], y_train, [x.T for x in X_test], y_test


def accuracy(name, random_state):
    X_train, y_train, X_test, y_test = load(name)
    fitted = LSTMSequenceClassifier(random_state=random_state).fit(X_train, y_train)
    return fitted.score(X_test, y_test)


def test_japanese_vowels():
    assert accuracy("JapaneseVowels", 0) >= 0.96


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "least"),
    [("JapaneseVowels", 0.97), ("BasicMotions", 0.97), ("ItalyPowerDemand", 0.93)],
)
def test_mean_of_five_seeds(name, least):
    """A floor against regressions, a little below what was measured; targets are in benchmarks."""
    scores = [accuracy(name, seed) for seed in range(5)]
    assert np.mean(scores) >= least, scores
