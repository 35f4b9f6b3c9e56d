import time

import pytest
from sklearn.model_selection import GridSearchCV, cross_val_score

from sklstm import LSTMSequenceClassifier
from sklstm.datasets import make_trends
from sklstm.model_selection import time_per_fit


@pytest.mark.parametrize(
    ("n_fits", "options", "n_rounds"),
    [
        (6, {"refit": False}, 6),
        (6, {}, 7),
        (6, {"n_jobs": 2}, 4),
        (7, {"n_jobs": 2}, 5),
        (1, {"n_jobs": 8}, 2),
    ],
)
def test_rounds_of_fits_share_the_time(n_fits, options, n_rounds):
    found = time_per_fit(90, n_fits, reserve=0.0, **options)
    assert found * n_rounds == pytest.approx(90)
    assert time_per_fit(90, n_fits, **options) * n_rounds == pytest.approx(81)


@pytest.mark.parametrize(
    ("arguments", "culprit"),
    [
        ({"total": 0}, "total"),
        ({"total": "1h"}, "total"),
        ({"n_fits": 0}, "n_fits"),
        ({"n_fits": 2.0}, "n_fits"),
        ({"refit": "loss"}, "refit"),
        ({"reserve": 1.0}, "reserve"),
    ],
)
def test_invalid_parameters_are_named(arguments, culprit):
    with pytest.raises(ValueError, match=f"The '{culprit}' parameter"):
        time_per_fit(**{"total": 90, "n_fits": 6} | arguments)


ENDLESS = {"hidden_sizes": 4, "n_kernels": 0, "max_epochs": 10**6, "random_state": 0}


@pytest.mark.slow
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_search_keeps_within_its_total(n_jobs):
    X, y = make_trends(n_sequences=60, random_state=0)
    classifier = LSTMSequenceClassifier(
        **ENDLESS, max_time=time_per_fit(30, 3 * 2, n_jobs=n_jobs, reserve=0.3)
    )
    search = GridSearchCV(classifier, {"learning_rate": [0.001, 0.003, 0.01]}, cv=2, n_jobs=n_jobs)
    # The start of the processes takes seconds, more on a busy machine.
    cross_val_score(
        LSTMSequenceClassifier(**ENDLESS | {"max_epochs": 1}), X, y, cv=2, n_jobs=n_jobs
    )
    began = time.monotonic()
    search.fit(X, y)
    assert time.monotonic() - began < 30
    assert search.best_estimator_.stop_reason_ == "max_time"


# The last trial may have time for a single step.
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.slow
def test_a_study_of_optuna_keeps_within_its_total():
    optuna = pytest.importorskip("optuna")
    X, y = make_trends(n_sequences=60, random_state=0)
    total, began = 20, time.monotonic()

    def objective(trial):
        left = total - (time.monotonic() - began)
        classifier = LSTMSequenceClassifier(
            **ENDLESS,
            learning_rate=trial.suggest_float("learning_rate", 1e-3, 1e-2, log=True),
            max_time=min(3.0, time_per_fit(max(left, 0.01), 2, refit=False)),
        )
        return cross_val_score(classifier, X, y, cv=2).mean()

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize")
    study.optimize(objective, timeout=total)
    assert len(study.trials) >= 3
    # A limit of no step at all, and the predictions of the last trial.
    assert time.monotonic() - began < total + 3
