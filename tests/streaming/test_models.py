import copy

import pytest
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from sklstm import LSTMSequenceClassifier
from sklstm.preprocessing import RollingFeatures, SequenceScaler
from sklstm.streaming import Stream
from sklstm.streaming._models import missing_settings, read_model
from tests.streaming.fitted import (
    CAUSAL,
    IDS,
    LABELS,
    OF_TOKENS,
    RUN,
    X,
    classifier,
    of_tokens,
    regressor,
)


def missing(model):
    return missing_settings(read_model(model, "Stream"))


def test_nothing_is_missing_of_a_causal_configuration():
    for model in (classifier(), classifier(pooling="mean", patch_size=2), regressor(), of_tokens()):
        assert missing(model) == {}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"bidirectional": True}, {"bidirectional": False}),
        ({"conv_filters": (4,)}, {"conv_filters": (), "n_kernels": 0}),
        ({"n_kernels": 84}, {"conv_filters": (), "n_kernels": 0}),
        ({"standardize": "both"}, {"standardize": True}),
        ({"standardize": "sequence"}, {"standardize": True}),
        ({"standardize": False}, {}),
        ({"pooling": "attention"}, {"pooling": "max"}),
    ],
)
def test_what_is_missing(change, expected):
    model = LSTMSequenceClassifier(4, **{**CAUSAL, **change}, **RUN).fit(X, LABELS)
    assert missing(model) == expected


def test_all_that_is_missing_is_named_at_once():
    parameters = {"bidirectional": True, "pooling": "attention", "tfidf": True}
    model = LSTMSequenceClassifier(4, **{**OF_TOKENS, **parameters}, **RUN).fit(IDS, LABELS)
    remedy = r"LSTMSequenceClassifier\(bidirectional=False, pooling='max', tfidf=False\)"
    with pytest.raises(ValueError, match=remedy):
        Stream(model)


def test_the_remedy_makes_a_causal_model():
    """Of what the defaults would bring, too."""
    default = LSTMSequenceClassifier(4, n_kernels=84, **RUN).fit(X, LABELS)
    model = LSTMSequenceClassifier(4, **missing(default), **RUN).fit(X, LABELS)
    assert Stream(model).update(X[0]).shape == (11, 3)


def test_parameters_set_after_fit_do_not_count():
    model = copy.deepcopy(classifier()).set_params(bidirectional=True, pooling="attention")
    assert missing(model) == {}


def test_what_is_no_model():
    with pytest.raises(TypeError, match=r"Stream takes an .* Got an object of type int"):
        Stream(3)
    with pytest.raises(TypeError, match="Got a Pipeline that ends in an object of type Logistic"):
        Stream(make_pipeline(SequenceScaler(), LogisticRegression()))
    with pytest.raises(NotFittedError, match="LSTMSequenceClassifier instance is not fitted"):
        Stream(LSTMSequenceClassifier())


def test_a_search_has_a_model():
    estimator = LSTMSequenceClassifier(4, **CAUSAL, **RUN)
    search = GridSearchCV(estimator, {"pooling": ["last"]}, cv=2).fit(X, LABELS)
    with pytest.raises(TypeError, match=r"search\.best_estimator_"):
        Stream(search)
    assert Stream(search.best_estimator_).update(X[0]).shape == (11, 3)


@pytest.mark.parametrize(
    ("step", "named"),
    [
        (RollingFeatures(), "'rollingfeatures' of the pipeline, RollingFeatures, may"),
        (SequenceScaler(per="sequence"), "'sequencescaler' .* SequenceScaler with per='sequence'"),
    ],
)
def test_steps_that_look_at_other_timesteps(step, named):
    model = make_pipeline(step, LSTMSequenceClassifier(4, **CAUSAL, **RUN)).fit(X, LABELS)
    with pytest.raises(ValueError, match=f"Step {named}.*SequenceScaler with per='dataset'"):
        Stream(model)
