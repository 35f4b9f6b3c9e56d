"""Ranks as actors of Ray, which takes a quarter of a minute to start."""

import os
import signal
import threading
import time

import numpy as np
import pytest

from sklstm._runtime._ranks import InTurn, reset_launcher, set_launcher
from sklstm.distributed import data_parallel
from sklstm.distributed._ray import RayRanks
from sklstm.exceptions import RankError
from tests.distributed.work import (
    Calls,
    endless,
    interrupt_once,
    killed,
    raising,
    seconds_since,
    stopped,
    summing,
)
from tests.helpers import make_ragged, quick

ray = pytest.importorskip("ray")

# Of Ray itself, at its end: its own processes and pipes.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="module")
def cluster():
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


@pytest.fixture
def ranks(cluster):
    """Two ranks; afterwards all CPUs of the cluster are free."""
    launcher = RayRanks(2, cpus_per_worker=1, gpus_per_worker=0, timeout=30)
    yield launcher
    launcher.close()
    deadline = time.monotonic() + 10
    while ray.available_resources().get("CPU", 0) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert ray.is_initialized()


def weights(classifier):
    tensors = classifier.net_.module_.state_dict().values()
    return np.concatenate([tensor.numpy().ravel() for tensor in tensors])


def test_a_fit_has_the_bits_of_one_process_in_two_parts(cluster):
    X, y = make_ragged()
    token = set_launcher(InTurn(2))
    expected = quick(max_epochs=2, dropout=0.5).fit(X, y)
    reset_launcher(token)
    with data_parallel(ray=2):
        found = [quick(max_epochs=2, dropout=0.5).fit(X, y) for _ in range(2)]
    for each in found:
        assert np.array_equal(weights(each), weights(expected))
    assert found[0].history_["train_loss"].tolist() == expected.history_["train_loss"].tolist()


def test_processes_are_kept_for_the_fits_of_a_context(ranks):
    def process(data, of_ranks):
        return os.getpid()

    first = ranks.run(Calls(process))
    began = time.monotonic()
    assert ranks.run(Calls(process)) == first
    # Not Ray's 15 s for a pool of processes, nor the import of torch.
    assert time.monotonic() - began < 2
    ranks.close()
    with pytest.raises(ProcessLookupError):
        _until_gone(first)


def _until_gone(process):
    for _ in range(100):
        os.kill(process, 0)
        time.sleep(0.1)


def test_a_rank_that_raises_is_named_with_its_worker(ranks):
    with pytest.raises(RankError, match=r"^Rank 1 on Ray worker \d+ of \S+ raised ValueError: cul"):
        ranks.run(Calls(raising(1, ValueError("culprit"))))
    assert ranks.run(Calls(summing(), 7)) == (3.0, 7, 1)


@pytest.mark.parametrize("rank", [0, 1])
def test_a_rank_that_is_killed_is_named(ranks, rank, tmp_path):
    began = tmp_path / "began"
    with pytest.raises(RankError, match=rf"Rank {rank} on Ray worker .* was lost: its process end"):
        ranks.run(Calls(killed(rank), str(began)))
    assert seconds_since(began) < 10


def test_a_fit_goes_on_after_a_rank_was_killed(cluster, tmp_path):
    X, y = make_ragged()
    path = tmp_path / "fit.safetensors"
    token = set_launcher(InTurn(2))
    expected = quick(max_epochs=40).fit(X, y)
    reset_launcher(token)

    processes = []

    def kill():
        while not path.exists():
            time.sleep(0.01)
        os.kill(processes[1], signal.SIGKILL)

    threading.Thread(target=kill, daemon=True).start()
    launcher = RayRanks(2, cpus_per_worker=1, gpus_per_worker=0, timeout=30)
    processes += launcher.run(Calls(_processes()))
    token = set_launcher(launcher)
    try:
        classifier = quick(max_epochs=40, checkpoint=path)
        with pytest.raises(RankError, match=f"Rank 1 on Ray worker {processes[1]} .* was lost"):
            classifier.fit(X, y)
        classifier.fit(X, y)
    finally:
        reset_launcher(token)
        launcher.close()
    assert np.array_equal(weights(classifier), weights(expected))


def _processes():
    def call(data, of_ranks):
        return of_ranks.combine(_in_row(of_ranks.rank, os.getpid())).astype(int).tolist()

    def _in_row(rank, value):
        rows = np.zeros(2, dtype=np.float32)
        rows[rank] = value
        return rows

    return call


def test_a_rank_that_hangs_is_ended_and_named(ranks, tmp_path):
    began = tmp_path / "began"
    with pytest.raises(RankError, match=r"Rank 1 on Ray worker .* hangs: there was no sign"):
        ranks.run(Calls(stopped(1), str(began)))
    assert seconds_since(began) < 60


def test_ctrl_c_ends_the_ranks(ranks, tmp_path):
    began = tmp_path / "began"
    interrupt_once(began)
    with pytest.raises(KeyboardInterrupt):
        ranks.run(Calls(endless(), str(began)))


def test_more_than_the_cluster_has_is_an_error_at_once(cluster):
    launcher = RayRanks(3, cpus_per_worker=1, gpus_per_worker=0, timeout=30)
    with pytest.raises(ValueError, match=r"(?s)3 ranks need {'CPU': 3}. The cluster has {'CPU': 2"):
        launcher.run(Calls(summing()))
    launcher = RayRanks(2, cpus_per_worker=1, gpus_per_worker=1, timeout=30)
    with pytest.raises(ValueError, match=r"(?s)'GPU': 2.*lower cpus_per_worker or gpus_per_worker"):
        launcher.run(Calls(summing()))


def test_a_rank_without_gpu_is_an_error_that_says_how_to_get_one(ranks):
    with pytest.raises(ValueError, match=r"(?s)device='cuda' needs a GPU.*gpus_per_worker=1"):
        ranks.resolve_device("cuda")
    assert str(ranks.resolve_device("auto")) == "cpu"
    assert str(ranks.resolve_device("cpu")) == "cpu"
