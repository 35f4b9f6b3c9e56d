"""Weights, groups and validation data on their way through scikit-learn to ``fit``."""

import numpy as np
import pytest
import sklearn
from sklearn.exceptions import UnsetMetadataPassedError
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    StratifiedGroupKFold,
    TimeSeriesSplit,
    cross_val_predict,
    cross_val_score,
    cross_validate,
)
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer

from sklstm import LSTMSequenceClassifier
from sklstm.preprocessing import SequenceScaler
from tests.helpers import make_cube, make_ragged, quick

X, Y = make_ragged(48)
# Each group has both classes.
GROUPS = np.repeat(["ann", "bob", "cy", "dee", "eve", "flo"], 8)
X_VAL, Y_VAL = make_ragged(10, seed=1)


@pytest.fixture(autouse=True)
def _routing():
    with sklearn.config_context(enable_metadata_routing=True):
        yield


class Spy(LSTMSequenceClassifier):
    """Keeps what reaches ``fit``, and which sequences stopped it."""

    calls = []  # noqa: RUF012

    def fit(
        self, X, y, sample_weight=None, *, X_val=None, y_val=None, sample_weight_val=None,
        groups=None,
    ):  # fmt: skip
        held_out = set()

        def scorer(estimator, X, y):
            held_out.update(x[0, 0] for x in X)
            return 0.5

        self.set_params(scoring=scorer)
        options = {"X_val": X_val, "y_val": y_val, "sample_weight_val": sample_weight_val}
        fitted = super().fit(X, y, sample_weight, groups=groups, **options)
        self.calls.append({"X": X, "groups": groups, **options, "held_out": held_out})
        return fitted


@pytest.fixture
def spy():
    Spy.calls.clear()
    return Spy(4, max_epochs=1, early_stopping=True, validation_fraction=0.25, random_state=0)


def groups_of(firsts):
    return {group for x, group in zip(X, GROUPS, strict=True) if x[0, 0] in firsts}


@pytest.mark.parametrize("splitter", [GroupKFold(3), StratifiedGroupKFold(3)])
@pytest.mark.parametrize("wrap", [lambda e: e, lambda e: make_pipeline(SequenceScaler(), e)])
def test_groups_reach_the_outer_splitter_and_the_inner_split(spy, splitter, wrap):
    spy.set_fit_request(groups=True)
    estimator = wrap(spy)
    cross_validate(estimator, X, Y, cv=splitter, params={"groups": GROUPS})
    assert len(Spy.calls) == 3
    for call in Spy.calls:
        assert len(call["groups"]) == len(call["X"]) == 32
        assert len(set(call["groups"])) == 4
        if estimator is spy:
            trained_on = {x[0, 0] for x in call["X"]} - call["held_out"]
            assert len(groups_of(call["held_out"])) == 1
            assert not groups_of(call["held_out"]) & groups_of(trained_on)


def test_groups_that_are_not_requested_go_to_the_splitter_alone(spy):
    spy.set_fit_request(groups=False)
    cross_validate(spy, X, Y, cv=GroupKFold(3), params={"groups": GROUPS})
    assert [call["groups"] for call in Spy.calls] == [None] * 3


def test_groups_that_nobody_has_decided_about_are_an_error(spy):
    with pytest.raises(UnsetMetadataPassedError, match=r"\[groups\] are passed but are not expl"):
        cross_validate(spy, X, Y, cv=GroupKFold(3), params={"groups": GROUPS})


@pytest.mark.parametrize("fit", [cross_val_score, cross_val_predict])
def test_groups_in_other_tools_of_model_selection(spy, fit):
    spy.set_fit_request(groups=True)
    fit(spy, X, Y, cv=GroupKFold(3), params={"groups": GROUPS})
    assert [len(call["groups"]) for call in Spy.calls] == [32] * 3


def test_groups_in_a_search_and_in_its_last_fit(spy):
    spy.set_fit_request(groups=True)
    search = GridSearchCV(spy, {"hidden_sizes": [4, 8]}, cv=GroupKFold(3))
    search.fit(X, Y, groups=GROUPS)
    assert [len(call["groups"]) for call in Spy.calls] == [32] * 6 + [48]


def test_the_last_part_within_folds_in_time(spy):
    spy.set_params(early_stopping="last")
    cross_validate(spy, X, Y, cv=TimeSeriesSplit(3))
    for n_trained, call in zip((12, 24, 36), Spy.calls, strict=True):
        last = {x[0, 0] for x in X[n_trained * 3 // 4 : n_trained]}
        assert call["held_out"] == last


def test_validation_data_reach_every_fold_unsplit(spy):
    spy.set_fit_request(X_val=True, y_val=True, sample_weight_val=True)
    # Nothing is held out of X, and a fraction of it that were asked for would be warned of.
    spy.set_params(validation_fraction=0.1)
    weight = np.arange(1.0, 11.0)
    params = {"X_val": X_VAL, "y_val": Y_VAL, "sample_weight_val": weight}
    cross_validate(spy, X, Y, cv=3, params=params)
    for call in Spy.calls:
        assert call["held_out"] == {x[0, 0] for x in X_VAL}
        assert call["sample_weight_val"] is weight


def test_a_pipeline_transforms_validation_data_as_it_does_X():
    spy = Spy(4, max_epochs=1, early_stopping=True).set_fit_request(X_val=True, y_val=True)
    Spy.calls.clear()
    steps = [("double", FunctionTransformer(double)), ("lstm", spy)]
    pipeline = Pipeline(steps, transform_input=["X_val"])
    pipeline.fit(X, Y, X_val=X_VAL, y_val=Y_VAL)
    (call,) = Spy.calls
    np.testing.assert_array_equal(call["X_val"][0], 2 * X_VAL[0])


def double(sequences):
    return [2 * x for x in sequences]


def test_folds_of_a_cube_are_as_those_of_a_list():
    cube, y = make_cube(48)
    classifier = quick(early_stopping=True, max_epochs=2).set_fit_request(groups=True)
    scores = [
        cross_val_score(classifier, data, y, cv=GroupKFold(3), params={"groups": GROUPS})
        for data in (cube, list(cube))
    ]
    np.testing.assert_array_equal(*scores)


def test_without_routing_groups_go_to_both_by_name(spy):
    with sklearn.config_context(enable_metadata_routing=False):
        options = {"groups": GROUPS, "params": {"groups": GROUPS}}
        cross_validate(spy, X, Y, cv=GroupKFold(3), **options)
    assert [len(call["groups"]) for call in Spy.calls] == [32] * 3
