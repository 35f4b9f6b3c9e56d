"""The promises of the classifier hold for numbers, in one column or several, and for quantiles."""

from functools import partial

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline

from sklstm import LSTMSequenceRegressor, load_model, save_model
from sklstm._training import _fitting
from sklstm.preprocessing import SequenceScaler, TokenEncoder
from tests.crashing import Crash, CrashAfter
from tests.helpers import (
    assert_same_in_company,
    make_documents,
    make_ragged,
    predictions_through_copies,
)

X, _ = make_ragged(60)
# A function of each sequence, in units of its own.
ONE = np.array([250.0 + 40 * x[:, 0].mean() + 5 * len(x) for x in X])
TWO = np.stack([ONE, -3 * ONE + 100 * np.array([x[:, 1].max() for x in X])], axis=1)
LOSSES = ("absolute_error", "huber", "quantile", "squared_error")
CASES = {f"{loss}, {y.ndim}": (loss, y) for loss in LOSSES for y in (ONE, TWO)}
every_case = pytest.mark.parametrize(("loss", "y"), CASES.values(), ids=CASES)
every_y = pytest.mark.parametrize("y", [ONE, TWO], ids=["one", "two"])


def quick(**parameters):
    defaults = {"hidden_sizes": 8, "max_epochs": 5, "random_state": 0, "conv_filters": ()}
    return LSTMSequenceRegressor(**{**defaults, **parameters})


def outputs(regressor, X):
    """All that a regressor says, in one row for each sequence."""
    name = "predict_quantiles" if regressor.loss == "quantile" else "predict"
    return getattr(regressor, name)(X).reshape(len(X), -1)


@every_case
def test_it_learns_in_the_units_and_the_shape_of_y(loss, y):
    options = {"loss": loss, "n_kernels": 0, "learning_rate": 0.02, "pooling": "max"}
    regressor = quick(**options, max_epochs=60).fit(X[:40], y[:40])
    assert regressor.predict(X).shape == y.shape
    assert regressor.score(X[40:], y[40:]) > 0.7
    assert regressor.predict(X).dtype == np.float64


@every_case
def test_alone_or_in_company_a_prediction_is_the_same(loss, y):
    for options in ({}, {"n_kernels": 300}):
        regressor = quick(loss=loss, max_epochs=1, **options).fit(X, y)
        together = outputs(regressor, X)
        alone = np.vstack([outputs(regressor, [x]) for x in X])
        assert_same_in_company(alone, together)
        assert_same_in_company(outputs(regressor, X[::-1])[::-1], together)


@every_case
def test_two_fits_and_their_copies_are_the_same_to_the_bit(loss, y, tmp_path):
    regressor = quick(loss=loss, dropout=0.3, n_kernels=300)
    expected = outputs(regressor.fit(X, y), X)
    np.testing.assert_array_equal(outputs(clone(regressor).fit(X, y), X), expected)
    loaded = predictions_through_copies(regressor, partial(outputs, X=X), tmp_path / "model")
    assert type(loaded) is LSTMSequenceRegressor
    assert loaded.get_params() == regressor.get_params()
    torch.set_num_threads(2)
    np.testing.assert_array_equal(outputs(clone(regressor).fit(X, y), X), expected)


@every_case
def test_a_weight_of_zero_is_removal_to_the_bit(loss, y):
    weights = np.r_[np.ones(50), np.zeros(10)]
    for options in ({}, {"early_stopping": True}, {"mixup_alpha": 0.3, "n_kernels": 300}):
        moved = y + np.where(weights == 0, 1e6, 0.0).reshape(-1, *[1] * (y.ndim - 1))
        weighted = quick(loss=loss, **options).fit(X, moved, weights)
        removed = quick(loss=loss, **options).fit(X[:50], y[:50], np.ones(50))
        np.testing.assert_array_equal(outputs(weighted, X), outputs(removed, X))


@every_y
def test_an_integer_weight_is_a_repetition(y):
    options = {"batch_size": 1000, "max_epochs": 20, "n_kernels": 0}
    weights = np.random.default_rng(0).integers(1, 4, size=60)
    repeated = np.repeat(np.arange(60), weights)
    by_weight = quick(**options, standardize=False).fit(X, y, weights)
    by_repetition = quick(**options, standardize=False).fit([X[i] for i in repeated], y[repeated])
    np.testing.assert_allclose(by_weight.predict(X), by_repetition.predict(X), rtol=1e-3)
    assert not np.allclose(quick(**options).fit(X, y).predict(X), by_weight.predict(X), rtol=1e-3)


@every_case
def test_the_units_of_y_do_not_matter(loss, y):
    """By a power of two, which changes no digit."""
    plain = quick(loss=loss, n_kernels=300).fit(X, y)
    scaled = quick(loss=loss, n_kernels=300).fit(X, 1024.0 * y)
    np.testing.assert_array_equal(outputs(scaled, X), 1024.0 * outputs(plain, X))
    large = quick(loss=loss, n_kernels=0).fit(X, 1e9 + y)
    near = quick(loss=loss, n_kernels=0).fit(X, y)
    np.testing.assert_allclose(outputs(large, X) - 1e9, outputs(near, X), rtol=1e-3)


@every_case
def test_a_training_goes_on_after_an_interruption(loss, y, tmp_path):
    options = {"loss": loss, "checkpoint": tmp_path / "of", "n_kernels": 300}
    with pytest.raises(Crash):
        quick(**options, callbacks=[CrashAfter(2)]).fit(X, y)
    resumed = quick(**options).fit(X, y)
    expected = outputs(quick(loss=loss, n_kernels=300).fit(X, y), X)
    np.testing.assert_array_equal(outputs(resumed, X), expected)
    with pytest.raises(ValueError, match="belongs to a different fit: y is not the same"):
        quick(**options).fit(X, 2 * y)


@every_case
def test_further_training_goes_on(loss, y):
    for n_kernels in (0, 300):
        regressor = quick(loss=loss, warm_start=True, n_kernels=n_kernels).fit(X, y)
        first = regressor.history_["train_loss"][-1]
        regressor.fit(X, y).partial_fit(X[:20], y[:20])
        assert regressor.n_iter_ == 11
        assert regressor.history_["train_loss"][9] < first


@every_y
def test_it_begins_with_a_partial_fit(y):
    regressor = quick(n_kernels=0)
    for _ in range(40):
        regressor.partial_fit(X, y)
    assert regressor.score(X, y) > 0.5


@every_case
def test_it_stops_early_by_loss_or_any_scorer_of_regressors(loss, y):
    groups = np.arange(60) // 4
    for scoring in ("loss", "neg_mean_absolute_error", "r2"):
        regressor = quick(loss=loss, early_stopping=True, scoring=scoring, max_epochs=30)
        regressor.fit(X, y, np.linspace(1, 2, 60), groups=groups)
        assert np.isfinite(regressor.best_score_)
    last = quick(early_stopping="last", max_epochs=3).fit(X, np.sort(ONE))
    assert len(last.history_["valid_loss"]) == 3
    given = quick(loss=loss, max_epochs=3).fit(X[:40], y[:40], X_val=X[40:], y_val=y[40:])
    assert np.isfinite(given.history_["valid_loss"]).all()


def test_quantiles_cover_what_they_promise_and_never_cross():
    rng = np.random.default_rng(0)
    levels = rng.normal(size=800)
    sequences = [np.full((6, 1), level) for level in levels]
    y = 10 * levels + rng.normal(size=800) * (1 + np.abs(levels))
    regressor = quick(loss="quantile", quantiles=(0.9, 0.1, 0.5), max_epochs=40, n_kernels=0)
    regressor.fit(sequences[:600], y[:600])
    assert regressor.quantiles_.tolist() == [0.1, 0.5, 0.9]
    low, middle, high = regressor.predict_quantiles(sequences[600:]).T
    assert (low <= middle).all()
    assert (middle <= high).all()
    assert 0.7 < np.mean((y[600:] >= low) & (y[600:] <= high)) < 0.9
    np.testing.assert_array_equal(regressor.predict(sequences[600:]), middle)
    # The noise grows with the level.
    width = (high - low)[np.argsort(np.abs(levels[600:]))]
    assert width[-40:].mean() > 1.5 * width[:40].mean()


def test_it_goes_through_searches_and_pipelines(tmp_path):
    pipeline = make_pipeline(SequenceScaler(), quick(max_epochs=3))
    assert len(cross_val_score(pipeline, X, ONE, cv=3)) == 3
    predicted = cross_val_predict(pipeline, X, TWO, cv=GroupKFold(3), groups=np.arange(60) // 4)
    assert predicted.shape == TWO.shape
    grid = {"lstmsequenceregressor__loss": ["huber", "quantile"]}
    search = GridSearchCV(pipeline, grid, cv=2, n_jobs=2).fit(X, ONE)
    assert search.best_score_ > -5
    save_model(search.best_estimator_, tmp_path / "pipeline")
    loaded = load_model(tmp_path / "pipeline")
    np.testing.assert_array_equal(loaded.predict(X), search.predict(X))


@every_y
def test_quantiles_of_texts_are_as_wide_as_errors_on_new_ones(y):
    rng = np.random.default_rng(0)
    texts = [rng.integers(2, 20, size=rng.integers(3, 9)) for _ in range(600)]
    numbers = np.array([3.0 * np.sum(ids == 2) for ids in texts]) + rng.normal(size=600)
    numbers = numbers if y.ndim == 1 else np.stack([numbers, -numbers], axis=1)
    regressor = quick(loss="quantile", embedding_dim=4, max_epochs=15).fit(
        texts[:400], numbers[:400]
    )
    # Of each target the linear model's quantiles ascend, too.
    biases = regressor.net_.module_.linear.bias.reshape(-1, 3)
    assert (biases.diff(dim=1) > 0).all()
    low, _, high = np.moveaxis(regressor.predict_quantiles(texts[400:]), -1, 0)
    assert 0.8 < np.mean((numbers[400:] >= low) & (numbers[400:] <= high)) < 0.99


def test_what_is_held_out_says_how_much_the_linear_model_counts():
    """A network of one epoch knows nothing, and nothing but noise is left to the linear model."""
    texts, labels = make_documents(200)
    y = np.asarray(labels, dtype=float)
    untrained = {"max_epochs": 1, "learning_rate": 1e-6}
    of_texts = quick(embedding_dim=4, **untrained).fit(texts, y)
    sequences, labels = make_ragged(500)
    of_measurements = quick(n_kernels=500, **untrained).fit(sequences, labels.astype(float))
    for regressor in (of_texts, of_measurements):
        of_network, of_linear = regressor.net_.module_.shares.tolist()
        assert of_linear > 0.6
        np.testing.assert_allclose(of_network + of_linear, 1, rtol=1e-6)
    few = quick(n_kernels=500, **untrained).fit(sequences[:499], labels[:499].astype(float))
    assert few.net_.module_.shares.tolist() == [0.5, 0.5]
    stopped = quick(n_kernels=500, early_stopping=True, **untrained)
    stopped.fit(sequences, labels.astype(float))
    assert stopped.net_.module_.shares.tolist() == [0.5, 0.5]


def test_groups_are_held_out_whole(monkeypatch):
    seen = []
    split = _fitting.split_for_calibration

    def spy(data, seed):
        seen.extend(split(data, seed))
        return seen[-2:]

    monkeypatch.setattr(_fitting, "split_for_calibration", spy)
    sequences, labels = make_ragged(200)
    groups = np.random.default_rng(0).integers(0, 20, size=200)
    quick(loss="quantile", max_epochs=1, n_kernels=0).fit(
        sequences, labels.astype(float), groups=groups
    )
    training, held_out = seen
    assert len(held_out.targets) > 5
    assert not set(training.groups) & set(held_out.groups)


def test_texts_have_numbers():
    texts, labels = make_documents(200)
    y = 5.0 * np.asarray(labels)
    regressor = quick(embedding_dim=8, max_epochs=20).fit(texts[:150], y[:150])
    assert regressor.score(texts[150:], y[150:]) > 0.5
    pipeline = make_pipeline(TokenEncoder(), quick(embedding_dim=4, max_epochs=2))
    assert pipeline.fit(["good film", "bad film"] * 20, [1.0, 0.0] * 20).predict(["good"]) > 0.3


@pytest.mark.parametrize("given", ["held out", "X_val"])
def test_intervals_of_a_network_that_has_memorised_noise_are_wide_enough(given):
    """Before they are shifted, one value in ten is in them."""
    rng = np.random.default_rng(0)
    sequences, y = [rng.normal(size=(8, 2)) for _ in range(600)], rng.normal(50, 10, 600)
    options = {"hidden_sizes": 64, "pooling": "max", "max_epochs": 60, "learning_rate": 0.02}
    own = {"X_val": sequences[200:300], "y_val": y[200:300]} if given == "X_val" else {}
    regressor = quick(loss="quantile", n_kernels=0, **options)
    regressor.fit(sequences[:200], y[:200], **own)
    low, _, high = regressor.predict_quantiles(sequences[300:]).T
    assert 0.8 < np.mean((y[300:] >= low) & (y[300:] <= high)) < 0.98
