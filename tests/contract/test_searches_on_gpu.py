"""Who needs a context on a GPU: a process that fits or predicts there, and no other."""

import os

import joblib
import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score

from sklstm import LSTMSequenceClassifier
from tests.helpers import make_ragged

X, y = make_ragged(24)
QUICK = {"hidden_sizes": 3, "n_kernels": 0, "conv_filters": (), "max_epochs": 1, "random_state": 0}
# What begins to use a GPU, or only asks for one, after which a forked child cannot use it.
ASKS = ("_lazy_init", "is_available", "device_count", "current_device", "get_device_properties")


@pytest.fixture
def asked(monkeypatch):
    """What this process has asked of CUDA; its children may ask."""
    here, found = os.getpid(), []

    def watched(name, function):
        def ask(*given, **options):
            if os.getpid() == here:
                found.append(name)
            return function(*given, **options)

        return ask

    for name in ASKS:
        monkeypatch.setattr(torch.cuda, name, watched(name, getattr(torch.cuda, name)))
    return found


def test_an_estimator_that_is_not_fitted_asks_for_no_gpu(asked):
    classifier = LSTMSequenceClassifier(device="cuda", **QUICK)
    repr(clone(classifier).set_params(device="cuda:0"))
    assert not asked


def test_a_fit_on_a_cpu_asks_for_no_gpu(asked):
    classifier = LSTMSequenceClassifier(device="cpu", dropout=0.1, **QUICK).fit(X, y)
    classifier.predict_proba(X)
    assert not asked


def test_a_fit_that_may_take_a_gpu_asks_for_one(asked):
    LSTMSequenceClassifier(device="auto", **QUICK).fit(X, y)
    assert "is_available" in asked


def test_the_process_that_starts_a_search_asks_for_no_gpu(asked):
    classifier = LSTMSequenceClassifier(device="auto", **QUICK)
    grid = GridSearchCV(classifier, {"learning_rate": [0.01, 0.02]}, cv=2, refit=False)
    with joblib.parallel_config(backend="multiprocessing", n_jobs=2):
        found = grid.fit(X, y).cv_results_["mean_test_score"]
        scores = cross_val_score(classifier.set_params(learning_rate=0.02), X, y, cv=2)
    assert not asked
    assert np.isfinite(found).all()
    assert scores.mean() == found[1]
