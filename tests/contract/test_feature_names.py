"""Lists of data frames: the names of features, by every estimator and through all of its life."""

import pickle

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline

from sklstm import load_model, save_model
from sklstm.preprocessing import RollingFeatures, SequenceImputer, SequenceScaler
from tests.helpers import make_ragged, quick

X, Y = make_ragged(24)
FRAMES = [pd.DataFrame(x, columns=["load", "noise"]) for x in X]
TURNED = [frame[["noise", "load"]] for frame in FRAMES]
ESTIMATORS = [quick(), SequenceScaler(), SequenceImputer(), RollingFeatures(3)]

every_estimator = pytest.mark.parametrize(
    "estimator", ESTIMATORS, ids=lambda estimator: type(estimator).__name__
)


def result(fitted, X):
    return np.vstack(fitted.transform(X))


@every_estimator
def test_names_are_kept_and_compared(estimator):
    fitted = clone(estimator).fit(FRAMES, Y)
    assert fitted.feature_names_in_.tolist() == ["load", "noise"]
    assert fitted.n_features_in_ == 2
    with pytest.raises(ValueError, match=r"names should match .* 'noise' where it has 'load'"):
        fitted.transform(TURNED)
    with pytest.raises(ValueError, match=r"X\[3\] has its features in another order than X\[0\]"):
        fitted.transform([*FRAMES[:3], TURNED[3]])
    np.testing.assert_array_equal(result(fitted, FRAMES), result(clone(estimator).fit(X, Y), X))


@every_estimator
def test_one_X_has_one_order(estimator):
    with pytest.raises(ValueError, match=r"X\[1\] has its features in another order than X\[0\]"):
        clone(estimator).fit([FRAMES[0], *TURNED[1:]], Y)


@every_estimator
def test_arrays_after_frames_and_frames_after_arrays_are_a_warning(estimator):
    name = type(estimator).__name__
    fitted, bare = clone(estimator).fit(FRAMES, Y), clone(estimator).fit(X, Y)
    with pytest.warns(
        UserWarning, match=f"valid feature names, but {name} was fitted with feature"
    ):
        fitted.transform(X)
    with pytest.warns(UserWarning, match=f"X has feature names, but {name} was fitted without"):
        bare.transform(FRAMES)


@every_estimator
def test_names_last_as_long_as_the_fit(estimator):
    fitted = clone(estimator).fit(FRAMES, Y)
    assert pickle.loads(pickle.dumps(fitted)).feature_names_in_.tolist() == ["load", "noise"]
    assert not hasattr(clone(fitted), "feature_names_in_")
    assert not hasattr(fitted.fit(X, Y), "feature_names_in_")


def test_names_of_channels():
    fitted = SequenceImputer(add_indicator=True).fit(FRAMES)
    names = ["load", "noise", "load_missing", "noise_missing"]
    assert fitted.get_feature_names_out().tolist() == names
    assert RollingFeatures(3, statistics=("max",)).fit(FRAMES).get_feature_names_out().tolist() == [
        "load", "noise", "load_max3", "noise_max3",
    ]  # fmt: skip


@pytest.mark.parametrize("going_on", ["partial_fit", "warm_start"])
def test_a_fit_that_goes_on_has_the_names_of_the_first(going_on):
    classifier = quick(warm_start=True)
    fit = classifier.fit if going_on == "warm_start" else classifier.partial_fit
    first = () if going_on == "warm_start" else ([0, 1],)
    fit(FRAMES, Y, *first)
    with pytest.raises(ValueError, match="names should match"):
        fit(TURNED, Y)
    assert fit(FRAMES, Y).feature_names_in_.tolist() == ["load", "noise"]


def test_a_scaler_that_goes_on_has_the_names_of_the_first():
    scaler = SequenceScaler().partial_fit(FRAMES)
    with pytest.raises(ValueError, match="names should match"):
        scaler.partial_fit(TURNED)
    with pytest.raises(ValueError, match="names should match"):
        scaler.inverse_transform(TURNED)


def test_validation_data_have_the_names_of_the_training_data():
    classifier = quick(early_stopping=True, scoring="accuracy")
    classifier.fit(FRAMES, Y, X_val=FRAMES, y_val=Y)
    with pytest.raises(ValueError, match=r"names should match .* X_val\[0\] has its features in"):
        classifier.fit(FRAMES, Y, X_val=TURNED, y_val=Y)


def test_a_file_has_the_names_in_it(tmp_path):
    classifier = quick().fit(FRAMES, Y)
    save_model(classifier, tmp_path / "model.sklstm")
    loaded = load_model(tmp_path / "model.sklstm")
    assert loaded.feature_names_in_.tolist() == ["load", "noise"]
    with pytest.raises(ValueError, match="names should match"):
        loaded.predict(TURNED)
    np.testing.assert_array_equal(loaded.predict_proba(FRAMES), classifier.predict_proba(FRAMES))


def test_selection_and_pipelines():
    pipeline = make_pipeline(SequenceImputer(), SequenceScaler(), quick(max_epochs=20))
    assert cross_val_score(pipeline, FRAMES, Y, cv=2).min() > 0.7
    search = GridSearchCV(quick(max_epochs=20), {"hidden_sizes": [4, 8]}, cv=2).fit(FRAMES, Y)
    assert search.best_score_ > 0.7
    assert search.feature_names_in_.tolist() == ["load", "noise"]
