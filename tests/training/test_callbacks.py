import sys
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import numpy as np
import pytest
from joblib import Parallel, delayed
from skorch.callbacks import (
    BatchScoring,
    Callback,
    EpochScoring,
    LRScheduler,
    PassthroughScoring,
)

from sklstm._training._callbacks import is_parallel_worker, sets_learning_rate
from sklstm.exceptions import TrainingDivergedError
from tests.helpers import make_ragged, quick

X, Y = make_ragged(20)


def fit(**parameters):
    return quick(**{"max_epochs": 4, "batch_size": 5, **parameters}).fit(X, Y)


def test_constant_without_a_schedule():
    assert fit(lr_schedule=None).history_["learning_rate"].tolist() == [0.02] * 4


@pytest.mark.parametrize("schedule", ["one_cycle", "cosine", "exponential"])
def test_the_last_epoch_is_slower_than_the_fastest(schedule):
    rates = fit(lr_schedule=schedule).history_["learning_rate"]
    assert rates[-1] < 0.2 * rates.max()
    assert rates.max() <= 0.02 + 1e-12


def test_plateau_follows_the_validation_score():
    stuck = fit(
        lr_schedule="plateau", early_stopping=True, validation_fraction=0.2,
        scoring=lambda *_: 0.5, n_iter_no_change=20, max_epochs=10,
    )  # fmt: skip
    assert stuck.history_["learning_rate"][-1] == pytest.approx(0.01)
    falling = fit(lr_schedule="plateau", max_epochs=10)
    assert falling.history_["learning_rate"][-1] == 0.02


def test_plateau_does_not_judge_epochs_with_mixing():
    parameters = {"lr_schedule": "plateau", "early_stopping": True, "scoring": lambda *_: 0.5}
    parameters |= {"n_iter_no_change": 20, "max_epochs": 20, "validation_fraction": 0.2}
    rates = {
        alpha: fit(**parameters, mixup_alpha=alpha).history_["learning_rate"] for alpha in (0, 0.2)
    }
    # The first of them that counts is the best, and the rate falls after five more.
    assert (rates[0] < 0.02).argmax() == 6
    assert (rates[0.2] < 0.02).argmax() == 16


def stepwise(**options):
    return LRScheduler("StepLR", step_size=1, gamma=0.5, **options)


class Own(LRScheduler):
    pass


class Rates(Callback):
    """Keeps the rate of each step as the optimizer is about to use it."""

    def __init__(self):
        self.seen = []

    def on_grad_computed(self, net, named_parameters, **kwargs):
        self.seen.append(net.optimizer_.param_groups[0]["lr"])


@pytest.mark.parametrize("lr_schedule", [None, "one_cycle", "plateau"])
@pytest.mark.parametrize(
    "callback",
    [stepwise(), ("mine", stepwise()), Own("StepLR", step_size=1, gamma=0.5)],
    ids=["plain", "named", "subclass"],
)
@pytest.mark.filterwarnings("ignore:lr_schedule=.* has no effect beside skorch's LRScheduler")
def test_a_scheduler_of_the_users_decides_alone(lr_schedule, callback):
    # Four batches an epoch.
    fitted = fit(lr_schedule=lr_schedule, callbacks=[callback, rates := Rates()])
    assert rates.seen == [0.02] * 4 + [0.01] * 4 + [0.005] * 4 + [0.0025] * 4
    assert fitted.history_["learning_rate"].tolist() == [0.02, 0.01, 0.005, 0.0025]


@pytest.mark.filterwarnings("ignore:lr_schedule=.* has no effect beside skorch's LRScheduler")
def test_a_scheduler_by_steps_leaves_the_rate_of_the_last_step_in_the_history():
    fitted = fit(callbacks=[stepwise(step_every="batch")], max_epochs=2)
    assert fitted.history_["learning_rate"].tolist() == [0.02 / 2**3, 0.02 / 2**7]


def test_which_callbacks_set_the_rate():
    for callbacks in (
        [stepwise()],
        [("a", stepwise())],
        [Rates(), Own()],
        [LRScheduler],
        [("b", Own)],
    ):
        assert sets_learning_rate(callbacks)
    for callbacks in (None, [], [Rates()], [("a", Rates())], [Rates]):
        assert not sets_learning_rate(callbacks)


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_a_scheduler_of_the_users_goes_on(method):
    schedule = LRScheduler("LambdaLR", lr_lambda=lambda epoch: 0.5**epoch)
    classifier = quick(lr_schedule=None, warm_start=True, callbacks=[schedule], max_epochs=1)
    for _ in range(3):
        getattr(classifier, method)(X, Y, **({} if method == "fit" else {"classes": [0, 1]}))
    assert classifier.history_["learning_rate"].tolist() == [0.02, 0.01, 0.005]


def test_silent_by_default(capfd):
    fit()
    assert capfd.readouterr() == ("", "")


def test_verbose_shows_one_bar_on_standard_error(capfd):
    fit(verbose=1)
    out, err = capfd.readouterr()
    assert out == ""
    assert "4/4" in err
    assert "train_loss=" in err


def test_the_bar_shows_the_validation_score(capfd):
    fit(verbose=1, early_stopping=True, validation_fraction=0.2, scoring="accuracy")
    assert "valid_score=" in capfd.readouterr().err


def test_the_bar_shows_the_validation_loss_once(capfd):
    fit(verbose=1, early_stopping=True, validation_fraction=0.2)
    shown = capfd.readouterr().err
    assert "valid_loss=" in shown
    assert "valid_score=" not in shown


class Diverging(Callback):
    def on_batch_end(self, net, **kwargs):
        next(net.module_.parameters()).data.fill_(np.nan)


def test_the_bar_is_closed_after_an_error(capfd):
    with pytest.raises(TrainingDivergedError, match="in epoch 1"):
        fit(verbose=1, callbacks=[Diverging()])
    assert capfd.readouterr().err.endswith("\n")


def test_workers_show_no_bar(capfd):
    assert not is_parallel_worker()
    assert all(Parallel(n_jobs=2)(delayed(is_parallel_worker)() for _ in range(2)))
    with ThreadPoolExecutor(1) as threads:
        threads.submit(fit, verbose=1).result()
    assert "train_loss=" not in capfd.readouterr().err


# Neither Ray nor Dask is installed where this runs: what is asked of them, by the names that their
# documentation gives.


def ray(mode):
    context = SimpleNamespace(worker=SimpleNamespace(mode=mode))
    names = {"SCRIPT_MODE": 0, "WORKER_MODE": 1, "is_initialized": lambda: mode is not None}
    return SimpleNamespace(get_runtime_context=lambda: context, **names)


@pytest.mark.parametrize(("mode", "is_worker"), [(None, False), (0, False), (1, True)])
def test_a_worker_of_ray_is_known_and_its_driver_is_none(mode, is_worker, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", ray(mode))
    assert is_parallel_worker() is is_worker


@pytest.mark.parametrize("is_worker", [False, True])
def test_a_worker_of_dask_is_known_and_its_client_is_none(is_worker, monkeypatch):
    def get_worker():
        if not is_worker:
            raise ValueError("No worker found")
        return object()

    monkeypatch.setitem(sys.modules, "distributed", SimpleNamespace(get_worker=get_worker))
    assert is_parallel_worker() is is_worker


@pytest.mark.parametrize("name", ["ray", "distributed"])
def test_neither_is_imported_to_be_asked(name, monkeypatch):
    # Another test may have imported it.
    monkeypatch.delitem(sys.modules, name, raising=False)
    assert not is_parallel_worker()
    assert name not in sys.modules


@pytest.mark.parametrize(
    "callback",
    [
        EpochScoring("accuracy"), EpochScoring("accuracy", on_train=True), EpochScoring,
        BatchScoring("accuracy"), ("score", BatchScoring("accuracy", on_train=True)),
        PassthroughScoring("valid_loss"), PassthroughScoring,
    ],
    ids=lambda value: getattr(value, "__name__", str(value)[:30]),
)  # fmt: skip
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_callbacks_that_look_for_a_skorch_dataset_are_refused(callback, method):
    classifier = quick(callbacks=[callback])
    options = {} if method == "fit" else {"classes": [0, 1]}
    with pytest.raises(ValueError, match=r"must not hold skorch's \w+Scoring.*\n\nSet scoring="):
        getattr(classifier, method)(X, Y, **options)
    assert not hasattr(classifier, "net_")


def test_records_of_training_batches_are_averaged():
    class Record(Callback):
        def on_batch_end(self, net, batch, **_):
            net.history.record_batch("mean_length", 4.0)

    passes_on = PassthroughScoring("mean_length", on_train=True)
    fitted = quick(callbacks=[Record(), passes_on], max_epochs=2).fit(X, Y)
    assert fitted.history_["mean_length"].tolist() == [4.0, 4.0]
