import threading

import numpy as np
import pytest
import torch

from sklstm._batching import _parts
from sklstm._inference import _prediction
from sklstm._runtime import _threads
from sklstm._runtime._concurrency import ThreadTeam, run_all
from sklstm._runtime._threads import ThreadingAutotuner, single_threaded, thread_team
from tests.helpers import make_cube, make_ragged, quick, torch_threads

CPU = torch.device("cpu")


@pytest.fixture
def three_threads():
    with torch_threads(3):
        yield


def in_new_thread(function):
    result = []
    thread = threading.Thread(target=lambda: result.append(function()))
    thread.start()
    thread.join()
    return result[0]


def on_all(team, function):
    """What the function gives on each thread of the team."""
    everyone = threading.Barrier(team.n_others + 1, timeout=10)
    return run_all([lambda: (everyone.wait(), function())[1]] * (team.n_others + 1), team)


@pytest.mark.usefixtures("three_threads")
def test_inside_every_thread_computes_alone_and_afterwards_all_is_as_it_was():
    with thread_team(CPU) as team:
        assert team.n_others == 2
        assert torch.get_num_threads() == 1
        assert on_all(team, torch.get_num_threads) == [1, 1, 1]
        assert in_new_thread(torch.get_num_threads) == 3
    assert torch.get_num_threads() == 3
    assert in_new_thread(torch.get_num_threads) == 3


@pytest.mark.usefixtures("three_threads")
def test_the_limits_come_back_after_an_error():
    with pytest.raises(ValueError, match="stop"), thread_team(CPU):
        raise ValueError("stop")
    assert torch.get_num_threads() == 3


@pytest.mark.usefixtures("three_threads")
def test_mkls_own_limit_is_lowered_and_comes_back():
    limit = _threads._limit_mkl()
    if limit(3) != 3:
        pytest.skip("this torch has no MKL whose limit can be set")
    with single_threaded():
        assert limit(1) == 1
    assert limit(3) == 3


def test_one_thread_has_no_team():
    with torch_threads(1), thread_team(CPU) as team:
        assert team is None


@pytest.mark.usefixtures("three_threads")
def test_a_gpu_has_no_team():
    with thread_team(torch.device("cuda")) as team:
        assert team is None
    assert torch.get_num_threads() == 3


class Clock:
    """Seconds that pass as told."""

    def __init__(self):
        self.now = 0.0

    def perf_counter(self):
        return self.now


def seconds_of(n_steps, with_team, without, monkeypatch, works=(1.0,)):
    """The seconds of all steps, and how many had the team."""
    clock = Clock()
    monkeypatch.setattr(_threads, "time", clock)
    trial, n_with_team = ThreadingAutotuner(ThreadTeam(1)), 0
    for number in range(n_steps):
        work = works[number % len(works)]
        with trial.step(work) as team:
            clock.now += work * (without if team is None else with_team)
        n_with_team += team is not None
    return clock.now, n_with_team


@pytest.mark.parametrize("works", [(1.0,), (1.0, 10.0, 100.0)])
@pytest.mark.parametrize(("with_team", "without"), [(1.0, 2.0), (2.0, 1.0), (30.0, 1.0)])
def test_trying_costs_a_few_percent_of_the_faster_way(with_team, without, works, monkeypatch):
    n_steps = 3_000
    seconds, n_with_team = seconds_of(n_steps, with_team, without, monkeypatch, works)
    best = min(with_team, without) * np.mean(works) * n_steps
    assert best < seconds < 1.1 * best
    assert (n_with_team > n_steps / 2) == (with_team < without)


def test_the_way_that_has_become_faster_is_found(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(_threads, "time", clock)
    trial, choices = ThreadingAutotuner(ThreadTeam(1)), []
    for number in range(2_000):
        with trial.step(1.0) as team:
            machine_is_busy = number < 1_000
            clock.now += (5.0 if machine_is_busy else 0.5) if team else 1.0
        choices.append(team is not None)
    assert np.mean(choices[500:1_000]) < 0.05
    assert np.mean(choices[1_500:]) > 0.9


# The same bits however many threads there are


def always_the_team(monkeypatch):
    monkeypatch.setattr(ThreadingAutotuner, "_next", lambda self, work: True)


def cut_small(monkeypatch):
    """Parts of two sequences and more."""
    monkeypatch.setattr(_parts, "MIN_SEQUENCES", 2)
    monkeypatch.setattr(_parts, "MIN_MULTIPLICATIONS", 1)
    monkeypatch.setattr(_parts, "MIN_WORK", 1)


def probabilities_with(n_threads, X, y, **parameters):
    with torch_threads(n_threads):
        return quick(**parameters).fit(X, y).predict_proba(X)


@pytest.mark.parametrize("make", [make_cube, make_ragged])
@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"hidden_sizes": (6, 5), "pooling": "attention", "dropout": 0.3},
        {"pooling": "last", "dropout": 0.3, "l2": 1e-3, "early_stopping": True},
        {"conv_filters": (6, 4), "patch_size": 2, "hidden_sizes": (6, 5)},
        {"mixup_alpha": 0.5, "hidden_sizes": (6, 5)},
    ],
)
@pytest.mark.parametrize("parts", [False, True])
def test_a_fit_has_the_same_bits_with_any_number_of_threads(make, parameters, parts, monkeypatch):
    always_the_team(monkeypatch)
    if parts:
        cut_small(monkeypatch)
    X, y = make(60)
    alone = probabilities_with(1, X, y, **parameters)
    np.testing.assert_array_equal(probabilities_with(3, X, y, **parameters), alone)


@pytest.mark.parametrize("hidden_sizes", [16, (16, 16)])
@pytest.mark.parametrize("patch_size", [1, 2])
def test_an_embedding_read_by_three_branches_has_the_same_bits_with_any_number_of_threads(
    hidden_sizes, patch_size, monkeypatch
):
    always_the_team(monkeypatch)
    rng = np.random.default_rng(0)
    X = [rng.integers(2, 30, size=n) for n in rng.integers(5, 40, size=64)]
    parameters = {"embedding_dim": 8, "conv_filters": (16,), "hidden_sizes": hidden_sizes}
    parameters |= {"max_epochs": 40, "patch_size": patch_size}
    y = np.arange(64) % 2
    alone = probabilities_with(1, X, y, **parameters)
    np.testing.assert_array_equal(probabilities_with(3, X, y, **parameters), alone)


def test_a_wide_network_has_the_same_bits_with_any_number_of_threads(monkeypatch):
    always_the_team(monkeypatch)
    X, y = make_cube(96, n_timesteps=60, n_features=3)
    parameters = {"hidden_sizes": 128, "batch_size": 48, "max_epochs": 2}
    alone = probabilities_with(1, X, y, **parameters)
    np.testing.assert_array_equal(probabilities_with(3, X, y, **parameters), alone)


@pytest.mark.usefixtures("three_threads")
@pytest.mark.parametrize("conv_filters", [(), (6, 4), "auto"])
def test_predictions_have_the_same_bits_in_any_batches_on_any_thread(conv_filters, monkeypatch):
    X, y = make_ragged(60)
    classifier = quick(conv_filters=conv_filters).fit(X, y)
    expected = classifier.predict_proba(X)
    monkeypatch.setitem(_prediction.MAX_BATCH, "cpu", (16_384, 3))
    np.testing.assert_array_equal(classifier.predict_proba(X), expected)
    assert torch.get_num_threads() == 3


@pytest.mark.usefixtures("three_threads")
def test_an_error_in_one_thread_arrives_and_the_limits_are_back(monkeypatch):
    always_the_team(monkeypatch)
    cut_small(monkeypatch)
    X, y = make_ragged(60)

    def fail(*args, **kwargs):
        raise ValueError("in a part")

    monkeypatch.setattr(_threads.torch, "lstm", fail)
    with pytest.raises(ValueError, match="in a part"):
        quick().fit(X, y)
    assert torch.get_num_threads() == 3


# Where the system gives no more threads


@pytest.mark.usefixtures("three_threads")
@pytest.mark.parametrize("n_startable", [0, 1])
def test_fits_and_predictions_go_on_with_the_threads_there_are(n_startable, monkeypatch):
    always_the_team(monkeypatch)
    monkeypatch.setitem(_prediction.MAX_BATCH, "cpu", (16_384, 8))
    X, y = make_ragged(60)
    parameters = {"conv_filters": (6, 4), "early_stopping": True}
    expected = quick(**parameters).fit(X, y).predict_proba(X)
    start, n_started = threading.Thread.start, [0]

    def start_some(thread):
        if n_started[0] % 2 >= n_startable:
            raise RuntimeError("can't start new thread")
        n_started[0] += 1
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_some)
    np.testing.assert_array_equal(quick(**parameters).fit(X, y).predict_proba(X), expected)
    assert torch.get_num_threads() == 3


@pytest.mark.usefixtures("three_threads")
def test_inside_another_the_number_of_threads_is_still_known():
    with single_threaded() as outer, thread_team(CPU) as team, single_threaded() as inner:
        assert (outer, team.n_others, inner) == (3, 2, 3)
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 3


@pytest.mark.usefixtures("three_threads")
def test_each_openmp_library_has_its_own_limit_back():
    others = [lib for lib in _threads._openmp_libraries() if "torch" not in lib.filepath]
    if not others:
        pytest.skip("torch's OpenMP is the only one in this process")
    before = others[0].get_num_threads()
    others[0].set_num_threads(2)
    with single_threaded():
        assert others[0].get_num_threads() == 1
    after = others[0].get_num_threads()
    others[0].set_num_threads(before)
    assert after == 2


@pytest.mark.usefixtures("three_threads")
def test_a_task_of_dask_has_the_threads_of_its_worker(monkeypatch):
    monkeypatch.setattr(_threads, "share_of_threads", lambda n_threads: n_threads - 1)
    with single_threaded() as outer, single_threaded() as inner:
        assert (outer, inner) == (2, 2)
        assert torch.get_num_threads() == 1
    with thread_team(CPU) as team:
        assert team.n_others == 1
