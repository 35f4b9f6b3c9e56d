"""Successive halving over max_epochs: each rung goes on from the one before."""

import numpy as np
import pytest
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.model_selection import HalvingGridSearchCV, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from skorch.callbacks import Callback

from tests.crashing import Crash, result
from tests.helpers import make_ragged, quick

X, Y = make_ragged(36, n_classes=3)
GRID = {"learning_rate": [0.001, 0.01, 0.02, 0.05]}
N_FOLDS = 2
# Four candidates of 1 epoch, two of 2 and one of 4, and the winner on all sequences.
RUNGS, N_FITS = [1, 2, 4], (4 + 2 + 1) * N_FOLDS + 1
N_GOING_ON = (4 * 1 + 2 * 1 + 1 * 2) * N_FOLDS + 4
N_STARTING_AGAIN = (4 * 1 + 2 * 2 + 1 * 4) * N_FOLDS + 4


class Log(Callback):
    """A line in a file for each epoch, whatever process trains it; the end of all after some."""

    def __init__(self, path, n_epochs=10**9):
        self.path, self.n_epochs = path, n_epochs

    def on_epoch_begin(self, net, **kwargs):
        if n_lines(self.path) >= self.n_epochs:
            raise Crash

    def on_epoch_end(self, net, **kwargs):
        with self.path.open("a") as log:
            log.write("an epoch\n")


def n_lines(path):
    return len(path.read_text().splitlines()) if path.exists() else 0


def halving(estimator, grid=GRID, resource="max_epochs", **options):
    folds = StratifiedKFold(N_FOLDS, shuffle=True, random_state=0)
    return HalvingGridSearchCV(
        estimator,
        grid,
        resource=resource,
        factor=2,
        min_resources=1,
        max_resources=4,
        cv=folds,
        error_score="raise",
        **options,
    )


def candidate(**parameters):
    return quick(hidden_sizes=4, dropout=0.2, **{"lr_schedule": None, **parameters})


def assert_same_search(found, expected):
    assert found.n_resources_ == expected.n_resources_ == RUNGS
    for name in ("mean_test_score", "split0_train_score", "rank_test_score"):
        np.testing.assert_array_equal(found.cv_results_[name], expected.cv_results_[name])
    assert found.best_params_ == expected.best_params_


@pytest.fixture(scope="module")
def expected():
    """A search without a checkpoint."""
    return halving(candidate()).fit(X, Y)


@pytest.mark.parametrize("n_jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_rung_goes_on_from_the_one_before(tmp_path, expected, n_jobs):
    folder, log = tmp_path / "fits", tmp_path / "log"
    folder.mkdir()
    found = halving(candidate(checkpoint=folder, callbacks=[Log(log)]), n_jobs=n_jobs).fit(X, Y)
    assert n_lines(log) == N_GOING_ON
    assert_same_search(found, expected)
    assert result(found.best_estimator_) == result(expected.best_estimator_)
    # One for each candidate and fold.
    assert len(list(folder.iterdir())) == 4 * N_FOLDS + 1


def test_what_depends_on_the_number_of_epochs_starts_again(tmp_path):
    one_cycle = {"lr_schedule": "one_cycle"}
    folder, log = tmp_path / "fits", tmp_path / "log"
    folder.mkdir()
    estimator = candidate(**one_cycle, checkpoint=folder, callbacks=[Log(log)])
    found = halving(estimator).fit(X, Y)
    assert n_lines(log) == N_STARTING_AGAIN
    assert_same_search(found, halving(candidate(**one_cycle)).fit(X, Y))
    assert len(list(folder.iterdir())) == N_FITS


@pytest.mark.parametrize("n_epochs", [3, 9, 13])
def test_a_search_that_was_ended_by_force_trains_what_it_lacks(tmp_path, expected, n_epochs):
    folder, log = tmp_path / "fits", tmp_path / "log"
    folder.mkdir()
    with pytest.raises(Crash):
        halving(candidate(checkpoint=folder, callbacks=[Log(log, n_epochs)])).fit(X, Y)
    found = halving(candidate(checkpoint=folder, callbacks=[Log(log)])).fit(X, Y)
    assert n_lines(log) == N_GOING_ON
    assert_same_search(found, expected)
    again = halving(candidate(checkpoint=folder, callbacks=[Log(log)])).fit(X, Y)
    assert n_lines(log) == N_GOING_ON
    assert_same_search(again, expected)


def test_in_a_pipeline(tmp_path, expected):
    folder, log = tmp_path / "fits", tmp_path / "log"
    folder.mkdir()
    estimator = candidate(checkpoint=folder, callbacks=[Log(log)])
    step = "lstmsequenceclassifier__"
    found = halving(
        make_pipeline(FunctionTransformer(), estimator),
        {step + name: values for name, values in GRID.items()},
        resource=step + "max_epochs",
    ).fit(X, Y)
    assert n_lines(log) == N_GOING_ON
    np.testing.assert_array_equal(
        found.cv_results_["mean_test_score"], expected.cv_results_["mean_test_score"]
    )
