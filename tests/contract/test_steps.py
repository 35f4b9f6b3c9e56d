"""What happens once an epoch may happen every so many steps."""

import math
from functools import partial

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback

from sklstm import LSTMSequenceClassifier, LSTMSequenceRegressor, load_model, save_model
from sklstm._files._container import read_file
from sklstm._state._checkpoint import CHECKPOINT
from sklstm._training import _progress, _train
from sklstm._training._optimizers import is_capturable
from sklstm.exceptions import TrainingDivergedError
from tests.crashing import Crash, CrashAfterSteps, result
from tests.helpers import make_documents, make_ragged, quick

X, Y = make_ragged(48, n_classes=3)
# Eight steps an epoch.
SMALL = {"hidden_sizes": 4, "n_kernels": 0, "batch_size": 6, "max_epochs": 2}
STOPPING = {"early_stopping": True, "validation_fraction": 0.25}
make = partial(quick, **SMALL)


def fit_through_crashes(make, path, X, Y, *, interval, n_steps):
    """The fitted estimator, and how often it was called; it crashes after so many steps each."""
    for n_calls in range(1, 100):
        crash = CrashAfterSteps(n_steps)
        estimator = make(checkpoint=path, checkpoint_interval=interval, callbacks=[crash])
        try:
            return estimator.fit(X, Y), n_calls
        except Crash:
            pass
    raise AssertionError("the fit came to no end")


@pytest.fixture(params=[False, True], ids=["plain steps", "steps on the device"])
def steps(request, monkeypatch):
    if request.param:
        monkeypatch.setattr(
            _train, "can_stay_on_device", lambda device, optimizer: is_capturable(optimizer)
        )


@pytest.mark.parametrize(
    "parameters",
    [
        {"dropout": 0.3},
        {"mixup_alpha": 0.5, "lr_schedule": "cosine"},
        {"conv_filters": (3,), "lr_schedule": "exponential", "optimizer": "sgd"},
        {"n_kernels": 84, "class_weight": "balanced", "lr_schedule": None},
        {**STOPPING, "lr_schedule": "plateau"},
        {**STOPPING, "validation_interval": 2, "n_iter_no_change": 2, "tol": 0.5},
        {"validation_interval": 3, "lr_schedule": "plateau", "return_train_score": True},
    ],
    ids=str,
)
@pytest.mark.parametrize(("interval", "n_steps"), [(1, 1), (3, 5)])
def test_a_fit_goes_on_within_an_epoch_to_the_same_bits(tmp_path, parameters, interval, n_steps):
    expected = make(**parameters).fit(X, Y)
    resumed, n_calls = fit_through_crashes(
        partial(make, **parameters), tmp_path / "file", X, Y, interval=interval, n_steps=n_steps
    )
    assert result(resumed) == result(expected)
    assert n_calls > expected.n_iter_
    # The same call has its result at once.
    assert result(make(**parameters, checkpoint=tmp_path / "file").fit(X, Y)) == result(expected)


def test_so_do_numbers_and_tokens(tmp_path):
    numbers = partial(LSTMSequenceRegressor, 4, **{**SMALL, "hidden_sizes": 4}, random_state=0)
    numbers.keywords.pop("hidden_sizes")
    of_tokens = partial(LSTMSequenceClassifier, **SMALL, embedding_dim=3, random_state=0)
    for name, build, data in (
        ("numbers", numbers, (X, [float(x.mean()) for x in X])),
        ("tokens", of_tokens, make_documents(48)),
    ):
        resumed, n_calls = fit_through_crashes(build, tmp_path / name, *data, interval=3, n_steps=5)
        assert n_calls > 2
        expected = build().fit(*data)
        np.testing.assert_array_equal(resumed.predict(data[0]), expected.predict(data[0]))
        np.testing.assert_array_equal(
            resumed.history_["train_loss"], expected.history_["train_loss"]
        )


def test_so_does_further_training(tmp_path):
    first = make().fit(X, Y)

    def build(**parameters):
        save_model(first, tmp_path / "model")
        loaded = load_model(tmp_path / "model")
        return loaded.set_params(warm_start=True, max_epochs=1, **parameters)

    expected = build().fit(X, Y)
    resumed, _ = fit_through_crashes(build, tmp_path / "file", X, Y, interval=3, n_steps=5)
    assert result(resumed) == result(expected)
    assert expected.history_["epoch"].tolist() == [1, 2, 3]


class Writes(Callback):
    """Steps of the epoch that the file has, when each step begins."""

    def __init__(self, path):
        self.path, self.seen = path, []

    def on_batch_begin(self, net, training=False, **kwargs):
        content = read_file(self.path, CHECKPOINT)["net"]
        self.seen.append((content["n_epochs_done"], content["progress"]["n_steps"]))


@pytest.mark.parametrize(
    ("interval", "steps"), [(3, [0, 0, 0, 3, 3, 3, 6, 6]), (4, [0] * 4 + [4] * 4), (9, [0] * 8)]
)
def test_the_file_is_written_every_so_many_steps(tmp_path, interval, steps):
    writes = Writes(tmp_path / "file")
    make(checkpoint=writes.path, checkpoint_interval=interval, callbacks=[writes]).fit(X, Y)
    assert writes.seen == [(epoch, step) for epoch in (0, 1) for step in steps]


def test_the_interval_may_change_and_the_data_may_not(tmp_path):
    expected, path = make().fit(X, Y), tmp_path / "file"
    for interval in (3, 2):
        crash = [CrashAfterSteps(7)]
        with pytest.raises(Crash):
            make(checkpoint=path, checkpoint_interval=interval, callbacks=crash).fit(X, Y)
    with pytest.raises(ValueError, match="y is not the same"):
        make(checkpoint=path).fit(X, Y[::-1])
    with pytest.raises(ValueError, match="'validation_interval' was None and is 4 now"):
        make(checkpoint=path, validation_interval=4).fit(X, Y)
    assert result(make(checkpoint=path).fit(X, Y)) == result(expected)


def test_a_fit_that_has_diverged_leaves_no_file(tmp_path):
    path = tmp_path / "file"
    diverging = {"learning_rate": 1e38, "optimizer": "sgd", "max_grad_norm": None}
    seen = CrashAfterSteps(6)
    with pytest.raises(TrainingDivergedError, match="in epoch 1, at"):
        make(
            checkpoint=path, checkpoint_interval=4, callbacks=[seen], lr_schedule=None, **diverging
        ).fit(X, Y)
    assert seen.n_steps == 2
    assert not path.exists()


# Validation by steps ------------------------------------------------------------------------------


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


# In bounded memory --------------------------------------------------------------------------------


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


def test_of_losses_so_many_are_kept(monkeypatch, tmp_path):
    expected = make(dropout=0.3).fit(X, Y)
    monkeypatch.setattr(_progress, "N_KEPT", 3)
    summed, n_calls = fit_through_crashes(
        partial(make, dropout=0.3), tmp_path / "file", X, Y, interval=1, n_steps=2
    )
    assert n_calls > 5
    assert result(make(dropout=0.3).fit(X, Y)) == result(summed)
    np.testing.assert_allclose(
        summed.history_["train_loss"], expected.history_["train_loss"], rtol=1e-6
    )
