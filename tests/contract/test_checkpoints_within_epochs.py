"""A fit that is ended by force within an epoch ends with the bits of one that never was."""

from functools import partial

import numpy as np
import pytest
from skorch.callbacks import Callback

from sklstm import LSTMSequenceClassifier, LSTMSequenceRegressor, load_model, save_model
from sklstm._files._container import read_file
from sklstm._state._checkpoint import CHECKPOINT
from sklstm._training import _progress
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
