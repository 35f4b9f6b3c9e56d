"""Quantiles, and what is no y or no parameter of a regressor."""

import numpy as np
import pytest
import torch
from sklearn.exceptions import NotFittedError

from sklstm import LSTMSequenceRegressor, load_model, save_model
from sklstm._compat._sklearn import InvalidParameterError
from tests.contract.test_regressor import ONE, TWO, X, every_y, quick


def test_outputs_that_cross_are_sorted():
    regressor = quick(loss="quantile", quantiles=(0.25, 0.75), n_kernels=0).fit(X, TWO)
    with torch.no_grad():
        for layer in regressor.net_.module_.head.modules():
            if isinstance(layer, torch.nn.Linear):
                layer.weight.zero_()
                layer.bias.copy_(torch.tensor([1.0, -1.0, -2.0, 2.0]))
    low, high = np.moveaxis(regressor.predict_quantiles(X[:1])[0], -1, 0)
    mean, scale = regressor.target_mean_, regressor.target_scale_
    np.testing.assert_allclose(low, mean + scale * [-1, -2])
    np.testing.assert_allclose(high, mean + scale * [1, 2])


def test_only_with_quantiles_there_are_quantiles():
    assert not hasattr(quick(), "predict_quantiles")
    assert hasattr(quick(loss="quantile"), "predict_quantiles")
    with pytest.raises(NotFittedError):
        quick(loss="quantile").predict_quantiles(X)


def test_a_prediction_without_a_median_is_warned_of():
    regressor = quick(loss="quantile", quantiles=(0.1, 0.9)).fit(X, ONE)
    with pytest.warns(UserWarning, match=r"(?s)^predict returns the 0\.1 quantile.* 0\.5"):
        predicted = regressor.predict(X)
    np.testing.assert_array_equal(predicted, regressor.predict_quantiles(X)[:, 0])
    # One that is nearer is meant.
    regressor.set_params(quantiles=(0.2, 0.6)).fit(X, ONE).predict(X)


@every_y
def test_a_constant_y_is_predicted(y):
    constant = np.full_like(y, 3.5)
    np.testing.assert_allclose(quick(max_epochs=40).fit(X, constant).predict(X), constant, atol=0.3)


BAD = {
    "no y": (None, "requires y to be passed"),
    "missing": (np.r_[np.nan, ONE[1:]], r"y\[0\]|NaN"),
    "infinite": (np.r_[np.inf, ONE[1:]], "infinity"),
    "three dimensions": (ONE[:, None, None], r"y must have shape \(n_sequences,\)"),
    "no column": (np.empty((60, 0)), "0 feature|must have shape"),
    "texts": (["a"] * 60, "could not convert|must be"),
    "too few": (ONE[:-1], "X has 60 sequences, y has 59 values"),
    "too large": (np.r_[1e308, -1e308, ONE[2:]], "y is too large: its largest .* 1e[+]308"),
}


@pytest.mark.parametrize(("y", "message"), BAD.values(), ids=BAD)
def test_what_is_no_y_is_named(y, message):
    with pytest.raises(ValueError, match=message):
        quick().fit(X, y)


@pytest.mark.parametrize("quantiles", [(), (0.5, 0.5), (0.0, 0.5), (1,), ("a",), 0.5])
def test_what_is_no_quantile_is_named(quantiles):
    with pytest.raises(InvalidParameterError, match="'quantiles' parameter"):
        quick(loss="quantile", quantiles=quantiles).fit(X, ONE)


def test_further_training_needs_the_same_shape_and_loss():
    regressor = quick(warm_start=True, n_kernels=0).fit(X, ONE)
    with pytest.raises(ValueError, match=r"y has shape \(60, 2\), but the shape was"):
        regressor.fit(X, TWO)
    with pytest.raises(ValueError, match="loss='quantile' has others"):
        regressor.set_params(loss="quantile").fit(X, ONE)
    with pytest.raises(ValueError, match=r"y_val has shape \(60, 2\)"):
        quick(n_kernels=0).fit(X, ONE, X_val=X, y_val=TWO)


def test_a_file_of_a_classifier_is_no_regressor(tmp_path, monkeypatch):
    save_model(quick(n_kernels=0).fit(X, ONE), tmp_path / "model")
    regressor = load_model(tmp_path / "model")
    monkeypatch.setattr(regressor, "target_scale_", np.array([-1.0]))
    with pytest.raises(ValueError, match="target_scale_ cannot be"):
        save_model(regressor, tmp_path / "other")
    monkeypatch.setattr(regressor, "target_scale_", np.ones(2))
    with pytest.raises(ValueError, match="target_mean_, target_scale_ and _n_dimensions do not"):
        save_model(regressor, tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_a_parameter_of_the_classifier_is_unknown():
    with pytest.raises(TypeError, match=r"unexpected keyword argument 'class_weight'\.$"):
        LSTMSequenceRegressor(class_weight="balanced")
