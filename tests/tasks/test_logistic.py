"""Logistic regression of sparse features, and shares of an ensemble's members."""

import numpy as np
import pytest
from scipy.sparse import csr_array
from scipy.special import log_softmax, softmax
from sklearn.linear_model import LogisticRegression

from sklstm._tasks._logistic import (
    INVERSE_STRENGTH,
    fit_logistic,
    fit_logistic_labels,
    fit_shares,
    fit_shares_of_labels,
    match_confidence,
)

RNG = np.random.default_rng(0)
FEATURES = csr_array(RNG.poisson(0.3, size=(200, 12)).astype(float))
DENSE = FEATURES.toarray()


def classes_of(n_classes):
    scores = DENSE[:, :n_classes] + 0.3 * RNG.normal(size=(200, n_classes))
    return scores.argmax(axis=1)


def probabilities(weight, bias):
    return softmax(DENSE @ weight.T + bias, axis=1)


@pytest.mark.parametrize("n_classes", [2, 4])
def test_probabilities_are_those_of_scikit_learn(n_classes):
    classes, weights = classes_of(n_classes), RNG.uniform(0.5, 2, size=200)
    fitted = probabilities(*fit_logistic(FEATURES, classes, n_classes, 7 * weights))
    model = LogisticRegression(C=INVERSE_STRENGTH, max_iter=1000)
    model.fit(DENSE, classes, sample_weight=weights / weights.mean())
    np.testing.assert_allclose(fitted, model.predict_proba(DENSE), atol=1e-3)


def test_a_class_that_is_missing_is_improbable():
    classes = classes_of(3)
    fitted = probabilities(*fit_logistic(FEATURES, 2 * classes, 5, np.ones(200)))
    assert fitted[:, [1, 3]].max() < 0.05
    np.testing.assert_array_equal(fitted.argmax(axis=1) % 2, 0)
    alone = probabilities(*fit_logistic(FEATURES, np.full(200, 1), 2, np.ones(200)))
    np.testing.assert_allclose(alone[:, 1], 200 / 201, atol=1e-4)


def test_labels_are_each_a_regression_of_two_classes():
    labels = (DENSE[:, :4] + RNG.normal(size=(200, 4)) > 0.8).astype(float)
    labels[:, 2] = 0.0
    weights = RNG.uniform(0.5, 2, size=(200, 4))
    weights[:150, 1] = 0.0
    weights[:, 3] = 0.0
    weight, bias = fit_logistic_labels(FEATURES, labels, weights)
    for label, rows in ((0, np.arange(200)), (1, np.arange(150, 200))):
        column = labels[rows, label].astype(int)
        of_classes = fit_logistic(FEATURES[rows], column, 2, weights[rows, label])
        np.testing.assert_allclose(weight[label], np.diff(of_classes[0], axis=0)[0])
        np.testing.assert_allclose(bias[label], np.diff(of_classes[1])[0])
    np.testing.assert_allclose(bias[2:], [-np.log(201), 0.0])
    assert not weight[2:].any()
    # One weight for each row is the same of each label.
    same = fit_logistic_labels(FEATURES, labels, weights[:, 0])
    np.testing.assert_array_equal(same[0][0], weight[0])


def test_shares_of_two_classes_and_of_one_label_are_the_same():
    members, classes = members_of(500, noise=0.3)
    of_two = members[:, :, :2]
    classes = np.minimum(classes, 1)
    expected = fit_shares(of_two, classes, np.ones(500), (0.25, 0.5))
    differences = np.diff(of_two, axis=2)
    for weights in (np.ones(500), np.ones((500, 1))):
        found = fit_shares_of_labels(differences, classes[:, None], weights, (0.25, 0.5))
        np.testing.assert_allclose(found, expected, rtol=1e-3)
    # A label of weight 0 has no say.
    both = np.concatenate([differences, -50 * differences], axis=2)
    labels = np.stack([classes, classes], axis=1)
    of_first = np.array([[1.0, 0.0]] * 500)
    found = fit_shares_of_labels(both, labels, of_first, (0.25, 0.5))
    np.testing.assert_allclose(found, expected, rtol=1e-3)


def members_of(n, noise, seed=0):
    """Logits of a member that knows the class, ten times too confident, and of one that does not.

    The first errs with the given probability.
    """
    rng = np.random.default_rng(seed)
    classes = rng.integers(3, size=n)
    seen = np.where(rng.random(n) < noise, rng.integers(3, size=n), classes)
    knows = 20.0 * (seen[:, None] == np.arange(3))
    return np.stack([knows, rng.normal(size=(n, 3))], axis=1), classes


def test_shares_minimise_the_log_loss_of_the_sum():
    members, classes = members_of(2000, noise=0.3)
    of_first, of_second = fit_shares(members, classes, np.ones(2000), (0.5, 0.5))
    # Of three classes 0.8 are right: the logarithm of 0.8 / 0.1.
    np.testing.assert_allclose(20 * of_first, np.log(8), rtol=0.1)
    assert of_second < 0.2


def test_few_rows_leave_shares_near_the_prior():
    prior = np.array([0.25, 0.5])
    # Of a member that never errs no share is too large.
    for n, distance in ((5, (1.2, 4)), (2000, (10, np.inf))):
        members, classes = members_of(n, noise=0.0)
        of_first, _ = fit_shares(members / 10, classes, np.ones(n), prior) / prior
        assert distance[0] < of_first < distance[1]


def test_weights_of_the_rows_count():
    members, classes = members_of(1000, noise=0.3)
    is_right = members[:, 0].argmax(axis=1) == classes
    trusting = fit_shares(members, classes, np.where(is_right, 1.0, 1e-6), (0.5, 0.5))
    assert trusting[0] > 2 * fit_shares(members, classes, np.ones(1000), (0.5, 0.5))[0]
    scaled = fit_shares(members, classes, np.full(1000, 9.0), (0.5, 0.5))
    np.testing.assert_allclose(scaled, fit_shares(members, classes, np.ones(1000), (0.5, 0.5)))
    logits = np.tensordot(members, trusting, (1, 0))
    assert np.isfinite(log_softmax(logits, axis=1)).all()


def confidence(logits, weights):
    return np.average(softmax(logits, axis=1).max(axis=1), weights=weights)


def test_logits_are_made_as_confident_as_those_left_out():
    rng = np.random.default_rng(0)
    sure, left_out = 5 * rng.normal(size=(300, 4)), rng.normal(size=(300, 4))
    weights = rng.random(300)
    factor = match_confidence(sure, left_out, weights)
    assert 0.1 < factor < 1
    np.testing.assert_allclose(
        confidence(factor * sure, weights), confidence(left_out, weights), rtol=1e-9
    )
    # Rows of next to no weight have no say.
    left_out[:100] *= 9
    weights[:100] = 1e-12
    assert match_confidence(sure, left_out, weights) < match_confidence(
        sure, left_out, np.ones(300)
    )


def test_a_network_is_neither_made_more_confident_nor_silenced():
    rng = np.random.default_rng(0)
    sure, unsure = 20 * rng.normal(size=(50, 3)), 0.01 * rng.normal(size=(50, 3))
    assert match_confidence(unsure, sure, np.ones(50)) == 1
    assert match_confidence(sure, unsure, np.ones(50)) == 0.1
    assert match_confidence(sure[:, :1], unsure[:, :1], np.ones(50)) == 0.1
    overflown = np.full((50, 3), np.inf)
    with np.errstate(invalid="ignore"):
        assert match_confidence(overflown, sure, np.ones(50)) == 0.1
