"""Whatever ends a training, Ctrl-C first of all, leaves the estimator as it was before."""

import copy
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback, EarlyStopping

from sklstm import LSTMSequenceClassifier
from sklstm.exceptions import TrainingDivergedError
from tests.helpers import make_ragged, quick

X, Y = make_ragged(24)
MOMENTS = ["on_train_begin", "on_epoch_begin", "on_batch_begin", "on_batch_end", "on_epoch_end",
           "on_train_end"]  # fmt: skip


class PressCtrlC(Callback):
    """Sends this process the signal that Ctrl-C sends, once, in the second epoch where there is."""

    def __init__(self, moment):
        self.moment = moment
        self.is_done = False

    def __getattribute__(self, name):
        if name in MOMENTS and name == object.__getattribute__(self, "moment"):
            return object.__getattribute__(self, "press")
        return object.__getattribute__(self, name)

    def press(self, net, **kwargs):
        if not self.is_done:
            self.is_done = True
            signal.raise_signal(signal.SIGINT)


def snapshot(classifier):
    """Everything that a fitted estimator holds, in comparable form."""
    state = {n: v for n, v in vars(classifier).items() if n not in ("net_", "callbacks")}
    if hasattr(classifier, "net_"):
        net = classifier.net_
        state["weights"] = [p.tolist() for p in net.module_.parameters()]
        if hasattr(net, "optimizer_"):
            state["optimizer"] = str(net.optimizer_.state_dict())
        state["epochs"] = copy.deepcopy(list(net.history))
    return {name: repr(value) for name, value in state.items()}


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("method", ["fit", "warm fit", "partial_fit", "stopping fit"])
def test_ctrl_c_propagates_and_leaves_the_estimator_as_it_was(moment, method):
    classifier = quick(warm_start=method == "warm fit").fit(X, Y)
    classifier.set_params(early_stopping=method == "stopping fit")
    before = snapshot(classifier)
    classifier.set_params(callbacks=[PressCtrlC(moment)])
    with pytest.raises(KeyboardInterrupt):
        getattr(classifier, method.split()[-1])(X, Y)
    classifier.set_params(callbacks=None)
    assert snapshot(classifier) == before


def test_ctrl_c_in_a_first_fit_leaves_no_trace():
    classifier = quick(callbacks=[PressCtrlC("on_batch_end")])
    with pytest.raises(KeyboardInterrupt):
        classifier.fit(X, Y)
    assert set(vars(classifier)) == set(classifier.get_params())


@pytest.mark.parametrize("order", [1, -1])
def test_ctrl_c_is_not_taken_for_the_stop_of_a_callback(order):
    patient = EarlyStopping("train_loss", patience=1000)
    callbacks = [patient, PressCtrlC("on_epoch_end")][::order]
    with pytest.raises(KeyboardInterrupt):
        quick(callbacks=callbacks).fit(X, Y)


def test_a_fit_after_an_interruption_is_the_same_as_without():
    expected = quick(dropout=0.3).fit(X, Y).predict_proba(X)
    classifier = quick(dropout=0.3, callbacks=[PressCtrlC("on_batch_end")])
    with pytest.raises(KeyboardInterrupt):
        classifier.fit(X, Y)
    np.testing.assert_array_equal(classifier.fit(X, Y).predict_proba(X), expected)


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_a_training_sets_no_attribute_alone(method):
    """There is no moment at which one of them is new and another is old."""
    seen = []

    class Watched(LSTMSequenceClassifier):
        def __setattr__(self, name, value):
            seen.append(name)
            super().__setattr__(name, value)

    watched = Watched(4, max_epochs=1).fit(X, Y)
    seen.clear()
    getattr(watched, method)(X, Y)
    assert seen == ["__dict__"]


def test_ctrl_c_at_any_time():
    """From another thread, at whatever instruction the training has come to."""
    classifier = quick(warm_start=True, early_stopping=True, max_epochs=3).fit(X, Y)
    rng, interrupted = np.random.default_rng(0), 0
    for _ in range(30):
        before = snapshot(classifier)
        timer = threading.Timer(
            rng.uniform(0.0, 0.03), signal.pthread_kill, (threading.get_ident(), signal.SIGINT)
        )
        try:
            timer.start()
            classifier.fit(X, Y)
            # The signal after the fit belongs to the test.
            timer.join()
            time.sleep(0.01)
        except KeyboardInterrupt:
            interrupted += 1
            after = snapshot(classifier)
            is_new = len(classifier.net_.history) > int(before["n_iter_"])
            assert is_new or after == before
    assert interrupted == 30


def test_a_terminal_that_sends_ctrl_c_ends_the_program():
    program = """
import os, signal, threading
from sklstm import LSTMSequenceClassifier
from sklstm.datasets import make_trends
X, y = make_trends(200, random_state=0)
threading.Timer(1.0, os.kill, (os.getpid(), signal.SIGINT)).start()
LSTMSequenceClassifier(max_epochs=1_000_000, verbose=1).fit(X, y)
print("not reached")
"""
    result = subprocess.run(  # noqa: S603
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60
    )
    assert result.returncode in (-signal.SIGINT, 130), result.stderr
    assert result.stderr.rstrip().endswith("KeyboardInterrupt")
    assert result.stdout == ""


# A loss that is not finite


class Poison(Callback):
    def on_batch_end(self, net, **kwargs):
        if len(net.history) == 2:
            with torch.no_grad():
                next(net.module_.parameters()).fill_(torch.inf)


@pytest.mark.parametrize("max_epochs", [2, 3])
def test_divergence_names_epoch_rate_and_largest_input_and_changes_nothing(max_epochs):
    classifier = quick().fit(X, Y)
    before = snapshot(classifier)
    options = {"standardize": False, "lr_schedule": None, "max_epochs": max_epochs}
    classifier.set_params(**options, callbacks=[Poison()])
    largest = max(np.abs(x).max() for x in X)
    message = rf"(?s)in epoch {max_epochs}, at .* rate of 0.02. The largest input was {largest:.3g}"
    with pytest.raises(TrainingDivergedError, match=message):
        classifier.fit(X, Y)
    good = quick().get_params()
    assert snapshot(classifier.set_params(**good)) == before


def test_weights_that_no_prediction_could_bear_are_an_error():
    """One step at an absurd rate: the loss before it was fine, and there is none after it."""
    classifier = quick(learning_rate=1e30, lr_schedule=None, batch_size=100, max_epochs=1)
    with pytest.raises(TrainingDivergedError, match=r"A weight grew beyond 1e\+18 in epoch 1"):
        classifier.fit(X, Y)


@pytest.mark.parametrize("method", ["predict", "predict_proba", "decision_function"])
def test_outputs_beyond_float32_are_an_error_and_not_nan(method):
    classifier = quick().fit(X, Y)
    with torch.no_grad():
        for parameter in classifier.net_.module_.head.parameters():
            parameter.fill_(3e38)
    with pytest.raises(ValueError, match=r"X\[0\] is too large for this network"):
        getattr(classifier, method)(X)


def test_what_is_advised_helps():
    """A training that diverges without any trick: huge inputs, no clipping, a high rate."""
    wild = [1e18 * x for x in X]
    diverging = LSTMSequenceClassifier(
        8, standardize=False, optimizer=torch.optim.SGD, learning_rate=1e30, max_grad_norm=None,
        lr_schedule=None, l2=1e10, max_epochs=5, random_state=0,
    )  # fmt: skip
    with pytest.raises(TrainingDivergedError, match=r"1e\+30.*e\+1[89]"):
        diverging.fit(wild, Y)
    diverging.set_params(standardize=True, learning_rate=0.01, l2=0.0, max_epochs=30)
    assert diverging.fit(wild, Y).score(wild, Y) > 0.6
