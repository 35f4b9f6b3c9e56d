"""Every kind of network, exported and run in onnxruntime."""

import itertools

import numpy as np
import pytest

from tests.export.cases import (
    assert_file_agrees,
    documents,
    measurements,
    new_sequences,
    small,
    small_regressor,
)
from tests.helpers import POOLINGS

LAYERS = [
    {"pooling": pooling, "bidirectional": bidirectional, "hidden_sizes": sizes, "conv_filters": ()}
    for pooling, bidirectional, sizes in itertools.product(POOLINGS, (True, False), (4, (3, 4)))
]
SCALES = [
    {"standardize": standardize, "patch_size": patch_size, "conv_filters": filters}
    for standardize, patch_size, filters in itertools.product(
        (True, False, "sequence", "both", "auto"), (1, 3), ((), (5,))
    )
]
OTHERS = [
    {"conv_filters": (4, 5, 6, 5)},
    {"conv_filters": (40, 20), "dense_sizes": (6, 5), "dropout": 0.2},
    {"dense_sizes": 3, "conv_filters": ()},
    {"hidden_sizes": (4, 3, 4), "dropout": 0.5, "conv_filters": ()},
    {"hidden_sizes": 2, "n_kernels": 300, "conv_filters": (5,), "standardize": "both"},
    {"hidden_sizes": 2, "n_kernels": 300, "conv_filters": ()},
    {"hidden_sizes": 2, "n_kernels": 300, "conv_filters": (), "patch_size": 3},
    {"hidden_sizes": 2, "n_kernels": 300, "conv_filters": (), "standardize": "sequence"},
    {"n_kernels": "auto"},
    {"n_kernels": "auto", "batch_size": "auto", "precision": "auto", "device": "auto"},
]
TOKENS = [
    {"tfidf": tfidf, "pooling": pooling, "conv_filters": filters}
    for tfidf, pooling, filters in itertools.product((True, False), POOLINGS, ("auto", (5,)))
]


def name_of(parameters):
    return ",".join(f"{name}={value}" for name, value in parameters.items())


@pytest.mark.parametrize("parameters", [*LAYERS, *SCALES, *OTHERS], ids=name_of)
def test_every_network_of_measurements(parameters, tmp_path):
    X, y = measurements()
    model = small(**parameters).fit(X, y)
    assert_file_agrees(model, tmp_path / "model.onnx", new_sequences(X))


@pytest.mark.parametrize("parameters", [{}, {"standardize": False}, {"patch_size": 2}], ids=name_of)
def test_the_default_of_one_feature(parameters, tmp_path):
    """Windows of fixed convolutions and a linear model."""
    X, y = measurements(n_features=1, lengths=(30, 40))
    model = small(n_kernels="auto", **parameters).fit(X, y)
    assert_file_agrees(model, tmp_path / "model.onnx", new_sequences(X))


@pytest.mark.parametrize("parameters", TOKENS, ids=name_of)
def test_every_network_of_tokens(parameters, tmp_path):
    X, y = documents()
    model = small(embedding_dim=3, **parameters).fit(X, y)
    assert_file_agrees(model, tmp_path / "model.onnx", new_sequences(X))


@pytest.mark.parametrize("n_kernels", [0, 300])
@pytest.mark.parametrize("kind", ["one number", "two numbers", "quantiles", "two of quantiles"])
def test_every_kind_of_number(kind, n_kernels, tmp_path):
    X, _ = measurements()
    y = np.array([[x[:, 0].mean(), 1000 * x[-1, 1]] for x in X])
    y = y if kind.startswith("two") else y[:, 0]
    options = {"loss": "quantile", "quantiles": (0.9, 0.2, 0.6)} if "quantiles" in kind else {}
    model = small_regressor(n_kernels=n_kernels, **options).fit(X, y)
    assert_file_agrees(model, tmp_path / "model.onnx", new_sequences(X))
