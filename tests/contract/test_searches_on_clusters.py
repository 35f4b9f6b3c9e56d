"""Searches by joblib's backends on Dask, Ray and loky: scores, what is shipped, killed workers."""

import importlib
import pickle
import re
import warnings
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import joblib
import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV, cross_validate

from sklstm import LSTMSequenceClassifier
from sklstm._runtime._threads import single_threaded
from sklstm.preprocessing import StoredSequences, write_sequences
from tests.killing import WriteDown, epochs_in

dask = pytest.importorskip("dask")
distributed = pytest.importorskip("distributed")

ROOT = Path(__file__).parents[2]
N, N_TIMESTEPS = 160, 40
GRID = {"learning_rate": [0.01, 0.02]}
N_TASKS = 2 * len(GRID["learning_rate"])

CUBE = np.random.default_rng(0).normal(size=(N, N_TIMESTEPS, 10))
RAGGED = [x[: N_TIMESTEPS - i % 8] for i, x in enumerate(CUBE)]
y = np.arange(N) % 2


def small(**parameters):
    defaults = {"hidden_sizes": 4, "n_kernels": 0, "max_epochs": 1, "random_state": 0}
    return LSTMSequenceClassifier(**defaults | parameters)


def search(X, *, scatter=None, backend=None, **parameters):
    """Scores of each candidate and fold."""
    found = GridSearchCV(small(**parameters), GRID, cv=2, refit=False, error_score="raise")
    if backend is None:
        found.fit(X, y)
    else:
        options = {} if scatter is None else {"scatter": scatter}
        with joblib.parallel_config(backend, n_jobs=2, **options):
            found.fit(X, y)
    return [found.cv_results_[f"split{i}_test_score"].tolist() for i in range(2)]


@cache
def expected_of(is_cube):
    """Of one process and from memory."""
    return search(CUBE if is_cube else RAGGED)


@contextmanager
def on_dask():
    """Two workers of one thread that import the package under test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))
        patch.delenv("OMP_NUM_THREADS", raising=False)
        options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": ":0"}
        # On a busy machine a worker that imports torch answers nobody for longer than 30 seconds.
        patient = {f"distributed.comm.timeouts.{name}": "300s" for name in ("connect", "tcp")}
        with (
            dask.config.set(patient),
            distributed.LocalCluster(**options) as cluster,
            distributed.Client(cluster) as client,
        ):
            client.wait_for_workers(2)
            client.run(import_all)
            yield client


def import_all():
    importlib.import_module("sklstm")


@contextmanager
def on_ray():
    ray = pytest.importorskip("ray")
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        # Of Ray itself: files that it leaves open, and what it will name otherwise.
        warnings.simplefilter("ignore")
        patch.setenv("PYTHONPATH", str(ROOT))
        patch.delenv("OMP_NUM_THREADS", raising=False)
        ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
        try:
            from ray.util.joblib import register_ray

            register_ray()
            yield
        finally:
            ray.shutdown()


@contextmanager
def on_loky():
    yield


# Scores and what is shipped -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def client():
    with on_dask() as client:
        yield client


@pytest.fixture
def sent(client, monkeypatch):
    """Bytes that client and scheduler, which are this process, send."""
    comm = distributed.comm.tcp.TCP
    write, found = comm.write, []

    async def counted(self, *arguments, **options):
        found.append(await write(self, *arguments, **options))
        return found[-1]

    monkeypatch.setattr(comm, "write", counted)
    return found


def n_bytes_between_workers(client):
    totals = client.run(lambda dask_worker: dask_worker.transfer_outgoing_bytes_total)
    return sum(totals.values())


def as_object_array(X):
    array = np.empty(len(X), dtype=object)
    array[:] = X
    return array


@pytest.fixture(scope="module")
def view(tmp_path_factory):
    return write_sequences(tmp_path_factory.mktemp("search") / "ragged", {"X": RAGGED})


@pytest.mark.parametrize(
    ("X", "scatter", "low", "high"),
    [
        # Each task brings X to the scheduler, and from there to a worker.
        pytest.param(RAGGED, False, 2 * N_TASKS, 3 * N_TASKS, id="list"),
        # Once to the scheduler and to a worker, and from one to the other.
        pytest.param(RAGGED, True, 2, 4, id="list that is scattered"),
        pytest.param(as_object_array(RAGGED), False, 2, 4, id="object array"),
        pytest.param(CUBE, False, 2, 4, id="3-D array"),
        # All else that a task consists of, such as the indices of its fold.
        pytest.param("view", False, 0, 0.3, id="view"),
    ],
)
def test_on_dask(client, sent, view, X, scatter, low, high):
    X = view if isinstance(X, str) else X
    expected = expected_of(X is CUBE)
    before = n_bytes_between_workers(client)
    sent.clear()
    assert search(X, backend="dask", scatter=[X] if scatter else None) == expected
    n_bytes = sum(sent) + n_bytes_between_workers(client) - before
    assert low < n_bytes / sum(x.nbytes for x in X) < high


def test_a_view_is_small(view):
    assert len(pickle.dumps(view)) < 1000


def test_other_searches_on_dask(client):
    def scores():
        drawn = RandomizedSearchCV(small(), GRID, n_iter=2, cv=2, random_state=0, refit=False)
        results = cross_validate(small(), RAGGED, y, cv=2, return_estimator=True)
        best = [estimator.predict_proba(RAGGED[:3]) for estimator in results["estimator"]]
        return drawn.fit(CUBE, y).cv_results_["mean_test_score"], results["test_score"], best

    expected = scores()
    with joblib.parallel_config("dask"):
        found = scores()
    for ours, here in zip(found, expected, strict=True):
        np.testing.assert_array_equal(ours, here)


def test_fits_on_dask_have_one_core_each(client):
    def n_threads():
        from sklstm._runtime._threads import single_threaded

        with single_threaded() as found:
            return found

    found = [client.submit(n_threads, workers=[w], pure=False) for w in client.nthreads()]
    assert client.gather(found) == [1, 1]


class Counted(list):
    """A list that counts how often it is pickled in this process."""

    n_pickles = 0

    def __reduce__(self):
        Counted.n_pickles += 1
        return list, (list(self),)


@pytest.fixture
def n_pickles(monkeypatch):
    """How often this process pickles a list, or a view."""
    monkeypatch.setattr(Counted, "n_pickles", 0)
    reduce = StoredSequences.__reduce__

    def counted(self):
        Counted.n_pickles += 1
        return reduce(self)

    monkeypatch.setattr(StoredSequences, "__reduce__", counted)
    return lambda: Counted.n_pickles


BACKENDS = {"dask": on_dask, "loky": on_loky, "ray": on_ray}


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["loky", "ray"])
def test_on_loky_and_ray(n_pickles, view, backend):
    with BACKENDS[backend]():
        assert search(CUBE, backend=backend) == expected_of(True)
        for X in (Counted(RAGGED), view):
            before = n_pickles()
            assert search(X, backend=backend) == expected_of(False)
            # Once a task, which of a view is the path.
            assert n_pickles() - before == N_TASKS
        with joblib.parallel_config(backend, n_jobs=2):
            found = joblib.Parallel()(joblib.delayed(n_threads_of_a_fit)() for _ in range(4))
    assert max(found) <= max(1, joblib.cpu_count() // 2)


def n_threads_of_a_fit():
    with single_threaded() as found:
        return found


# Killed workers -----------------------------------------------------------------------------------


# What joblib raises: Dask goes on, unless something that it has scattered was in that worker alone.
LOST = {"dask": "cancelled", "loky": "terminated|unexpectedly", "ray": "died|killed|dead"}


def error_of(search):
    """What a search raises, as text; empty if it ends."""
    try:
        search.fit(RAGGED, y)
    except Exception as error:
        return str(error)
    return ""


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["dask", "loky", "ray"])
def test_a_killed_worker_loses_no_finished_fit(backend, tmp_path):
    n_epochs, folder = 3, tmp_path / "checkpoints"
    folder.mkdir()
    grid = {"learning_rate": [0.01, 0.02, 0.03, 0.04]}
    n_in_all = 2 * len(grid["learning_rate"]) * n_epochs
    log = WriteDown(str(tmp_path / "epochs"), kill_at=n_in_all // 2 + 2)
    classifier = small(max_epochs=n_epochs, checkpoint=folder, callbacks=[log])
    search = GridSearchCV(classifier, grid, cv=2, refit=False, error_score="raise")
    with BACKENDS[backend]() as cluster, joblib.parallel_config(backend, n_jobs=2):
        n_lost = 0
        while lost := error_of(search):
            n_lost += 1
            assert re.search(LOST[backend], lost)
            assert n_lost <= 4
            if backend == "dask":
                # Ends the fits that are still running, and have their checkpoints locked.
                cluster.restart()
    assert n_lost > 0 or backend == "dask"
    # Again only the epochs that no checkpoint had: of the killed worker, and of its neighbour.
    assert n_in_all < len(epochs_in(log.path)) <= n_in_all + 2 * max(1, n_lost)
    scores = search.cv_results_["mean_test_score"].tolist()
    search.set_params(estimator__checkpoint=None, estimator__callbacks=None)
    assert scores == search.fit(RAGGED, y).cv_results_["mean_test_score"].tolist()
