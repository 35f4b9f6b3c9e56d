"""scikit-learn's callbacks, through the estimators and through whatever fits them."""

import pickle
import warnings
from typing import ClassVar

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.callback import ProgressBar, ScoringMonitor
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.metrics import accuracy_score, log_loss, make_scorer, r2_score
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    RandomizedSearchCV,
    cross_val_score,
)
from sklearn.pipeline import make_pipeline
from skorch.callbacks import Callback, EarlyStopping

from sklstm import LSTMSequenceRegressor, load_model, save_model
from sklstm._training._sklearn_callbacks import FitTask
from sklstm.preprocessing import SequenceScaler
from tests.crashing import Crash, CrashAfter
from tests.helpers import make_cube, make_documents, make_ragged, make_tagged, quick
from tests.watching import Record, epochs, whole

X, Y = make_ragged(24)
# Nothing of a fit depends on its number of epochs, so each epoch ends as a fit of so many would.
STEADY = {"hidden_sizes": 4, "max_epochs": 3, "lr_schedule": None}


class StopAfter(Record):
    """Asks to stop after so many epochs of a run."""

    def __init__(self, n_epochs):
        super().__init__()
        self.n_epochs = n_epochs

    def on_fit_task_end(self, estimator, context):
        self.calls.append(("end", context.task_name, context.task_id))
        return context.task_name == "epoch" and context.task_id + 1 == self.n_epochs


class RaiseAt(Record):
    """Raises at the end of a task, or in its teardown."""

    def __init__(self, error, moment):
        super().__init__()
        self.error, self.moment = error, moment

    def on_fit_task_end(self, estimator, context):
        if context.task_name == self.moment:
            raise self.error

    def teardown(self, estimator, context):
        super().teardown(estimator, context)
        if self.moment == "teardown":
            raise self.error


class Propagated(Record):
    """One that a search and a pipeline pass on to what they fit."""

    max_propagation_depth = None
    names: ClassVar = []  # of all copies

    def on_fit_task_begin(self, estimator, context):
        self.names.append((type(estimator).__name__, context.task_name))

    def on_fit_task_end(self, estimator, context):
        pass


def bits(estimator):
    return estimator.predict_proba(X)


# The tasks ----------------------------------------------------------------------------------------


def test_a_fit_is_a_task_and_its_epochs_are_subtasks():
    record = Record()
    quick(**STEADY).set_callbacks(record).fit(X, Y)
    assert record.calls == whole(*epochs(0, 1, 2))
    assert all(given is X and y is Y for given, y, _, _ in record.given)


def test_the_number_of_epochs_is_known_at_the_begin():
    class Look(Record):
        def on_fit_task_begin(self, estimator, context):
            self.calls.append((context.max_subtasks, context.sequential_subtasks))

        def on_fit_task_end(self, estimator, context):
            pass

    auto = quick(max_epochs="auto", batch_size=24).set_callbacks(look := Look()).fit(X, Y)
    assert look.calls[1] == (auto.resolved_params_["max_epochs"], True)
    assert look.calls[2:-1] == [(0, True)] * auto.n_iter_


def test_early_stopping_may_end_sooner():
    stopping = quick(early_stopping=True, n_iter_no_change=1, tol=10.0, lr_schedule=None)
    stopping.set_callbacks(record := Record()).fit(X, Y)
    assert stopping.stop_reason_ == "no_improvement"
    assert stopping.n_iter_ < stopping.max_epochs
    assert record.calls == whole(*epochs(*range(stopping.n_iter_)))


def test_further_training_counts_its_own_epochs():
    warm = quick(**STEADY, warm_start=True).fit(X, Y)
    warm.set_callbacks(record := Record()).fit(X, Y)
    assert record.calls == whole(*epochs(0, 1, 2))
    assert warm.n_iter_ == 6


def test_partial_fit_is_a_task_of_one_epoch():
    partial = quick(**STEADY).set_callbacks(record := Record())
    partial.partial_fit(X, Y, classes=[0, 1]).partial_fit(X, Y)
    assert record.calls == whole(*epochs(0)) * 2
    np.testing.assert_array_equal(bits(record.given[-1][3]), bits(partial))


def test_a_resumed_fit_begins_where_it_was(tmp_path):
    expected = quick(**STEADY).fit(X, Y)
    resumed = quick(**STEADY, checkpoint=tmp_path / "file", callbacks=[CrashAfter(2)])
    with pytest.raises(Crash):
        resumed.set_callbacks(Record()).fit(X, Y)
    resumed.set_params(callbacks=None).set_callbacks(record := Record()).fit(X, Y)
    assert record.calls == whole(*epochs(2))
    np.testing.assert_array_equal(bits(resumed), bits(expected))
    # Complete: there is nothing to do.
    resumed.set_callbacks(record := Record()).fit(X, Y)
    assert record.calls == whole()


def test_weights_are_metadata():
    weights = np.linspace(1, 2, len(X))
    quick(**STEADY).set_callbacks(record := Record()).fit(X, Y, sample_weight=weights)
    assert [metadata for _, _, metadata, _ in record.given] == [{"sample_weight": weights}] * 4
    quick(**STEADY).set_callbacks(record := Record()).fit(X, Y)
    assert [metadata for _, _, metadata, _ in record.given] == [None] * 4


def test_without_callbacks_the_loop_calls_nothing():
    class Look(Callback):
        def on_train_begin(self, net, **kwargs):
            self.are_told = any(isinstance(each, FitTask) for _, each in net.callbacks_)

    fits = quick(max_epochs=1, callbacks=[look := Look()])
    fits.fit(X, Y)
    assert not look.are_told
    fits.set_callbacks(Record()).fit(X, Y)
    assert look.are_told


# The estimator of an epoch ------------------------------------------------------------------------

# Enough of them for a part that shares and shifts are fitted to.
DOCUMENTS, KINDS = make_documents(120)
MORE, _ = make_ragged(120)
SUMS = np.array([x.sum() for x in MORE])
TAGGED, TAGS = make_tagged(40)
# Enough of them for a share of the network, which the wrong labels make it need.
MANY = make_cube(505, n_timesteps=4, n_features=1)[0]
COINS = np.random.default_rng(0).integers(2, size=505)
LEVELS = np.array([x.sum() for x in X])
NUMBERS = {"random_state": 0, "n_kernels": 0, "conv_filters": (), "hidden_sizes": 4,
           "max_epochs": 3, "lr_schedule": None}  # fmt: skip
CASES = {
    "network": (quick(**STEADY), X, Y),
    "scaled twice": (quick(**STEADY, standardize="both"), X, Y),
    "linear model": (quick(**STEADY, n_kernels=84), X, Y),
    "share of the network": (
        quick(**{**STEADY, "max_epochs": 2}, n_kernels=84, patch_size=1, batch_size=100),
        MANY,
        COINS,
    ),
    "tokens": (quick(**STEADY, embedding_dim=4), DOCUMENTS, KINDS),
    "several labels": (quick(**STEADY, n_kernels=84), TAGGED, TAGS),
    # Of labels that nothing can be learnt of the first epoch is the best.
    "best epoch": (
        quick(**STEADY, early_stopping=True, validation_fraction=0.4, learning_rate=0.3),
        X,
        COINS[:24],
    ),
    "numbers": (LSTMSequenceRegressor(**NUMBERS), X, LEVELS),
    "quantiles": (LSTMSequenceRegressor(**NUMBERS, loss="quantile"), MORE, SUMS),
}  # fmt: skip


def outputs(estimator, X):
    name = "predict_proba" if hasattr(estimator, "predict_proba") else "predict"
    if hasattr(estimator, "predict_quantiles"):
        name = "predict_quantiles"
    return getattr(estimator, name)(X)


@pytest.mark.parametrize("case", CASES)
def test_it_is_what_a_fit_of_so_many_epochs_gives(case):
    estimator, sequences, y = CASES[case]
    watched = clone(estimator).set_callbacks(record := Record()).fit(sequences, y)
    for n_epochs, (_, _, _, fitted) in enumerate(record.given[:-1], start=1):
        expected = clone(estimator).set_params(max_epochs=n_epochs).fit(sequences, y)
        np.testing.assert_array_equal(outputs(fitted, sequences), outputs(expected, sequences))
        assert fitted.n_iter_ == expected.n_iter_ == n_epochs
        assert fitted.best_epoch_ == expected.best_epoch_
        assert fitted.history_.keys() == expected.history_.keys()
    # That somebody looks on changes no bit, and the task of the fit ends with the very estimator.
    np.testing.assert_array_equal(outputs(watched, sequences), outputs(expected, sequences))
    np.testing.assert_array_equal(
        outputs(record.given[-1][3], sequences), outputs(watched, sequences)
    )


def test_it_pickles_trains_further_and_is_saved(tmp_path):
    quick(**STEADY).set_callbacks(record := Record()).fit(X, Y)
    fitted = record.given[0][3]
    copied = pickle.loads(pickle.dumps(fitted))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        save_model(fitted, tmp_path / "first")
    for other in (copied, load_model(tmp_path / "first")):
        np.testing.assert_array_equal(bits(other), bits(fitted))
    n_calls = len(record.calls)
    assert fitted.set_callbacks().partial_fit(X, Y).n_iter_ == 2
    assert len(record.calls) == n_calls


def test_names_of_columns_are_those_of_this_fit():
    pd = pytest.importorskip("pandas")
    cells = np.random.default_rng(0).normal(size=(24, 5))
    names = list("abcde")
    refitted = quick(**STEADY, n_kernels=0).fit(pd.DataFrame(cells, columns=names), Y)
    assert list(refitted.feature_names_in_) == names
    refitted.set_callbacks(record := Record()).fit(cells, Y)
    for fitted in (refitted, *(fitted for *_, fitted in record.given)):
        assert not hasattr(fitted, "feature_names_in_")


def test_dropout_and_mixup_draw_the_same_with_and_without_a_monitor():
    drawing = quick(max_epochs=4, dropout=0.3, mixup_alpha=0.4, hidden_sizes=4)
    before = torch.get_rng_state()
    expected = bits(clone(drawing).fit(X, Y))
    monitor = ScoringMonitor(scoring="neg_log_loss")
    np.testing.assert_array_equal(bits(drawing.set_callbacks(monitor).fit(X, Y)), expected)
    assert (torch.get_rng_state() == before).all()


# Scores -------------------------------------------------------------------------------------------


def test_a_monitor_logs_the_scores_of_each_epoch():
    monitor = ScoringMonitor(scoring=["accuracy", "neg_log_loss"])
    weights = np.linspace(1, 3, len(X))
    quick(**STEADY).set_callbacks(monitor).fit(X, Y, sample_weight=weights)
    last, *by_epoch = monitor.get_logs().data
    assert (last["task_name"], last["task_id"]) == ("fit", 0)
    for row in by_epoch:
        n_epochs = row["task_id"] + 1
        expected = quick(**STEADY).set_params(max_epochs=n_epochs).fit(X, Y, sample_weight=weights)
        probabilities = expected.predict_proba(X)
        loss = log_loss(Y, probabilities, sample_weight=weights)
        assert row["neg_log_loss"] == pytest.approx(-loss, rel=1e-12)
        hits = accuracy_score(Y, expected.predict(X), sample_weight=weights)
        assert row["accuracy"] == pytest.approx(hits, rel=1e-12)
    assert [row["task_id"] for row in by_epoch] == [0, 1, 2]
    assert last["neg_log_loss"] == by_epoch[-1]["neg_log_loss"]


def test_a_monitor_of_numbers_and_of_several_labels():
    monitor = ScoringMonitor(scoring="r2")
    regressor = LSTMSequenceRegressor(**NUMBERS).set_callbacks(monitor).fit(X, LEVELS)
    assert monitor.get_logs().data[0]["r2"] == r2_score(LEVELS, regressor.predict(X))
    monitor = ScoringMonitor(scoring=make_scorer(accuracy_score))
    tagged = quick(**STEADY).set_callbacks(monitor).fit(TAGGED, TAGS)
    assert monitor.get_logs().data[0]["score"] == tagged.score(TAGGED, TAGS)


# Stopping -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("parameters", [{}, {"dropout": 0.3}, {"n_kernels": 84}])
def test_a_stop_is_max_epochs(parameters):
    steady = quick(**{**STEADY, "max_epochs": 5, **parameters})
    stopped = clone(steady).set_callbacks(record := StopAfter(2)).fit(X, Y)
    expected = clone(steady).set_params(max_epochs=2).fit(X, Y)
    np.testing.assert_array_equal(bits(stopped), bits(expected))
    assert (stopped.stop_reason_, stopped.n_iter_) == ("callback", 2)
    assert record.calls == whole(*epochs(0, 1))


def test_a_stop_of_numbers_is_max_epochs():
    stopped = LSTMSequenceRegressor(**NUMBERS).set_callbacks(StopAfter(2)).fit(X, LEVELS)
    expected = LSTMSequenceRegressor(**{**NUMBERS, "max_epochs": 2}).fit(X, LEVELS)
    np.testing.assert_array_equal(stopped.predict(X), expected.predict(X))


def test_a_stop_restores_the_best_epoch_under_early_stopping():
    stopping, _, y = CASES["best epoch"]
    stopped = clone(stopping).set_callbacks(StopAfter(2)).fit(X, y)
    expected = clone(stopping).set_params(max_epochs=2).fit(X, y)
    np.testing.assert_array_equal(bits(stopped), bits(expected))
    assert (stopped.best_epoch_, stopped.n_iter_, stopped.stop_reason_) == (1, 2, "callback")


def test_a_stopped_fit_stays_stopped_when_it_is_resumed(tmp_path):
    stopped = quick(**STEADY, checkpoint=tmp_path / "file").set_callbacks(StopAfter(1)).fit(X, Y)
    again = clone(stopped).set_callbacks(record := Record()).fit(X, Y)
    assert record.calls == whole()
    assert (again.n_iter_, again.stop_reason_) == (1, "callback")


def test_both_kinds_of_callbacks():
    """skorch's may end training by an error that comes after scikit-learn's."""
    impatient = EarlyStopping("train_loss", patience=1, threshold=10.0, threshold_mode="abs")
    both = quick(**{**STEADY, "max_epochs": 9}, callbacks=[impatient])
    both.set_callbacks(record := Record()).fit(X, Y)
    assert both.n_iter_ < 9
    assert record.calls == whole(*epochs(*range(both.n_iter_)))


# Errors -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "moment"),
    [
        (ValueError("mine"), "epoch"),
        (ValueError("mine"), "fit"),
        (ValueError("mine"), "teardown"),
        (KeyboardInterrupt(), "epoch"),
        (KeyboardInterrupt(), "fit"),
    ],
)
def test_an_error_leaves_the_estimator_as_it_was(error, moment):
    record = Record()
    for before in (quick(**STEADY), quick(**STEADY, warm_start=True).fit(X, Y)):
        before.set_callbacks(raising := RaiseAt(error, moment), record)
        state = dict(vars(before))
        with pytest.raises(type(error)):
            before.fit(X, Y)
        assert vars(before).keys() == state.keys()
        assert all(vars(before)[name] is value for name, value in state.items())
        assert raising.calls[-1] == record.calls[-1] == "teardown"


def test_nothing_is_told_of_data_that_are_refused():
    record = Record()
    with pytest.raises(ValueError, match="NaN"):
        quick(**STEADY).set_callbacks(record).fit([np.full((3, 2), np.nan)] * 24, Y)
    assert record.calls == []


def test_wrong_kinds_are_told_apart():
    with pytest.raises(ValueError, match=r"Call set_callbacks\(\.\.\.\) for one of scikit-learn"):
        quick(callbacks=[Record()]).fit(X, Y)
    with pytest.raises(TypeError, match="FitCallback"):
        quick().set_callbacks(EarlyStopping())


# Company ------------------------------------------------------------------------------------------


def test_clones_share_and_pickles_copy_callbacks(tmp_path):
    record = Record()
    watched = quick(**STEADY).set_callbacks(record).fit(X, Y)
    clone(watched).fit(X, Y)
    assert record.calls == whole(*epochs(0, 1, 2)) * 2
    monitor = ScoringMonitor(scoring="accuracy")
    copied = pickle.loads(pickle.dumps(watched.set_callbacks(monitor)))
    np.testing.assert_array_equal(bits(copied.fit(X, Y)), bits(watched))
    watched.set_callbacks().fit(X, Y)
    assert record.calls == whole(*epochs(0, 1, 2)) * 2


def test_model_files_hold_no_callbacks(tmp_path):
    pipeline = make_pipeline(SequenceScaler(), quick(**STEADY)).fit(X, Y)
    for step in pipeline:
        step.set_callbacks(Record())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        save_model(pipeline.set_callbacks(Record()), tmp_path / "model")
    loaded = load_model(tmp_path / "model").set_callbacks(record := Record())
    np.testing.assert_array_equal(bits(loaded), bits(pipeline))
    loaded.fit(X, Y)
    assert [call for call in record.calls if call == ("begin", "epoch", 0)] == []


SEARCHES = {
    "grid": lambda each, grid: GridSearchCV(each, grid, cv=2, error_score="raise"),
    "random": lambda each, grid: RandomizedSearchCV(
        each, grid, n_iter=2, cv=2, error_score="raise"
    ),
    "halving": lambda each, grid: HalvingGridSearchCV(each, grid, cv=2, error_score="raise"),
}


@pytest.mark.parametrize("search", SEARCHES)
def test_a_search_of_pipelines_passes_them_on_without_a_warning(search):
    pipeline = make_pipeline(SequenceScaler(), quick(**{**STEADY, "max_epochs": 1}))
    grid = {"lstmsequenceclassifier__hidden_sizes": [2, 3]}
    expected = SEARCHES[search](pipeline, grid).fit(X, Y)
    Propagated.names.clear()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = SEARCHES[search](pipeline, grid).set_callbacks(Propagated()).fit(X, Y)
    # Two candidates in two folds, and the refit.
    assert Propagated.names.count(("LSTMSequenceClassifier", "epoch")) == 5
    assert Propagated.names.count(("SequenceScaler", "fit")) == 5
    np.testing.assert_array_equal(bits(found), bits(expected))
    assert not hasattr(found.best_estimator_[-1], "_skl_callbacks")


def test_cross_validation_calls_those_of_the_estimator():
    watched = quick(**{**STEADY, "max_epochs": 1}).set_callbacks(record := Record())
    cross_val_score(watched, X, Y, cv=2)
    assert record.calls == whole(*epochs(0)) * 2


# Bars ---------------------------------------------------------------------------------------------


def test_bars_of_workers_are_nested_and_scores_come_back(capsys):
    pytest.importorskip("rich")
    monitor = ScoringMonitor(scoring="accuracy")
    classifier = quick(**{**STEADY, "max_epochs": 2}, verbose=1).set_callbacks(monitor)
    pipeline = make_pipeline(SequenceScaler(), classifier)
    grid = {"lstmsequenceclassifier__dropout": [0.0, 0.1]}
    search = GridSearchCV(pipeline, grid, cv=2, n_jobs=2, error_score="raise")
    search.set_callbacks(ProgressBar(max_propagation_depth=None)).fit(X, Y)
    bars = [bar.split("#")[0].rstrip() for bar in capsys.readouterr().out.splitlines()]
    assert bars[0].startswith("GridSearchCV - fit")
    assert bars[1].startswith("  GridSearchCV - search")
    assert sum(bar.startswith("    GridSearchCV - candidate-split") for bar in bars) == 4
    # Four in the search, and the refit.
    of_epochs = [bar for bar in bars if bar.endswith("LSTMSequenceClassifier - fit")]
    assert len(of_epochs) == 5
    assert sum(bar.startswith("      Pipeline - ") for bar in of_epochs) == 4
    # Of the search, of its first part or the refit, of the step in the pipeline, of the epoch.
    fits = [(0, 1), *((0, 0, fit) for fit in range(4))]
    rows = monitor.get_logs().data
    scored = [row["task_id_path"] for row in rows if row["task_name"] == "epoch"]
    assert set(scored) == {(*fit, 1, epoch) for fit in fits for epoch in range(2)}
    assert len(scored) == 10


def test_the_bar_of_verbose_says_which_fit_of_a_search(capsys):
    shown = make_pipeline(SequenceScaler(), quick(**{**STEADY, "max_epochs": 1}, verbose=1))
    grid = {"lstmsequenceclassifier__hidden_sizes": [2, 3]}
    GridSearchCV(shown, grid, cv=2).fit(X, Y)
    written = capsys.readouterr().err
    for label in ("fit 1/4", "fit 2/4", "fit 3/4", "fit 4/4", "refit"):
        assert f"\rGridSearchCV {label}: " in written
    HalvingGridSearchCV(shown[-1], {"hidden_sizes": [2, 3]}, cv=2).fit(X, Y)
    assert "\rHalvingGridSearchCV iteration 1/1, fit 4/4: " in capsys.readouterr().err
    shown.fit(X, Y)
    assert "\rfit: " in capsys.readouterr().err
