"""Predictions on local clusters, by the scripts of the guide: the bits of those in this process."""

import importlib.util
import pickle
import sys
from pathlib import Path

import dask.array
import numpy as np
import pandas as pd
import pyarrow.parquet
import pytest
from distributed import Client, LocalCluster

from sklstm import BatchScorer, save_model
from sklstm.preprocessing import write_sequences
from tests.helpers import make_ragged, quick

ROOT = Path(__file__).parents[2]
SCRIPTS = ROOT / "docs/serving"
X, Y = make_ragged(60, n_features=1)
UNIVARIATE = [x[:, 0] for x in X]
NUMBERS = np.stack([np.resize(x, 5) for x in UNIVARIATE])[:, :, None]


@pytest.fixture(scope="module")
def classifier():
    return quick(hidden_sizes=4, n_kernels=0, max_epochs=1).fit(
        UNIVARIATE, np.array(["no", "yes"])[Y]
    )


@pytest.fixture(scope="module")
def folder(classifier, tmp_path_factory):
    """A folder with a model, and with three files of sequences."""
    folder = tmp_path_factory.mktemp("cluster")
    save_model(classifier, folder / "model.safetensors")
    (folder / "sequences").mkdir()
    table = pyarrow.table({"id": range(60), "trend": UNIVARIATE})
    for number in range(3):
        part = table.slice(20 * number, 20)
        pyarrow.parquet.write_table(part, folder / f"sequences/{number}.parquet")
    return folder


@pytest.fixture
def paths(folder, tmp_path):
    return [str(folder / "model.safetensors"), str(folder / "sequences"), str(tmp_path / "scores")]


def script(name):
    """A script of the guide as a module."""
    spec = importlib.util.spec_from_file_location(name, SCRIPTS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def assert_same_as_here(classifier, scores):
    found = pd.read_parquet(scores).sort_values("id")
    assert list(found) == ["id", "predict_proba_no", "predict_proba_yes"]
    expected = classifier.predict_proba(UNIVARIATE)
    np.testing.assert_array_equal(found.iloc[:, 1:].to_numpy(), expected)


# Dask ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def client():
    """Two workers that import the package under test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(ROOT))
        options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": ":0"}
        with LocalCluster(**options) as cluster, Client(cluster) as client:
            yield client


def test_frames_and_arrays_on_dask(client, classifier, paths):
    script("on_dask").score(*paths)
    assert_same_as_here(classifier, paths[-1])
    scorer = BatchScorer(paths[0], method="predict_proba")
    cubes = dask.array.from_array(NUMBERS, chunks=(7, -1, -1))
    meta = scorer(cubes[:0].compute())
    options = {"drop_axis": [1, 2], "new_axis": 1, "chunks": (cubes.chunks[0], (2,))}
    scored = cubes.map_blocks(scorer, meta=meta, **options)
    np.testing.assert_array_equal(scored.compute(), classifier.predict_proba(NUMBERS))
    view = write_sequences(Path(paths[-1]).with_name("view"), UNIVARIATE)
    parts = [view[start : start + 20] for start in range(0, 60, 20)]
    assert len(pickle.dumps((scorer, parts[0]))) < 1000
    scored = np.concatenate(client.gather(client.map(scorer, parts)))
    np.testing.assert_array_equal(scored, classifier.predict_proba(UNIVARIATE))

    def threads_and_loads():
        import torch

        from sklstm._scoring import _scorer

        return torch.get_num_threads(), _scorer._load.cache_info().misses

    # Each of two workers has loaded the model at most once, and computes in one thread.
    found = client.run(threads_and_loads).values()
    assert {n_threads for n_threads, _ in found} == {1}
    assert max(n_loads for _, n_loads in found) == 1


def test_lists_that_dask_has_made_texts_of(paths):
    frame = pd.DataFrame({"id": range(60), "trend": UNIVARIATE})
    scorer = BatchScorer(paths[0], keep=["id"])
    with pytest.raises(ValueError, match=r"(?s)'trend' holds lists as texts.*convert-string"):
        scorer(frame.assign(trend=frame["trend"].astype(str)))


# Ray and Spark ------------------------------------------------------------------------------------


@pytest.fixture
def on_ray(monkeypatch):
    ray = pytest.importorskip("ray")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    yield ray
    ray.shutdown()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
def test_files_and_tensors_on_ray(on_ray, classifier, paths):
    script("on_ray").score(*paths)
    assert_same_as_here(classifier, paths[-1])
    scorer, expected = BatchScorer(paths[0], method="predict_proba"), classifier.predict_proba
    for kind in ("pyarrow", "pandas", "numpy"):
        blocks = on_ray.data.from_numpy(NUMBERS).map_batches(scorer, batch_format=kind)
        np.testing.assert_array_equal(blocks.to_pandas().to_numpy(), expected(NUMBERS))
        frame = on_ray.data.from_pandas(pd.DataFrame({"x": UNIVARIATE}))
        blocks = frame.map_batches(scorer, batch_format=kind)
        np.testing.assert_array_equal(blocks.to_pandas().to_numpy(), expected(UNIVARIATE))

    @on_ray.remote(num_cpus=1)
    def n_threads():
        import torch

        return torch.get_num_threads()

    assert on_ray.get(n_threads.remote()) == 1


@pytest.fixture
def spark(monkeypatch):
    sql = pytest.importorskip("pyspark.sql")
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)
    builder = sql.SparkSession.builder.master("local[2]").config("spark.ui.enabled", "false")
    session = builder.config("spark.driver.host", "127.0.0.1").getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    yield session
    session.stop()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_files_on_spark(spark, classifier, paths):
    script("on_spark").score(spark, *paths)
    assert_same_as_here(classifier, paths[-1])
    scorer = BatchScorer(paths[0], keep=["id"])
    frame = spark.read.parquet(paths[1])
    scored = frame.mapInPandas(lambda blocks: map(scorer, blocks), "id long, predict string")
    labels = scored.toPandas().sort_values("id")["predict"]
    np.testing.assert_array_equal(labels.to_numpy(), classifier.predict(UNIVARIATE))

    def n_threads(_):
        import torch

        return [torch.get_num_threads()]

    assert spark.sparkContext.parallelize([0], 1).mapPartitions(n_threads).collect() == [1]
