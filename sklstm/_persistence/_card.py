"""What a person needs to know of a fitted model, as plain values of JSON."""

from __future__ import annotations

import importlib
import inspect
import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from numbers import Real
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline

from sklstm._config._options import OF_RUN, is_auto
from sklstm._persistence._estimators import ESTIMATORS
from sklstm._persistence._transformers import TRANSFORMERS

PACKAGES = ("sklstm", "torch", "skorch", "sklearn", "numpy")
# More names and classes than anybody reads; files have an end, too.
MAX_LISTED, MAX_TEXT = 100, 200
ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")

Card = dict[str, Any]


def build_card(estimator: Any, *, scores: Mapping[str, float] | None = None) -> Card:
    """The card of a fitted estimator, or of a pipeline, with these scores.

    Its entries, of which some may be missing:

    - estimator: class; pipeline: the steps before it, each with name, class and parameters
    - task: "classification", "classification, several labels" or "regression"
    - data: features, columns or vocabulary, categories; number and lengths of training sequences
    - n_classes, classes: the first hundred; n_outputs and quantiles of a regressor
    - parameters: those that differ from the defaults; resolved: what "auto" became
    - network: number of weights
    - training: epochs, best epoch, its validation score if there is one, why it ended
    - scores, versions, date
    """
    check_scores(scores)
    steps = estimator.steps if isinstance(estimator, Pipeline) else [("", estimator)]
    described = [{"name": name, **_describe(step)} for name, step in steps]
    # A date without the time, so that a model gives the same file twice.
    date = datetime.now(UTC).date().isoformat()
    return card_of(described, versions=versions_here(), scores=scores, date=date)


def _describe(step: Any) -> dict[str, Any]:
    """Class, parameters and state of an estimator or transformer, as a file has them."""
    if step is None or isinstance(step, str):
        return {"class": "passthrough"}
    parameters, state = step.get_params(deep=False), step.__getstate__()
    state = {name: value for name, value in state.items() if name not in parameters}
    return {"class": type(step).__name__, "parameters": parameters, "state": state}


def card_of(
    steps: list[dict[str, Any]],
    *,
    versions: Mapping[str, str],
    scores: Mapping[str, float] | None = None,
    date: str | None = None,
) -> Card:
    """The card of these steps, each with class, parameters and state; one of them is a model."""
    *before, last = steps
    if last["class"] not in ESTIMATORS:
        before, last = steps, {}
    card: Card = {"estimator": last.get("class", "Pipeline")}
    if before:
        card["pipeline"] = [_card_of_step(step) for step in before]
    if last:
        card |= _card_of_estimator(last["class"], last["parameters"], last["state"])
    card |= {"scores": plain(scores), "versions": plain(versions), "date": date}
    return {name: value for name, value in card.items() if value not in (None, {}, [])}


def versions_here() -> dict[str, str]:
    """The versions of the packages that a model is made of."""
    return {name: str(importlib.import_module(name).__version__) for name in PACKAGES}


def check_scores(scores: Any) -> None:
    """Raise unless the scores are finite numbers under names, or None."""
    if scores is None:
        return
    if not isinstance(scores, Mapping):
        raise TypeError(
            f"scores must be a dict of names and numbers. Got a {type(scores).__name__}."
            "\n\nGive names: scores={'accuracy': 0.93}."
        )
    for name, score in scores.items():
        if not isinstance(name, str):
            raise TypeError(f"The names in scores must be strings. Got {name!r:.60}.")
        is_number = isinstance(score, (Real, np.number)) and not isinstance(score, bool)
        if not is_number or not math.isfinite(score):
            raise ValueError(f"scores[{name!r}] must be a finite number. Got {score!r:.60}.")


# Parts of a card ----------------------------------------------------------------------------------


def _card_of_step(step: Mapping[str, Any]) -> Card:
    """The card of a transformer: what it takes and how it was set."""
    state = step.get("state", {})
    card = {
        "name": plain(step["name"]),
        "class": plain(step["class"]),
        "features": plain(state.get("n_features_in_")),
        "feature_names": _names(state.get("feature_names_in_")),
        "parameters": _differing(step["class"], step.get("parameters", {})),
    }
    return {name: value for name, value in card.items() if value not in (None, {}, [])}


def _card_of_estimator(
    kind: str, parameters: Mapping[str, Any], state: Mapping[str, Any]
) -> dict[str, Any]:
    resolved = {
        name: value
        for name, value in state.get("resolved_params_", {}).items()
        if is_auto(parameters.get(name))
    }
    n_weights = sum(int(weights.size) for weights in state["net_"]["weights"].values())
    return {
        **_targets(state),
        "data": _data(state),
        "parameters": _differing(kind, parameters),
        "resolved": plain(resolved),
        "network": {"n_weights": n_weights},
        "training": _training(state),
    }


def _training(state: Mapping[str, Any]) -> dict[str, Any]:
    """How the training went; the best score only if it is one of validation data."""
    card = {"epochs": plain(state["n_iter_"]), "best_epoch": plain(state["best_epoch_"])}
    if {"valid_loss", "valid_score"} & {*state["history_"]}:
        card["best_score"] = plain(state["best_score_"])
    return {**card, "stop_reason": plain(state["stop_reason_"])}


def _targets(state: Mapping[str, Any]) -> dict[str, Any]:
    """Task, and classes or outputs."""
    if "classes_" not in state:
        quantiles = state.get("quantiles_", ())
        card = {"task": "regression", "n_outputs": plain(state["_network"]["n_outputs"])}
        if len(quantiles):
            # The network has an output for each quantile of each number.
            card["n_outputs"] = len(state["target_mean_"])
            card["quantiles"] = plain(quantiles)
        return card
    several = ", several labels" if state.get("multilabel_", False) else ""
    classes = state["classes_"]
    listed = plain(classes[:MAX_LISTED])
    return {"task": f"classification{several}", "n_classes": len(classes), "classes": listed}


def _data(state: Mapping[str, Any]) -> dict[str, Any]:
    """What X was: its columns, features or tokens, and the sequences of the training."""
    network, static = state["_network"], state.get("_static")
    categories, names = state.get("_categories", {}), state.get("feature_names_in_")
    card: dict[str, Any] = {}
    if static is not None:
        card["column_of_sequences"] = plain(static["sequences"])
        card["static_columns"] = {
            plain(column): plain(static["categories"].get(column, "numbers"))
            for column in static["columns"][:MAX_LISTED]
            if column != static["sequences"]
        }
        names = static["features"]
    if network.get("vocabulary_size") is not None:
        card |= {"kind": "token ids", "vocabulary_size": plain(network["vocabulary_size"])}
    else:
        card |= {"kind": "measurements", "features": network["n_features"] + len(categories)}
    if state["_n_columns_in"] is None:
        card["feature_names"] = _names(names)
    else:
        # A table has one univariate sequence in each row.
        card |= {"columns": plain(state["_n_columns_in"]), "column_names": _names(names)}
    card["categories"] = plain(categories)
    extent = state.get("_extent")
    if extent is not None:
        card["training_sequences"] = plain(extent["n_sequences"])
        card["training_lengths"] = [plain(extent["shortest"]), plain(extent["longest"])]
    return {name: value for name, value in card.items() if value not in (None, {}, [])}


def _names(names: Any) -> Any:
    return None if names is None else plain(list(names[:MAX_LISTED]))


def _differing(kind: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The parameters of a model that differ from the defaults of its class."""
    cls = {**ESTIMATORS, **TRANSFORMERS}.get(kind)
    known = {} if cls is None else inspect.signature(cls).parameters
    defaults = {name: plain(known[name].default) for name in known}
    own = {name: plain(value) for name, value in parameters.items() if name not in OF_RUN}
    return {
        name: value
        for name, value in own.items()
        if name not in defaults or (type(value), value) != (type(defaults[name]), defaults[name])
    }


def plain(value: Any) -> Any:
    """The value as one of JSON: texts and lists cut short, and a text in place of anything else."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, str):
        return value if len(value) <= MAX_TEXT else f"{value[:MAX_TEXT]}..."
    if isinstance(value, np.ndarray) and value.ndim != 1:
        return f"array of shape {value.shape} and dtype {value.dtype}"
    if isinstance(value, Mapping):
        return {str(plain(key)): plain(value[key]) for key in list(value)[:MAX_LISTED]}
    if isinstance(value, (list, tuple, np.ndarray)):
        listed = [plain(item) for item in value[:MAX_LISTED]]
        further = len(value) - len(listed)
        return [*listed, f"and {further} more"] if further else listed
    if isinstance(value, type) or inspect.isfunction(value):
        return f"{value.__module__}.{value.__qualname__}"
    # Without the address in memory, which says nothing.
    return ADDRESS.sub("", repr(value))[:MAX_TEXT]
