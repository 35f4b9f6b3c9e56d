import numpy as np
import pytest

from tests.export.cases import assert_file_agrees, documents, small, small_regressor


@pytest.mark.parametrize("estimator", [small, small_regressor])
def test_shares_that_are_fitted_and_tokens_that_are_rare(estimator, tmp_path):
    """From 500 training documents on, a token of a single one is unknown to the network."""
    X, y = documents(570, n_tokens=3000)
    model = estimator(embedding_dim=3).fit(X, y)
    ensemble = model.net_.module_
    assert ensemble.is_rare.any()
    assert 0 < float(ensemble.shares[0]) != 0.25
    assert_file_agrees(model, tmp_path / "model.onnx", X[:30])


def test_hashes_of_large_ids(tmp_path):
    """Whose products are larger than int32 holds."""
    X, y = documents(12, n_tokens=60_000)
    model = small(embedding_dim=2, vocabulary_size=60_000).fit(X, y)
    assert_file_agrees(model, tmp_path / "model.onnx", X)


def test_vectors_that_are_given(tmp_path):
    X, y = documents()
    weights = np.random.default_rng(0).normal(size=(20, 3))
    model = small(embedding_weights=weights, freeze_embedding=True, patch_size=2).fit(X, y)
    assert_file_agrees(model, tmp_path / "model.onnx", X)
