"""Ranks that talk by gloo: here threads, which differ from processes in nothing that matters."""

import pickle
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from sklstm._runtime._group import SMALL, Address, compute_rank, join, kill, serve
from sklstm.exceptions import RankError

HOST = "127.0.0.1"


def on_ranks(call, *, size=2, **options):
    """Results, or errors, of ``call(data, ranks)`` in threads."""
    store, address = serve(HOST)

    def run(rank):
        try:
            return compute_rank(call, "data", rank, size, address, own_host=HOST, **options)
        except Exception as error:
            return error

    with ThreadPoolExecutor(size) as pool:
        results = list(pool.map(run, range(size)))
    del store
    return results


def test_sums_are_the_same_in_all_ranks():
    def call(data, ranks):
        assert data == "data"
        return ranks.sum([torch.tensor([1.0, 10.0 * ranks.rank])]).tolist()

    assert on_ranks(call, size=3) == [[3.0, 30.0]] * 3


def test_rows_of_each_rank_are_combined_to_the_bit():
    whole = np.random.default_rng(0).normal(size=(5, 2)).astype(np.float32)
    whole[3, 1] = np.nan

    def call(_, ranks):
        own = np.zeros_like(whole)
        own[ranks.rank :: ranks.size] = whole[ranks.rank :: ranks.size]
        return ranks.combine(own)

    for combined in on_ranks(call):
        np.testing.assert_array_equal(combined, whole)


@pytest.mark.parametrize("value", [None, {"a": (1, 2.5)}, "x" * (SMALL + 1), "y" * 100_000])
def test_rank_0_tells_values_of_any_size(value):
    told = on_ranks(lambda _, ranks: ranks.tell(value if ranks.rank == 0 else "other"))
    assert told == [value, value]


def test_rank_0_tells_tensors_of_any_type_and_memory_order():
    def call(_, ranks):
        tensors = [torch.full((2, 3), ranks.rank).t(), torch.tensor(ranks.rank + 0.5)]
        ranks.tell_tensors(tensors)
        return [tensor.tolist() for tensor in tensors]

    first, second = on_ranks(call)
    assert first == second == [[[0, 0]] * 3, 0.5]


def test_the_error_of_a_rank_reaches_all_others():
    def call(_, ranks):
        if ranks.rank == 1:
            raise ZeroDivisionError("no number")
        ranks.sum([torch.zeros(1)])

    of_0, of_1, of_2 = on_ranks(call, size=3)
    assert isinstance(of_1, ZeroDivisionError)
    for error in (of_0, of_2):
        assert isinstance(error, RankError)
        assert error.rank == 1
        assert str(error).startswith("Rank 1 of 3 (process ")
        assert str(error).endswith("raised ZeroDivisionError: no number")
        assert 'raise ZeroDivisionError("no number")' in error.__notes__[0]
        assert pickle.loads(pickle.dumps(error)).rank == 1


def test_a_rank_that_goes_without_a_word_has_died():
    def call(_, ranks):
        if ranks.rank == 1:
            ranks.heartbeats.end()
            ranks.close()
            # Until the other one has seen it.
            is_seen.wait(20)
            return "gone"
        try:
            ranks.sum([torch.zeros(1)])
        finally:
            is_seen.set()

    is_seen = threading.Event()
    error, _ = on_ranks(call)
    assert isinstance(error, RankError)
    assert error.rank == 1
    assert "has died" in str(error)
    assert "checkpoint" in str(error)


def test_a_rank_that_hangs_is_told_from_one_that_is_slow():
    def call(_, ranks):
        if ranks.rank == 1:
            # Longer than the timeout, with a heart that beats.
            time.sleep(2.0)
            ranks.sum([torch.zeros(1)])
            ranks.heartbeats.end()
            is_seen.wait(20)
        else:
            ranks.sum([torch.zeros(1)])
            ranks.sum([torch.zeros(1)])

    is_seen, hung = threading.Event(), []

    def on_hung(who):
        hung.append(who)
        is_seen.set()

    error, _ = on_ranks(call, timeout=1.0, on_hung=on_hung)
    assert isinstance(error, RankError)
    assert error.rank == 1
    assert "has not answered for 1 seconds" in str(error)
    assert set(hung[0]) == {"process", "host", "gpu"}


def test_a_rank_that_does_not_come_is_waited_for_so_long_only():
    store, address = serve(HOST)
    looks = []
    with (
        pytest.raises(RankError, match=r"Rank 1 of 2 has not started within 0\.2 seconds"),
        join(0, 2, address, arrival=0.2, check=lambda: looks.append(1)),
    ):
        pass
    assert looks
    del store


def test_ranks_of_a_copied_net_are_none():
    def call(_, ranks):
        return pickle.loads(pickle.dumps(ranks))

    assert on_ranks(call) == [None, None]


def test_a_process_of_another_host_is_not_killed():
    kill({"process": 1, "host": "elsewhere.invalid"})


def test_an_address_is_host_and_port():
    store, address = serve(HOST)
    assert address == Address(HOST, store.port)
