"""Pipelines of transformers."""

import itertools

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline

from sklstm.export import to_onnx
from sklstm.preprocessing import RollingFeatures, SequenceImputer, SequenceScaler
from tests.export.cases import TOLERANCE, assert_same_predictions, measurements, rounded, run, small

SCALERS = [
    SequenceScaler(method, per=per)
    for method, per in itertools.product(("minmax", "robust", "standard"), ("dataset", "sequence"))
]
IMPUTERS = [
    SequenceImputer(strategy, add_indicator=added, add_time_since=added)
    for strategy, added in itertools.product(("forward", "linear", "mean", "median"), (False, True))
]
ROLLING = [
    RollingFeatures(),
    RollingFeatures(1, statistics=("std",)),
    RollingFeatures(3, statistics=("max", "mean"), differences=(1, 4, 50), append=False),
    RollingFeatures(64, time_since=True, statistics=("min",)),
]


def with_gaps(X):
    """Values that are missing: alone, at both ends, of a whole sequence, and zeros."""
    X, rng = [x.copy() for x in X], np.random.default_rng(2)
    for x in X:
        x[rng.random(x.shape) < 0.3] = np.nan
        x[rng.random(x.shape) < 0.2] = 0.0
    X[0][:] = np.nan
    X[1][:, 1] = np.nan
    X[2][:, 0] = 7.0
    return X


def assert_agrees(steps, X, y, path, given=None):
    model = make_pipeline(*steps, small(conv_filters=())).fit(X, y)
    assert to_onnx(model, path, X=given) <= TOLERANCE
    assert_same_predictions(run(path, X), model, X)


@pytest.mark.parametrize("scaler", SCALERS, ids=str)
def test_scalers(scaler, tmp_path):
    X, y = measurements()
    X[2][:, 0] = 7.0
    assert_agrees([scaler], X, y, tmp_path / "model.onnx")


@pytest.mark.parametrize("scaler", SCALERS, ids=str)
def test_scalers_pass_over_what_is_missing(scaler, tmp_path):
    X, y = measurements()
    assert_agrees([scaler, SequenceImputer()], with_gaps(X)[1:], y[1:], tmp_path / "model.onnx")


@pytest.mark.parametrize("imputer", IMPUTERS, ids=str)
def test_imputers(imputer, tmp_path):
    X, y = measurements()
    X = with_gaps(X)
    assert_agrees([imputer], X, y, tmp_path / "model.onnx", given=X)


@pytest.mark.parametrize("rolling", ROLLING, ids=str)
def test_rolling_features(rolling, tmp_path):
    X, y = measurements()
    assert_agrees([rolling], [x.round(-1) for x in X], y, tmp_path / "model.onnx")


@pytest.mark.parametrize("rolling", ROLLING, ids=str)
def test_rolling_features_of_what_is_missing(rolling, tmp_path):
    X, y = measurements()
    assert_agrees([rolling, SequenceImputer()], with_gaps(X), y, tmp_path / "model.onnx")


def test_steps_that_pass_through_are_left_out(tmp_path):
    X, y = measurements()
    steps = ["passthrough", SequenceScaler(), None]
    assert_agrees(steps, X, y, tmp_path / "model.onnx")


def test_a_table_of_a_sequence_a_row(tmp_path):
    rng = np.random.default_rng(0)
    X, y = np.array(rounded(rng.normal(size=(12, 8)))), np.arange(12) % 2
    model = make_pipeline(RollingFeatures(2), small()).fit(X, y)
    assert to_onnx(model, tmp_path / "model.onnx", X=X) <= TOLERANCE
    found = run(tmp_path / "model.onnx", list(X[:, :, None]))
    assert_same_predictions(found, model, X)


@pytest.mark.parametrize(
    "steps",
    [
        *([scaler] for scaler in SCALERS),
        [SequenceImputer("linear"), SequenceScaler()],
        [RollingFeatures(3), SequenceScaler("minmax")],
    ],
    ids=str,
)
def test_float32_in_python_and_in_the_file(steps, tmp_path):
    """Thresholds of fixed convolutions are responses to X: the steps must give the same bits."""
    rng = np.random.default_rng(0)
    X = [(300 + rng.normal(size=(60, 4)).cumsum(axis=0)).astype(np.float32) for _ in range(40)]
    if isinstance(steps[0], SequenceImputer):
        for x in X:
            x[rng.random(x.shape) < 0.3] = np.nan
    model = make_pipeline(*steps, small(conv_filters=(), n_kernels=300)).fit(X, np.arange(40) % 2)
    assert to_onnx(model, tmp_path / "model.onnx", X=X) <= TOLERANCE
    assert_same_predictions(run(tmp_path / "model.onnx", X), model, X)
