import pytest
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline

from sklstm import LSTMSequenceClassifier
from sklstm._models import split_model
from sklstm.preprocessing import SequenceScaler


def test_an_estimator_has_no_steps():
    classifier = LSTMSequenceClassifier()
    assert split_model(classifier, "caller") == ([], classifier)


def test_steps_that_do_nothing_are_left_out():
    scaler, classifier = SequenceScaler(), LSTMSequenceClassifier()
    named = [("a", None), ("b", scaler), ("c", "passthrough"), ("last", classifier)]
    assert split_model(Pipeline(named), "caller") == ([("b", scaler)], classifier)


def test_a_frozen_model_is_the_model():
    scaler, classifier = SequenceScaler(), LSTMSequenceClassifier()
    assert split_model(FrozenEstimator(classifier), "caller") == ([], classifier)
    pipeline = FrozenEstimator(make_pipeline(scaler, classifier))
    assert split_model(pipeline, "caller") == ([("sequencescaler", scaler)], classifier)
    with pytest.raises(TypeError, match="Got an object of type LogisticRegression"):
        split_model(FrozenEstimator(LogisticRegression()), "caller")


def test_what_is_no_model_is_named():
    with pytest.raises(TypeError, match=r"Stream takes an LSTMSequenceClassifier, .* type int\.$"):
        split_model(3, "Stream")
    with pytest.raises(TypeError, match="Got a Pipeline that ends in an object of type Logistic"):
        split_model(make_pipeline(SequenceScaler(), LogisticRegression()), "Stream")


def test_a_search_has_a_model():
    search = GridSearchCV(LSTMSequenceClassifier(), {})
    search.best_estimator_ = LSTMSequenceClassifier()
    with pytest.raises(TypeError, match=r"type GridSearchCV\.\n\n.*search\.best_estimator_\.$"):
        split_model(search, "Stream")
