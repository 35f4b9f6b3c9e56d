import contextlib
from typing import ClassVar

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning

from sklstm import LSTMSequenceClassifier, LSTMSequenceRegressor, _base
from sklstm._batching import _loader
from sklstm._training import _scores, _stopping, _time_limit, _train
from sklstm._training._net import SequenceNet
from sklstm._training._optimizers import is_capturable
from sklstm._training._stopping import ValidationScores
from sklstm._training._time_limit import Pace, Reserve, TimeLimit
from tests.helpers import make_documents, make_ragged
from tests.training.cases import fit

X, Y = np.random.default_rng(0).normal(size=(40, 6, 2)), np.arange(40) % 2
OPTIONS = {"hidden_sizes": 4, "n_kernels": 0, "batch_size": 8, "max_epochs": 8, "random_state": 0}
# Batches of an epoch, and steps of a whole fit.
N_BATCHES, N_STEPS = 5, 40
# Less than a step, for what is reserved for the end of any fit.
A_BIT = 0.5


class Clock:
    """A clock that ticks once for each training step, and otherwise as told."""

    def __init__(self):
        self.seconds = 100.0
        self.per_step = 1.0
        self.n_steps = 0

    def __call__(self):
        return self.seconds

    def step(self):
        self.seconds += self.per_step
        self.n_steps += 1


@pytest.fixture
def clock(monkeypatch):
    clock, step = Clock(), SequenceNet.train_step_single

    def timed(net, batch, **params):
        clock.step()
        return step(net, batch, **params)

    monkeypatch.setattr(_time_limit, "clock", clock)
    monkeypatch.setattr(SequenceNet, "train_step_single", timed)
    return clock


@pytest.fixture(params=[False, True], ids=["plain steps", "steps on the device"])
def steps(request, monkeypatch):
    if request.param:
        monkeypatch.setattr(
            _train, "can_stay_on_device", lambda device, optimizer: is_capturable(optimizer)
        )


def fitted(**options):
    return LSTMSequenceClassifier(**OPTIONS | options).fit(X, Y)


# The end ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_steps", [2, 5, 6, 39])
def test_training_ends_at_the_step_that_the_time_suffices_for(clock, steps, n_steps):
    classifier = fitted(max_time=n_steps + A_BIT)
    assert clock.n_steps == n_steps
    assert classifier.stop_reason_ == "max_time"
    # A partial epoch counts as one.
    assert classifier.n_iter_ == -(-n_steps // N_BATCHES)
    assert len(classifier.history_["train_loss"]) == classifier.n_iter_
    assert classifier.predict_proba(X).shape == (40, 2)


def test_loss_of_a_partial_epoch_is_that_of_its_steps(clock, steps):
    # A rate of almost 0, so that the loss of a batch is what it is without training.
    same = {"learning_rate": 1e-12, "mixup_alpha": 0.0, "callbacks": [Losses()]}
    classifier = fitted(max_time=7 + A_BIT, **same)
    losses = Losses.of_batches
    assert [len(epoch) for epoch in losses] == [5, 2]
    np.testing.assert_allclose(classifier.history_["train_loss"], [np.mean(x) for x in losses])


class Losses(ValidationScores):
    """Keeps the losses of the batches of each epoch; calls no hook of batches."""

    of_batches: list

    def __init__(self):
        type(self).of_batches = []

    def on_epoch_end(self, net, **kwargs):
        type(self).of_batches.append([batch["train_loss"] for batch in net.history[-1, "batches"]])


def test_one_step_is_taken_at_least_and_a_warning_says_so(clock, steps):
    expected = "max_time=0.5 seconds were over after a single training step of 40"
    with pytest.warns(ConvergenceWarning, match=expected) as caught:
        classifier = fitted(max_time=0.5)
    assert caught[0].filename == __file__
    assert clock.n_steps == classifier.n_iter_ == 1
    assert np.isfinite(classifier.predict_proba(X)).all()


@pytest.mark.parametrize("case", ["fixed convolutions", "tokens", "early stopping"])
def test_ample_time_changes_no_bit(clock, steps, case):
    expected, found = fit(case), fit(case, max_time=1e6)
    assert found.stop_reason_ == expected.stop_reason_ != "max_time"
    for name, values in expected.history_.items():
        if name != "dur":
            np.testing.assert_array_equal(found.history_[name], values)
    weights = expected.net_.module_.state_dict()
    for name, value in found.net_.module_.state_dict().items():
        np.testing.assert_array_equal(value, weights[name])


@pytest.mark.parametrize("schedule", ["one_cycle", "plateau"])
def test_just_enough_time_changes_no_bit(clock, steps, schedule):
    expected = fitted(lr_schedule=schedule)
    clock.n_steps = 0
    found = fitted(lr_schedule=schedule, max_time=N_STEPS + A_BIT)
    assert clock.n_steps == N_STEPS
    assert found.stop_reason_ == "max_epochs"
    np.testing.assert_array_equal(found.predict_proba(X), expected.predict_proba(X))


def test_a_slow_first_step_changes_nothing_if_the_time_is_ample(clock, monkeypatch, steps):
    expected = fitted()
    clock.n_steps, step = 0, Clock.step

    def slow_at_first(clock):
        clock.per_step = 30.0 if clock.n_steps == 0 else 1.0
        step(clock)

    monkeypatch.setattr(Clock, "step", slow_at_first)
    found = fitted(max_time=100)
    np.testing.assert_array_equal(found.predict_proba(X), expected.predict_proba(X))


@pytest.mark.parametrize(("module", "name"), [(_base, "check_first"), (_train, "build_network")])
def test_time_before_the_training_counts(clock, monkeypatch, module, name):
    function = getattr(module, name)

    def slow(*args, **kwargs):
        clock.seconds += 30
        return function(*args, **kwargs)

    monkeypatch.setattr(module, name, slow)
    fitted(max_time=35 + A_BIT)
    assert clock.n_steps == 5


def test_time_of_scores_counts_and_is_reserved_once_it_is_known(clock, monkeypatch, steps):
    evaluate = _stopping.evaluate

    def slow(*args):
        clock.seconds += 3
        return evaluate(*args)

    monkeypatch.setattr(_stopping, "evaluate", slow)
    classifier = LSTMSequenceClassifier(**OPTIONS, max_time=21 + A_BIT)
    began = clock.seconds
    classifier.fit(X, Y, X_val=X[:8], y_val=Y[:8])
    # Epochs of 5 + 3 seconds, twice, then steps, and 3 seconds for their score.
    assert clock.seconds - began <= 21 + A_BIT
    assert clock.n_steps >= 11
    assert len(classifier.history_["valid_score"]) == classifier.n_iter_ == 3
    assert np.isfinite(classifier.history_["valid_score"]).all()


def test_early_stopping_keeps_the_best_epoch_and_its_own_reason(clock):
    options = {"early_stopping": True, "validation_fraction": 0.2}
    classifier = fitted(max_time=9 + A_BIT, **options)
    scores = classifier.history_["valid_score"]
    assert classifier.stop_reason_ == "max_time"
    assert len(scores) == classifier.n_iter_ == 3
    assert classifier.best_epoch_ == np.argmax(scores) + 1
    impatient = {"n_iter_no_change": 1, "tol": 1e6, "mixup_alpha": 0.0, "lr_schedule": None}
    assert fitted(max_time=30, **options, **impatient).stop_reason_ == "no_improvement"


def test_regressor_and_tokens_end_in_time(clock):
    sequences, targets = make_ragged(40)
    regressor = LSTMSequenceRegressor(**OPTIONS, max_time=7 + A_BIT).fit(sequences, targets * 1.0)
    assert (clock.n_steps, regressor.stop_reason_) == (7, "max_time")
    clock.n_steps = 0
    documents = LSTMSequenceClassifier(**OPTIONS, embedding_dim=3, max_time=7 + A_BIT)
    assert documents.fit(*make_documents(40)).stop_reason_ == "max_time"
    assert clock.n_steps == 7


def test_partial_fit_has_no_limit(clock):
    classifier = LSTMSequenceClassifier(**OPTIONS, max_time=0.1).partial_fit(X, Y, classes=[0, 1])
    assert clock.n_steps == N_BATCHES
    assert classifier.stop_reason_ == "max_epochs"


def test_the_clock_is_not_read_without_a_limit(monkeypatch):
    monkeypatch.setattr(Pace, "__init__", None)
    fitted()


# The schedule -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("schedule", "n_steps"), [("cosine", 8), ("exponential", 23), ("one_cycle", 23)]
)
def test_schedule_ends_with_the_time(clock, steps, schedule, n_steps):
    whole = fitted(lr_schedule=schedule).history_["learning_rate"]
    limited = fitted(lr_schedule=schedule, max_time=n_steps + A_BIT).history_["learning_rate"]
    np.testing.assert_allclose(limited[-1], whole[-1], rtol=1e-5)


def test_constant_rate_stays_constant(clock, steps):
    rates = fitted(lr_schedule=None, max_time=13 + A_BIT).history_["learning_rate"]
    np.testing.assert_allclose(rates, 0.005, rtol=1e-6)


def test_schedule_follows_a_pace_that_changes(clock, monkeypatch):
    step = Clock.step

    def slower_later(clock):
        clock.per_step = 1.0 if clock.n_steps < 15 else 4.0
        step(clock)

    monkeypatch.setattr(Clock, "step", slower_later)
    whole = fitted(max_time=1e6)
    clock.n_steps = 0
    classifier = fitted(max_time=N_STEPS + A_BIT)
    # 15 seconds, and 25 for steps of 4.
    assert clock.n_steps in (20, 21)
    last, planned = classifier.history_["learning_rate"][-1], whole.history_["learning_rate"][4]
    assert last < 0.3 * planned


def mixed_steps(monkeypatch):
    """Whether each step that is taken from now on is with mixup."""
    mixed, step = [], SequenceNet.train_step_single

    def watched(net, batch, **params):
        mixed.append(batch.targets.mixup_weights is not None)
        return step(net, batch, **params)

    monkeypatch.setattr(SequenceNet, "train_step_single", watched)
    return mixed


def test_mixup_ends_with_half_of_the_schedule(clock, steps, monkeypatch):
    mixed = mixed_steps(monkeypatch)
    classifier = fitted(max_time=20 + A_BIT)
    # As many as without a limit, in relation to the steps. The schedule follows the pace after an
    # epoch; a GPU's mixup ends where the clock is read.
    assert mixed == sorted(mixed, reverse=True)
    assert len(mixed) == 20
    assert 0.4 <= np.mean(mixed) <= 0.7
    # Of each epoch: whether any of its steps was.
    first_of_epochs = mixed[::N_BATCHES]
    np.testing.assert_array_equal(classifier.history_["mixup_alpha"] > 0, first_of_epochs)


def test_mixup_ends_within_an_epoch_whose_indices_went_over_at_once(clock, monkeypatch):
    monkeypatch.setattr(_loader, "gathers_by_batch", lambda device: False)
    mixed = mixed_steps(monkeypatch)
    fitted(max_time=20 + A_BIT)
    assert mixed == sorted(mixed, reverse=True)
    assert sum(mixed) % N_BATCHES


def test_scores_of_the_training_are_reserved_in_the_first_epoch(clock, monkeypatch):
    outputs = _scores.TrainingScores._outputs

    def timed(scores, net):
        # A third of a step for 8 sequences.
        clock.seconds += 5 / 3
        return outputs(scores, net)

    monkeypatch.setattr(_scores.TrainingScores, "_outputs", timed)
    began = clock.seconds
    fitted(max_time=4.5, return_train_score=True)
    assert clock.n_steps == 2
    assert clock.seconds - began <= 4.5


def test_callbacks_see_the_estimator_that_the_limit_leaves(clock):
    class Keep:
        reasons: ClassVar[list[str]] = []

        def setup(self, estimator, context): ...
        def teardown(self, estimator, context): ...
        def on_fit_task_begin(self, estimator, context): ...

        def on_fit_task_end(self, estimator, context, *, fitted_estimator):
            if context.task_name == "epoch":
                self.reasons.append(fitted_estimator.stop_reason_)

    classifier = LSTMSequenceClassifier(**OPTIONS, max_time=7 + A_BIT).set_callbacks(Keep())
    assert classifier.fit(X, Y).stop_reason_ == "max_time"
    assert Keep.reasons == ["max_epochs", "max_time"]


# Going on -----------------------------------------------------------------------------------------


def test_fit_goes_on_from_a_checkpoint_until_no_epoch_is_left(clock, steps, tmp_path):
    classifier = LSTMSequenceClassifier(
        **OPTIONS, max_time=12 + A_BIT, checkpoint=tmp_path / "fit.safetensors"
    )
    reasons, n_epochs = [], []
    for _ in range(4):
        classifier.fit(X, Y)
        reasons.append(classifier.stop_reason_)
        n_epochs.append(classifier.n_iter_)
    # 12 steps are two epochs and a partial one; the last two epochs have time enough.
    assert reasons == ["max_time", "max_time", "max_epochs", "max_epochs"]
    assert n_epochs == [3, 6, 8, 8]
    assert clock.n_steps == 12 + 12 + 10


def test_checkpoint_of_a_limited_fit_is_one_of_any_limit(clock, steps, tmp_path):
    path = tmp_path / "fit.safetensors"
    fitted(max_time=12 + A_BIT, checkpoint=path)
    # The steps that are left of 40.
    rates = fitted(max_time=25 + A_BIT, checkpoint=path).history_["learning_rate"]
    planned = fitted().history_["learning_rate"]
    # From the place that the schedule has without a limit.
    np.testing.assert_allclose(rates[3:], planned[3:], rtol=1e-5)
    assert rates[2] < 0.01 * planned[2]


@pytest.mark.parametrize("n_steps", [5, 12])
@pytest.mark.parametrize("schedule", ["cosine", "exponential"])
def test_checkpoint_after_any_step_is_sound(clock, tmp_path, schedule, n_steps):
    options = {"lr_schedule": schedule, "checkpoint": tmp_path / "fit.safetensors"}
    fitted(max_time=n_steps + A_BIT, **options)
    classifier = fitted(**options)
    assert (classifier.n_iter_, classifier.stop_reason_) == (8, "max_epochs")
    planned = fitted(lr_schedule=schedule).history_["learning_rate"]
    np.testing.assert_allclose(classifier.history_["learning_rate"][-1], planned[-1], rtol=1e-5)


def test_checkpoint_of_a_drawn_seed_is_kept_until_the_training_is_complete(clock, tmp_path):
    path = tmp_path / "fit.safetensors"
    options = {"random_state": None, "checkpoint": path}
    fitted(max_time=12 + A_BIT, **options)
    assert path.exists()
    assert fitted(**options).n_iter_ == 8
    assert not path.exists()


def test_fit_goes_on_by_warm_start(clock):
    classifier = fitted(max_time=12 + A_BIT, warm_start=True).fit(X, Y)
    assert classifier.n_iter_ == 6
    assert clock.n_steps == 24


@pytest.mark.parametrize("max_time", [0, -1.0, "1h"])
def test_limit_is_a_positive_number(max_time):
    with pytest.raises(ValueError, match="The 'max_time' parameter"):
        fitted(max_time=max_time)


# The pace by itself -------------------------------------------------------------------------------


def places(clock, max_time, n_taken, **reserve):
    """Places of the first steps of 100, in 10 epochs, one second each."""
    pace = Pace(TimeLimit(max_time, clock()), 10, 10, 8, Reserve(**reserve))
    found = [pace.place]
    for _ in range(n_taken):
        clock.step()
        if pace.take(1):
            break
        pace.advance()
        found.append(pace.place)
    return found


def test_places_are_whole_numbers_as_long_as_all_steps_fit(clock):
    assert places(clock, 100.5, 99) == list(range(100))


def test_places_are_spread_evenly_over_the_steps_that_fit(clock):
    found = places(clock, 50.5, 100)
    assert found[:5] == [0, 1, 2, 3, 4]
    assert len(found) == 50
    np.testing.assert_allclose(np.diff(found[6:]), 95 / 45, rtol=0.05)
    np.testing.assert_allclose(found[-1], 99)


def test_what_follows_the_last_step_is_reserved(clock):
    assert len(places(clock, 50.5, 100, seconds=10.0)) == 40
    # A third of a step for 8 sequences.
    assert len(places(clock, 50.5, 100, n_predicted=240)) == 40
    assert len(places(clock, 50.5, 100, n_scored=240)) == 40


def test_a_clock_that_stands_still_is_no_limit():
    pace = Pace(TimeLimit(1.0, 0.0), 2, 5, 8, Reserve())
    with contextlib.ExitStack() as stack:
        stack.enter_context(pytest.MonkeyPatch.context()).setattr(_time_limit, "clock", lambda: 0.0)
        pace.begin(0)
        for _ in range(10):
            assert not pace.take(1)
            pace.advance()
    assert pace.place == 9
