import multiprocessing
import threading

import numpy as np
import pytest
import torch

from sklstm._inference import _prediction
from sklstm._runtime import _shares
from sklstm._runtime._shares import Share
from sklstm._runtime._threads import thread_team
from tests.helpers import make_ragged, quick, torch_threads

CPU = torch.device("cpu")


@pytest.fixture
def four_threads():
    with torch_threads(4):
        yield


def test_a_share_is_what_the_others_leave_and_at_least_one():
    shares = [Share() for _ in range(3)]
    assert [share.take(4) for share in shares] == [4, 1, 1]
    shares[0].give_back()
    shares[0].give_back()
    assert shares[0].take(4) == 2
    for share in shares:
        share.give_back()
    assert not _shares._taken


@pytest.mark.usefixtures("four_threads")
def test_teams_that_share_have_as_many_threads_as_there_are():
    with thread_team(CPU, shares=True) as first, thread_team(CPU, shares=True) as second:
        assert first.n_others == 3
        assert second is None
    with thread_team(CPU, shares=True) as alone, thread_team(CPU) as of_a_fit:
        assert alone.n_others == of_a_fit.n_others == 3
    assert not _shares._taken


@pytest.mark.usefixtures("four_threads")
def test_an_error_gives_a_share_back():
    with pytest.raises(ValueError, match="stop"), thread_team(CPU, shares=True):
        raise ValueError("stop")
    assert not _shares._taken


@pytest.mark.usefixtures("four_threads")
def test_predictions_in_several_threads_share_and_have_the_same_bits(monkeypatch):
    """As in Dask's pool of threads."""
    monkeypatch.setitem(_prediction.MAX_BATCH, "cpu", (16_384, 4))
    X, y = make_ragged(30)
    model = quick(n_kernels=0, max_epochs=1).fit(X, y)
    expected, taken, results = model.predict_proba(X), [], [None] * 3
    everyone = threading.Barrier(3, timeout=30)
    take = Share.take

    def take_together(self, n_threads):
        n_taken = take(self, n_threads)
        taken.append(n_taken)
        everyone.wait()
        return n_taken

    monkeypatch.setattr(Share, "take", take_together)

    def work(number):
        results[number] = model.predict_proba(X)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == [1, 1, 4]
    for result in results:
        np.testing.assert_array_equal(result, expected)


def share_in_child(results):
    results.put((len(_shares._taken), Share().take(4)))


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded, use of fork")
def test_a_forked_child_has_no_share_of_other_threads():
    has_taken, may_end = threading.Event(), threading.Event()

    def hold():
        share = Share()
        share.take(4)
        has_taken.set()
        may_end.wait(30)
        share.give_back()

    thread = threading.Thread(target=hold)
    thread.start()
    has_taken.wait(30)
    context = multiprocessing.get_context("fork")
    results = context.SimpleQueue()
    child = context.Process(target=share_in_child, args=(results,))
    child.start()
    assert results.get() == (0, 4)
    child.join()
    may_end.set()
    thread.join()
