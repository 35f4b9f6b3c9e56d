"""Models that tools take: an estimator, alone or behind the steps of a pipeline."""

from __future__ import annotations

from typing import Any

from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline

from sklstm._base import BaseSequenceEstimator


def split_model(model: Any, caller: str) -> tuple[list[tuple[str, Any]], BaseSequenceEstimator]:
    """The named steps that do something, and the estimator; TypeError if it is none of ours.

    A model in a FrozenEstimator is taken out.
    """
    if isinstance(model, FrozenEstimator):
        model = model.estimator
    named = model.steps if isinstance(model, Pipeline) else [("", model)]
    *steps, (_, estimator) = named
    if not isinstance(estimator, BaseSequenceEstimator):
        kind = f"an object of type {type(estimator).__name__}"
        got = kind if model is estimator else f"a Pipeline that ends in {kind}"
        remedy = ""
        if hasattr(model, "best_estimator_"):
            remedy = "\n\nGive the estimator that the search has refitted: search.best_estimator_."
        raise TypeError(
            f"{caller} takes an LSTMSequenceClassifier, an LSTMSequenceRegressor, or a Pipeline"
            f" that ends in one. Got {got}.{remedy}"
        )
    return [
        (name, step) for name, step in steps if step is not None and step != "passthrough"
    ], estimator
