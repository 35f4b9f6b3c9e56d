"""A fit that is ended by force and called again ends with the bits of one that never was.

Only a crash leaves a checkpoint behind in the middle; it is simulated by a callback that raises
what nobody catches, and once with the real thing.
"""

import hashlib
import pickle
import signal
import subprocess
import sys
import time
from contextlib import suppress
from functools import partial

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback

from sklstm import LSTMSequenceClassifier
from sklstm._batching import _parts
from sklstm._files._container import read_file
from sklstm._state._checkpoint import CHECKPOINT
from tests.crashing import Count, Crash, CrashAfter, result
from tests.helpers import make_ragged, quick

X, Y = make_ragged(48, n_classes=3)
LABELS = np.array(["a", "b", "c"])[Y]
X_VAL, Y_VAL = make_ragged(20, n_classes=3, seed=1)
RANDOM = {"dropout": 0.3}
STOPPING = {"early_stopping": True, "validation_fraction": 0.25}


def fit_through_crashes(make, path, *arguments, n_epochs=1, **options):
    """The fitted estimator, and how often the fit was called until it came to its end."""
    for n_calls in range(1, 100):
        classifier = make(checkpoint=path, callbacks=[CrashAfter(n_epochs)])
        try:
            return classifier.fit(*arguments, **options), n_calls
        except Crash:
            assert set(vars(classifier)) == set(classifier.get_params())
    raise AssertionError("the fit came to no end")


def assert_resumes_to_the_same_bits(path, *arguments, parameters, **options):
    make = partial(quick, **parameters)
    expected = result(make().fit(*arguments, **options))
    # A crash after each epoch: each is an end and a beginning.
    resumed, n_calls = fit_through_crashes(make, path, *arguments, **options)
    assert result(resumed) == expected
    assert n_calls >= resumed.n_iter_
    path.unlink()
    # Without any crash, and the file has its result.
    assert result(make(checkpoint=path).fit(*arguments, **options)) == expected
    assert result(make(checkpoint=path).fit(*arguments, **options)) == expected


class Lookahead(torch.optim.SGD):
    """A user's own: float64 state beside float32 weights, a count in a group, a tuple."""

    def step(self, closure=None):
        loss = super().step(closure)
        for group in self.param_groups:
            group["count"] = group.get("count", 0) + 1
            for parameter in group["params"]:
                state = self.state[parameter]
                slow = state.setdefault("slow", parameter.detach().double() / 3)
                slow += 0.1 * (parameter.detach() - slow)
                state["shape"] = tuple(parameter.shape)
                if group["count"] % 5 == 0:
                    parameter.data.copy_(slow)
        return loss


torch_optimizers = pytest.mark.parametrize(
    "optimizer",
    [
        "adam", "adamw", "rmsprop", "sgd", torch.optim.ASGD, torch.optim.Adadelta,
        torch.optim.Adagrad, torch.optim.Adamax, torch.optim.NAdam, torch.optim.RAdam,
        torch.optim.Rprop, torch.optim.LBFGS, partial(torch.optim.Adam, amsgrad=True),
        partial(torch.optim.SGD, momentum=0.5), Lookahead, partial(Lookahead, momentum=0.9),
        lambda parameters, lr: torch.optim.AdamW(parameters, lr=torch.tensor(lr)),
    ],
    ids=lambda optimizer: getattr(optimizer, "__name__", str(optimizer)),
)  # fmt: skip


@torch_optimizers
def test_optimizers(tmp_path, optimizer):
    parameters = {**RANDOM, "optimizer": optimizer, "max_epochs": 3}
    assert_resumes_to_the_same_bits(tmp_path / "file", X, Y, parameters=parameters)


@pytest.mark.parametrize("lr_schedule", [None, "cosine", "exponential", "one_cycle", "plateau"])
@pytest.mark.parametrize("stopping", [{}, STOPPING], ids=str)
def test_schedules_and_stopping(tmp_path, lr_schedule, stopping):
    parameters = {**RANDOM, **stopping, "lr_schedule": lr_schedule, "max_epochs": 8}
    assert_resumes_to_the_same_bits(tmp_path / "file", X, LABELS, parameters=parameters)


@pytest.mark.parametrize(
    ("parameters", "options"),
    [
        ({"hidden_sizes": (6, 5, 4), "pooling": "attention", "dense_sizes": (7, 5)}, {}),
        ({"bidirectional": False, "pooling": "last", "l1": 1e-3, "l2": 1e-3}, {}),
        ({"conv_filters": (5, 20), "patch_size": 2, **STOPPING}, {}),
        ({"class_weight": "balanced", "optimizer": "adamw"}, {}),
        ({"mixup_alpha": 0.5}, {}),
        ({"class_weight": {"a": 2.0}, **STOPPING}, {"sample_weight": np.arange(48) % 4}),
        ({"precision": "bfloat16", "batch_size": 7, "standardize": False}, {}),
        (STOPPING, {"groups": np.arange(48) // 4}),
        ({**STOPPING, "early_stopping": "last", "scoring": "f1_macro"}, {}),
        ({"early_stopping": True, "lr_schedule": "plateau", "n_iter_no_change": 2, "tol": 0.5},
         {"X_val": X_VAL, "y_val": np.array(["a", "b", "c"])[Y_VAL]}),
        ({"scoring": ["accuracy", "loss"], "return_train_score": True},
         {"X_val": X_VAL, "y_val": np.array(["a", "b", "c"])[Y_VAL]}),
        ({"random_state": np.random.RandomState(3).randint(9)}, {}),
        ({"max_epochs": 1}, {}),
    ],
    ids=str,
)  # fmt: skip
def test_parameters_and_data(tmp_path, parameters, options):
    # Whoever loses patience in the middle of it all stops at the same epoch.
    parameters = {**RANDOM, **parameters}
    assert_resumes_to_the_same_bits(tmp_path / "file", X, LABELS, parameters=parameters, **options)


@pytest.mark.parametrize("frozen", [False, True])
def test_token_ids(tmp_path, frozen):
    rng = np.random.default_rng(0)
    ids = [rng.integers(1, 9, size=t) for t in rng.integers(2, 7, size=30)]
    vectors = rng.normal(size=(9, 4))
    parameters = {**RANDOM, **STOPPING, "embedding_weights": vectors, "freeze_embedding": frozen}
    y = np.arange(30) % 2
    assert_resumes_to_the_same_bits(tmp_path / "file", ids, y, parameters=parameters)


def test_batches_in_parts(tmp_path, monkeypatch):
    for name in ("MIN_WORK", "MIN_SEQUENCES", "MIN_MULTIPLICATIONS"):
        monkeypatch.setattr(_parts, name, 4)
    assert_resumes_to_the_same_bits(tmp_path / "file", X, Y, parameters=RANDOM)


def test_steps_that_were_halved_for_memory_stay_halved(tmp_path):
    """Gradients of halves add up to other bits, and memory may suffice the next time."""

    class RunOut(Callback):
        def on_epoch_begin(self, net, **kwargs):
            if len(net.history) == 1:
                net.n_halvings = 2

    expected = result(quick(callbacks=[RunOut()]).fit(X, Y))
    assert expected != result(quick().fit(X, Y))
    make = partial(quick, checkpoint=tmp_path / "file")
    with pytest.raises(Crash):
        make(callbacks=[RunOut(), CrashAfter(3)]).fit(X, Y)
    assert result(make().fit(X, Y)) == expected


def test_an_interruption_and_an_error_leave_the_checkpoint(tmp_path):
    class Press(CrashAfter):
        def on_epoch_begin(self, net, **kwargs):
            try:
                super().on_epoch_begin(net)
            except Crash:
                signal.raise_signal(signal.SIGINT)

    make = partial(quick, **RANDOM, checkpoint=tmp_path / "file")
    with pytest.raises(KeyboardInterrupt):
        make(callbacks=[Press(2)]).fit(X, Y)
    resumed = make(callbacks=[count := Count()]).fit(X, Y)
    assert count.n_epochs == 3
    assert result(resumed) == result(quick(**RANDOM).fit(X, Y))


def test_a_callback_that_stops_has_stopped(tmp_path):
    class Stop(Callback):
        def on_epoch_end(self, net, **kwargs):
            net.should_stop = len(net.history) == 2

    make = partial(quick, checkpoint=tmp_path / "file")
    stopped = make(callbacks=[Stop()]).fit(X, Y)
    again = make(callbacks=[count := Count()]).fit(X, Y)
    assert (stopped.stop_reason_, count.n_epochs) == ("callback", 0)
    assert result(again) == result(stopped)


# What is gone on from


def test_the_trial_of_the_optimizer_draws_nothing_of_others(tmp_path):
    class Noisy(torch.optim.SGD):
        def step(self, closure=None):
            loss = super().step(closure)
            for parameter in self.param_groups[0]["params"]:
                parameter.data.add_(1e-3 * torch.randn_like(parameter))
            return loss

    before = torch.get_rng_state()
    parameters = {**RANDOM, "optimizer": Noisy}
    assert_resumes_to_the_same_bits(tmp_path / "file", X, Y, parameters=parameters)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_warm_start_goes_on_from_its_own_weights(tmp_path):
    path = tmp_path / "file"
    # The seed is that of the first fit, whoever drew it.
    first = quick(**RANDOM, warm_start=True, random_state=None).fit(X, Y)
    kept = pickle.dumps(first)
    expected = result(pickle.loads(kept).fit(X, Y))
    n_calls, classifier = 0, first
    while classifier.n_iter_ == 5:
        n_calls, classifier = n_calls + 1, pickle.loads(kept)
        classifier.set_params(checkpoint=path, callbacks=[CrashAfter(1)])
        with suppress(Crash):
            classifier.fit(X, Y)
    assert (n_calls, classifier.n_iter_) == (5, 10)
    assert result(classifier) == expected
    assert path.exists()
    # A second leg begins with other weights.
    with pytest.raises(ValueError, match="the model that the training goes on from is not"):
        classifier.set_params(callbacks=None).fit(X, Y)


def test_without_a_seed_the_drawn_one_is_kept_until_the_end(tmp_path):
    path = tmp_path / "file"
    make = partial(quick, **RANDOM, **STOPPING, random_state=None)
    resumed, n_calls = fit_through_crashes(make, path, X, Y)
    assert n_calls == 5
    assert result(resumed) == result(make(random_state=resumed._seed).fit(X, Y))
    # The next fit is to be another draw.
    assert list(tmp_path.iterdir()) == []
    assert make(checkpoint=path).fit(X, Y)._seed != resumed._seed


# The real thing

PROGRAM = """
import sys
from tests.contract.test_checkpoints import fit_for_long, result
print(fit_for_long(int(sys.argv[1]), sys.argv[2]))
"""
LONG = [
    {"hidden_sizes": (16, 8), **RANDOM, **STOPPING, "lr_schedule": "plateau"},
    {"hidden_sizes": 24, **RANDOM, **STOPPING, "n_iter_no_change": 60, "scoring": "f1_macro"},
    {"hidden_sizes": 16, **RANDOM, "class_weight": "balanced", "optimizer": torch.optim.NAdam},
]
N_KILLS = 12


def fit_for_long(case, path):
    """The digest of a fit of some seconds."""
    X, y = make_ragged(200, n_classes=3)
    options = {"max_epochs": 60, "random_state": case, "checkpoint": path or None}
    fitted = LSTMSequenceClassifier(**LONG[case], **options).fit(X, y)
    return hashlib.sha256(repr(result(fitted)).encode()).hexdigest()


def start(case, path):
    return subprocess.Popen(  # noqa: S603
        [sys.executable, "-c", PROGRAM, str(case), str(path)], stdout=subprocess.PIPE, text=True
    )


def wait_for_a_new(path, process):
    """Until the process has written the file, or has come to its end."""
    before = path.stat().st_mtime_ns if path.exists() else 0
    while process.poll() is None and (not path.exists() or path.stat().st_mtime_ns == before):
        time.sleep(0.001)


def epoch_in(path):
    """How many epochs the file says are done."""
    return read_file(path, CHECKPOINT)["net"]["n_epochs_done"]


@pytest.mark.slow
@pytest.mark.parametrize("case", range(len(LONG)))
def test_killed_again_and_again(tmp_path, say, case):
    """SIGKILL, some milliseconds after a run's first writing, until a run is left to its end."""
    process = start(case, "")
    expected = process.communicate()[0]
    assert process.returncode == 0
    path, rng, epochs = tmp_path / "file", np.random.default_rng(case), []
    while len(epochs) < N_KILLS:
        process = start(case, path)
        wait_for_a_new(path, process)
        time.sleep(rng.uniform(0.0, 0.1))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        epochs.append(epoch_in(path))
        if process.returncode == 0:
            # The last epochs took less time than that.
            break
        assert process.returncode == -signal.SIGKILL
    assert len(epochs) > 1
    process = start(case, path)
    resumed = process.communicate()[0]
    say(f"case {case}: killed {len(epochs)} times, at epochs {epochs}")
    assert resumed == expected
    assert epochs == sorted(epochs)
    assert {entry.suffix for entry in tmp_path.iterdir()} <= {"", ".tmp"}
