"""Saving and loading a fitted estimator as one file of data."""

from __future__ import annotations

import functools
import json
import os
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import torch
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from sklstm._base import BaseSequenceEstimator
from sklstm._compat._sklearn_callbacks import OF_CALLBACKS
from sklstm._config._options import OF_RUN
from sklstm._config._parameters import check_parameters
from sklstm._files._container import MALFORMED, Kind, read_file, write_file
from sklstm._files._values import UnstorableError, encode
from sklstm._persistence._card import build_card, check_scores, versions_here
from sklstm._persistence._checks import ATTRIBUTES, DEFAULTS, check_state
from sklstm._persistence._estimators import ESTIMATORS, TASKS
from sklstm._persistence._pipelines import (
    SKOPS,
    Description,
    build_pipeline,
    describe_pipeline,
)
from sklstm._runtime._device import resolve_device
from sklstm._validation._forms import as_host
from sklstm._warnings import warn_user
from sklstm.exceptions import ModelFileError

MODEL = Kind("model", format=1)
# The entry of a file's metadata that has its card.
CARD = "card"
OPTIMIZERS: dict[str, type[torch.optim.Optimizer]] = {
    name: thing
    for name, thing in vars(torch.optim).items()
    if isinstance(thing, type) and issubclass(thing, torch.optim.Optimizer)
}


def save_model(
    estimator: BaseSequenceEstimator | Pipeline,
    path: str | os.PathLike[str],
    *,
    scores: Mapping[str, float] | None = None,
) -> None:
    """Save a fitted estimator, or a pipeline with it, to a file without executable code.

    The file is in the safetensors format, with arrays as tensors and everything else as JSON in the
    header. It has a checksum, and a model card that `model_card` shows. It is written atomically:
    after an error, such as a full disk, an existing file is unchanged.

    ``callbacks``, ``checkpoint``, ``checkpoint_interval``, ``device``, ``max_time``, ``verbose``
    and the callbacks of ``set_callbacks`` are not saved. A loaded estimator has the defaults.

    Parameters
    ----------
    estimator : LSTMSequenceClassifier, LSTMSequenceRegressor or Pipeline
        Fitted estimator, or pipeline of `TokenEncoder`, `SequenceScaler`, `SequenceImputer`,
        `RollingFeatures` and "passthrough", with or without the estimator as last step.
    path : str or path-like
        Path of the file, which is replaced if it exists. The usual extension is ``.safetensors``.
    scores : dict of str to float, default=None
        Finite scores for the model card, such as ``{"accuracy, 500 patients of 2025": 0.93}``. They
        are not part of the estimator: pass them again if you load and save it.

    Raises
    ------
    NotFittedError
        If the estimator is not fitted.
    TypeError
        If it is not one of the above. Subclasses, and a `TokenEncoder` with a callable
        ``analyzer``, contain code and cannot be saved.
    ValueError
        If the pipeline has a ``memory``, a step was changed after `fit`, a score is not finite, or
        history and labels exceed the million values that a file holds.
    OSError
        If the file cannot be written.

    Warns
    -----
    UserWarning
        If callbacks, scorers or other callables, or attributes that `fit` does not set, are left
        out. Predictions do not depend on them, but further training may.

    See Also
    --------
    load_model : Load the file.
    model_card : Read the model card of the file.

    Notes
    -----
    An ``optimizer`` that is a ``torch.optim`` class, or a ``functools.partial`` of one, is saved,
    but not its state. ``embedding_weights`` are saved as an array.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from sklstm import LSTMSequenceClassifier, load_model, save_model
    >>> from sklstm.datasets import make_trends
    >>> X, y = make_trends(n_sequences=40, random_state=0)
    >>> classifier = LSTMSequenceClassifier(8, max_epochs=3, random_state=0).fit(X, y)
    >>> with TemporaryDirectory() as folder:
    ...     save_model(classifier, f"{folder}/trends.safetensors")
    ...     loaded = load_model(f"{folder}/trends.safetensors")
    >>> bool((loaded.predict_proba(X) == classifier.predict_proba(X)).all())
    True
    """
    check_scores(scores)
    if type(estimator) is Pipeline:
        content, parameters, others = describe_pipeline(estimator, _describe)
    else:
        content, parameters, others = _describe(estimator)
    _warn_of(parameters, others)
    card = json.dumps(build_card(estimator, scores=scores), indent=1)
    write_file(path, MODEL, {"versions": versions_here(), **content}, texts={CARD: card})


def load_model(path: str | os.PathLike[str], *, device: str | torch.device = "cpu") -> Any:
    """Load a fitted estimator, or a pipeline with it, from a file written by `save_model`.

    Loading does not execute code from the file, which may come from an untrusted source. The
    content is validated before memory is allocated, and the checksum detects damage.

    Parameters
    ----------
    path : str or path-like
        Path of the file.
    device : str or torch.device, default="cpu"
        Value of ``device`` for the loaded estimator, regardless of where it was trained.

    Returns
    -------
    LSTMSequenceClassifier, LSTMSequenceRegressor or Pipeline
        The saved estimator. Its predictions are identical with the same package versions on the
        same kind of processor. Further training starts with a new optimizer.

    Raises
    ------
    ModelFileError
        If the file is damaged, is not a model file, or has a newer format.
    OSError
        If the file cannot be read. FileNotFoundError if it does not exist.
    ValueError
        If ``device`` is invalid or not available.

    See Also
    --------
    save_model : Write the file.
    model_card : Show what it says of itself.
    """
    resolve_device(device)
    content = read_file(path, MODEL)
    try:
        build = functools.partial(_build, device=device)
        if "steps" in content:
            return build_pipeline(content, build)
        return build(content)
    except (RuntimeError, *MALFORMED) as error:
        raise ModelFileError(
            f"{os.fspath(path)!r} does not describe a model: {error!s:.200}"
        ) from error


def _describe(estimator: Any) -> Description:
    """Content of the file of an estimator; names of parameters and attributes left out of it."""
    _check_estimator(estimator)
    given = estimator.get_params(deep=False)
    state = _without(estimator.__getstate__(), given.keys() | OF_CALLBACKS)
    parameters = _without(given, OF_RUN)
    parameters["optimizer"] = _describe_optimizer(estimator.optimizer)
    if estimator.embedding_weights is not None:
        parameters["embedding_weights"] = np.asarray(as_host(estimator.embedding_weights))
    unstorable = _unstorable(parameters)
    known = ATTRIBUTES.keys() | TASKS[type(estimator)].attribute_checks.keys()
    others = [name for name in state if name not in known]
    state = _without(state, others)
    epochs = state["net_"]["history"]
    # What callbacks have recorded.
    figures = sorted({name for epoch in epochs for name in _unstorable(epoch)})
    state["net_"]["history"] = [_without(epoch, figures) for epoch in epochs]
    state["history_"] = _without(state["history_"], figures)
    check_state(state, TASKS[type(estimator)])
    del state["net_"]["device"]
    lost = [*(["callbacks"] if estimator.callbacks else []), *unstorable]
    content = {"class": type(estimator).__name__, "state": state}
    return {**content, "parameters": _without(parameters, unstorable)}, lost, others + figures


def _check_estimator(estimator: Any) -> None:
    """Raise unless this is a fitted estimator of the very class that `load_model` builds."""
    if type(estimator) in TASKS:
        check_is_fitted(estimator)
        check_parameters(estimator)
        return
    remedy = ""
    if isinstance(estimator, (BaseSequenceEstimator, Pipeline)):
        remedy = "\n\nA subclass is code, which is not saved: use pickle or joblib."
    elif isinstance(estimator, FrozenEstimator):
        remedy = "\n\nSave the model in it: save_model(model.estimator, path)."
    elif hasattr(estimator, "best_estimator_"):
        remedy = "\n\nSave what the search has found: save_model(search.best_estimator_, path)."
    elif hasattr(estimator, "get_params") and not isinstance(estimator, type):
        remedy = f"\n\n{SKOPS}"
    raise TypeError(
        f"save_model takes an {' or '.join(ESTIMATORS)}, or a Pipeline of it. Got an instance of"
        f" {type(estimator).__name__} instead.{remedy}"
    )


def _describe_optimizer(optimizer: Any) -> Any:
    """A class of torch.optim, or a partial of one, as a dict; anything else as it is."""
    partial = isinstance(optimizer, functools.partial) and not optimizer.args
    named = optimizer.func if partial else optimizer
    for name, thing in OPTIMIZERS.items():
        if thing is named:
            return {"class": name, "options": dict(optimizer.keywords) if partial else None}
    return optimizer


def _restore_optimizer(described: Any) -> Any:
    if not isinstance(described, dict):
        return described
    optimizer, options = OPTIMIZERS[described["class"]], described["options"]
    return optimizer if options is None else functools.partial(optimizer, **options)


def _build(content: Mapping[str, Any], *, device: str | torch.device) -> Any:
    """The estimator that was described; one of MALFORMED if there is none."""
    # A file without a class is older than the other one.
    kind = ESTIMATORS[content.get("class", "LSTMSequenceClassifier")]
    parameters, state = content["parameters"], content["state"]
    if OF_RUN & parameters.keys():
        raise ValueError(f"{sorted(OF_RUN & parameters.keys())} are no parameters of a model.")
    net = {**state["net_"], "device": str(resolve_device(device))}
    state = {**DEFAULTS, **TASKS[kind].attribute_defaults, **state, "net_": net}
    check_state(state, TASKS[kind])
    estimator = kind(**parameters, device=device)
    estimator.optimizer = _restore_optimizer(estimator.optimizer)
    check_parameters(estimator)
    estimator.__setstate__(state)
    return estimator


def _unstorable(items: Mapping[str, Any]) -> list[str]:
    """Names of the items that only code could bring back."""
    return [name for name, value in items.items() if not _is_storable(value)]


def _is_storable(value: Any) -> bool:
    try:
        encode(value, {})
    except UnstorableError:
        return False
    return True


def _without(items: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    return {name: value for name, value in items.items() if name not in names}


def _warn_of(parameters: list[str], others: list[str]) -> None:
    """Name what is not saved, if anything is not."""
    if not parameters and not others:
        return
    remedy = ""
    if parameters:
        again = ", ".join(f"{name}=..." for name in parameters)
        remedy = (
            "\n\nA loaded estimator has the default instead, which matters to further training"
            f" alone. Set it again before: load_model(path).set_params({again})"
        )
    warn_user(
        f"The model file lacks {', '.join(map(repr, parameters + others))}: it holds what a fit"
        f" makes, and no code.{remedy}"
    )
