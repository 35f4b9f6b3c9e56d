"""Rows of the history where validations are within an epoch, through the estimators."""

import math
from functools import partial

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback

from sklstm import load_model, save_model
from sklstm._training import _train
from sklstm._training._optimizers import is_capturable
from tests.crashing import result
from tests.helpers import make_ragged, quick

X, Y = make_ragged(48, n_classes=3)
# Eight steps an epoch.
SMALL = {"hidden_sizes": 4, "n_kernels": 0, "batch_size": 6, "max_epochs": 2}
STOPPING = {"early_stopping": True, "validation_fraction": 0.25}
make = partial(quick, **SMALL)


@pytest.fixture(params=[False, True], ids=["plain steps", "steps on the device"])
def steps(request, monkeypatch):
    if request.param:
        monkeypatch.setattr(
            _train, "can_stay_on_device", lambda device, optimizer: is_capturable(optimizer)
        )


class Counts(Callback):
    """Steps that were taken at the end of each row."""

    def __init__(self):
        self.n_steps, self.at = 0, []

    def on_batch_end(self, net, training=False, **kwargs):
        self.n_steps += 1

    def on_epoch_end(self, net, **kwargs):
        self.at.append(self.n_steps)


def test_a_validation_is_a_row_of_the_history():
    counts = Counts()
    classifier = make(validation_interval=3, callbacks=[counts])
    classifier.fit(X, Y, X_val=X[:9], y_val=Y[:9])
    assert counts.at == [3, 6, 8, 11, 14, 16]
    history = classifier.history_
    assert history["epoch"].tolist() == [0.375, 0.75, 1.0, 1.375, 1.75, 2.0]
    assert {len(figures) for figures in history.values()} == {6}
    assert np.isfinite(history["valid_loss"]).all()
    assert (classifier.n_iter_, classifier.best_epoch_) == (2, 2.0)
    assert classifier.stop_reason_ == "max_epochs"


def test_validations_change_no_weights(steps):
    parameters = {"dropout": 0.3, "mixup_alpha": 0.2, "conv_filters": (3,)}
    expected = make(**parameters).fit(X, Y)
    by_steps = make(**parameters, validation_interval=3).fit(X, Y, X_val=X[:9], y_val=Y[:9])
    states = (c.net_.module_.state_dict().values() for c in (by_steps, expected))
    assert all(map(torch.equal, *states))
    # The rows of an epoch make up its loss, here of batches of equal weight.
    losses = by_steps.history_["train_loss"].reshape(2, 3) @ [3 / 8, 3 / 8, 2 / 8]
    np.testing.assert_allclose(losses, expected.history_["train_loss"], rtol=1e-5)


@pytest.mark.parametrize("interval", [8, 100])
def test_an_interval_of_an_epoch_is_once_an_epoch(interval):
    classifier = make(**STOPPING, validation_interval=interval).fit(X, Y)
    expected = make(**STOPPING).fit(X, Y)
    assert result(classifier)["weights"] == result(expected)["weights"]
    assert classifier.history_["epoch"].tolist() == [1.0, 2.0]
    np.testing.assert_array_equal(
        classifier.history_["valid_loss"], expected.history_["valid_loss"]
    )


def test_patience_counts_validations_and_the_best_weights_may_be_of_any():
    impatient = {**STOPPING, "validation_interval": 1, "n_iter_no_change": 2, "tol": 10.0}
    classifier = make(**impatient, lr_schedule=None).fit(X, Y)
    # Six steps an epoch; the first is an improvement on nothing.
    np.testing.assert_allclose(classifier.history_["epoch"], [1 / 6, 2 / 6, 3 / 6])
    assert (classifier.stop_reason_, classifier.n_iter_) == ("no_improvement", 1)
    best = classifier.history_["valid_score"].argmax()
    assert classifier.best_epoch_ == classifier.history_["epoch"][best]
    assert classifier.best_score_ == classifier.history_["valid_score"][best]
    # In the warm-up of one-cycle, 0.6 epochs here, nothing is counted.
    warm = make(**impatient).fit(X, Y)
    np.testing.assert_allclose(warm.history_["epoch"][-1], 5 / 6)


def test_the_best_weights_are_kept():
    stopping = {**STOPPING, "validation_interval": 2, "learning_rate": 0.3, "lr_schedule": None}
    classifier = make(**stopping, max_epochs=3).fit(X, Y)
    assert classifier.best_epoch_ < 3
    held_out = make(**stopping, max_epochs=3, callbacks=[Counts()]).fit(X, Y)
    assert result(held_out)["weights"] == result(classifier)["weights"]
    # What was scored best is what predicts.
    scored = make(**{**stopping, "early_stopping": False, "max_epochs": 3})
    scored = make(learning_rate=0.3, lr_schedule=None, validation_interval=2, max_epochs=3,
                  early_stopping=True).fit(X, Y, X_val=X[:9], y_val=Y[:9])  # fmt: skip
    loss = -np.log(scored.predict_proba(X[:9])[np.arange(9), Y[:9]]).mean()
    assert math.isclose(loss, -scored.best_score_, rel_tol=1e-5)


def test_plateau_counts_validations():
    plateau = {"lr_schedule": "plateau", "learning_rate": 1e-6, "max_epochs": 3}
    assert len(set(make(**plateau).fit(X, Y).history_["learning_rate"])) == 1
    rates = make(**plateau, **STOPPING, validation_interval=1).fit(X, Y).history_["learning_rate"]
    assert rates[0] == 1e-6
    assert rates[-1] < 1e-6


def test_training_sequences_are_scored_once_an_epoch():
    history = make(validation_interval=3, return_train_score=True).fit(X, Y).history_
    assert np.isnan(history["train_score"]).tolist() == [True, True, False] * 2
    expected = make(return_train_score=True).fit(X, Y).history_
    np.testing.assert_array_equal(history["train_score"][[2, 5]], expected["train_score"])


def test_further_training_and_partial_fit_count_on(tmp_path):
    classifier = make(validation_interval=4, warm_start=True, max_epochs=1).fit(X, Y).fit(X, Y)
    assert classifier.history_["epoch"].tolist() == [0.5, 1.0, 1.5, 2.0]
    classifier.set_params(validation_interval=None).fit(X, Y)
    assert classifier.history_["epoch"].tolist() == [0.5, 1.0, 1.5, 2.0, 3.0]
    classifier.set_params(validation_interval=4).partial_fit(X, Y)
    assert classifier.history_["epoch"][-1] == 4
    assert classifier.n_iter_ == 4
    save_model(classifier, tmp_path / "model")
    loaded = load_model(tmp_path / "model")
    assert loaded.best_epoch_ == 4
    np.testing.assert_array_equal(loaded.history_["epoch"], classifier.history_["epoch"])


def test_a_time_limit_may_end_within_an_epoch():
    classifier = make(validation_interval=2, max_time=1e-9, max_epochs=3)
    with pytest.warns(UserWarning, match="a single training step"):
        classifier.fit(X, Y)
    assert classifier.history_["epoch"].tolist() == [0.125]
    assert (classifier.stop_reason_, classifier.n_iter_) == ("max_time", 1)


class Batches(Callback):
    def __init__(self):
        self.n_records = []

    def on_batch_end(self, net, training=False, **kwargs):
        self.n_records.append(sum(len(row["batches"]) for row in net.history))


def test_records_of_batches_are_those_of_one_row():
    batches = Batches()
    make(callbacks=[batches], max_epochs=3).fit(X, Y)
    assert batches.n_records == [*range(1, 9)] * 3
    batches.n_records.clear()
    make(callbacks=[batches], max_epochs=1, validation_interval=3).fit(X, Y)
    assert batches.n_records == [1, 2, 3, 1, 2, 3, 1, 2]
