"""What cannot be sent to other processes is named before any of them starts."""

import threading

import pytest
from skorch.callbacks import Callback

from sklstm import LSTMSequenceClassifier
from sklstm._runtime._ranks import take_launcher
from sklstm.distributed import data_parallel
from tests.helpers import make_ragged

X, Y = make_ragged()


class Locked(Callback):
    """Cannot be pickled."""

    def __init__(self):
        self.lock = threading.Lock()


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"callbacks": [Callback(), Locked()]}, r"callbacks\[1\]"),
        ({"scoring": {"locked": Locked().lock.acquire}, "early_stopping": True}, "scoring"),
    ],
)
def test_a_part_that_cannot_be_pickled_is_named(options, name, monkeypatch):
    monkeypatch.setattr("sklstm.distributed._loky.ProcessPoolExecutor", None)
    clf = LSTMSequenceClassifier(hidden_sizes=4, max_epochs=1, n_kernels=0, **options)
    with (
        data_parallel(2),
        pytest.raises(TypeError, match=f"{name} cannot be sent to .* cannot pickle '_thread.lock'"),
    ):
        clf.fit(X, Y)
    assert take_launcher() is None
