"""Ridge regression in closed form, with leave-one-out predictions."""

import numpy as np
import pytest
from scipy.sparse import csr_array
from scipy.special import log_softmax
from sklearn.linear_model import Ridge as Reference

from sklstm._tasks import _ridge
from sklstm._tasks._ridge import (
    FACTORS,
    STRENGTHS,
    TOLERANCE,
    Ridge,
    fit_classification,
    fit_labels,
    fit_regression,
    fit_sparse_regression,
    predict_sparse_left_out,
)

RNG = np.random.default_rng(0)


def make(n, p, k=2):
    features = RNG.normal(size=(n, p)) * RNG.uniform(0.1, 10, p) + RNG.normal(size=p)
    return features, RNG.normal(size=(n, k)), RNG.uniform(0.2, 3, n)


def reference(features, targets, weights, alpha):
    return Reference(alpha=alpha, tol=1e-12).fit(features, targets, sample_weight=weights)


@pytest.mark.parametrize("strength", [1e-3, 1.0])
@pytest.mark.parametrize(("n", "p"), [(12, 30), (30, 12)], ids=["few rows", "many rows"])
def test_it_is_weighted_ridge_regression_and_leaves_out_one_row(n, p, strength):
    features, targets, weights = make(n, p)
    shares = weights / weights.sum()
    deviations = np.sqrt(shares @ np.square(features - shares @ features))
    scaled = features / deviations
    ridge, alpha = Ridge(features, targets, weights), strength * p
    coefficients, intercepts = ridge.coefficients(strength)
    expected = reference(scaled, targets, shares, alpha)
    np.testing.assert_allclose(coefficients * deviations, expected.coef_, atol=1e-9)
    np.testing.assert_allclose(intercepts, expected.intercept_, atol=1e-9)
    for row in (0, n - 1):
        others = np.arange(n) != row
        without = reference(scaled[others], targets[others], shares[others], alpha)
        predicted = without.predict(scaled[[row]])[0]
        np.testing.assert_allclose(ridge.left_out(strength)[row], predicted, atol=1e-8)


def test_constant_features_have_no_weight():
    features, targets, weights = make(20, 5)
    features[:, 2] = 0.1
    coefficients, _ = Ridge(features, targets, weights).coefficients(STRENGTHS[0])
    assert not coefficients[:, 2].any()
    assert np.isfinite(coefficients).all()


def test_features_that_do_not_vary_leave_the_class_frequencies():
    classes, weights = np.array([0, 1, 1, 1]), np.ones(4)
    weight, bias, _ = fit_classification(np.full((4, 3), 0.5), classes, 2, weights)
    assert not weight.any()
    assert bias[1] > bias[0]


def test_the_strength_fits_the_noise():
    features, _, weights = make(40, 60)
    signal = features[:, :1] / features[:, 0].std()
    coefficients, intercepts, left_out = fit_regression(features, signal, weights)
    assert np.corrcoef((features @ coefficients.T).ravel(), signal.ravel())[0, 1] > 0.99
    # A row that was left out is predicted less well.
    fitted = features @ coefficients.T + intercepts
    assert np.square(left_out - signal).sum() > np.square(fitted - signal).sum()
    noise = RNG.normal(size=(40, 1))
    coefficients, intercepts, _ = fit_regression(features, noise, weights)
    predicted = features @ coefficients.T + intercepts
    assert predicted.std() < 0.5 * noise.std()


def test_sparse_rows_are_predicted_without_themselves():
    features, weights = csr_array(np.eye(10)), np.ones(10)
    targets = np.arange(20.0).reshape(10, 2) ** 2
    left_out = predict_sparse_left_out(features, targets, weights)
    assert left_out.shape == (10, 2)
    # A row that is like no other one says nothing about the others: what is left is their mean.
    assert np.abs(left_out - targets).min() > 1
    alone = predict_sparse_left_out(features[:1], targets[:1], weights[:1])
    np.testing.assert_array_equal(alone, targets[:1])


def test_logits_are_calibrated_on_rows_left_out():
    classes = np.arange(300) % 3
    features = RNG.normal(size=(300, 400))
    features[:, 0] += classes
    # A fifth of the labels is wrong, and all rows are separable.
    noisy = np.where(RNG.random(300) < 0.2, RNG.integers(0, 3, 300), classes)
    weight, bias, left_out = fit_classification(features, noisy, 3, np.ones(300))
    logits = features @ weight.T + bias
    confidence = np.exp(logits - logits.max(axis=1, keepdims=True))
    confidence = (confidence.max(axis=1) / confidence.sum(axis=1)).mean()
    assert confidence < 0.9
    # Of all factors theirs has the least log-loss; the others have seen the labels.
    losses = [-log_softmax(f * left_out, axis=1)[range(300), noisy].mean() for f in (0.7, 1, 1.4)]
    assert losses[1] == min(losses)
    assert (left_out.argmax(axis=1) == noisy).mean() < (logits.argmax(axis=1) == noisy).mean()


def labels_of(features, k, noise=1.0):
    scores = features[:, :k] / features[:, :k].std(axis=0)
    return (scores + noise * RNG.normal(size=scores.shape) > 0.5).astype(float)


@pytest.mark.parametrize(("n", "p"), [(60, 90), (90, 20)], ids=["few rows", "many rows"])
def test_labels_are_each_a_classification_of_two_classes(n, p):
    features, _, weights = make(n, p)
    labels = labels_of(features, 4)
    together = fit_labels(features, labels, weights)
    # Other weights of one label, some of them 0, and the same of the others.
    of_labels = np.repeat(weights[:, None], 4, axis=1)
    of_labels[:, 2] *= np.where(RNG.random(n) < 0.2, 0.0, 2.0)
    apart = fit_labels(features, labels, of_labels)
    for label in range(4):
        rows = np.flatnonzero(of_labels[:, label])
        classes = labels[:, label].astype(int)
        for found, chosen in ((together, np.arange(n)), (apart, rows)):
            fitted = fit_classification(features[chosen], classes[chosen], 2, weights[chosen])
            weight, bias, _ = fitted
            np.testing.assert_allclose(found[0][label], weight[1] - weight[0], atol=1e-9)
            np.testing.assert_allclose(found[1][label], bias[1] - bias[0], atol=1e-9)


def test_strength_and_scale_of_a_label_have_the_least_left_out_loss():
    features, _, weights = make(80, 120)
    labels = labels_of(features, 2, noise=0.3)
    labels[:, 1] = RNG.integers(2, size=80)
    found, intercepts = fit_labels(features, labels, weights)
    for label, column in enumerate(labels.T):
        ridge, signs = Ridge(features, 2 * column[:, None] - 1, weights), 2 * column - 1
        candidates = {
            (strength, factor): weights
            @ np.log1p(np.exp(-2 * factor * signs * ridge.left_out(strength)[:, 0]))
            / weights.sum()
            for strength in STRENGTHS
            for factor in FACTORS
        }
        enough = min(candidates.values()) + TOLERANCE
        strength = max(s for (s, _), loss in candidates.items() if loss <= enough)
        factor = min(FACTORS, key=lambda f: candidates[strength, f])
        coefficients, offsets = ridge.coefficients(strength)
        np.testing.assert_allclose(found[label], 2 * factor * coefficients[0], atol=1e-9)
        np.testing.assert_allclose(intercepts[label], 2 * factor * offsets[0], atol=1e-9)


def test_labels_of_equal_weights_share_a_decomposition(monkeypatch):
    calls = []
    monkeypatch.setattr(_ridge, "eigh", lambda matrix: calls.append(0) or np.linalg.eigh(matrix))
    features, _, weights = make(30, 40)
    labels = labels_of(features, 5)
    fit_labels(features, labels, weights)
    assert len(calls) == 1
    fit_labels(features, labels, np.where(np.arange(5) < 2, weights[:, None], 1.0))
    assert len(calls) == 3


def test_labels_without_variation_are_as_likely_as_one_more_row_tells():
    features, _, weights = make(30, 40)
    labels = labels_of(features, 4)
    labels[:, 1], labels[:, 3] = 0.0, 1.0
    of_labels = np.repeat(weights[:, None], 4, axis=1)
    of_labels[:, 2] = 0.0
    for w in (weights, of_labels):
        weight, bias = fit_labels(features, labels, w)
        assert np.isfinite(weight).all()
        assert not weight[[1, 3]].any()
        np.testing.assert_allclose(bias[[1, 3]], [-np.log(31), np.log(31)])
    # Of a label of no weight nothing is known.
    assert not weight[2].any()
    assert bias[2] == 0


def test_a_single_positive_row_is_enough():
    features, _, weights = make(30, 40)
    labels = np.zeros((30, 2))
    labels[3, 1] = 1.0
    for parts in zip(fit_labels(features, labels, weights), strict=True):
        assert np.isfinite(parts[0]).all()


def test_a_weight_of_two_counts_as_two_rows():
    features, targets, _ = make(20, 6)
    weights = np.ones(20)
    weights[3] = 2
    doubled = np.append(np.arange(20), 3)
    once = Ridge(features, targets, weights).coefficients(1e-2)
    twice = Ridge(features[doubled], targets[doubled], np.ones(21)).coefficients(1e-2)
    for a, b in zip(once, twice, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-9)


def test_one_sequence_of_each_class_is_enough():
    weight, bias, _ = fit_classification(np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([0, 1]), 2,
                                      np.ones(2))  # fmt: skip
    assert np.isfinite(weight).all()
    assert np.isfinite(bias).all()


def test_a_regression_of_sparse_features_is_that_of_scikit_learn():
    features, targets, weights = make(60, 8)
    weight, bias = fit_sparse_regression(csr_array(features), targets, 5 * weights)
    expected = reference(features, targets, weights / weights.mean(), 1.0)
    np.testing.assert_allclose(weight, expected.coef_, atol=1e-2)
    np.testing.assert_allclose(bias, expected.intercept_, atol=1e-2)
    one = fit_sparse_regression(csr_array(features), targets[:, :1], weights)
    assert [a.shape for a in one] == [(1, 8), (1,)]


@pytest.mark.parametrize("n_features", [40, 500])
def test_left_out_in_runs_is_a_regression_without_the_neighbours(n_features):
    features, _, weights = make(300, n_features)
    targets = features[:, :2] + RNG.normal(size=(300, 2))
    ridge = Ridge(features, targets, weights)
    found = ridge.left_out_in_runs(1e-3)
    shares = weights / weights.sum()
    scale = np.sqrt(shares @ np.square(features - shares @ features))
    alpha = 1e-3 * n_features * weights.sum()
    for rows in np.array_split(np.arange(300), 100)[::30]:
        others = np.setdiff1d(np.arange(300), rows)
        model = Reference(alpha=alpha).fit(
            features[others] / scale, targets[others], sample_weight=weights[others]
        )
        np.testing.assert_allclose(found[rows], model.predict(features[rows] / scale), rtol=1e-6)


def test_of_a_hundred_rows_each_is_left_out_alone():
    features, _, weights = make(100, 20)
    ridge = Ridge(features, features[:, :1], weights)
    np.testing.assert_array_equal(ridge.left_out_in_runs(0.1), ridge.left_out(0.1))


def test_rows_that_repeat_their_neighbours_do_not_weaken_the_penalty():
    """As overlapping windows do."""
    features = RNG.normal(size=(120, 60))
    noise = RNG.normal(size=(120, 1))
    repeated = [np.repeat(values, 5, axis=0) for values in (features, noise)]
    coefficients, intercepts, _ = fit_regression(*repeated, np.ones(600))
    predicted = features @ coefficients.T + intercepts
    assert predicted.std() < 0.5 * noise.std()
