"""Small fitted models for streams."""

from functools import cache

import numpy as np
import pandas as pd

from sklstm import LSTMSequenceClassifier, LSTMSequenceRegressor

CAUSAL = {"bidirectional": False, "conv_filters": (), "n_kernels": 0, "standardize": True}
OF_TOKENS = {"bidirectional": False, "tfidf": False, "embedding_dim": 3}
RUN = {"max_epochs": 1, "random_state": 0}

_rng = np.random.default_rng(0)
N_TIMESTEPS = 11
X = _rng.normal(size=(40, N_TIMESTEPS, 3))
IDS = _rng.integers(1, 12, size=(40, N_TIMESTEPS))
LABELS = np.arange(40) % 3
FRAMES = [
    pd.DataFrame({"a": x[:, 0], "kind": _rng.choice(["u", "v", "w"], N_TIMESTEPS), "b": x[:, 1]})
    for x in X
]
TABLE = pd.DataFrame({"x": list(X), "age": X[:, 0, 0], "ward": _rng.choice(["n", "s"], 40)})


@cache
def classifier(hidden_sizes=4, **parameters):
    return LSTMSequenceClassifier(hidden_sizes, **CAUSAL, **RUN, **parameters).fit(X, LABELS)


@cache
def regressor(n_outputs=None, **parameters):
    y = X.mean(axis=(1, 2)) if n_outputs is None else X[:, :n_outputs].mean(axis=2)
    return LSTMSequenceRegressor(4, **CAUSAL, **RUN, **parameters).fit(X, y)


@cache
def of_tokens(**parameters):
    return LSTMSequenceClassifier(4, **OF_TOKENS, **RUN, **parameters).fit(IDS, LABELS)


@cache
def of_frames(**parameters):
    return LSTMSequenceClassifier(4, **{**CAUSAL, **parameters}, **RUN).fit(FRAMES, LABELS)


@cache
def of_table(**parameters):
    return LSTMSequenceClassifier(4, **{**CAUSAL, **parameters}, **RUN).fit(TABLE, LABELS)


def by_prefix(function, X):
    """A method of a model on each prefix of sequences of one length, (n, n_timesteps, ...)."""
    return np.stack([function([x[: t + 1] for x in X]) for t in range(len(X[0]))], axis=1)
