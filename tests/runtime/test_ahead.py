import threading
import time
from functools import partial

import pytest
import torch

from sklstm._runtime._ahead import HasEndedError, ReadAhead


def test_results_come_in_order_and_the_next_call_has_begun(our_threads):
    begun = [threading.Event() for _ in range(4)]
    with ReadAhead() as ahead:
        results = ahead.results(partial(lambda i: begun[i].set() or i, i) for i in range(4))
        assert next(results) == 0
        # Without asking for it.
        assert begun[1].wait(10)
        assert not begun[3].is_set()
        assert list(results) == [1, 2, 3]
    assert not our_threads()


def test_calls_are_drawn_in_this_thread():
    drawn = []

    def calls():
        for i in range(3):
            drawn.append(threading.get_ident())
            yield partial(int, i)

    with ReadAhead() as ahead:
        assert list(ahead.results(calls())) == [0, 1, 2]
    assert set(drawn) == {threading.get_ident()}


def test_without_the_context_all_is_done_in_this_thread():
    calls = [threading.get_ident] * 3
    assert set(ReadAhead().results(calls)) == {threading.get_ident()}


def test_an_error_is_raised_where_the_result_is_asked_for(our_threads):
    def fail():
        raise ValueError("unreadable")

    with ReadAhead() as ahead:
        results = ahead.results([int, fail, int])
        assert next(results) == 0
        with pytest.raises(ValueError, match="unreadable"):
            next(results)
    assert not our_threads()


def test_leaving_gives_up_a_running_call(our_threads):
    ahead, running = ReadAhead(), threading.Event()

    def endless():
        running.set()
        while True:
            ahead.check()
            time.sleep(0.001)

    with ahead:
        results = ahead.results([int, endless, int])
        assert next(results) == 0
        assert running.wait(10)
    assert not our_threads()
    with pytest.raises(HasEndedError):
        ahead.check()


def test_calls_have_the_modes_of_this_thread():
    with torch.no_grad(), ReadAhead() as ahead:
        assert list(ahead.results([torch.is_grad_enabled] * 2)) == [False, False]
