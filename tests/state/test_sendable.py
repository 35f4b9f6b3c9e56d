"""What cannot be sent to other processes is named before any of them starts."""

import threading

import pytest
from skorch.callbacks import Callback

from sklstm import LSTMSequenceClassifier
from sklstm._runtime._ranks import reset_launcher, set_launcher, take_launcher
from sklstm.distributed import data_parallel
from tests.helpers import make_ragged
from tests.state.test_fit import Ships

X, Y = make_ragged()


class Locked(Callback):
    """Cannot be pickled."""

    def __init__(self):
        self.lock = threading.Lock()


def test_a_scorer_that_cannot_be_pickled_is_named(monkeypatch):
    monkeypatch.setattr("sklstm.distributed._loky.ProcessPoolExecutor", None)
    clf = LSTMSequenceClassifier(
        hidden_sizes=4, n_kernels=0, early_stopping=True, scoring={"a": Locked().lock.acquire}
    )
    message = r"scoring cannot be sent to .* cannot pickle '_thread\.lock'"
    with data_parallel(2), pytest.raises(TypeError, match=message):
        clf.fit(X, Y)
    assert take_launcher() is None


def test_so_is_a_callback_that_is_sent():
    clf = LSTMSequenceClassifier(hidden_sizes=4, n_kernels=0, callbacks=[Callback(), Locked()])
    token = set_launcher(Ships(2))
    try:
        with pytest.raises(TypeError, match=r"callbacks\[1\] cannot be sent to .*_thread\.lock'"):
            clf.fit(X, Y)
    finally:
        reset_launcher(token)
