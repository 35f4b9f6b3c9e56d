"""Calibration, thresholds and prediction sets of other packages, on all forms of X.

The recipes of docs/user_guide/decisions.rst rest on these: that X reaches the estimator as it is.
"""

import numpy as np
import pytest
from crepes import ConformalClassifier, ConformalRegressor, WrapClassifier, WrapRegressor
from crepes.extras import hinge
from sklearn.calibration import CalibratedClassifierCV, CalibrationDisplay
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import log_loss, make_scorer
from sklearn.model_selection import (
    FixedThresholdClassifier,
    TunedThresholdClassifierCV,
    cross_val_score,
)
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklstm import LSTMSequenceClassifier, LSTMSequenceRegressor
from sklstm.preprocessing import TokenEncoder
from tests.helpers import as_objects, make_cube, make_ragged

TINY = {"hidden_sizes": 4, "n_kernels": 0, "conv_filters": (), "learning_rate": 0.05}
NAMES = np.array(["calm", "mild", "wild"])


def tiny(**parameters):
    return LSTMSequenceClassifier(**{**TINY, "max_epochs": 2, "random_state": 0, **parameters})


def make(form, n_classes, n=60):
    X, y = (make_cube if form == "3-D" else make_ragged)(n, n_classes=n_classes)
    return {"objects": as_objects, "list": list, "3-D": np.asarray}[form](X), NAMES[y]


@pytest.fixture(params=["list", "objects", "3-D"])
def form(request):
    return request.param


@pytest.fixture
def three_classes(form):
    """A fitted classifier, and sequences that it was not trained on."""
    X, y = make(form, 3)
    return tiny().fit(X[:30], y[:30]), X[30:], y[30:]


@pytest.mark.parametrize("method", ["temperature", "sigmoid", "isotonic"])
def test_a_frozen_classifier_is_calibrated_as_it_is(three_classes, method):
    classifier, X, y = three_classes
    before = classifier.predict_proba(X)
    calibrated = CalibratedClassifierCV(FrozenEstimator(classifier), method=method).fit(X, y)
    np.testing.assert_array_equal(classifier.predict_proba(X), before)
    assert calibrated.classes_.tolist() == NAMES.tolist()
    np.testing.assert_allclose(calibrated.predict_proba(X).sum(axis=1), 1.0)


def test_temperature_keeps_the_labels_and_improves_the_loss_it_was_chosen_by(three_classes):
    classifier, X, y = three_classes
    calibrated = CalibratedClassifierCV(FrozenEstimator(classifier), method="temperature").fit(X, y)
    np.testing.assert_array_equal(calibrated.predict(X), classifier.predict(X))
    before, after = (log_loss(y, model.predict_proba(X)) for model in (classifier, calibrated))
    assert after < before


@pytest.mark.parametrize("ensemble", [False, True])
def test_temperature_by_cross_validation(form, ensemble):
    X, y = make(form, 3, n=30)
    calibrated = CalibratedClassifierCV(tiny(), method="temperature", cv=2, ensemble=ensemble)
    assert calibrated.fit(X, y).predict_proba(X).shape == (30, 3)


def test_the_temperature_is_that_of_the_logits(three_classes):
    """`decision_function` is what is divided, not the logarithm of rounded probabilities."""
    classifier, X, y = three_classes
    calibrated = CalibratedClassifierCV(FrozenEstimator(classifier), method="temperature").fit(X, y)
    logits = classifier.decision_function(X)
    ratio = np.log(calibrated.predict_proba(X))
    ratio = (ratio[:, 1:] - ratio[:, :1]) / (logits[:, 1:] - logits[:, :1])
    np.testing.assert_allclose(ratio, ratio[0, 0], rtol=1e-3)


def test_a_reliability_diagram(form):
    X, y = make(form, 2)
    display = CalibrationDisplay.from_estimator(tiny().fit(X, y), X, y, n_bins=3)
    assert len(display.prob_true) > 0


def asymmetric(y, y_predicted):
    """To miss "mild" costs 10, the other error 1."""
    return 10 * np.sum((y == "mild") & (y_predicted == "calm")) + np.sum(
        (y == "calm") & (y_predicted == "mild")
    )


COST = make_scorer(asymmetric, greater_is_better=False)


def test_a_threshold_is_tuned_by_cost(form):
    X, y = make(form, 2)
    tuned = TunedThresholdClassifierCV(
        FrozenEstimator(tiny().fit(X, y)), scoring=COST, cv="prefit", refit=False
    ).fit(X, y)
    assert asymmetric(y, tuned.predict(X)) <= asymmetric(y, tuned.estimator_.predict(X))


def test_a_tuned_threshold_is_judged_by_nested_cross_validation(form):
    X, y = make(form, 2)
    tuned = TunedThresholdClassifierCV(tiny(), scoring=COST, cv=2)
    assert cross_val_score(tuned, X, y, cv=2, scoring=COST).shape == (2,)


def test_a_threshold_that_costs_say(form):
    X, y = make(form, 2)
    classifier = tiny().fit(X, y)
    fixed = FixedThresholdClassifier(
        FrozenEstimator(classifier), threshold=1 / 11, pos_label="mild"
    )
    is_mild = fixed.fit(X, y).predict(X) == "mild"
    np.testing.assert_array_equal(is_mild, classifier.predict_proba(X)[:, 1] >= 1 / 11)


@pytest.mark.parametrize("class_cond", [False, True])
def test_sets_hold_the_true_class_as_often_as_promised(three_classes, class_cond):
    """On the calibration part itself: but for ties, one of n + 1 more than was asked for."""
    classifier, X, y = three_classes
    conformal = WrapClassifier(classifier)
    conformal.calibrate(X, y, class_cond=class_cond, seed=0)
    sets = conformal.predict_set(X, confidence=0.8, smoothing=False)
    covered = np.mean([label in found for found, label in zip(sets, y, strict=True)])
    assert 0.8 <= covered <= 0.8 + 3 / len(y) + 1e-9
    if not class_cond:
        likeliest = classifier.predict(X)
        assert all(best in found for best, found in zip(likeliest, sets, strict=True) if found)


def test_probabilities_kept_give_the_same_sets(three_classes):
    classifier, X, y = three_classes
    whole = WrapClassifier(classifier)
    whole.calibrate(X, y)
    probabilities = classifier.predict_proba(X)
    true = hinge(probabilities, classifier.classes_, y)
    conformal = ConformalClassifier().fit(true)
    np.testing.assert_array_equal(
        whole.predict_p(X, smoothing=False),
        conformal.predict_p(hinge(probabilities), smoothing=False),
    )


def test_a_calibrated_classifier_makes_sets(three_classes):
    classifier, X, y = three_classes
    calibrated = CalibratedClassifierCV(FrozenEstimator(classifier), method="temperature").fit(X, y)
    conformal = WrapClassifier(calibrated)
    conformal.calibrate(X, y)
    assert len(conformal.predict_set(X)) == len(X)


def test_sets_by_length(three_classes):
    """A function of X as crepes' Mondrian categories sees the sequences."""
    classifier, X, y = three_classes
    conformal = WrapClassifier(classifier)
    conformal.calibrate(X, y, mc=lambda X: np.array([len(x) > 6 for x in X]))
    assert conformal.predict_set(X, labels=False).shape == (len(X), 3)


@pytest.mark.parametrize("around", ["mean", "quantiles"])
def test_intervals_hold_the_number_as_often_as_promised(form, around):
    """On the calibration part itself, of which crepes leaves out at most one of n + 1."""
    X, _ = make(form, 2)
    y = np.array([x.mean() for x in X])
    regressor = LSTMSequenceRegressor(**TINY, max_epochs=2, random_state=0)
    if around == "mean":
        conformal = WrapRegressor(regressor.fit(X[:30], y[:30]))
        conformal.calibrate(X[30:], y[30:])
        found = conformal.predict_int(X[30:], confidence=0.8)
    else:
        regressor.set_params(loss="quantile").fit(X[:30], y[:30])
        low, _, high = regressor.predict_quantiles(X[30:]).T
        conformal = ConformalRegressor().fit(y[30:] - (low + high) / 2, sigmas=(high - low) / 2)
        found = conformal.predict_int((low + high) / 2, sigmas=(high - low) / 2, confidence=0.8)
    inside = (found[:, 0] <= y[30:]) & (y[30:] <= found[:, 1])
    # Of 30 calibration sequences the interval reaches to the 25th, whose own end is rounded.
    assert 24 <= inside.sum() <= 25
    predict = regressor.predict if around == "mean" else regressor.predict_quantiles
    alone = np.array([predict(x[np.newaxis])[0] for x in X[30:33]]).reshape(3, -1)
    middle = (alone[:, 0] + alone[:, -1]) / 2
    np.testing.assert_allclose(found[:3].mean(axis=1), middle, atol=1e-5)


def test_distances_to_the_training_set(three_classes):
    classifier, X, _ = three_classes
    embed = make_pipeline(FrozenEstimator(classifier), StandardScaler()).fit(X)
    neighbours = NearestNeighbors(n_neighbors=2).fit(embed.transform(X))
    far = [np.full((5, 2), 50.0)]
    known, unknown = (neighbours.kneighbors(embed.transform(x))[0].mean(axis=1) for x in (X, far))
    assert unknown > known.max()


def test_texts_are_calibrated_rejected_and_put_into_sets():
    """A list of strings: the pipeline's encoder sees it as it is."""
    texts = [f"please {verb} the {way}" for way in ("bus", "train", "ferry") * 4
             for verb in ("book", "cancel")]  # fmt: skip
    y = np.array(["book", "cancel"] * 12)
    classifier = make_pipeline(TokenEncoder(), tiny(embedding_dim=4)).fit(texts, y)
    calibrated = CalibratedClassifierCV(FrozenEstimator(classifier), method="temperature")
    conformal = WrapClassifier(calibrated.fit(texts, y))
    conformal.calibrate(texts, y)
    assert len(conformal.predict_set(texts)) == 24
    embed = make_pipeline(FrozenEstimator(classifier), StandardScaler()).fit(texts)
    assert embed.transform(texts).shape[0] == 24
