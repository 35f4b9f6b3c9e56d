"""Fits whose ranks are all elsewhere, here without a cluster: everything is pickled on its way."""

import numpy as np
import pytest
import torch
from sklearn.callback import ScoringMonitor

from sklstm._runtime._ranks import InTurn, reset_launcher, set_launcher
from sklstm._state import _fit
from sklstm.distributed._worker import packed, unpacked
from tests.helpers import make_ragged, quick


class Elsewhere:
    """A launcher that computes two ranks in turn from pickles, as another process would."""

    def resolve_device(self, device):
        return torch.device("cpu")

    def run(self, work):
        call, data = unpacked(packed(work.call)), unpacked(packed(work.data))
        return work.receive(unpacked(packed(call(data, InTurn(2)))))


@pytest.fixture
def elsewhere():
    token = set_launcher(Elsewhere())
    yield
    reset_launcher(token)


def weights(classifier):
    tensors = classifier.net_.module_.state_dict().values()
    return np.concatenate([tensor.numpy().ravel() for tensor in tensors])


def fit_here(classifier, X, y):
    token = set_launcher(InTurn(2))
    try:
        return classifier.fit(X, y)
    finally:
        reset_launcher(token)


@pytest.mark.usefixtures("elsewhere")
def test_the_estimator_is_as_after_a_fit_here():
    X, y = make_ragged()
    found = quick(max_epochs=2, dropout=0.2, warm_start=True).fit(X, y)
    expected = fit_here(quick(max_epochs=2, dropout=0.2, warm_start=True), X, y)
    assert np.array_equal(weights(found), weights(expected))
    assert vars(found).keys() == vars(expected).keys()
    # The optimizer's state came along: a further fit goes on with it.
    assert np.array_equal(weights(found.fit(X, y)), weights(fit_here(expected, X, y)))


@pytest.mark.usefixtures("elsewhere")
def test_scikit_learns_callbacks_are_told_of_the_fit():
    X, y = make_ragged()
    monitor = ScoringMonitor(scoring="accuracy")
    found = quick(max_epochs=2).set_callbacks(monitor).fit(X, y)
    assert np.array_equal(weights(found), weights(quick(max_epochs=2).fit(X, y)))


@pytest.mark.usefixtures("elsewhere")
def test_a_device_that_only_the_workers_have_is_no_error_here(monkeypatch):
    X, y = make_ragged()
    assert str(quick(max_epochs=1, device="cuda").fit(X, y).net_.device) == "cpu"


@pytest.mark.usefixtures("elsewhere")
def test_the_model_is_put_on_the_device_of_that_name_where_there_is_one(monkeypatch):
    X, y = make_ragged()
    moved = []
    move = _fit.move
    monkeypatch.setattr(_fit, "count_cuda_devices", lambda: 1)
    monkeypatch.setattr(_fit, "move", lambda net, device: moved.append(move(net, device) or device))
    quick(max_epochs=1).fit(X, y)
    assert moved == [torch.device("cpu")] * 2
