"""Nodes of a `SequenceNetwork`: LSTM layers, pooling, convolutional branch and dense head."""

from __future__ import annotations

import numpy as np
from torch import nn

from sklstm._sequences import Array
from sklstm.export._columns import write_embedded, write_static
from sklstm.export._graph import Graph, Padded, Value, integers, numbers
from sklstm.nn._convolution import ConvolutionBranch, ConvolutionLayer, SqueezeExcite
from sklstm.nn._encoder import LSTM, LSTMEncoder, LSTMLayer
from sklstm.nn._head import DenseHead
from sklstm.nn._linear import TimestepLinear
from sklstm.nn._network import SequenceNetwork
from sklstm.nn._normalization import EPSILON
from sklstm.nn._pooling import AttentionPooling, LastPooling, MaxPooling, MeanPooling


def write_network(network: SequenceNetwork, inputs: Padded, static: Value | None) -> Value:
    """Outputs (B, C), float64, of features (B, T, F) or embedded tokens."""
    graph = inputs.graph
    if network.categories is not None:
        inputs = inputs.with_values(write_embedded(network.categories, graph, inputs.values))
    width = layers_of(network.encoder)[0].forwards.lstm.input_size
    patches = inputs.patches(network.patch_size, width // network.patch_size)
    pooled = [write_encoder(network, patches)]
    if network.convolutions is not None:
        pooled.append(write_branch(network.convolutions, patches))
    if network.static is not None and static is not None:
        pooled.append(write_static(network.static, graph, static))
    return write_head(network.head, graph, graph.concat(pooled, 1))


# LSTM layers --------------------------------------------------------------------------------------


def write_encoder(network: SequenceNetwork, inputs: Padded) -> Value:
    """Pooled states (B, D)."""
    graph = inputs.graph
    assert inputs.lengths is not None
    lengths = graph.cast(inputs.lengths, np.int32)
    states_TBF = graph.transpose(inputs.values, 1, 0, 2)
    *layers, last = layers_of(network.encoder)
    for layer in layers:
        all_TSBH, _ = _write_layer(layer, graph, states_TBF, lengths)
        states_TBF = graph.reshape(graph.transpose(all_TSBH, 0, 2, 1, 3), 0, 0, width_of(layer))
    all_TSBH, last_SBH = _write_layer(last, graph, states_TBF, lengths)
    return _write_pooling(network.pooling, inputs, all_TSBH, last_SBH, width_of(last))


def layers_of(encoder: LSTMEncoder) -> list[LSTMLayer]:
    """The stacked layers."""
    return [layer for layer in encoder.layers if isinstance(layer, LSTMLayer)]


def width_of(layer: LSTMLayer) -> int:
    """Number of units in all directions."""
    return sum(direction.lstm.hidden_size for direction in layer.directions())


def _write_layer(
    layer: LSTMLayer, graph: Graph, inputs_TBF: Value, lengths: Value
) -> tuple[Value, Value]:
    """States (T, S, B, H) of S directions, and those that each has read last (S, B, H)."""
    lstms = [direction.lstm for direction in layer.directions()]
    weights = zip(*map(weights_of, lstms), strict=True)
    states, last, _ = graph.add_all(
        "LSTM",
        inputs_TBF,
        *map(np.stack, weights),
        lengths,
        n_outputs=3,
        hidden_size=lstms[0].hidden_size,
        direction="bidirectional" if len(lstms) == 2 else "forward",
    )
    return states, last


def weights_of(lstm: LSTM) -> tuple[Array, Array, Array]:
    """Weights of inputs and of states, and biases, the gates in ONNX's order."""
    biases = [_reordered(numbers(b)) for b in (lstm.bias_ih_l0, lstm.bias_hh_l0)]
    weights = [_reordered(numbers(w)) for w in (lstm.weight_ih_l0, lstm.weight_hh_l0)]
    return weights[0], weights[1], np.concatenate(biases)


def _reordered(rows: Array) -> Array:
    """Gates i, f, g, o of torch as i, o, f, g."""
    i, f, g, o = np.split(rows, 4)
    return np.concatenate([i, o, f, g])


def _write_pooling(
    pooling: nn.Module, inputs: Padded, all_TSBH: Value, last_SBH: Value, width: int
) -> Value:
    graph = inputs.graph
    if isinstance(pooling, AttentionPooling):
        states_BTD = graph.reshape(graph.transpose(all_TSBH, 2, 0, 1, 3), 0, 0, width)
        return _write_attention(pooling, inputs.with_values(states_BTD))
    if isinstance(pooling, LastPooling):
        return _side_by_side(graph, last_SBH, width)
    mask = inputs.mask("T1B1")
    if isinstance(pooling, MaxPooling):
        real = graph.add("Where", mask, all_TSBH, np.float32(-np.inf))
        return _side_by_side(graph, graph.reduce("Max", real, 0), width)
    assert isinstance(pooling, MeanPooling)
    real = graph.add("Where", mask, all_TSBH, np.float32(0))
    sums = _side_by_side(graph, graph.reduce("Sum", real, 0), width)
    return graph.add("Div", sums, inputs.n_real(np.float32, 1))


def _side_by_side(graph: Graph, pooled_SBH: Value, width: int) -> Value:
    """Vectors (B, D) of all directions."""
    return graph.reshape(graph.transpose(pooled_SBH, 1, 0, 2), -1, width)


def _write_attention(pooling: AttentionPooling, states: Padded) -> Value:
    graph = states.graph
    hidden = graph.add("Tanh", write_timestep_linear(pooling.projection, graph, states.values))
    scores_BT1 = write_timestep_linear(pooling.context, graph, hidden)
    real = graph.add("Where", states.mask("BT1"), scores_BT1, np.float32(-np.inf))
    weights_B1T = graph.add("Softmax", graph.transpose(real, 0, 2, 1), axis=2)
    pooled_B1D = graph.add("MatMul", weights_B1T, states.values)
    return graph.add("Squeeze", pooled_B1D, integers(1))


# Convolutions -------------------------------------------------------------------------------------


def write_branch(branch: ConvolutionBranch, inputs: Padded) -> Value:
    """Pooled output (B, D) of a convolutional branch."""
    graph = inputs.graph
    values_BFT = graph.transpose(inputs.values, 0, 2, 1)
    for layer in branch.layers:
        assert isinstance(layer, ConvolutionLayer)
        values_BFT = _write_convolution(layer, inputs, values_BFT)
    return _mean_over_time(inputs, values_BFT)


def _write_convolution(layer: ConvolutionLayer, inputs: Padded, values_BFT: Value) -> Value:
    graph, norm = inputs.graph, layer.normalization
    # Batch normalisation is part of the weights, which are computed in float64.
    scale = norm.weight.double() / (norm.variance.double() + EPSILON).sqrt()
    weight = layer.convolution.weight.double() * scale[:, None, None]
    bias = norm.bias.double() - norm.mean.double() * scale
    pads = list(layer.convolution.reach)
    filtered = graph.add("Conv", values_BFT, numbers(weight), numbers(bias), pads=pads)
    active = graph.add("Relu", filtered)
    active = graph.add("Where", inputs.mask("B1T"), active, np.float32(0))
    if layer.squeeze_excite is None:
        return active
    return _write_squeeze(layer.squeeze_excite, inputs, active)


def _write_squeeze(block: SqueezeExcite, inputs: Padded, values_BDT: Value) -> Value:
    graph = inputs.graph
    squeeze, excite = (numbers(part.weight).T for part in (block.squeeze, block.excite))
    means = _mean_over_time(inputs, values_BDT)
    squeezed = graph.add("Relu", graph.add("MatMul", means, squeeze))
    factors = graph.add("Sigmoid", graph.add("MatMul", squeezed, excite))
    return graph.add("Mul", values_BDT, graph.unsqueeze(factors, 2))


def _mean_over_time(inputs: Padded, values_BDT: Value) -> Value:
    """Means (B, D) of values whose padding is 0."""
    sums = inputs.graph.reduce("Sum", values_BDT, 2)
    return inputs.graph.add("Div", sums, inputs.n_real(np.float32, 1))


# Linear layers ------------------------------------------------------------------------------------


def write_head(head: DenseHead, graph: Graph, pooled_BD: Value) -> Value:
    """Outputs (B, C), float64."""
    values = graph.cast(pooled_BD, np.float64)
    for layer in head:
        if isinstance(layer, nn.Linear):
            values = write_linear(layer, graph, values)
        elif isinstance(layer, nn.ReLU):
            values = graph.add("Relu", values)
    return values


def write_linear(layer: nn.Linear, graph: Graph, values: Value) -> Value:
    """A linear layer of vectors (B, D), float64, computed in float64 as in the estimators."""
    weight = graph.cast(graph.constant(numbers(layer.weight).T), np.float64)
    product = graph.add("MatMul", values, weight)
    for bias in biases_of(layer):
        product = graph.add("Add", product, bias.astype(np.float64))
    return product


def write_timestep_linear(layer: TimestepLinear, graph: Graph, values: Value) -> Value:
    """A linear layer of each timestep (B, T, D), float32."""
    product = graph.add("MatMul", values, numbers(layer.weight).T)
    for bias in biases_of(layer):
        product = graph.add("Add", product, bias)
    return product


def biases_of(layer: nn.Linear) -> list[Array]:
    """The bias of a linear layer, if it has one."""
    return [numbers(bias) for name, bias in layer.named_parameters() if name == "bias"]
