"""Everything of scikit-learn that takes an estimator, on 3-D arrays and on unequal lengths."""

import matplotlib as mpl
import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import StackingClassifier, VotingClassifier
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import (
    ConfusionMatrixDisplay,
    RocCurveDisplay,
    classification_report,
    roc_auc_score,
)
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    RandomizedSearchCV,
    TunedThresholdClassifierCV,
    cross_val_predict,
    cross_val_score,
    learning_curve,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer

from tests.helpers import make_cube, make_ragged, quick

mpl.use("agg")


@pytest.fixture(params=["3-D", "unequal"])
def data(request):
    make = make_cube if request.param == "3-D" else make_ragged
    X, y = make(36)
    return X, np.array(["calm", "wild"])[y]


@pytest.fixture(params=["3-D", "unequal"])
def three_classes(request):
    return (make_cube if request.param == "3-D" else make_ragged)(36, n_classes=3)


def works(fitted, X, y):
    assert fitted.score(X, y) > 0.8
    assert fitted.predict(X).shape == (36,)


def test_cross_val_score(data):
    scores = cross_val_score(quick(max_epochs=20), *data, cv=3)
    assert scores.min() > 0.8


@pytest.mark.parametrize("method", ["predict", "predict_proba", "decision_function"])
def test_cross_val_predict(data, method):
    predicted = cross_val_predict(quick(), *data, cv=3, method=method)
    assert len(predicted) == 36


GRID = {"hidden_sizes": [4, (4, 4)], "pooling": ["last", "max"]}


def test_grid_search_gives_the_same_with_one_and_two_processes(data):
    one, two = (
        GridSearchCV(quick(max_epochs=3, dropout=0.2), GRID, cv=3, n_jobs=n).fit(*data)
        for n in (1, 2)
    )
    np.testing.assert_array_equal(
        one.cv_results_["mean_test_score"], two.cv_results_["mean_test_score"]
    )
    assert one.best_params_ == two.best_params_
    np.testing.assert_array_equal(one.predict_proba(data[0]), two.predict_proba(data[0]))


def test_halving_grid_search(data):
    search = HalvingGridSearchCV(
        quick(), GRID, cv=2, resource="max_epochs", min_resources=2, max_resources=8, random_state=0
    )
    assert search.fit(*data).best_params_["max_epochs"] > 2


def test_randomized_search(data):
    space = {
        "learning_rate": [0.01, 0.03],
        "hidden_sizes": [4, 8],
        "optimizer": ["adam", "rmsprop"],
    }
    search = RandomizedSearchCV(quick(max_epochs=20), space, n_iter=3, cv=2, random_state=0)
    works(search.fit(*data), *data)


def test_search_through_a_pipeline(data):
    pipeline = Pipeline([("nothing", FunctionTransformer()), ("lstm", quick(max_epochs=20))])
    search = GridSearchCV(pipeline, {"lstm__hidden_sizes": [4, 8]}, cv=2)
    works(search.fit(*data), *data)


def test_calibration(data):
    calibrated = CalibratedClassifierCV(quick(max_epochs=20), cv=3).fit(*data)
    works(calibrated, *data)
    np.testing.assert_allclose(calibrated.predict_proba(data[0]).sum(axis=1), 1.0)


@pytest.mark.parametrize("voting", ["hard", "soft"])
def test_voting(data, voting):
    voters = [("narrow", quick(hidden_sizes=4, max_epochs=20)), ("wide", quick(max_epochs=20))]
    works(VotingClassifier(voters, voting=voting).fit(*data), *data)


def test_stacking(data):
    layers = [("narrow", quick(hidden_sizes=4, max_epochs=20)), ("wide", quick(max_epochs=20))]
    works(StackingClassifier(layers, LogisticRegression(), cv=2).fit(*data), *data)


def test_a_linear_model_on_the_pooled_vectors(data):
    pipeline = make_pipeline(quick(max_epochs=20), LogisticRegression())
    works(pipeline.fit(*data), *data)


def test_one_versus_rest(three_classes):
    works(OneVsRestClassifier(quick(max_epochs=20)).fit(*three_classes), *three_classes)


def test_tuned_threshold(data):
    tuned = TunedThresholdClassifierCV(
        quick(max_epochs=20), scoring="balanced_accuracy", cv=2, random_state=0
    )
    works(tuned.fit(*data), *data)


def test_learning_curve(data):
    sizes, train_scores, test_scores = learning_curve(
        quick(), *data, train_sizes=[0.5, 1.0], cv=3, shuffle=True, random_state=0
    )
    assert sizes.tolist() == [12, 24]
    assert train_scores.shape == test_scores.shape == (2, 3)


def test_displays(data):
    X, y = data
    fitted = quick(max_epochs=20).fit(X, y)
    matrix = ConfusionMatrixDisplay.from_estimator(fitted, X, y)
    assert matrix.confusion_matrix.sum() == 36
    assert matrix.display_labels.tolist() == ["calm", "wild"]
    assert RocCurveDisplay.from_estimator(fitted, X, y).roc_auc > 0.8
    mpl.pyplot.close("all")


def test_reports_and_scores(three_classes):
    X, y = three_classes
    fitted = quick(max_epochs=20).fit(X, y)
    report = classification_report(y, fitted.predict(X), output_dict=True)
    assert report["macro avg"]["f1-score"] > 0.8
    assert roc_auc_score(y, fitted.predict_proba(X), multi_class="ovr") > 0.8
