"""save_model, load_model: a fitted estimator as one file with nothing executable in it."""

from __future__ import annotations

import functools
import importlib
import os
from collections.abc import Mapping, Set
from typing import Any

import numpy as np
import torch
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import check_is_fitted

from sklstm._classifier import LSTMSequenceClassifier
from sklstm._config._options import OF_RUN
from sklstm._config._parameters import check_parameters
from sklstm._files._container import MALFORMED, Kind, read_file, write_file
from sklstm._files._values import UnstorableError, encode
from sklstm._persistence._checks import ATTRIBUTES, check_state
from sklstm._persistence._pipelines import Description, build_pipeline, describe_pipeline
from sklstm._training._device import resolve_device
from sklstm._validation._forms import as_host
from sklstm._warnings import warn_user
from sklstm.exceptions import ModelFileError

MODEL = Kind("model", format=1)
PACKAGES = ("sklstm", "torch", "skorch", "sklearn", "numpy")
OPTIMIZERS: dict[str, type[torch.optim.Optimizer]] = {
    name: thing
    for name, thing in vars(torch.optim).items()
    if isinstance(thing, type) and issubclass(thing, torch.optim.Optimizer)
}


def save_model(estimator: LSTMSequenceClassifier | Pipeline, path: str | os.PathLike[str]) -> None:
    """Write a fitted estimator, or a pipeline of it, to a file that holds data and no code.

    The file is in the safetensors format: weights and all other arrays as tensors; parameters,
    names, history and the versions of the packages as JSON in its header. It carries a format
    number and a checksum. It is written as a whole or not at all: after an error, a full disk for
    one, the file that was there before is still there.

    What belongs to the run and not to the model stays out: ``callbacks``, ``checkpoint``,
    ``checkpoint_interval``, ``device`` and ``verbose``. A loaded estimator has their defaults.

    Parameters
    ----------
    estimator : LSTMSequenceClassifier or Pipeline
        A fitted one. The steps of a pipeline are transformers of this package, any number of them,
        and the estimator as the last one, if there is one: `TokenEncoder`, `SequenceScaler`,
        `SequenceImputer`, `RollingFeatures` and "passthrough".
    path : str or path-like
        Where to; a file that is there is replaced. The name may have any ending; safetensors' own
        is ``.safetensors``.

    Raises
    ------
    NotFittedError
        If the estimator is not fitted.
    TypeError
        If it is anything but an `LSTMSequenceClassifier`, be it a subclass, or a pipeline with
        another step, or one whose `TokenEncoder` has a function as ``analyzer``.
    ValueError
        If the pipeline has a ``memory``, or a step is not as a fit leaves it; if the history of all
        epochs or the labels are more than a file holds, a million values.
    OSError
        If the file cannot be written.

    Warns
    -----
    UserWarning
        If something is left out, which it names: what only code could bring back (callbacks,
        scorers and other functions) and attributes that no fit sets. The predictions of a loaded
        estimator do not depend on it, its further training may.

    See Also
    --------
    load_model : Read the file again.

    Notes
    -----
    Of the callables that ``optimizer`` may be, a class of ``torch.optim`` and a
    ``functools.partial`` of one are kept. ``embedding_weights`` are kept as an array. The state of
    the optimizer is not kept.

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
    if type(estimator) is Pipeline:
        content, parameters, others = describe_pipeline(estimator, _describe_whole)
    else:
        content, parameters, others = _describe_whole(estimator)
    _warn_of(parameters, others)
    versions = {name: str(importlib.import_module(name).__version__) for name in PACKAGES}
    write_file(path, MODEL, {"versions": versions, **content})


def load_model(
    path: str | os.PathLike[str], *, device: str | torch.device = "cpu"
) -> LSTMSequenceClassifier | Pipeline:
    """Read a fitted estimator, or a pipeline of it, from a file that `save_model` wrote.

    Nothing in the file is executed: it may come from anywhere. What it claims is checked before
    memory is taken for it, and its checksum tells of any bit that is not as it was written.

    Parameters
    ----------
    path : str or path-like
        The file.
    device : str or torch.device, default="cpu"
        Where the estimator is to compute, wherever it was trained; its parameter of this name.

    Returns
    -------
    LSTMSequenceClassifier or Pipeline
        As it was saved. It predicts what the saved one predicts, to the last bit with the same
        versions of the packages and the same kind of machine. Further training goes on with a fresh
        optimizer.

    Raises
    ------
    ModelFileError
        If the file is damaged, is something else, or is of a newer format.
    OSError
        If the file cannot be read; FileNotFoundError if there is none.
    ValueError
        If the ``device`` is none, or is not here.

    See Also
    --------
    save_model : Write the file.
    """
    resolve_device(device)
    content = read_file(path, MODEL)
    try:
        build = functools.partial(_build, device=device)
        if "steps" in content:
            return build_pipeline(content, build)
        return build(content["parameters"], content["state"])
    except (RuntimeError, *MALFORMED) as error:
        raise ModelFileError(
            f"{os.fspath(path)!r} does not describe a model: {error!s:.200}"
        ) from error


def _describe_whole(estimator: Any) -> Description:
    """Content of a file for one estimator, and what it lacks: parameters, other attributes."""
    _check_estimator(estimator)
    parameters, state = _describe(estimator)
    lost = [*(["callbacks"] if estimator.callbacks else []), *_drop_unstorable(parameters)]
    others = _drop_foreign(state, ATTRIBUTES.keys() | estimator._task_type.attribute_checks.keys())
    check_state(state, estimator._task_type)
    del state["net_"]["device"]
    return {"parameters": parameters, "state": state}, lost, others


def _check_estimator(estimator: Any) -> None:
    """Raise unless this is a fitted estimator of the very class that `load_model` builds."""
    if type(estimator) is LSTMSequenceClassifier:
        check_is_fitted(estimator)
        check_parameters(estimator)
        return
    remedy = ""
    if isinstance(estimator, (LSTMSequenceClassifier, Pipeline)):
        remedy = "A subclass is code, which no file of ours holds: keep it with pickle or joblib."
    elif hasattr(estimator, "best_estimator_"):
        remedy = "Save what the search has found: save_model(search.best_estimator_, path)."
    raise TypeError(
        "save_model takes an LSTMSequenceClassifier, or a Pipeline of it. Got an instance of"
        f" {type(estimator).__name__} instead." + (f"\n\n{remedy}" if remedy else "")
    )


def _describe(estimator: LSTMSequenceClassifier) -> tuple[dict[str, Any], dict[str, Any]]:
    """Parameters and all other attributes, as plain as they can be."""
    parameters = estimator.get_params(deep=False)
    state = {k: v for k, v in estimator.__getstate__().items() if k not in parameters}
    parameters = {k: v for k, v in parameters.items() if k not in OF_RUN}
    parameters["optimizer"] = _describe_optimizer(parameters["optimizer"])
    if parameters["embedding_weights"] is not None:
        parameters["embedding_weights"] = np.asarray(as_host(parameters["embedding_weights"]))
    return parameters, state


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


def _build(
    parameters: Mapping[str, Any], state: Mapping[str, Any], device: str | torch.device = "cpu"
) -> LSTMSequenceClassifier:
    """The estimator that was described, if it can be one; one of MALFORMED if it cannot."""
    if OF_RUN & parameters.keys():
        raise ValueError(f"{sorted(OF_RUN & parameters.keys())} are no parameters of a model.")
    net = {**state["net_"], "device": str(resolve_device(device))}
    state = {**state, "net_": net}
    check_state(state, LSTMSequenceClassifier._task_type)
    if "optimizer" in parameters:
        parameters = {**parameters, "optimizer": _restore_optimizer(parameters["optimizer"])}
    estimator = LSTMSequenceClassifier(**parameters, device=device)
    check_parameters(estimator)
    estimator.__setstate__(state)
    return estimator


def _drop_unstorable(parameters: dict[str, Any]) -> list[str]:
    """Remove the parameters that only code could bring back, and return their names."""
    names = [name for name, value in parameters.items() if not _is_storable(value)]
    for name in names:
        del parameters[name]
    return names


def _drop_foreign(state: dict[str, Any], known: Set[str]) -> list[str]:
    """Remove attributes but the ``known`` ones, and figures of callbacks that are not plain."""
    attributes = [name for name in state if name not in known]
    for name in attributes:
        del state[name]
    epochs = state["net_"]["history"]
    figures = {name for epoch in epochs for name, v in epoch.items() if not _is_storable(v)}
    state["net_"]["history"] = [_without(epoch, figures) for epoch in epochs]
    state["history_"] = _without(state["history_"], figures)
    return [*attributes, *sorted(figures)]


def _without(items: Mapping[str, Any], names: set[str]) -> dict[str, Any]:
    return {name: value for name, value in items.items() if name not in names}


def _is_storable(value: Any) -> bool:
    try:
        encode(value, {})
    except UnstorableError:
        return False
    return True


def _warn_of(parameters: list[str], others: list[str]) -> None:
    """Tell what is left out of the file, if anything is."""
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
