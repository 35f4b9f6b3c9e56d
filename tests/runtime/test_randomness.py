import re
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from sklstm._runtime import _randomness
from sklstm._runtime._randomness import draw_seed, own_torch_generator, own_turn, seeds_for
from tests.helpers import make_ragged, quick

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _nobody_has_waited_yet(monkeypatch):
    monkeypatch.setattr(_randomness, "_has_warned", threading.Lock())


def test_an_int_is_its_own_seed():
    assert draw_seed(7) == draw_seed(np.int64(7)) == 7


def test_none_is_new_each_time_and_does_not_touch_numpy():
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    assert draw_seed(None) != draw_seed(None)
    np.testing.assert_array_equal(before, np.random.get_state()[1])  # noqa: NPY002


def test_a_random_state_moves_on():
    state = np.random.RandomState(0)
    first, second = draw_seed(state), draw_seed(state)
    assert first != second
    assert first == draw_seed(np.random.RandomState(0))


def test_seeds_differ_by_purpose_and_by_epochs_done():
    assert seeds_for(0, 0) == seeds_for(0, 0)
    assert len({*seeds_for(0, 0), *seeds_for(0, 5), *seeds_for(1, 0)}) == 6


def test_the_global_state_of_torch_is_as_it_was():
    before = torch.get_rng_state()
    with own_torch_generator(3, CPU):
        inside = torch.rand(4)
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(1)
    with own_torch_generator(3, CPU):
        assert torch.equal(torch.rand(4), inside)


def test_trainings_in_threads_take_turns():
    """torch has one generator for all threads: two at once would mix their draws."""

    def draw(seed):
        with own_torch_generator(seed, CPU):
            first = torch.rand(1)
            time.sleep(0.002)
            return torch.cat([first, torch.rand(1)])

    expected = [draw(seed) for seed in range(20)]
    before = torch.get_rng_state()
    with ThreadPoolExecutor(4) as threads, pytest.warns(UserWarning, match="take turns"):
        drawn = list(threads.map(draw, range(20)))
    assert all(torch.equal(a, b) for a, b in zip(drawn, expected, strict=True))
    assert torch.equal(torch.get_rng_state(), before)


def test_a_training_may_hold_another():
    with own_torch_generator(0, CPU):
        torch.rand(1)
        with own_torch_generator(1, CPU):
            torch.rand(1)
        inner_done = torch.rand(1)
    with own_torch_generator(0, CPU):
        torch.rand(1)
        assert torch.equal(torch.rand(1), inner_done)


def test_an_error_restores_the_state_too():
    before = torch.get_rng_state()
    with pytest.raises(RuntimeError, match="must match the size"), own_torch_generator(3, CPU):
        torch.rand(4) + torch.rand(3)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("parameters", [{}, {"early_stopping": True}])
def test_a_fit_that_waits_for_another_says_so_once(parameters, monkeypatch, tmp_path):
    has_turn, is_told, told = threading.Event(), threading.Event(), []

    def hold():
        with own_turn():
            has_turn.set()
            is_told.wait(timeout=30)

    def warn(message):
        told.append(message)
        is_told.set()

    monkeypatch.setattr(_randomness, "warn_user_or_client", warn)
    X, y = make_ragged(40)
    expected = quick(**parameters).fit(X, y).predict_proba(X)
    thread = threading.Thread(target=hold)
    thread.start()
    has_turn.wait(timeout=30)
    found = quick(**parameters, checkpoint=tmp_path / "file").fit(X, y).predict_proba(X)
    thread.join()
    np.testing.assert_array_equal(found, expected)
    assert len(told) == 1
    assert re.search(r"(?s)one process take turns.*Dask.*threads_per_worker=1.*'loky'", told[0])


def test_only_the_first_that_waits_says_so():
    def take(_):
        with own_turn():
            time.sleep(0.02)

    with ThreadPoolExecutor(4) as threads, pytest.warns(UserWarning, match="take turns") as told:
        list(threads.map(take, range(8)))
    assert len(told) == 1


def test_after_nested_turns_it_is_the_turn_of_whoever_comes():
    def take():
        with own_turn():
            taken.append(True)

    taken = []
    with own_turn(), own_turn():
        pass
    # A warning that it waits would be an error, and then nothing is taken.
    thread = threading.Thread(target=take)
    thread.start()
    thread.join(timeout=30)
    assert taken == [True]
