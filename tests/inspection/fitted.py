"""Small fitted models that are explained."""

from functools import cache

import numpy as np
import pandas as pd
from sklearn.pipeline import make_pipeline

from sklstm import LSTMSequenceClassifier, LSTMSequenceRegressor
from sklstm.preprocessing import SequenceImputer, SequenceScaler, TokenEncoder
from tests.helpers import device

RUN = {"hidden_sizes": 4, "max_epochs": 2, "random_state": 0}
PLAIN = {"n_kernels": 0, "conv_filters": ()}

_rng = np.random.default_rng(0)
N = 24
X = [_rng.normal(size=(n, 2)) for n in _rng.integers(5, 13, size=N)]
LABELS = np.array(["up", "down", "flat"] * (N // 3))
TWO = np.array([3, 7] * (N // 2))
NUMBERS = np.array([100 + 20 * x.mean() for x in X])
IDS = [_rng.integers(2, 15, size=n) for n in _rng.integers(3, 9, size=N)]
TEXTS = [" ".join(f"word{i}" for i in ids) for ids in IDS]
FRAMES = [
    pd.DataFrame({"a": x[:, 0], "kind": _rng.choice(["u", "v", "w"], len(x)), "b": x[:, 1]})
    for x in X
]
AGES = np.where(_rng.random(N) < 0.2, np.nan, _rng.normal(50, 10, N))
WARDS = _rng.choice(["north", "south"], N)


def table(sequences):
    """A data frame of sequences with two static columns."""
    return pd.DataFrame({"age": AGES[: len(sequences)], "ward": WARDS[: len(sequences)],
                         "x": sequences})  # fmt: skip


def classifier(**parameters):
    return LSTMSequenceClassifier(**{**RUN, "device": device(), **parameters})


def regressor(**parameters):
    return LSTMSequenceRegressor(**{**RUN, "device": device(), **parameters})


# Name -> estimator, X, y.
CASES = {
    "lstm": lambda: (classifier(**PLAIN), X, LABELS),
    "two layers": lambda: (classifier(**{**PLAIN, "hidden_sizes": (4, 3)}), X, LABELS),
    "two classes": lambda: (classifier(**PLAIN, bidirectional=False), X, TWO),
    "attention": lambda: (classifier(**PLAIN, pooling="attention", dense_sizes=3), X, LABELS),
    "patches": lambda: (classifier(**PLAIN, patch_size=3, pooling="mean"), X, LABELS),
    "convolutions": lambda: (classifier(n_kernels=0, conv_filters=(4, 3)), X, LABELS),
    "both scales": lambda: (classifier(**PLAIN, standardize="both"), X, LABELS),
    "fixed": lambda: (classifier(n_kernels=200, conv_filters=4), X, LABELS),
    "windows": lambda: (classifier(n_kernels=200, conv_filters=(), patch_size=2), X, LABELS),
    "number": lambda: (regressor(n_kernels=200, conv_filters=4), X, NUMBERS),
    "quantiles": lambda: (regressor(**PLAIN, loss="quantile"), X, NUMBERS),
    "labels": lambda: (classifier(**PLAIN), X, np.arange(3 * N).reshape(N, 3) % 5 % 2),
    "categories": lambda: (classifier(n_kernels=200, conv_filters=4), FRAMES, LABELS),
    "category windows": lambda: (
        classifier(n_kernels=200, conv_filters=(), patch_size=2), table(FRAMES), LABELS
    ),
    "static": lambda: (classifier(n_kernels=200, conv_filters=4), table(X), LABELS),
    "ids": lambda: (classifier(embedding_dim=3), IDS, LABELS),
    "ids alone": lambda: (classifier(embedding_dim=3, tfidf=False), IDS, LABELS),
    "static ids": lambda: (classifier(embedding_dim=3), table(IDS), LABELS),
    "texts": lambda: (
        make_pipeline(TokenEncoder(), classifier(embedding_dim=3, conv_filters=3)), TEXTS, LABELS
    ),
    "imputed": lambda: (
        make_pipeline(SequenceScaler(), SequenceImputer(add_indicator=True), classifier(**PLAIN)),
        [np.where(np.arange(len(x))[:, None] % 4 == 1, np.nan, x) for x in X], LABELS,
    ),
}  # fmt: skip


@cache
def fitted(name):
    """A fitted model and its X."""
    model, given, y = CASES[name]()
    return model.fit(given, y), given
