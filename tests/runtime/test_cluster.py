"""In a Dask worker, which is a thread of this process here."""

import sys
import threading
import time
import warnings

import pytest

from sklstm._runtime import _randomness
from sklstm._runtime._cluster import share_of_threads, warn_user_or_client
from sklstm._runtime._randomness import own_turn
from tests.helpers import make_ragged, quick

distributed = pytest.importorskip("distributed")

X, y = make_ragged(12)


@pytest.fixture(scope="module")
def client():
    options = {"processes": False, "n_workers": 1, "dashboard_address": ":0"}
    with (
        distributed.LocalCluster(threads_per_worker=2, **options) as cluster,
        distributed.Client(cluster) as client,
    ):
        yield client


@pytest.fixture(autouse=True)
def _nobody_has_said_anything(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(_randomness, "_has_warned", threading.Lock())


# By number: Dask pickles what it calls, which locks and lists for a test are not for.
CALLS = []


def call(number):
    return CALLS[number]()


def at_once(client, *functions):
    """Results of functions of this process, each in a task of its own."""
    CALLS[:] = functions
    return client.gather([client.submit(call, i, pure=False) for i in range(len(functions))])


def test_a_task_uses_no_more_threads_than_its_worker_has(client):
    assert share_of_threads(3) == 3
    assert client.submit(share_of_threads, 3, pure=False).result() == 2
    assert client.submit(share_of_threads, 1, pure=False).result() == 1


def test_tasks_at_once_share_the_threads_of_their_worker(client):
    everyone = threading.Barrier(2, timeout=30)

    def share():
        everyone.wait()
        found = share_of_threads(3)
        everyone.wait()
        return found

    assert at_once(client, share, share) == [1, 1]


def test_who_sets_the_number_of_threads_is_obeyed(client, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert client.submit(share_of_threads, 3, pure=False).result() == 3


def warnings_of(client, *functions):
    """What the client is told while its worker calls the functions at once."""
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        at_once(client, *functions)
        # What a worker says comes by another way than its results.
        time.sleep(0.1)
    return told


def fits_at_once(client):
    """What the client is told of a fit that has to wait for another."""
    has_turn, waits = threading.Event(), threading.Event()

    def hold():
        with own_turn():
            has_turn.set()
            waits.wait(timeout=30)

    def fit():
        has_turn.wait(timeout=30)
        threading.Timer(0.2, waits.set).start()
        quick().fit(X, y)

    return warnings_of(client, hold, fit)


def test_fits_that_take_turns_in_a_worker_are_told_to_the_client_once(client):
    (told,) = fits_at_once(client)
    assert "threads of one process take turns" in str(told.message)
    assert "threads_per_worker=1" in str(told.message)
    assert told.filename == distributed.client.__file__
    assert fits_at_once(client) == []


def test_one_fit_after_the_other_is_silent(client):
    def fit():
        quick().fit(X, y)

    assert warnings_of(client, fit) == []
    assert warnings_of(client, fit) == []


def test_outside_of_dask_the_users_line_is_named(monkeypatch):
    with pytest.warns(UserWarning, match="to whom it may concern") as told:
        warn_user_or_client("to whom it may concern")
    assert told[0].filename == __file__
    monkeypatch.delitem(sys.modules, "distributed")
    assert share_of_threads(3) == 3
