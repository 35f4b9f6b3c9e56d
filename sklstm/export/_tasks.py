"""Nodes of predictions: labels and probabilities, numbers and quantiles."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sklstm._sequences import Array
from sklstm._tasks._classification import Classification
from sklstm._tasks._multilabel import Multilabel
from sklstm._tasks._regression import Regression
from sklstm._tasks._task import Task
from sklstm.export._graph import Graph, Value, integers


class Prediction(NamedTuple):
    """An output of a file: a value of shape (B, *shape)."""

    value: Value
    dtype: npt.DTypeLike
    shape: tuple[int, ...] = ()


def write_predictions(task: Task, graph: Graph, outputs: Value) -> dict[str, Prediction]:
    """Predictions by name, from the outputs (B, C) of a network, float64."""
    if isinstance(task, Regression):
        return _write_numbers(task, graph, outputs)
    if isinstance(task, Multilabel):
        shape = (task.n_labels,)
        labels = graph.cast(graph.add("Greater", outputs, np.float64(0)), np.int64)
        probabilities = graph.add("Sigmoid", outputs)
        label = Prediction(labels, np.int64, shape)
    else:
        assert isinstance(task, Classification)
        classes = storable(task.classes)
        shape = (len(classes),)
        best = graph.add("ArgMax", outputs, axis=1, keepdims=0)
        label = Prediction(graph.add("Gather", graph.constant(classes), best), classes.dtype)
        probabilities = graph.add("Softmax", outputs, axis=1)
    return {"label": label, "probabilities": Prediction(probabilities, np.float64, shape)}


def storable(classes: Array) -> Array:
    """Classes in a type that ONNX has: text, booleans or int64."""
    if classes.dtype.kind in "OUS":
        return classes.astype(str).astype(object)
    return classes if classes.dtype.kind == "b" else classes.astype(np.int64)


def _write_numbers(task: Regression, graph: Graph, outputs: Value) -> dict[str, Prediction]:
    n_targets, n_quantiles = len(task.mean), len(task.quantiles)
    shape = () if task.n_dimensions == 1 else (n_targets,)
    if n_quantiles == 0:
        return {"value": Prediction(_in_units(task, graph, outputs, ()), np.float64, shape)}
    by_target = graph.reshape(outputs, 0, n_targets, n_quantiles)
    ascending, _ = graph.add_all("TopK", by_target, integers(n_quantiles), n_outputs=2, axis=2,
                                 largest=0, sorted=1)  # fmt: skip
    quantiles = _in_units(task, graph, ascending, (1,))
    nearest = int(np.abs(task.quantiles - 0.5).argmin())
    point = graph.add("Gather", quantiles, np.int64(nearest), axis=-1)
    return {
        "value": Prediction(point, np.float64, shape),
        "quantiles": Prediction(quantiles, np.float64, (*shape, n_quantiles)),
    }


def _in_units(task: Regression, graph: Graph, standardised: Value, more: tuple[int, ...]) -> Value:
    """Numbers in the units and the dimensions of y, from (B, k) and as many further axes."""
    scale, mean = (part.reshape(-1, *more) for part in (task.scale, task.mean))
    numbers = graph.add("Add", graph.add("Mul", standardised, scale), mean)
    return graph.add("Squeeze", numbers, integers(1)) if task.n_dimensions == 1 else numbers
