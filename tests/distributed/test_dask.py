"""Ranks on a real local cluster of Dask."""

import os
import signal
import threading
import time
from functools import partial

import numpy as np
import pytest

from sklstm import LSTMSequenceClassifier
from sklstm._runtime._ranks import InTurn, reset_launcher, set_launcher
from sklstm.distributed import _dask, data_parallel
from sklstm.distributed._dask import DaskRanks, check_client
from sklstm.distributed._worker import forget
from sklstm.exceptions import RankError
from sklstm.preprocessing import write_sequences
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
from tests.helpers import make_ragged

distributed = pytest.importorskip("distributed")


def local_cluster(**options):
    return distributed.LocalCluster(
        **{"n_workers": 2, "threads_per_worker": 1, "dashboard_address": ":0"} | options
    )


@pytest.fixture(scope="module")
def client():
    with local_cluster() as cluster, distributed.Client(cluster) as client:
        yield client


@pytest.fixture
def ranks(client):
    """Two ranks; afterwards no rank is at work, and the cluster can be used."""
    launcher = DaskRanks(client, 2, timeout=30)
    yield launcher
    client.wait_for_workers(2, timeout=30)
    assert not any(client.run(_is_any_rank_running).values())
    assert client.submit(sum, [1, 2], pure=False).result(timeout=10) == 3


def _is_any_rank_running():
    import sklstm.distributed._worker as worker

    return bool(worker._running or worker._stores)


def quick(**options):
    given = {"hidden_sizes": 4, "n_kernels": 0, "max_epochs": 2, "batch_size": 8, "random_state": 0}
    return LSTMSequenceClassifier(**given | options)


def weights(classifier):
    tensors = classifier.net_.module_.state_dict().values()
    return np.concatenate([tensor.numpy().ravel() for tensor in tensors])


def fit_in_two_parts(classifier, X, y):
    token = set_launcher(InTurn(2))
    try:
        return classifier.fit(X, y)
    finally:
        reset_launcher(token)


def test_a_fit_has_the_bits_of_one_process_in_two_parts(client):
    X, y = make_ragged()
    expected = fit_in_two_parts(quick(dropout=0.5), X, y)
    with data_parallel(client):
        found = quick(dropout=0.5).fit(X, y)
    assert np.array_equal(weights(found), weights(expected))
    assert np.array_equal(found.predict_proba(X), expected.predict_proba(X))
    assert found.history_["train_loss"].tolist() == expected.history_["train_loss"].tolist()
    assert found.get_params() == quick(dropout=0.5).get_params()


def test_arrays_go_to_one_worker_and_from_there_to_the_others_and_views_not_at_all(
    client, tmp_path
):
    X, y = np.random.default_rng(0).normal(size=(400, 500, 5)), np.arange(400) % 2
    view = write_sequences(tmp_path / "view", X)
    for given, expected in ((X, 1), (view, 0)):
        # Of the caller and, in a LocalCluster, of the scheduler; of each worker.
        before = [_n_bytes_sent(), *client.run(_n_bytes_sent).values()]
        with data_parallel(client):
            quick(max_epochs=1, batch_size=400).fit(given, y)
        after = [_n_bytes_sent(), *client.run(_n_bytes_sent).values()]
        here, *workers = (np.array(after) - before) / X.nbytes
        assert here == pytest.approx(expected, abs=0.3)
        assert sorted(workers) == pytest.approx([0, expected], abs=0.3)


def _n_bytes_sent():
    """Bytes that this process has sent since the first call."""
    from distributed.comm.tcp import TCP

    if not hasattr(TCP, "n_bytes_sent"):
        TCP.n_bytes_sent, write = 0, TCP.write

        async def count(comm, *arguments, **options):
            n_bytes = await write(comm, *arguments, **options)
            TCP.n_bytes_sent += n_bytes
            return n_bytes

        TCP.write = count
    return TCP.n_bytes_sent


def test_a_rank_that_raises_is_named_with_its_worker(ranks):
    worker = r"tcp://127\.0\.0\.1:\d+"
    with pytest.raises(RankError, match=f"^Rank 1 on worker {worker} raised ValueError: culprit"):
        ranks.run(Calls(raising(1, ValueError("culprit"))))


def test_an_error_of_rank_0_is_the_callers(ranks):
    with pytest.raises(KeyError, match=r"culprit") as caught:
        ranks.run(Calls(raising(0, KeyError("culprit"))))
    assert any("Rank 0 on worker tcp://" in note for note in caught.value.__notes__)


def test_ctrl_c_ends_the_ranks(ranks, tmp_path):
    began = tmp_path / "began"
    interrupt_once(began)
    with pytest.raises(KeyboardInterrupt):
        ranks.run(Calls(endless(), str(began)))


def test_ranks_end_with_their_caller(client, tmp_path):
    """As when the process of the caller is killed: its client leaves the scheduler."""
    began = tmp_path / "began"
    own = distributed.Client(client.scheduler.address, set_as_default=False)
    fleet = _dask.DaskFleet(own, _dask.choose_workers(own, 2))
    fleet.describe(opens_store=True, looks_for_gpus=False)
    fleet.start(Calls(endless(), str(began)), timeout=30)
    while not began.exists():
        time.sleep(0.05)
    assert all(client.run(_is_any_rank_running).values())
    own.close()
    client.run(partial(forget, fleet.run))
    deadline = time.monotonic() + 10
    while any(client.run(_is_any_rank_running).values()):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_rank_that_is_killed_is_named_and_the_fit_goes_on(client, ranks, tmp_path):
    X, y = make_ragged()
    path = tmp_path / "fit.safetensors"
    expected = fit_in_two_parts(quick(max_epochs=40), X, y)
    second = sorted(client.scheduler_info()["workers"])[1]
    process = client.run(os.getpid)[second]
    moments = []

    def kill():
        while not path.exists():
            time.sleep(0.01)
        os.kill(process, signal.SIGKILL)
        moments.append(time.monotonic())

    threading.Thread(target=kill, daemon=True).start()
    with data_parallel(client):
        classifier = quick(max_epochs=40, checkpoint=path)
        with pytest.raises(RankError, match=f"Rank 1 on worker {second} was lost: its process"):
            classifier.fit(X, y)
        assert time.monotonic() - moments[0] < 10
        assert not hasattr(classifier, "net_")
        # The worker that its nanny starts again is waited for.
        classifier.fit(X, y)
    assert np.array_equal(weights(classifier), weights(expected))


@pytest.mark.slow
def test_rank_0_may_be_killed_too_and_nobody_starts_it_again(ranks, tmp_path):
    began = tmp_path / "began"
    with pytest.raises(RankError, match=r"Rank 0 on worker tcp://.* was lost: its process ended"):
        ranks.run(Calls(killed(0), str(began)))
    first = began.read_text()
    time.sleep(1)
    assert began.read_text() == first
    assert ranks.run(Calls(summing(), 7))[:2] == (3.0, 7)


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 1])
def test_a_rank_that_hangs_is_ended_and_named(client, rank, tmp_path):
    began = tmp_path / "began"
    launcher = DaskRanks(client, 2, timeout=30)
    with pytest.raises(RankError, match=f"Rank {rank} on worker tcp://.* hangs: there was no sign"):
        launcher.run(Calls(stopped(rank), str(began)))
    assert seconds_since(began) < 60
    # No hang after the worker's restart either.
    assert launcher.run(Calls(summing(), 7))[:2] == (3.0, 7)


@pytest.mark.slow
def test_workers_of_several_threads_that_come_and_go():
    with local_cluster(threads_per_worker=2) as cluster, distributed.Client(cluster) as client:
        launcher = DaskRanks(client, None, timeout=30)
        # All threads of its worker are the rank's.
        assert launcher.run(Calls(summing(), 7)) == (3.0, 7, 2)
        cluster.scale(3)
        client.wait_for_workers(3, timeout=60)
        assert launcher.size == 2
        assert DaskRanks(client, None, timeout=30).size == 3
        assert launcher.run(Calls(summing(), 7)) == (3.0, 7, 2)


def test_fewer_workers_than_ranks_are_an_error_with_the_remedy(client):
    with (
        pytest.raises(ValueError, match=r"(?s)3 ranks need.*has 2 now.*wait_for_workers\(3\)"),
        data_parallel(client, n_ranks=3),
    ):
        pass


def test_workers_that_do_not_come_back_are_an_error(client, monkeypatch):
    monkeypatch.setattr(_dask, "BACK_WITHIN", 0.3)
    with pytest.raises(ValueError, match=r"3 ranks need as many workers. The cluster has 2"):
        _dask.choose_workers(client, 3)


def test_a_worker_that_is_busy_is_named(client, ranks, monkeypatch):
    monkeypatch.setattr(_dask, "START_WITHIN", 1)
    first = sorted(client.scheduler_info()["workers"])[0]
    other = client.submit(time.sleep, 3, workers=[first], pure=False)
    with pytest.raises(RuntimeError, match=f"(?s)Worker {first} did not begin rank 0.*other tasks"):
        ranks.run(Calls(summing()))
    other.result(timeout=10)


def test_fits_of_several_threads_wait_for_each_other(client):
    found = []

    def fit():
        found.append(DaskRanks(client, 2, timeout=30).run(Calls(summing(50), 7))[0])

    threads = [threading.Thread(target=fit) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert found == [3.0] * 3


class AsynchronousClient:
    asynchronous = True


def test_an_asynchronous_client_is_an_error():
    with pytest.raises(TypeError, match=r"(?s)must not be asynchronous.*without asynchronous=True"):
        check_client(AsynchronousClient(), 2)


def test_workers_that_are_threads_are_an_error():
    with local_cluster(processes=False) as cluster, distributed.Client(cluster) as client:
        launcher = DaskRanks(client, 2, timeout=30)
        with pytest.raises(ValueError, match=r"(?s)threads of one process.*processes=True"):
            launcher.run(Calls(summing()))
