"""The grid that every contestant searches: four learning rates, three rates of dropout."""

from __future__ import annotations

from typing import Any

from sklearn.base import BaseEstimator
from sklearn.model_selection import GridSearchCV

from benchmarks.data import Data
from benchmarks.work import Settings, Work

RATES, DROPOUTS, N_FOLDS = [3e-4, 1e-3, 3e-3, 1e-2], [0.0, 0.2, 0.4], 3


def search(
    classifier: BaseEstimator, rate: str, dropout: str, X: Any, settings: Settings, data: Data
) -> Work:
    """A search over the first ``n_candidates`` candidates, by the names of two parameters.

    Nothing is refitted, so that the time is that of the candidates.
    """
    grid = [{rate: [r], dropout: [d]} for r in RATES for d in DROPOUTS][: settings.n_candidates]
    grid_search = GridSearchCV(
        classifier, grid, cv=N_FOLDS, n_jobs=settings.n_jobs, refit=False, error_score="raise"
    )

    def check(fitted: GridSearchCV) -> dict[str, float]:
        results = fitted.cv_results_
        return {
            "fits": N_FOLDS * len(results["params"]),
            "best accuracy": float(results["mean_test_score"].max()),
        }

    return Work(lambda repeat: grid_search.fit(X, data.y), check)
