"""The context: what it takes, and that it leaves nothing behind."""

import pytest

from sklstm import LSTMSequenceClassifier
from sklstm._runtime._ranks import take_launcher
from sklstm.distributed import data_parallel
from tests.helpers import make_ragged

X, Y = make_ragged()


@pytest.mark.parametrize("processes", [0, -1, 2.0, "2", True])
def test_another_thing_than_a_number_of_processes_is_an_error(processes):
    with (
        pytest.raises(ValueError, match="data_parallel takes a number of processes"),
        data_parallel(processes),
    ):
        pass
    assert take_launcher() is None


@pytest.mark.parametrize("timeout", [0, -1, 1, float("nan"), "30", None, True])
def test_a_timeout_that_ends_healthy_processes_is_an_error(timeout):
    with pytest.raises(ValueError, match="timeout must be a number of seconds, at least 5"):
        data_parallel(2, timeout=timeout)


def test_one_process_is_a_fit_as_without():
    clf = LSTMSequenceClassifier(hidden_sizes=4, max_epochs=1, n_kernels=0, random_state=0)
    alone = clf.fit(X, Y).predict_proba(X)
    with data_parallel(1):
        assert (clf.fit(X, Y).predict_proba(X) == alone).all()


def test_without_a_fit_no_process_is_started(monkeypatch):
    def start(*args, **kwargs):
        raise AssertionError

    monkeypatch.setattr("sklstm.distributed._loky.ProcessPoolExecutor", start)
    with data_parallel(2):
        pass


def test_contexts_nest():
    with data_parallel(2):
        with data_parallel(1):
            assert take_launcher() is None
        assert take_launcher().size == 2
    assert take_launcher() is None


def test_an_open_context_is_not_opened_again():
    context = data_parallel(2)
    for _ in range(2):
        with context, pytest.raises(RuntimeError, match="is open already"), context:
            pass
        assert take_launcher() is None


def test_data_that_do_not_pass_are_an_error_before_any_process_starts(monkeypatch):
    monkeypatch.setattr("sklstm.distributed._loky.serve", None)
    with data_parallel(2), pytest.raises(ValueError, match="24 sequences"):
        LSTMSequenceClassifier().fit(X, Y[:-1])
