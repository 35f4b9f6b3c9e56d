"""Nodes of standardisation, and statistics of each sequence by itself."""

from __future__ import annotations

import numpy as np

from sklstm._batching._scaling import Scaling
from sklstm._moments import EPSILON
from sklstm.export._graph import Padded, Value

ZERO = np.float64(0)


def write_scaling(scaling: Scaling, inputs: Padded) -> Value:
    """Standardised features (B, T, F) as the network reads them, float32."""
    graph, parts = inputs.graph, []
    if scaling.per != "sequence":
        parts.append(_write_overall(scaling, inputs))
    if scaling.per != "dataset":
        mean, deviation = write_moments(inputs, inputs.mask("BT1"))
        parts.append(write_scaled_within(inputs, mean, deviation))
    return graph.concat([graph.cast(part, np.float32) for part in parts], 2)


def _write_overall(scaling: Scaling, inputs: Padded) -> Value:
    graph, values = inputs.graph, inputs.values
    if (scaling.mean != 0).any():
        values = graph.add("Sub", values, scaling.mean)
    return graph.add("Div", values, scaling.scale) if (scaling.scale != 1).any() else values


def write_moments(inputs: Padded, observed: Value) -> tuple[Value, Value]:
    """Mean and standard deviation of each sequence, (B, 1, F); the deviation may be 0.

    In two passes, and 0 where it could be rounding alone, as in the estimators.
    """
    graph = inputs.graph
    counts = graph.reduce("Sum", graph.cast(observed, np.float64), 1, keepdims=True)
    values = graph.add("Where", observed, inputs.values, ZERO)
    means = graph.add("Div", graph.reduce("Sum", values, 1, keepdims=True), counts)
    offsets = graph.add("Where", observed, graph.add("Sub", inputs.values, means), ZERO)
    residuals = graph.reduce("Sum", offsets, 1, keepdims=True)
    squares = graph.reduce("Sum", graph.add("Mul", offsets, offsets), 1, keepdims=True)
    rest = graph.add("Div", graph.add("Mul", residuals, residuals), counts)
    variances = graph.add("Div", graph.add("Sub", squares, rest), counts)
    of_mean = graph.add("Mul", graph.add("Mul", counts, means), np.float64(EPSILON))
    bound = graph.add("Add",
                      graph.add("Mul", graph.add("Mul", counts, np.float64(EPSILON)), variances),
                      graph.add("Mul", of_mean, of_mean))  # fmt: skip
    is_constant = graph.add("LessOrEqual", variances, bound)
    deviations = graph.add("Where", is_constant, ZERO, graph.add("Sqrt", variances))
    return means, deviations


def write_scaled_within(inputs: Padded, center: Value, scale: Value) -> Value:
    """Values minus the centre of their sequence, divided by its scale; a scale of 0 counts as 1."""
    graph = inputs.graph
    is_zero = graph.add("Equal", scale, ZERO)
    scale = graph.add("Where", is_zero, np.float64(1), scale)
    return graph.add("Div", graph.add("Sub", inputs.values, center), scale)
