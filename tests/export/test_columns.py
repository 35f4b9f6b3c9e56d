import numpy as np
import pandas as pd
import pytest

from sklstm.export import to_onnx
from tests.export.cases import (
    TOLERANCE,
    assert_same_predictions,
    documents,
    measurements,
    run,
    small,
    small_regressor,
)


def frames(X, words=("a", "b", "c")):
    """With a category among the features."""
    rng = np.random.default_rng(0)
    return [
        pd.DataFrame({"p": x[:, 0], "word": rng.choice(words, len(x)), "q": x[:, 1]}) for x in X
    ]


def codes(frames, names):
    """What a file reads of such frames: numbers, then codes from 1 on, 0 for an unknown one."""
    ids = {name: i for i, name in enumerate(names, start=1)}
    return [
        np.column_stack([f["p"], f["q"], [ids.get(w, 0) for w in f["word"]]]).astype(float)
        for f in frames
    ]


def table(X):
    """One column of sequences, and static ones with gaps and an unknown category."""
    n = len(X)
    rng = np.random.default_rng(1)
    ages = 60 + 20 * rng.normal(size=n)
    ages[::3] = np.nan
    return pd.DataFrame(
        {"age": ages, "walk": X, "time": 1.7e9 + rng.normal(size=n),
         "ward": np.array(["east", "west"])[np.arange(n) % 2]}
    )  # fmt: skip


def static(frame):
    wards = frame["ward"].map({"east": 1, "west": 2}).fillna(0)
    return np.column_stack([frame["age"], frame["time"], wards]).astype(float)


@pytest.mark.parametrize("parameters", [
    {"conv_filters": ()}, {"standardize": "both", "patch_size": 2}, {"n_kernels": 300},
    {"n_kernels": 300, "conv_filters": ()},
], ids=str)  # fmt: skip
def test_categories_among_the_features(parameters, tmp_path):
    X, y = measurements()
    model = small(**parameters).fit(frames(X), y)
    assert to_onnx(model, tmp_path / "model.onnx") <= TOLERANCE
    new = frames(X, ("a", "b", "c", "unheard of"))
    found = run(tmp_path / "model.onnx", codes(new, "abc"))
    assert_same_predictions(found, model, new)


def test_categories_alone(tmp_path):
    X, y = measurements()
    words = [frame[["word"]] for frame in frames(X)]
    model = small(conv_filters=()).fit(words, y)
    to_onnx(model, tmp_path / "model.onnx", X=words)
    found = run(tmp_path / "model.onnx", [x[:, 2:] for x in codes(frames(X), "abc")])
    assert_same_predictions(found, model, words)


@pytest.mark.parametrize("parameters", [
    {}, {"n_kernels": 300}, {"n_kernels": 300, "conv_filters": ()}, {"dense_sizes": 4},
], ids=str)  # fmt: skip
def test_static_columns_beside_measurements(parameters, tmp_path):
    X, y = measurements()
    model = small(**parameters).fit(table(X), y)
    assert to_onnx(model, tmp_path / "model.onnx", X=table(X)) <= TOLERANCE
    new = table(X).assign(ward=["north", "east", "west"] * 4)
    assert_same_predictions(run(tmp_path / "model.onnx", X, static(new)), model, new)


@pytest.mark.parametrize("columns", [["age", "walk"], ["walk", "ward"]], ids=str)
@pytest.mark.parametrize("n_kernels", [0, 300])
def test_static_columns_of_one_kind(columns, n_kernels, tmp_path):
    X, y = measurements()
    given = table(X)
    model = small_regressor(n_kernels=n_kernels).fit(given[columns], np.arange(len(y)))
    assert to_onnx(model, tmp_path / "model.onnx") <= TOLERANCE
    kept = static(given)[:, [0]] if "age" in columns else static(given)[:, [2]]
    found = run(tmp_path / "model.onnx", X, kept)
    assert_same_predictions(found, model, given[columns])


@pytest.mark.parametrize("tfidf", [True, False])
def test_static_columns_beside_tokens(tfidf, tmp_path):
    X, y = documents()
    model = small(embedding_dim=3, tfidf=tfidf).fit(table(X), y)
    assert to_onnx(model, tmp_path / "model.onnx") <= TOLERANCE
    new = table(X)
    assert_same_predictions(run(tmp_path / "model.onnx", X, static(new)), model, new)
