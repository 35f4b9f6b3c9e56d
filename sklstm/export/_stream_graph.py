"""The graph of a causal model: new timesteps and a state in, predictions and the new state out."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from torch import nn

from sklstm._sequences import Array
from sklstm.export._columns import write_embedded, write_static
from sklstm.export._graph import Graph, Padded, Value, integers, numbers
from sklstm.export._model import Exported, write_inputs, write_static_input, write_x
from sklstm.export._network import layers_of, weights_of, width_of, write_head
from sklstm.export._tasks import write_predictions
from sklstm.export._tokens import write_embedding
from sklstm.nn._encoder import LSTMLayer
from sklstm.nn._network import SequenceNetwork
from sklstm.nn._pooling import OFFSET, LastPooling, MaxPooling, MeanPooling

X = "x"
# Of an output, before the name of the input that it becomes.
NEW = "new_"
# What pooling by the maximum begins with: states are from -1 to 1.
LEAST = np.float32(-1)


class Part(NamedTuple):
    """An array of the state, of shape (batch, *shape); zeros before the first timestep."""

    dtype: npt.DTypeLike
    shape: tuple[int, ...]


def state_of(network: SequenceNetwork) -> dict[str, Part]:
    """The arrays of the state by name, as of ``Stream.state_dict``."""
    layers = layers_of(network.encoder)
    parts = {
        f"{kind}_{i}": Part(np.float32, (width_of(layer),))
        for i, layer in enumerate(layers)
        for kind in ("hidden", "cell")
    }
    if isinstance(network.pooling, LastPooling):
        return parts
    # The sum of a mean is exact in double.
    dtype = np.float64 if isinstance(network.pooling, MeanPooling) else np.float32
    parts["total"] = Part(dtype, (width_of(layers[-1]),))
    parts["n_timesteps"] = Part(np.int64, ())
    return parts


def write_stream_graph(exported: Exported) -> Graph:
    """The graph of a causal model."""
    graph, network = Graph(), exported.estimator.net_.module_
    assert isinstance(network, SequenceNetwork)
    x = write_x(exported, graph)
    static = write_static_input(exported, graph)
    for name, (dtype, shape) in state_of(network).items():
        graph.input(name, dtype, ["batch", *shape])
    # Of these, nothing is padding.
    inputs = write_inputs(exported, Padded(graph, x, None))
    pooled_BTD, new = _write_network(network, inputs)
    if network.static is not None and static is not None:
        encoded_BS = write_static(network.static, graph, static)
        pooled_BTD = _beside(inputs.with_values(pooled_BTD), encoded_BS)
    width = _width_of_head(network)
    # As rows: onnxruntime 1.32 crashes when it optimises Transpose, Cast to double and MatMul.
    outputs = write_head(network.head, graph, graph.reshape(pooled_BTD, -1, width))
    _write_outputs(exported, graph, outputs)
    for name, (dtype, shape) in state_of(network).items():
        graph.output(NEW + name, new[name], dtype, ["batch", *shape])
    return graph


def _width_of_head(network: SequenceNetwork) -> int:
    first = next(layer for layer in network.head if isinstance(layer, nn.Linear))
    return first.in_features


def _write_outputs(exported: Exported, graph: Graph, rows: Value) -> None:
    """Declare predictions after each timestep by outputs (B * T, C)."""
    sizes = graph.add("Shape", X, start=0, end=2)
    for name, (value, dtype, shape) in write_predictions(exported.fitted.task, graph, rows).items():
        both = graph.concat([sizes, *([integers(*shape)] if shape else [])], 0)
        after_each = graph.add("Reshape", value, both)
        graph.output(name, after_each, dtype, ["batch", "time", *shape])


def _beside(pooled: Padded, encoded_BS: Value) -> Value:
    """Pooled vectors (B, T, D) with the encoded static columns beside each."""
    graph = pooled.graph
    sizes = graph.concat([integers(1), pooled.with_values(X).n_timesteps, integers(1)], 0)
    repeated = graph.add("Expand", graph.unsqueeze(encoded_BS, 1), sizes)
    return graph.concat([pooled.values, repeated], 2)


def _write_network(network: SequenceNetwork, inputs: Padded) -> tuple[Value, dict[str, Value]]:
    """Pooled vectors after each timestep (B, T, D), and the new state."""
    graph, new = inputs.graph, dict[str, Value]()
    if network.embedding is not None:
        inputs = write_embedding(numbers(network.embedding.weight), None, inputs)
    if network.categories is not None:
        inputs = inputs.with_values(write_embedded(network.categories, graph, inputs.values))
    states = inputs
    for i, layer in enumerate(layers_of(network.encoder)):
        names = f"hidden_{i}", f"cell_{i}"
        states_BTD, *last = _write_layer(layer, states, *names)
        new |= zip(names, last, strict=True)
        states = inputs.with_values(states_BTD)
    pooled_BTD, of_pooling = _write_pooling(network.pooling, states)
    return pooled_BTD, new | of_pooling


def _write_layer(
    layer: LSTMLayer, inputs: Padded, hidden_BH: Value, cell_BH: Value
) -> tuple[Value, Value, Value]:
    """States (B, T, H), and the last hidden and cell states (B, H)."""
    graph, lstm = inputs.graph, layer.forwards.lstm
    inputs_TBF = graph.transpose(inputs.values, 1, 0, 2)
    weights: list[Array] = [part[np.newaxis] for part in weights_of(lstm)]
    initial = (graph.unsqueeze(state, 0) for state in (hidden_BH, cell_BH))
    states_T1BH, *last_1BH = graph.add_all(
        "LSTM", inputs_TBF, *weights, None, *initial, n_outputs=3, hidden_size=lstm.hidden_size
    )
    hidden, cell = (graph.add("Squeeze", state, integers(0)) for state in last_1BH)
    states_BT1H = graph.transpose(states_T1BH, 2, 0, 1, 3)
    return graph.reshape(states_BT1H, 0, 0, lstm.hidden_size), hidden, cell


def _write_pooling(pooling: nn.Module, states: Padded) -> tuple[Value, dict[str, Value]]:
    """Pooled vectors after each timestep (B, T, D), and the new state of the pooling."""
    graph = states.graph
    if isinstance(pooling, LastPooling):
        return states.values, {}
    earlier_B1 = graph.unsqueeze("n_timesteps", 1)
    steps = graph.add("Add", states.with_values(X).steps, np.int64(1))
    counts_BT = graph.add("Add", earlier_B1, steps)
    if isinstance(pooling, MaxPooling):
        is_new = graph.add("Equal", earlier_B1, np.int64(0))
        before_BD = graph.add("Where", is_new, LEAST, "total")
        totals_TBD = graph.running_max(before_BD, graph.transpose(states.values, 1, 0, 2))
        pooled = totals = graph.transpose(totals_TBD, 1, 0, 2)
    else:
        assert isinstance(pooling, MeanPooling)
        # As `on_grid` of the module, so that sums are exact in any order.
        rounded = graph.add("Add", graph.cast(states.values, np.float64), np.float64(OFFSET))
        rounded = graph.add("Sub", rounded, np.float64(OFFSET))
        sums = graph.add("CumSum", rounded, np.int64(1))
        totals = graph.add("Add", sums, graph.unsqueeze("total", 1))
        divisors = graph.unsqueeze(graph.cast(counts_BT, np.float32), 2)
        pooled = graph.add("Div", graph.cast(totals, np.float32), divisors)
    last = np.int64(-1)
    return pooled, {
        "total": graph.add("Gather", totals, last, axis=1),
        "n_timesteps": graph.add("Gather", counts_BT, last, axis=1),
    }
