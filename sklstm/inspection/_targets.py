"""What is explained of the outputs of a network: a weighted sum for each sequence."""

from __future__ import annotations

from numbers import Integral
from typing import Any, NamedTuple

import numpy as np

from sklstm._sequences import Array, IntArray
from sklstm._tasks._classification import Classification
from sklstm._tasks._multilabel import Multilabel
from sklstm._tasks._regression import Regression
from sklstm._tasks._task import Task


class Targets(NamedTuple):
    """Target of each sequence: labels or indices (n,), and the sum of the outputs (n, C).

    The explained number is the weights (n, C) times the outputs, plus the offset (n,).
    """

    names: Array
    weights: Array
    offsets: Array

    def of(self, outputs: Array) -> Array:
        """The explained numbers (n,) of outputs (n, C)."""
        numbers: Array = (self.weights * outputs).sum(axis=1) + self.offsets
        return numbers


def read_targets(task: Task, target: Any, outputs: Array) -> Targets:
    """Targets of sequences with these outputs (n, C); ValueError if there is no such target."""
    if isinstance(task, Regression):
        return _of_numbers(task, target, outputs)
    if isinstance(task, Multilabel):
        noun = "the number of a label"
        places = outputs.argmax(axis=1) if target is None else _indices(target, outputs, noun)
        return Targets(places, np.eye(outputs.shape[1])[places], np.zeros(len(outputs)))
    assert isinstance(task, Classification)
    places = outputs.argmax(axis=1) if target is None else _of_labels(task, target, len(outputs))
    weights = np.eye(len(task.classes))[places]
    if len(task.classes) == 2:
        # decision_function is the difference of both logits.
        weights = 2 * weights - 1
    return Targets(task.classes[places], weights, np.zeros(len(outputs)))


def _of_labels(task: Classification, target: Any, n: int) -> IntArray:
    classes = task.classes.tolist()
    given = np.asarray(target, dtype=task.classes.dtype if task.classes.dtype == object else None)
    labels = _for_each(given, n).tolist()
    unknown = [label for label in labels if label not in classes]
    if unknown:
        raise ValueError(
            f"target must be one of the classes {classes[:10]}, or an array of one for each"
            f" sequence. Got {unknown[0]!r}."
        )
    return np.array([classes.index(label) for label in labels], dtype=np.int64)


def _of_numbers(task: Regression, target: Any, outputs: Array) -> Targets:
    n_targets, n_quantiles = len(task.mean), max(1, len(task.quantiles))
    if target is None and n_targets > 1:
        raise ValueError(
            f"target must say which of the {n_targets} numbers is to be explained.\n\nGive its"
            " index, such as target=0."
        )
    if target is None:
        # That which `predict` gives.
        target = int(np.abs(task.quantiles - 0.5).argmin()) if len(task.quantiles) else 0
    indices = _indices(target, outputs, "the index of an output")
    # Where quantiles cross, predictions are sorted: the output that takes the place.
    ranks = outputs.reshape(len(outputs), n_targets, n_quantiles).argsort(axis=2, kind="stable")
    numbers, quantiles = np.divmod(indices, n_quantiles)
    places = numbers * n_quantiles + ranks[np.arange(len(outputs)), numbers, quantiles]
    scale, mean = np.repeat(task.scale, n_quantiles), np.repeat(task.mean, n_quantiles)
    return Targets(indices, np.eye(outputs.shape[1])[places] * scale, mean[places])


def _indices(target: Any, outputs: Array, noun: str) -> IntArray:
    n, n_outputs = outputs.shape
    indices = _for_each(np.asarray(target), n)
    are_whole = all(isinstance(index, Integral) for index in indices.tolist())
    if not are_whole or not ((indices >= 0) & (indices < n_outputs)).all():
        raise ValueError(
            f"target must be {noun}, from 0 to {n_outputs - 1}, or an array of one for each"
            f" sequence. Got {target!r:.60}."
        )
    return indices.astype(np.int64)


def _for_each(target: Array, n: int) -> Array:
    if target.ndim == 0:
        return np.repeat(target[None], n)
    if target.shape != (n,):
        raise ValueError(
            f"target must be one value, or an array of one for each of the {n} sequences. Got shape"
            f" {target.shape}."
        )
    return target
