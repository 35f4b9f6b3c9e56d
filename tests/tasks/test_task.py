"""Another task is one class and an estimator of it; nothing else of the package knows of them."""

import pickle

import numpy as np
import pytest
import torch
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.model_selection import GridSearchCV

from sklstm import LSTMSequenceClassifier
from sklstm._base import BaseSequenceEstimator
from sklstm._data._labelled import Given
from sklstm._tasks._task import Task
from tests.helpers import make_ragged

X, _ = make_ragged(40)
Y = np.array([x.mean() for x in X])


class Squares(torch.nn.Module):
    def forward(self, outputs, targets, weights, shares=None):
        losses = (outputs[:, 0] - targets) ** 2 * weights
        if shares is not None:
            others = (outputs[:, 0] - targets.roll(1)) ** 2 * weights.roll(1)
            losses = torch.lerp(others, losses, shares)
        return losses.sum() / weights.sum()


class Known(RegressorMixin, BaseEstimator):
    def __init__(self, outputs):
        self.outputs = outputs

    def predict(self, X=None):
        return self.outputs[:, 0]


class Numbers(Task):
    """One number for each sequence, as it is."""

    attribute_checks = {"n_numbers_": lambda value: value == 1}  # noqa: RUF012
    attributes, n_outputs = {"n_numbers_": 1}, 1

    @staticmethod
    def check_y(y, *, estimator, input_name):
        return np.asarray(y, dtype=np.float32)

    @classmethod
    def learn(cls, y, weights, options):
        return cls()

    @classmethod
    def of(cls, attributes):
        return cls()

    def encode(self, y, *, input_name):
        return y

    def decode(self, targets):
        return targets

    def strata(self, targets):
        return np.zeros(len(targets), dtype=np.int64)

    def describe(self, targets):
        return f"{targets[:3]}"

    def weigh(self, targets, sample_weight, options):
        return np.ones_like

    def digest_of(self, targets):
        return [targets]

    def build_loss(self, options):
        return Squares()

    def predictor(self, outputs):
        return Known(outputs)


class Regressor(RegressorMixin, BaseSequenceEstimator):
    _task_type = Numbers
    __init__ = LSTMSequenceClassifier.__init__

    def fit(self, X, y, sample_weight=None, *, groups=None):
        return self._fit(Given(X, y, sample_weight, groups), Given(None, None))

    def predict(self, X):
        return self._predictor(X).predict()


def quick(**parameters):
    defaults = {"hidden_sizes": 8, "conv_filters": (), "max_epochs": 40, "random_state": 0}
    return Regressor(**{**defaults, **parameters})


def test_it_learns_and_is_copied_pickled_and_searched():
    fitted = quick().fit(X, Y)
    assert fitted.score(X, Y) > 0.9
    np.testing.assert_array_equal(clone(fitted).fit(X, Y).predict(X), fitted.predict(X))
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(fitted)).predict(X), fitted.predict(X))
    search = GridSearchCV(quick(max_epochs=2), {"hidden_sizes": [4, 8]}, cv=2).fit(X, Y)
    assert search.best_estimator_.n_numbers_ == 1


def test_it_has_a_linear_model_of_tokens_beside_it():
    rng = np.random.default_rng(0)
    ids = [rng.integers(2, 9, size=rng.integers(3, 8)) for _ in range(200)]
    numbers = np.array([np.mean(i == 2) for i in ids])
    fitted = quick(embedding_dim=4).fit(ids, numbers)
    assert fitted.net_.module_.shares.tolist() == [0.5, 0.5]
    assert fitted.score(ids, numbers) > 0.8


@pytest.mark.parametrize("groups", [None, np.arange(40) // 4])
def test_it_stops_by_a_scorer_of_its_own(groups):
    options = {"early_stopping": True, "scoring": "r2"}
    fitted = quick(**options).fit(X, Y, np.linspace(1, 2, 40), groups=groups)
    assert fitted.best_score_ > 0.5


def test_it_goes_on_after_an_interruption(tmp_path):
    class Stop(BaseException):
        pass

    def scorer(estimator, X, y):
        scorer.n_epochs += 1
        if scorer.n_epochs == 3:
            raise Stop
        return 0.0

    scorer.n_epochs = 0
    stopping = {"early_stopping": True, "scoring": scorer, "max_epochs": 5}
    regressor = quick(**stopping, checkpoint=tmp_path / "file")
    with pytest.raises(Stop):
        regressor.fit(X, Y)
    regressor.fit(X, Y)
    np.testing.assert_array_equal(regressor.predict(X), quick(**stopping).fit(X, Y).predict(X))
    with pytest.raises(ValueError, match="belongs to a different fit: y is not the same"):
        regressor.fit(X, Y + 1)


def test_it_warms_up_and_mixes():
    fitted = quick(mixup_alpha=0.5, warm_start=True, max_epochs=2).fit(X, Y).fit(X, Y)
    assert fitted.n_iter_ == 4
