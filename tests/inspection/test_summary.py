import numpy as np
import pytest
import torch
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from skorch.callbacks import Callback

from sklstm import LSTMSequenceClassifier, load_model, save_model
from sklstm._training import _fitting
from sklstm.inspection import summary
from sklstm.preprocessing import SequenceScaler

X, Y = np.random.default_rng(0).normal(size=(40, 12, 3)), np.arange(40) % 2
PLAIN = {"hidden_sizes": 4, "n_kernels": 0, "conv_filters": (), "max_epochs": 1, "random_state": 0}


def test_seconds_are_the_median_of_whole_epochs(tmp_path):
    classifier = LSTMSequenceClassifier(**PLAIN | {"max_epochs": 3}).fit(X, Y)
    classifier.history_["dur"] = np.array([5.0, 1.0, 2.0])
    found = summary(classifier)
    assert (found.seconds_per_epoch, found.n_epochs) == (2.0, 3)
    assert "Time: 2 s an epoch, in the fit of 3" in str(found)
    save_model(classifier, tmp_path / "model.safetensors")
    assert summary(load_model(tmp_path / "model.safetensors")) == found
    classifier.stop_reason_ = "max_time"
    assert summary(classifier).seconds_per_epoch == 3.0
    classifier.history_["dur"] = np.array([5.0])
    assert summary(classifier).seconds_per_epoch is None


def test_before_a_fit_the_time_is_that_of_a_few_batches(monkeypatch):
    trained, fit_model = [], _fitting.fit_model

    def timed(job, *args):
        net, found, seed = fit_model(job, *args)
        trained.append(len(job.data.targets))
        found.history["dur"] = np.array([9.0, 2.0])
        return net, found, seed

    monkeypatch.setattr(_fitting, "fit_model", timed)
    y = np.zeros(40, dtype=int)
    y[1] = 1  # not among the few
    options = PLAIN | {"batch_size": 4, "class_weight": "balanced", "max_epochs": 50}
    silent = {"verbose": 1, "callbacks": [Refuses()], "early_stopping": True}
    classifier = LSTMSequenceClassifier(**options, **silent)
    # Ten batches of 4, of which 4 take two seconds.
    assert summary(classifier, X, y).seconds_per_epoch == 5.0
    assert trained == [16]


class Refuses(Callback):
    def on_train_begin(self, net, **kwargs):
        raise AssertionError


def test_pipelines():
    pipeline = make_pipeline(SequenceScaler(), LSTMSequenceClassifier(**PLAIN))
    before = summary(pipeline, X, Y)
    assert before.model == "SequenceScaler > LSTMSequenceClassifier"
    assert not hasattr(pipeline[0], "n_features_in_")
    assert before.layers == summary(pipeline.fit(X, Y)).layers


def test_nothing_is_changed_or_drawn():
    rng = np.random.RandomState(0)
    classifier = LSTMSequenceClassifier(**PLAIN | {"random_state": rng})
    state, torch_state = rng.get_state()[1].copy(), torch.get_rng_state()
    summary(classifier, X, Y)
    np.testing.assert_array_equal(rng.get_state()[1], state)
    assert torch.equal(torch.get_rng_state(), torch_state)
    assert not hasattr(classifier, "net_")
    fitted = LSTMSequenceClassifier(**PLAIN).fit(X, Y)
    other = summary(fitted, X[:, :, :1], np.arange(40) % 4)
    assert other.layers[-1].output_shape == ("B", 4)
    assert summary(fitted).layers[-1].output_shape == ("B", 2)


def test_not_fitted_without_data():
    expected = r"(?s)LSTMSequenceClassifier is not fitted yet.*summary\(estimator, X, y\)"
    with pytest.raises(NotFittedError, match=expected):
        summary(LSTMSequenceClassifier())


@pytest.mark.parametrize(
    ("estimator", "name"),
    [
        (LogisticRegression(), "LogisticRegression"),
        (make_pipeline(LSTMSequenceClassifier(), LogisticRegression()), "LogisticRegression"),
        (GridSearchCV(LSTMSequenceClassifier(), {}), "GridSearchCV"),
        (None, "NoneType"),
    ],
)
def test_other_estimators_are_named(estimator, name):
    with pytest.raises(TypeError, match=f"of type {name}"):
        summary(estimator)


def test_X_needs_y():
    with pytest.raises(TypeError, match="y is missing"):
        summary(LSTMSequenceClassifier(), X)
