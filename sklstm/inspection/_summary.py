"""Summary of an estimator: what its layers are, and what they cost."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from sklstm._base import BaseSequenceEstimator, fitted_of, planned_of
from sklstm._models import split_model
from sklstm._training._configure import build_network
from sklstm.inspection._layers import layers_of, patch_size_of
from sklstm.inspection._model_summary import ModelSummary


def summary(estimator: Any, X: Any = None, y: Any = None) -> ModelSummary:
    """Summarise the layers of an estimator: output shapes, parameters and costs.

    Parameters
    ----------
    estimator : LSTMSequenceClassifier, LSTMSequenceRegressor or Pipeline
        Estimator, or pipeline that ends with one, fitted unless X and y are given. It is not
        changed.
    X, y : array-like, default=None
        Data as for ``fit``. If given, the summary is that of the network that a fit to them would
        build. To estimate the time, a copy is trained on a few batches, after copies of earlier
        steps of a pipeline are fitted.

    Returns
    -------
    ModelSummary
        Object that prints as a table, also in notebooks. Its ``layers`` hold the numbers.

    Raises
    ------
    NotFittedError
        If the estimator is not fitted, and X and y are not given.
    TypeError
        If ``estimator`` is not one of the above, or only one of X and y is given.

    Notes
    -----
    Multiplications are those of matrix products and convolutions in a prediction, per timestep,
    patch or sequence. Sums, maxima, activation functions and table lookups are not counted. An LSTM
    layer has :math:`4 H (F + H)` per direction, with F inputs and H units.

    ``seconds_per_epoch`` of a fitted estimator is the median of ``history_["dur"]``: the time of
    the training steps of an epoch, without validation scores and without a last epoch that
    ``max_time`` ended. Before a fit it is estimated from the second of two epochs of four batches.
    Parts fitted in closed form take additional time.

    Examples
    --------
    >>> from sklstm import LSTMSequenceClassifier
    >>> from sklstm.datasets import make_trends
    >>> from sklstm.inspection import summary
    >>> X, y = make_trends(n_sequences=40, random_state=0)
    >>> classifier = LSTMSequenceClassifier(hidden_sizes=8, n_kernels=0, conv_filters=())
    >>> before = summary(classifier, X, y)
    >>> before.n_trained
    802
    >>> [layer.kind for layer in before.layers]
    ['Bidirectional LSTM', 'Max pooling', 'Output']
    """
    if (X is None) != (y is None):
        raise TypeError(f"Give X and y, or none of them: {'X' if X is None else 'y'} is missing.")
    steps, last = split_model(estimator, "summary")
    name = type(last).__name__
    model = " > ".join([*(type(step).__name__ for _, step in steps), name])
    if X is not None:
        return _of_configured(model, last, _transformed(estimator, steps, X, y), y)
    if not hasattr(last, "net_"):
        raise NotFittedError(
            f"This {name} is not fitted yet.\n\nCall fit first, or give data that it would be"
            " fitted to: summary(estimator, X, y)."
        )
    return _of_fitted(model, last)


def _transformed(estimator: Any, steps: list[Any], X: Any, y: Any) -> Any:
    """X as the last step of a pipeline reads it."""
    return clone(estimator[:-1]).fit_transform(X, y) if steps else X


def _of_configured(model: str, estimator: BaseSequenceEstimator, X: Any, y: Any) -> ModelSummary:
    network, seconds = planned_of(estimator, X, y)
    # Shapes without memory, whatever the size.
    with torch.device("meta"):
        module = build_network(network)
    layers = tuple(layers_of(module))
    return ModelSummary(model, layers, patch_size_of(module), network.n_timesteps, seconds, None)


def _of_fitted(model: str, estimator: BaseSequenceEstimator) -> ModelSummary:
    module, network = estimator.net_.module_, fitted_of(estimator).network
    layers, patch_size = tuple(layers_of(module)), patch_size_of(module)
    seconds, n_epochs = _seconds_per_epoch(estimator), estimator.n_iter_
    return ModelSummary(model, layers, patch_size, network.n_timesteps, seconds, n_epochs)


def _seconds_per_epoch(estimator: Any) -> float | None:
    """Median over the whole epochs; None if there is none."""
    history = estimator.history_
    durations = history["dur"]
    if estimator.stop_reason_ == "max_time":
        durations = durations[:-1]
    # A row may be a part of an epoch.
    shares = np.diff(history["epoch"], prepend=0)[: len(durations)]
    return float(np.median(durations / shares)) if len(durations) else None
