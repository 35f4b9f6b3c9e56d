import multiprocessing
import os
import pickle
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import polars
import pyarrow
import pyarrow.parquet
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.pipeline import make_pipeline

from benchmarks.scoring import measure
from sklstm import (
    BatchScorer,
    LSTMSequenceRegressor,
    load_model,
    predict_batches,
    save_model,
)
from sklstm._scoring import _scorer
from sklstm.preprocessing import TokenEncoder, write_sequences
from tests.helpers import make_ragged, make_tagged, quick

X, Y = make_ragged(24, n_features=1)
UNIVARIATE = [x[:, 0] for x in X]
TABLE = pyarrow.table({"id": range(24), "x": UNIVARIATE})


@pytest.fixture(scope="module")
def classifier():
    return quick(max_epochs=2).fit(UNIVARIATE, np.array(["no", "yes"])[Y])


@pytest.fixture(scope="module")
def path(classifier, tmp_path_factory):
    path = tmp_path_factory.mktemp("scorer") / "model.safetensors"
    save_model(classifier, path)
    return path


@pytest.fixture(scope="module")
def expected(classifier):
    return classifier.predict_proba(UNIVARIATE)


# predict_batches ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "source",
    [TABLE, TABLE["x"], UNIVARIATE, TABLE.to_pandas(), polars.from_arrow(TABLE), "parquet"],
    ids=lambda source: source if isinstance(source, str) else type(source).__name__,
)
def test_blocks_give_what_the_whole_gives(path, expected, source, tmp_path):
    if isinstance(source, str):
        pyarrow.parquet.write_table(TABLE, tmp_path / "x.parquet")
        source = tmp_path / "x.parquet"
    blocks = list(predict_batches(path, source, method="predict_proba", batch_size=7))
    assert [len(block) for block in blocks] == [7, 7, 7, 3]
    np.testing.assert_array_equal(np.concatenate(blocks), expected)


def test_the_names_in_the_documentation_work_as_they_are_written(classifier):
    labels = np.concatenate(list(predict_batches(classifier, UNIVARIATE)))
    np.testing.assert_array_equal(labels, classifier.predict(UNIVARIATE))


@pytest.mark.parametrize(
    "method", ["predict", "decision_function", "predict_log_proba", "transform"]
)
def test_every_method(classifier, method):
    blocks = list(predict_batches(classifier, TABLE, method=method, batch_size=10))
    np.testing.assert_array_equal(np.concatenate(blocks), getattr(classifier, method)(UNIVARIATE))


def test_an_iterable_of_blocks_gives_a_result_for_each(classifier, expected):
    blocks = iter([TABLE[:5], UNIVARIATE[5:20], TABLE[20:20], TABLE["x"][20:]])
    scores = list(predict_batches(classifier, blocks, method="predict_proba", batch_size=1))
    assert [block.shape for block in scores] == [(5, 2), (15, 2), (0, 2), (4, 2)]
    np.testing.assert_array_equal(np.concatenate(scores), expected)


def test_rows_of_a_table_are_sequences_too():
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(24, 3)), columns=list("abc"))
    model = quick(max_epochs=1).fit(frame, Y)
    table = pyarrow.Table.from_pandas(frame.assign(id=range(24))[["id", "c", "a", "b"]])
    scores = np.concatenate(
        list(predict_batches(model, table, method="predict_proba", batch_size=9))
    )
    np.testing.assert_array_equal(scores, model.predict_proba(frame))


WIDE = pd.DataFrame(np.random.default_rng(0).normal(size=(24, 5)), columns=list("abcde"))


@pytest.mark.parametrize(
    "build",
    [pd.DataFrame, polars.from_pandas, pyarrow.Table.from_pandas, lambda f: dict(f.items())],
    ids=["pandas", "polars", "pyarrow", "dict"],
)
def test_columns_to_keep_are_no_timesteps(classifier, build):
    wide = build(WIDE.assign(id=range(1000, 1024))[["id", *WIDE]])
    expected = classifier.predict_proba(WIDE.to_numpy())
    scorer = BatchScorer(classifier, method="predict_proba", keep=["id"])
    with pytest.warns(UserWarning, match=r"a sequence whose timesteps are .* 'a', 'b', 'c'"):
        scored = scorer(wide)
    np.testing.assert_array_equal(np.asarray(scored["predict_proba_yes"]), expected[:, 1])


def test_rows_are_read_as_sequences_with_a_warning_unless_columns_are_named(classifier):
    with pytest.warns(UserWarning, match=r"'a', 'b', .*\n\nName them: column=\[.*If X is a long"):
        unnamed = list(predict_batches(classifier, WIDE, method="predict_proba"))
    named = list(predict_batches(classifier, WIDE, method="predict_proba", column=list(WIDE)))
    np.testing.assert_array_equal(unnamed[0], classifier.predict_proba(WIDE.to_numpy()))
    np.testing.assert_array_equal(unnamed[0], named[0])
    # A model of rows of a table counts the columns itself.
    rows = quick(max_epochs=1).fit(WIDE, Y)
    assert len(next(predict_batches(rows, WIDE))) == 24


def test_views(path, expected, tmp_path):
    view = write_sequences(tmp_path / "view", UNIVARIATE)
    blocks = list(predict_batches(path, view, method="predict_proba", batch_size=9))
    assert [len(block) for block in blocks] == [9, 9, 6]
    np.testing.assert_array_equal(np.concatenate(blocks), expected)
    view = write_sequences(tmp_path / "broken", [np.asarray(x) for x in broken(np.nan)])
    with pytest.raises(ValueError, match=r"contains NaN at X\[17\]\[2\]; every"):
        list(predict_batches(path, view, batch_size=8))


def test_static_columns():
    frame = pd.DataFrame({"age": np.arange(24.0), "trip": UNIVARIATE, "ward": ["a", "b"] * 12})
    model = quick(max_epochs=1).fit(frame, Y)
    table = pyarrow.Table.from_pandas(frame.assign(id=range(24)))
    scores = np.concatenate(
        list(predict_batches(model, table, method="predict_proba", batch_size=9))
    )
    np.testing.assert_array_equal(scores, model.predict_proba(frame))


def test_a_column_for_each_feature():
    both = [np.column_stack([x, -x]) for x in UNIVARIATE]
    model = quick(max_epochs=1).fit(both, Y)
    table = TABLE.append_column("minus", [[-x for x in UNIVARIATE]])
    blocks = predict_batches(model, table, method="predict_proba", column=["x", "minus"])
    np.testing.assert_array_equal(np.concatenate(list(blocks)), model.predict_proba(both))


def test_texts_and_other_estimators():
    texts, y = ["north by north west", "due south"] * 10, [0, 1] * 10
    pipeline = make_pipeline(TokenEncoder(), quick(embedding_dim=2, max_epochs=1)).fit(texts, y)
    table = pyarrow.table({"text": texts, "y": y})
    blocks = predict_batches(pipeline, table, column="text", method="predict_proba", batch_size=8)
    np.testing.assert_array_equal(np.concatenate(list(blocks)), pipeline.predict_proba(texts))
    calibrated = CalibratedClassifierCV(quick(max_epochs=1), cv=2).fit(UNIVARIATE, Y)
    blocks = predict_batches(calibrated, UNIVARIATE, method="predict_proba", batch_size=10)
    np.testing.assert_array_equal(
        np.concatenate(list(blocks)), calibrated.predict_proba(UNIVARIATE)
    )


def test_only_what_is_asked_for_is_read(classifier):
    """An error in the third block comes after two results."""
    blocks = predict_batches(classifier, [*UNIVARIATE[:20], "text"], batch_size=10)
    assert len(next(blocks)) == len(next(blocks)) == 10
    with pytest.raises(ValueError, match=r"X\[20\] is text"):
        next(blocks)


# Errors -------------------------------------------------------------------------------------------


def broken(value):
    rows = [x.tolist() for x in UNIVARIATE]
    rows[17][2] = value
    return rows


@pytest.mark.parametrize(
    ("source", "match"),
    [
        (pyarrow.table({"x": broken(np.nan)}), r"contains NaN at X\[17\]\[2\]; every"),
        (broken(np.inf), r"contains infinity at X\[17\]\[2\]; every"),
        ([*UNIVARIATE[:17], [], *UNIVARIATE[:6], []], r"X\[17\] has no timesteps"),
        ([*UNIVARIATE[:16], [], [], *UNIVARIATE[:6], []], r"X\[16\], X\[17\] have no timesteps"),
        (
            pyarrow.table({"x": [*UNIVARIATE[:17], None]}),
            r"X has 1 null .*, the first of them X\[17\]\.\n",
        ),
        ([*UNIVARIATE[:17], "ab"], r"X\[17\] is text"),
        ([*UNIVARIATE[:17], 3.0], r"got a scalar: X\[17\] is 3.0"),
    ],
    ids=str,
)
def test_errors_name_the_row_in_all_of_x_and_the_block(classifier, source, match):
    with pytest.raises(ValueError, match=match) as raised:
        list(predict_batches(classifier, source, batch_size=8))
    last = min(24, 17 + 1 if "scalar" in match or "text" in match or "null" in match else 24) - 1
    assert raised.value.__notes__ == [f"In block 2 of X, rows 16 to {last}."]


def test_rows_of_static_columns_in_errors():
    frame = pd.DataFrame({"trip": UNIVARIATE, "ward": np.arange(24.0)})
    model = quick(max_epochs=1).fit(frame, Y)
    frame["ward"] = frame["ward"].astype(object)
    frame.loc[17, "ward"] = "west"
    with pytest.raises(ValueError, match=r"of X must hold numbers. Got 'west' at row 17\."):
        list(predict_batches(model, frame, batch_size=8))
    frame["ward"] = 0.0
    frame["trip"] = broken(np.nan)
    with pytest.raises(ValueError, match=r"at X\['trip'\]\[17\]\[2\]"):
        list(predict_batches(model, frame, batch_size=8))


def test_what_no_model_can_do_is_refused_at_once(classifier, path):
    with pytest.raises(
        ValueError, match=r"LSTMSequenceClassifier's methods \['predict', .*\. Got 'score' instead"
    ):
        predict_batches(classifier, UNIVARIATE, method="score")
    regressor = LSTMSequenceRegressor(3, n_kernels=0, conv_filters=(), max_epochs=1)
    with pytest.raises(ValueError, match=r"LSTMSequenceRegressor's methods .* Got 'predict_proba'"):
        predict_batches(regressor, UNIVARIATE, method="predict_proba")
    for size in (0, 2.5, True):
        with pytest.raises(ValueError, match=r"batch_size must be an int of at least 1. Got"):
            predict_batches(path, UNIVARIATE, batch_size=size)
    with pytest.raises(FileNotFoundError):
        BatchScorer(path.with_name("missing"))
    with pytest.raises(ValueError, match=r"column 'y'; its columns are 'id', 'x'"):
        list(predict_batches(path, TABLE, column="y"))


# BatchScorer --------------------------------------------------------------------------------------

BLOCKS = {
    "pandas": TABLE.to_pandas(),
    "polars": polars.from_arrow(TABLE),
    "pyarrow": TABLE,
    "batch": TABLE.to_batches()[0],
}


@pytest.mark.parametrize("kind", BLOCKS)
def test_a_table_gives_a_table_of_its_kind(classifier, expected, kind):
    scored = BatchScorer(classifier, method="predict_proba", keep=["id"])(BLOCKS[kind])
    assert isinstance(scored, type(BLOCKS[kind]))
    names = scored.column_names if hasattr(scored, "column_names") else list(scored.columns)
    assert names == ["id", "predict_proba_no", "predict_proba_yes"]
    np.testing.assert_array_equal(np.column_stack([scored[n] for n in names[1:]]), expected)
    assert list(np.asarray(scored["id"])) == list(range(24))


def test_a_frame_keeps_its_index_as_a_partition_needs(classifier):
    frame = TABLE.to_pandas().set_index(pd.Index(range(100, 124)))
    parts = [frame[:9], frame[9:9], frame[9:]]
    scorer = BatchScorer(classifier)
    scored = pd.concat([scorer(part) for part in parts])
    expected = pd.DataFrame({"predict": classifier.predict(UNIVARIATE)}, index=frame.index)
    pd.testing.assert_frame_equal(scored, expected, check_dtype=False)


def test_a_batch_of_ray_gives_one(path, expected):
    for sequences in (TABLE["x"].to_numpy(), np.ones((24, 5))):
        batch = {"id": np.arange(24), "x": sequences}
        scored = BatchScorer(path, keep=["id"], method="predict_proba")(batch)
        assert list(scored) == ["id", "predict_proba_no", "predict_proba_yes"]
        assert all(len(values) == 24 for values in scored.values())
    scored = BatchScorer(path)({"x": TABLE["x"].to_numpy()})
    assert list(scored) == ["predict"]


def test_anything_else_gives_an_array(classifier, expected):
    scorer = BatchScorer(classifier, method="predict_proba")
    np.testing.assert_array_equal(scorer(UNIVARIATE), expected)
    assert scorer([]).shape == (0, 2)


def test_columns_to_keep_are_there_and_not_those_of_scores(classifier):
    with pytest.raises(ValueError, match=r"X has no column 'age'; its columns are 'id', 'x'"):
        BatchScorer(classifier, keep=["age"])(TABLE)
    renamed = TABLE.rename_columns(["predict", "x"])
    with pytest.raises(ValueError, match="The column 'predict' to keep has the name"):
        BatchScorer(classifier, keep=["predict"])(renamed)


def quantile_model(y):
    parameters = {"hidden_sizes": 3, "n_kernels": 0, "conv_filters": (), "max_epochs": 1}
    return LSTMSequenceRegressor(**parameters, loss="quantile").fit(UNIVARIATE, y)


@pytest.mark.parametrize(
    ("model", "methods"),
    [
        (lambda: quick(max_epochs=1).fit(UNIVARIATE, Y), _scorer.METHODS[:4]),
        (lambda: quick(max_epochs=1).fit(UNIVARIATE, np.arange(24) % 3), _scorer.METHODS[:4]),
        (lambda: quick(max_epochs=1).fit(UNIVARIATE, make_tagged(24)[1]), _scorer.METHODS[:4]),
        (lambda: make_pipeline(quick(max_epochs=1)).fit(UNIVARIATE, Y), ["predict", "transform"]),
        (lambda: quantile_model(Y), ["predict", "predict_quantiles"]),
        (lambda: quantile_model(np.column_stack([Y, Y])), ["predict", "predict_quantiles"]),
    ],
    ids=["binary", "three classes", "several labels", "pipeline", "number", "numbers"],
)  # fmt: skip
def test_no_rows_have_the_columns_and_the_types_of_some(model, methods):
    model = model()
    for method in methods:
        scorer = BatchScorer(model, method=method)
        some, none = scorer(TABLE), scorer(TABLE[:0])
        assert none.num_rows == 0
        assert none.schema == some.schema


# In other processes -------------------------------------------------------------------------------


def test_a_pickle_of_a_scorer_with_a_path_is_small(path, classifier, expected):
    pickled = pickle.dumps(BatchScorer(path, method="predict_proba", column="x", keep=["id"]))
    assert len(pickled) < 1000
    scored = pickle.loads(pickled)(TABLE)
    np.testing.assert_array_equal(np.asarray(scored["predict_proba_yes"]), expected[:, 1])
    whole = pickle.loads(pickle.dumps(BatchScorer(classifier)))
    np.testing.assert_array_equal(whole(UNIVARIATE), classifier.predict(UNIVARIATE))


def test_a_process_loads_a_file_once_and_again_when_it_is_replaced(path, tmp_path, monkeypatch):
    copy = tmp_path / "model.safetensors"
    copy.write_bytes(path.read_bytes())
    loaded = []
    monkeypatch.setattr(_scorer, "load_model", lambda p: loaded.append(p) or load_model(p))
    pickled = pickle.dumps(BatchScorer(copy))
    scorers = [pickle.loads(pickled) for _ in range(3)]
    for scorer in scorers:
        scorer(UNIVARIATE)
    assert len(loaded) == 1
    os.utime(copy, ns=(1, 1))
    scorers[0](UNIVARIATE)
    assert len(loaded) == 1
    pickle.loads(pickled)(UNIVARIATE)
    assert len(loaded) == 2


def test_threads_that_begin_together_load_a_file_once(path, monkeypatch):
    """As those of one Dask worker."""
    loaded, everyone = [], threading.Barrier(4, timeout=30)

    def load(path):
        loaded.append(path)
        time.sleep(0.05)
        return load_model(path)

    monkeypatch.setattr(_scorer, "load_model", load)
    _scorer._load.cache_clear()
    pickled = pickle.dumps(BatchScorer(path))
    _scorer._load.cache_clear()
    loaded.clear()

    def score_together(_):
        scorer = pickle.loads(pickled)
        everyone.wait()
        return scorer(UNIVARIATE)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(score_together, range(4)))
    assert len(loaded) == 1


def test_tensors_of_arrow(path, expected):
    """Of equal shapes, as pyarrow has them; those of Ray are tried on Ray."""
    cube = np.stack([np.resize(x, 5) for x in UNIVARIATE])[:, :, None]
    tensors = pyarrow.FixedShapeTensorArray.from_numpy_ndarray(cube)
    table = pyarrow.table({"id": range(24), "x": tensors})
    scored = BatchScorer(path, method="predict_proba", keep=["id"])(table)
    alone = load_model(path).predict_proba(cube)
    np.testing.assert_array_equal(np.column_stack(scored.columns[1:]), alone)


def test_a_relative_path_is_that_of_the_folder_where_it_was_given(path, monkeypatch, tmp_path):
    monkeypatch.chdir(path.parent)
    scorer = BatchScorer(path.name)
    monkeypatch.chdir(tmp_path)
    assert len(pickle.loads(pickle.dumps(scorer))(UNIVARIATE)) == 24
    assert repr(scorer).startswith(f"BatchScorer({str(path)!r}, method='predict'")


def score(arguments):
    scorer, frame = arguments
    return os.getpid(), scorer(frame)


def test_partitions_in_spawned_processes(path, expected):
    """As Dask's and Ray's workers get it: a pickle, and a partition of a frame."""
    frame = TABLE.to_pandas()
    scorer = BatchScorer(path, method="predict_proba")
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        results = pool.map(score, [(scorer, frame[:10]), (scorer, frame[10:])], chunksize=1)
    assert os.getpid() not in {process for process, _ in results}
    scored = pd.concat([part for _, part in results])
    np.testing.assert_array_equal(scored.to_numpy(), expected)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_a_million_sequences_in_less_than_500_megabytes(say):
    """Python, torch and pyarrow included; it may not grow with the number of sequences."""
    few, many = measure(100_000), measure(1_000_000)
    say(f"{many['peak']:.0f} MB at the peak, {many['loaded']:.0f} of them when the model is loaded")
    assert many["sequences"] == 1_000_000
    assert many["peak"] < 500
    assert many["peak"] < few["peak"] + 20
