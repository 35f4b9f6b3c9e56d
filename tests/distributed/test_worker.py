import os
import sys
import threading
import time
from contextlib import suppress

import pytest
import torch

from sklstm.distributed import _worker
from sklstm.distributed._worker import (
    Outcome,
    RankCancelled,
    Seat,
    describe,
    forget,
    is_running,
    packed,
    run_rank,
    unpacked,
)
from tests.distributed.work import summing


@pytest.fixture
def seat():
    """The only rank of a run, in this process."""
    place = describe("run", host="127.0.0.1", opens_store=True, looks_for_gpus=False)
    yield Seat("run", 0, 1, place.address, place, timeout=30, n_threads=1)
    forget("run")


def run(seat, call, data=None, is_wanted=lambda: True):
    return run_rank(seat, packed(call), data, is_wanted)


def test_a_process_describes_itself():
    place = describe("run", host="127.0.0.1", opens_store=False, looks_for_gpus=False)
    assert place.process[1] == os.getpid()
    assert place.address is None
    assert place.versions["torch"] == torch.__version__
    assert place.versions["sklstm"]


def test_rank_0_returns_what_it_has_computed(seat):
    outcome = run(seat, summing(), data="data")
    assert unpacked(outcome.value) == (1.0, "data", 1)
    assert not outcome.has_failed


def test_the_rank_has_the_threads_of_its_seat_and_gives_them_back(seat):
    before = torch.get_num_threads()
    outcome = run(seat._replace(n_threads=before + 2), summing())
    assert unpacked(outcome.value)[2] == before + 2
    assert torch.get_num_threads() == before


def test_an_error_is_an_outcome(seat):
    def call(data, ranks):
        raise KeyError("culprit")

    outcome = run(seat, call)
    assert outcome.has_failed
    assert isinstance(outcome.error, KeyError)
    assert "raise KeyError" in outcome.traceback
    assert not is_running("run")


def test_an_error_that_cannot_be_pickled_is_told_as_text(seat):
    class LocalError(Exception):
        pass

    def call(data, ranks):
        raise LocalError("culprit")

    outcome = run(seat, call)
    assert outcome.error is None
    assert "culprit" in outcome.traceback


def test_a_rank_that_is_not_wanted_any_more_is_interrupted(seat):
    wanted = threading.Event()
    wanted.set()

    def call(data, ranks):
        assert is_running("run")
        data.clear()
        while True:
            with suppress(Exception):
                time.sleep(0.01)

    # Not pickled: the event is this thread's.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_worker, "unpacked", lambda content: call)
        outcome = run_rank(seat, b"", wanted, wanted.is_set)
    assert isinstance(outcome.error, RankCancelled)
    assert not is_running("run")


# What the rank is about to open when it is interrupted.
@pytest.mark.filterwarnings("ignore:Exception ignored in.*maps")
def test_nothing_arrives_after_the_rank_has_ended(seat, monkeypatch):
    # A look at the very end: the rank is over before it is interrupted.
    monkeypatch.setattr(_worker, "INTERVAL", 0.0001)
    for _ in range(20):
        outcome = run(seat._replace(run="run"), lambda data, ranks: None, is_wanted=lambda: False)
        assert outcome.error is None or isinstance(outcome.error, RankCancelled)
        time.sleep(0.001)
    # While the interpreter still looks for it, CPython 3.11 begins no function that is traced.
    thread = threading.Thread(target=traced, daemon=True)
    thread.start()
    thread.join(timeout=10)
    assert not thread.is_alive()


def traced():
    sys.settrace(lambda *arguments: None)
    try:
        int("1".strip())
        (lambda: None)()
    finally:
        sys.settrace(None)


def test_a_task_that_a_cluster_starts_again_in_another_process_does_not_begin(seat):
    host, process, began = seat.place.process
    other = seat._replace(place=seat.place._replace(process=(host, process, began - 1)))

    def call(data, ranks):
        raise AssertionError

    outcome = run(other, call)
    assert outcome == Outcome(0, traceback="The worker was started again.")


def test_the_gpu_of_a_seat_is_that_of_the_fit(seat, monkeypatch):
    class Call:
        def on(self, device):
            return lambda data, ranks: str(device)

    monkeypatch.setattr(_worker, "unpacked", lambda content: Call())
    place = seat.place._replace(gpus=("a", "b"))
    outcome = run_rank(seat._replace(gpu=1, place=place), b"", None, lambda: True)
    assert b"cuda:1" in outcome.value
