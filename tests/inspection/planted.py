"""Generated tasks whose evidence is known: a motif at a place of a channel, a word of a text."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.pipeline import make_pipeline

from sklstm import LSTMSequenceClassifier
from sklstm.inspection import attributions
from sklstm.preprocessing import TokenEncoder

# Timesteps of a motif.
LENGTH = 6
PLAIN = {"n_kernels": 0, "conv_filters": ()}
# Networks that a task is given to, in turn.
NETWORKS = {
    "one direction": {**PLAIN, "bidirectional": False},
    "both directions": PLAIN,
    "patches": {**PLAIN, "patch_size": 2},
    "trained convolutions": {"n_kernels": 0, "conv_filters": (8, 8)},
    "fixed convolutions": {"n_kernels": 400, "conv_filters": (8, 8)},
    "windows": {"n_kernels": 400, "conv_filters": (), "patch_size": 2},
    "static columns": {"n_kernels": 0, "conv_filters": (8, 8)},
    "mean pooling": {**PLAIN, "pooling": "mean"},
    "words": {"embedding_dim": 8},
    "words without TF-IDF": {"embedding_dim": 8, "tfidf": False},
}


class Planted(NamedTuple):
    """Sequences, labels, and where the evidence of label 1 is: timesteps, and the channel."""

    X: Any
    y: Any
    places: list[range]
    channel: int


def make_motifs(n: int, seed: int) -> Planted:
    """Noise in three channels; in those of label 1 one of the channels has a bump somewhere."""
    rng = np.random.default_rng(seed)
    y, channel = np.arange(n) % 2, int(rng.integers(3))
    bump = 1.0 + 4.0 * np.sin(np.linspace(0.3, np.pi - 0.3, LENGTH))
    X, places = [], []
    for label in y:
        x = rng.normal(scale=0.6, size=(rng.integers(15, 30), 3))
        start = int(rng.integers(len(x) - LENGTH))
        places.append(range(start, start + LENGTH))
        if label:
            x[start : start + LENGTH, channel] += bump
        X.append(x)
    return Planted(X, y, places, channel)


def make_words(n: int, seed: int) -> Planted:
    """Texts of common words; in each one word says which label it has."""
    rng = np.random.default_rng(seed)
    y, X, places = np.arange(n) % 2, [], []
    common = [f"word{i}" for i in range(20)]
    for label in y:
        text = rng.choice(common, size=rng.integers(5, 12)).tolist()
        place = int(rng.integers(len(text)))
        text[place] = ("good", "bad")[label]
        X.append(" ".join(text))
        places.append(range(place, place + 1))
    return Planted(X, y, places, 0)


def with_static(planted: Planted, seed: int) -> Any:
    """The sequences of a data frame with two columns of noise beside them."""
    rng = np.random.default_rng(seed)
    n = len(planted.X)
    return pd.DataFrame(
        {"age": rng.normal(size=n), "ward": rng.choice(["a", "b"], n), "x": planted.X}
    )


def explain_one(name: str, seed: int, methods: Any, n: int = 200) -> dict[str, tuple[bool, float]]:
    """Whether each method finds the evidence in a test sequence, and its completeness error.

    The sequence is the first one of label 1 that was not trained on and that the model recognises.
    """
    parameters: dict[str, Any] = NETWORKS[name]
    is_text = "embedding_dim" in parameters
    planted = make_words(n, seed) if is_text else make_motifs(n, seed)
    X = with_static(planted, seed) if name == "static columns" else planted.X
    model = LSTMSequenceClassifier(
        8, max_epochs=40, batch_size=16, mixup_alpha=0, random_state=seed, **parameters
    )
    model = make_pipeline(TokenEncoder(), model) if is_text else model
    n_train = 3 * n // 4
    model.fit(X[:n_train], planted.y[:n_train])
    predicted = model.predict(X[n_train:])
    known = (predicted == 1) & (planted.y[n_train:] == 1)
    index = n_train + int(np.flatnonzero(known)[0])
    found = {}
    for method in methods:
        explained = attributions(model, X[index : index + 1], method=method)
        values = explained[0].reshape(len(explained[0]), -1)
        timestep, channel = np.unravel_index(values.argmax(), values.shape)
        is_found = timestep in planted.places[index] and channel == planted.channel
        found[method] = bool(is_found), float(explained.completeness_error[0])
    return found
