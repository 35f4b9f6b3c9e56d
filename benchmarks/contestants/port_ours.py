"""The five networks of ``port_keras.py`` as calls of the estimator, and its defaults."""

from __future__ import annotations

import numpy as np

from benchmarks.contestants.ported import count_tokens, epochs_of, timed_work
from benchmarks.data import Data
from benchmarks.work import Settings, Work
from sklstm import LSTMSequenceClassifier

# Adam at 0.001 on batches of 32, and nothing that Keras would not do.
AS_KERAS = {
    "patch_size": 1,
    "lr_schedule": None,
    "learning_rate": 0.001,
    "max_grad_norm": None,
    "mixup_alpha": 0,
    "batch_size": 32,
}


def stacked() -> LSTMSequenceClassifier:
    """Two LSTM layers with dropout."""
    return LSTMSequenceClassifier(
        hidden_sizes=(128, 64),
        dropout=0.2,
        bidirectional=False,
        pooling="last",
        conv_filters=(),
        standardize=True,
        **AS_KERAS,
    )


def both_ways() -> LSTMSequenceClassifier:
    """Two bidirectional LSTM layers."""
    return LSTMSequenceClassifier(
        hidden_sizes=(64, 32),
        pooling="last",
        conv_filters=(),
        standardize=True,
        **AS_KERAS,
    )


def tokens() -> LSTMSequenceClassifier:
    """An embedding and an LSTM layer."""
    return LSTMSequenceClassifier(
        embedding_dim=100,
        hidden_sizes=64,
        bidirectional=False,
        pooling="last",
        tfidf=False,
        **AS_KERAS,
    )


def lstm_fcn() -> LSTMSequenceClassifier:
    """MLSTM-FCN: an LSTM layer beside convolutions with squeeze-and-excitation."""
    return LSTMSequenceClassifier(
        hidden_sizes=8,
        bidirectional=False,
        pooling="last",
        conv_filters=(128, 256, 128),
        standardize=True,
        **AS_KERAS,
    )


def four_layers() -> LSTMSequenceClassifier:
    """Four LSTM layers of 50 units and a dense one, with dropout and L2 penalties."""
    return LSTMSequenceClassifier(
        hidden_sizes=(50,) * 4,
        dense_sizes=25,
        dropout=0.2,
        l2=1e-4,
        early_stopping="last",
        validation_fraction=0.2,
        tol=0.0,
        bidirectional=False,
        pooling="last",
        conv_filters=(),
        standardize=True,
        **AS_KERAS,
    )


def train(settings: Settings, data: Data) -> Work:
    """From sequences to a trained network, and on to probabilities."""
    is_text = data.X[0].ndim == 1
    options = {"vocabulary_size": count_tokens(data)} if is_text else {}

    def fit_model(seed: int) -> LSTMSequenceClassifier:
        if settings.has_defaults:
            classifier = LSTMSequenceClassifier(embedding_dim=100 if is_text else None)
        else:
            classifier = globals()[settings.case]()
        if not settings.has_defaults or seed == 0:
            classifier.set_params(max_epochs=epochs_of(settings, seed))
        return classifier.set_params(**options, random_state=seed).fit(data.X, data.y)

    def describe(classifier: LSTMSequenceClassifier) -> dict[str, float]:
        return {"parameters": count_parameters(classifier), "epochs": classifier.n_iter_}

    return timed_work(fit_model, lambda model: model.predict_proba(data.X_test), describe, data)


def count_parameters(classifier: LSTMSequenceClassifier) -> int:
    """Trained numbers, with one bias for each gate of an LSTM layer: torch has two, and adds them.

    The row of padding in an embedding is counted, as in Keras, though it is not trained.
    """
    named = classifier.net_.module_.named_parameters()
    return sum(int(np.prod(p.shape)) for name, p in named if "bias_hh" not in name)
