"""Two processes of this machine, which is what most of this folder's guarantees are tested on."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import joblib
import numpy as np
import pytest
import torch
from skorch.callbacks import Callback, Freezer, GradientNormClipping

from sklstm import LSTMSequenceClassifier, LSTMSequenceRegressor
from sklstm._runtime._ranks import InTurn, reset_launcher, set_launcher
from sklstm.distributed import data_parallel
from sklstm.distributed._loky import LokyRanks
from sklstm.exceptions import RankError
from tests import windows
from tests.crashing import Crash, CrashAfterSteps
from tests.helpers import make_ragged
from tests.training.cases import CASES, NUMBERS

pytestmark = pytest.mark.skipif(joblib.cpu_count() < 2, reason="two processes need two cores")

X, Y = make_ragged(40)
WEIGHTS = np.linspace(0.5, 2.0, 40)
SMALL = {"hidden_sizes": 4, "max_epochs": 2, "batch_size": 16, "random_state": 0}
LSTM = SMALL | {"n_kernels": 0, "conv_filters": ()}


@pytest.fixture(scope="module")
def launcher():
    """Two processes for all tests of this module: to start one takes seconds."""
    launcher = LokyRanks(2, timeout=10)
    yield launcher
    launcher.close()


@pytest.fixture
def on_two(launcher):
    """Function that fits on both."""
    return partial(with_launcher, launcher)


def with_launcher(launcher, estimator, *data, **options):
    token = set_launcher(launcher)
    try:
        return estimator.fit(*data, **options)
    finally:
        reset_launcher(token)


def assert_same(fitted, other):
    states = [clf.net_.module_.state_dict() for clf in (fitted, other)]
    for name, tensor in states[0].items():
        assert torch.equal(tensor, states[1][name]), name
    assert fitted.history_.keys() == other.history_.keys()
    for name in fitted.history_.keys() - {"dur"}:
        np.testing.assert_array_equal(fitted.history_[name], other.history_[name])


FEW = {
    "dropout and mixup": LSTM | {"dropout": 0.3, "bidirectional": True},
    "one direction": LSTM | {"bidirectional": False, "mixup_alpha": 0.0},
    "convolutions and early stopping": SMALL
    | {"conv_filters": (4,), "n_kernels": 84, "early_stopping": True, "scoring": "accuracy"},
}


@pytest.mark.parametrize("name", FEW)
def test_two_processes_are_one_in_two_parts_to_the_bit(on_two, name):
    fitted = on_two(LSTMSequenceClassifier(**FEW[name]), X, Y, sample_weight=WEIGHTS)
    other = LSTMSequenceClassifier(**FEW[name])
    assert_same(fitted, with_launcher(InTurn(2), other, X, Y, sample_weight=WEIGHTS))


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES | NUMBERS)
def test_so_are_all_kinds_of_networks(on_two, name):
    data, options = (CASES | NUMBERS)[name]
    kind = LSTMSequenceRegressor if name in NUMBERS else LSTMSequenceClassifier
    options = {"hidden_sizes": 4} | options | {"max_epochs": 2, "batch_size": 16, "random_state": 0}
    assert_same(on_two(kind(**options), *data), with_launcher(InTurn(2), kind(**options), *data))


class Meddles(Callback):
    """Sets all that is told to the other ranks."""

    def on_epoch_end(self, net, **kwargs):
        net.history.record("mine", len(net.history))
        for group in net.optimizer_.param_groups:
            group["lr"] *= 0.5
        with torch.no_grad():
            for parameter in net.module_.parameters():
                parameter.mul_(0.9)
        net.should_stop = len(net.history) == 2


def test_what_a_callback_of_rank_0_sets_is_told_to_all(on_two):
    options = LSTM | {"max_epochs": 5, "lr_schedule": None, "callbacks": [Meddles()]}
    fitted = on_two(LSTMSequenceClassifier(**options), X, Y)
    assert fitted.history_["mine"].tolist() == [1, 2]
    assert_same(fitted, with_launcher(InTurn(2), LSTMSequenceClassifier(**options), X, Y))


class EndsSmaller(Callback):
    def on_train_end(self, net, **kwargs):
        with torch.no_grad():
            for parameter in net.module_.parameters():
                parameter.mul_(0.5)


class Draws(Callback):
    """Takes from the generator that dropout is drawn from, and cannot be pickled."""

    def __init__(self):
        self.lock = threading.Lock()

    def on_epoch_end(self, net, **kwargs):
        torch.rand(3)


class RecordsAFunction(Callback):
    """What cannot be told to another process."""

    def on_epoch_end(self, net, **kwargs):
        net.history.record("mine", lambda: None)


@pytest.mark.parametrize(
    "make",
    [
        Draws,
        RecordsAFunction,
        partial(Freezer, "encoder*"),
        partial(Freezer, "encoder*", at=2),
        partial(GradientNormClipping, 0.01),
    ],
    ids=["draws", "records", "freezer", "later freezer", "clipping"],
)
def test_callbacks_of_all_kinds_do_the_same_as_in_one_process(on_two, make):
    options = LSTM | {"dropout": 0.3, "max_epochs": 3}
    fitted, other = (LSTMSequenceClassifier(**options, callbacks=[make()]) for _ in range(2))
    on_two(fitted, X, Y)
    with_launcher(InTurn(2), other, X, Y)
    for clf in (fitted, other):
        clf.history_.pop("mine", None)
    assert_same(fitted, other)


def test_what_is_fitted_after_the_last_callbacks_is_that_of_rank_0(on_two):
    data, both = make_ragged(500), []
    options = LSTM | {"n_kernels": 84, "batch_size": 250, "max_epochs": 1}
    for start in (on_two, partial(with_launcher, InTurn(2))):
        clf = LSTMSequenceClassifier(**options, callbacks=[EndsSmaller()])
        both.append(start(clf, *data).predict_proba(data[0]))
    np.testing.assert_array_equal(*both)


class Small:
    """A fit whose ranks elsewhere read windows of a few sequences."""

    def __init__(self, work):
        self.work = work

    def __getattr__(self, name):
        return getattr(self.work, name)

    @property
    def call(self):
        return SimpleNamespace(for_others=lambda: windowed(self.work.call.for_others()))


def windowed(call):
    constants = dict(windows.SMALL)

    def compute(data, ranks):
        from sklstm._batching import _sizes, _windows

        before = [dict(vars(module)) for module in (_sizes, _windows)]
        for module in (_sizes, _windows):
            vars(module).update({k: v for k, v in constants.items() if k in vars(module)})
        try:
            return call(data, ranks)
        finally:
            for module, earlier in zip((_sizes, _windows), before, strict=True):
                vars(module).update(earlier)

    return compute


@pytest.mark.parametrize(
    "options",
    [
        {"early_stopping": True, "validation_interval": 2, "n_iter_no_change": 2, "tol": 0.5},
        {"mixup_alpha": 0.5, "conv_filters": (3,), "return_train_score": True},
    ],
    ids=["patience in steps", "mixup"],
)
def test_large_data_go_on_within_an_epoch(launcher, monkeypatch, tmp_path, options):
    windows.make_small(monkeypatch)
    on_windows = SimpleNamespace(run=lambda work: launcher.run(Small(work)))
    options = LSTM | {"batch_size": 4, "dropout": 0.3} | options
    through = with_launcher(InTurn(2), LSTMSequenceClassifier(**options), X, Y)
    options |= {"checkpoint": tmp_path / "fit", "checkpoint_interval": 3}
    for n_steps in (5, 4):
        crash = [CrashAfterSteps(n_steps)]
        with pytest.raises(Crash):
            with_launcher(on_windows, LSTMSequenceClassifier(**options, callbacks=crash), X, Y)
    assert_same(with_launcher(on_windows, LSTMSequenceClassifier(**options), X, Y), through)


def test_more_epochs_go_on_and_ends_are_kept(on_two, tmp_path):
    options = LSTM | {"lr_schedule": None, "mixup_alpha": 0, "dropout": 0.3}
    checkpoint = tmp_path / "fit"
    for n_epochs in (2, 4, 2):
        clf = LSTMSequenceClassifier(**options | {"max_epochs": n_epochs}, checkpoint=checkpoint)
        through = LSTMSequenceClassifier(**options | {"max_epochs": n_epochs})
        assert_same(on_two(clf, X, Y), with_launcher(InTurn(2), through, X, Y))


class FailsElsewhere(torch.optim.SGD):
    """An optimizer whose second step fails, but not in the calling process."""

    def step(self, closure=None):
        self.n_steps = getattr(self, "n_steps", 0) + 1
        if self.n_steps == 2 and multiprocessing.current_process().name != "MainProcess":
            raise ZeroDivisionError("of rank 1 only")
        return super().step(closure)


def test_an_error_of_another_rank_is_one_error_that_names_it(on_two):
    clf = LSTMSequenceClassifier(**LSTM | {"optimizer": FailsElsewhere})
    began = time.monotonic()
    with pytest.raises(
        RankError, match=r"Rank 1 of 2 .* raised ZeroDivisionError: of rank"
    ) as info:
        on_two(clf, X, Y)
    assert time.monotonic() - began < 10
    assert info.value.rank == 1
    assert 'raise ZeroDivisionError("of rank 1 only")' in info.value.__notes__[0]
    assert not hasattr(clf, "net_")


class Raises(Callback):
    def __init__(self, error):
        self.error = error

    def on_epoch_end(self, net, **kwargs):
        raise self.error


@pytest.mark.parametrize("error", [ZeroDivisionError("mine"), KeyboardInterrupt()])
def test_an_error_of_the_caller_and_ctrl_c_are_as_without(on_two, error):
    began = time.monotonic()
    with pytest.raises(type(error)):
        on_two(LSTMSequenceClassifier(**LSTM | {"callbacks": [Raises(error)]}), X, Y)
    assert time.monotonic() - began < 10
    # The other process is still there, and trains on.
    on_two(LSTMSequenceClassifier(**LSTM), X, Y)


# On a machine that is busy a second may suffice for one step.
@pytest.mark.filterwarnings("ignore:max_time:sklearn.exceptions.ConvergenceWarning")
def test_a_time_limit_is_the_callers(on_two):
    on_two(LSTMSequenceClassifier(**LSTM), X, Y)
    options = LSTM | {"max_epochs": 100_000, "max_time": 1.0}
    fitted = on_two(LSTMSequenceClassifier(**options), X, Y)
    assert fitted.stop_reason_ == "max_time"


class Signals(Callback):
    """Sends a signal to rank 1 after an epoch."""

    def __init__(self, signal_number, epoch):
        self.signal_number, self.epoch, self.process = signal_number, epoch, None

    def on_epoch_end(self, net, **kwargs):
        if len(net.history) == self.epoch and self.process is None:
            self.process = net.ranks.heartbeats.who(1)["process"]
            self.sent = time.monotonic()
            os.kill(self.process, self.signal_number)


def is_alive(process):
    status = Path(f"/proc/{process}/stat")
    return status.exists() and status.read_text().rpartition(")")[2].split()[0] != "Z"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "seconds", "message"),
    [
        (getattr(signal, "SIGKILL", 0), 10, "Rank 1 of 2 .* has died"),
        (getattr(signal, "SIGSTOP", 0), 60, "Rank 1 of 2 .* has not answered for 30 seconds"),
    ],
    ids=["killed", "stopped"],
)
def test_a_rank_that_is_lost_is_one_error_and_the_checkpoint_goes_on(
    tmp_path, number, seconds, message
):
    options = LSTM | {"max_epochs": 6, "dropout": 0.2}
    through = with_launcher(InTurn(2), LSTMSequenceClassifier(**options), X, Y)
    options |= {"checkpoint": str(tmp_path / "fit.safetensors")}
    signals = Signals(number, 3)
    with data_parallel(2):
        with pytest.raises(RankError, match=message):
            LSTMSequenceClassifier(**options, callbacks=[signals, Waits(3)]).fit(X, Y)
        assert time.monotonic() - signals.sent < seconds
        assert not is_alive(signals.process)
        # In the same context, by new processes.
        assert_same(LSTMSequenceClassifier(**options).fit(X, Y), through)


class Waits(Callback):
    """Gives a signal the time to arrive."""

    def __init__(self, epoch):
        self.epoch = epoch

    def on_epoch_end(self, net, **kwargs):
        if len(net.history) == self.epoch:
            time.sleep(0.5)


CALLER = """
import os, sys, time
from sklstm import LSTMSequenceClassifier
from sklstm.distributed import data_parallel
from skorch.callbacks import Callback
from tests.helpers import make_ragged

class Tells(Callback):
    def on_epoch_end(self, net, **kwargs):
        if len(net.history) == 2:
            print(net.ranks.heartbeats.who(1)["process"], flush=True)

with data_parallel(2):
    LSTMSequenceClassifier(
        hidden_sizes=4, max_epochs=100_000, n_kernels=0, callbacks=[Tells()]
    ).fit(*make_ragged(40))
"""


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, getattr(signal, "SIGKILL", 0)])
def test_no_process_outlives_a_caller(number):
    environment = os.environ | {"PYTHONPATH": str(Path.cwd()), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", CALLER]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as caller:  # noqa: S603
        other = int(caller.stdout.readline())
        assert is_alive(other)
        caller.send_signal(number)
        caller.wait(timeout=60)
        end = time.monotonic() + 60
        while is_alive(other) and time.monotonic() < end:
            time.sleep(0.1)
        assert not is_alive(other)
