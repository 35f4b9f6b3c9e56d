"""Heartbeats: who is alive, by a store that is a dict."""

import time

import pytest

from sklstm._runtime import _heartbeats
from sklstm._runtime._heartbeats import Heartbeats


class Store:
    def __init__(self):
        self.values = {}

    def set(self, key, value):
        self.values[key] = value.encode()

    def get(self, key):
        return self.values[key]

    def multi_get(self, keys):
        return [self.values[key] for key in keys]

    def check(self, keys):
        return all(key in self.values for key in keys)

    def compare_set(self, key, expected, value):
        assert expected == ""
        self.values.setdefault(key, value.encode())


@pytest.fixture
def two(monkeypatch):
    monkeypatch.setattr(_heartbeats, "INTERVAL", 0.01)
    store = Store()
    both = [Heartbeats(store, rank, 2, timeout=0.3) for rank in range(2)]
    yield both
    for heartbeats in both:
        heartbeats.end()


def test_all_that_beat_are_alive(two):
    for heartbeats in two:
        heartbeats.begin()
    time.sleep(0.6)
    assert [heartbeats.hung for heartbeats in two] == [None, None]


def test_one_that_does_not_beat_hangs_after_the_timeout_and_not_before(two):
    two[0].begin()
    time.sleep(0.1)
    assert two[0].hung is None
    time.sleep(1.0)
    assert two[0].hung.rank == 1
    assert "has not answered for 0.3 seconds" in str(two[0].hung)


def test_one_that_has_left_does_not_hang(two):
    two[1].leave()
    two[0].begin()
    time.sleep(0.6)
    assert two[0].hung is None


def test_the_first_error_is_kept(two):
    two[1].report(ValueError("first"))
    two[0].report(ValueError("a consequence"))
    assert two[0].failure().rank == 1
    assert "ValueError: first" in str(two[0].failure())


def test_a_lost_connection_without_a_reason_is_an_error_all_the_same(two, monkeypatch):
    assert "connection to another rank was lost" in str(two[0].failure())


def test_who_has_arrived(two):
    assert two[0].has_arrived(1)
    assert not two[0].has_arrived(2)
