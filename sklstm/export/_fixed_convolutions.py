"""Nodes of `FixedConvolutions`: responses, counts, competitions and windows."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from sklstm._sequences import Array
from sklstm.export._columns import write_one_hot
from sklstm.export._graph import Graph, Padded, Value, integers, numbers
from sklstm.export._network import write_timestep_linear
from sklstm.nn._competition import GROUP_SIZE
from sklstm.nn._dilated import KERNEL_SIZE
from sklstm.nn._fixed_convolutions import GRID, N_KERNELS, SMALLEST_MEAN, FixedConvolutions


class Features(NamedTuple):
    """Summaries (B, P), float32, and windows (B, W, D), None if there are none."""

    summaries: Value
    windows: Padded | None


def write_fixed_convolutions(convolutions: FixedConvolutions, inputs: Padded) -> Features:
    """Features of sequences (B, T, F), float32, whose padding is 0."""
    graph, size = inputs.graph, convolutions.window_size
    n_groups = convolutions.channels.shape[1] - N_KERNELS
    if convolutions.categories is not None:
        inputs = inputs.with_values(write_one_hot(convolutions.categories, graph, inputs.values))
    inputs = inputs.padded_to_multiple(size or 1)
    counts, results, windows = [], [], []
    pair = _write_pair(convolutions, inputs)
    for i in range(len(convolutions.dilations)):
        for kind, values_BFT in enumerate(pair):
            responses = _write_responses(convolutions, i, graph, values_BFT)
            thresholds = numbers(convolutions.thresholds[i, kind])
            counts.append(_write_proportions(responses[0], thresholds, inputs))
            results += _write_competition(responses[1], n_groups, inputs)
            if size is not None:
                active = _write_activations(convolutions, i, kind, inputs, values_BFT)
                pooled = graph.add("AveragePool", active, kernel_shape=[size], strides=[size])
                windows.append(pooled)
    roots = graph.add("Sqrt", graph.add("Max", graph.concat(results, 1), np.float32(SMALLEST_MEAN)))
    summaries = graph.concat([*counts, roots], 1)
    if size is None:
        return Features(summaries, None)
    return Features(summaries, _write_windows(convolutions, inputs, graph.concat(windows, 1)))


def _write_pair(convolutions: FixedConvolutions, inputs: Padded) -> list[Value]:
    """The sequences and their first differences, both scaled, each (B, F, T)."""
    graph = inputs.graph
    last = integers(np.iinfo(np.int64).max)
    following = graph.concat([graph.cut(inputs.values, 1, integers(1), last),
                              graph.cut(inputs.values, 1, integers(-1), last)], 1)  # fmt: skip
    differences = graph.add("Sub", following, inputs.values)
    # The difference at the last timestep is 0.
    has_next = inputs.mask("BT1", shift=1)
    differences = graph.add("Where", has_next, differences, np.float32(0))
    pair = []
    both = (inputs.values, differences)
    for values, factor in zip(both, numbers(convolutions.factors), strict=True):
        # As in the module: exactly the same numbers.
        scaled = graph.add("Mul", graph.add("Mul", values, factor), np.float32(GRID))
        rounded = graph.add("Mul", graph.add("Round", scaled), np.float32(1 / GRID))
        pair.append(graph.transpose(rounded, 0, 2, 1))
    return pair


def _write_responses(
    convolutions: FixedConvolutions, i: int, graph: Graph, values_BFT: Value
) -> tuple[Value, Value]:
    """Responses (B, K, T) of the kernels with thresholds, and of those that compete."""
    weight = _write_weight(convolutions, i, graph, slice(None))
    responses = graph.add("Conv", values_BFT, weight, **_geometry(convolutions, i))
    sizes = integers(N_KERNELS, convolutions.kernels.shape[1] - N_KERNELS)
    first, second = graph.add_all("Split", responses, sizes, n_outputs=2, axis=1)
    return first, second


def _write_weight(convolutions: FixedConvolutions, i: int, graph: Graph, kernels: slice) -> Value:
    """Weights (K, F, 9) of a dilation, as the product that onnxruntime computes once."""
    channels = convolutions.channels[i]
    # The kernels of a group have the same channels.
    of_kernels = np.concatenate([numbers(channels[:N_KERNELS]),
                                 *[numbers(channels[N_KERNELS:])] * GROUP_SIZE])  # fmt: skip
    weights = numbers(convolutions.kernels[i])[kernels]
    return graph.add("Mul", of_kernels[kernels][:, :, None], weights[:, None])


def _geometry(convolutions: FixedConvolutions, i: int) -> dict[str, list[int]]:
    dilation = convolutions.dilations[i]
    return {"dilations": [dilation], "pads": [KERNEL_SIZE // 2 * dilation] * 2}


def _write_proportions(responses_BKT: Value, thresholds_KQ: Array, inputs: Padded) -> Value:
    """Proportions (B, K Q) of timesteps above thresholds."""
    graph = inputs.graph
    above = graph.add("Greater", graph.unsqueeze(responses_BKT, 2), thresholds_KQ[:, :, None])
    above_BRT = graph.reshape(graph.cast(above, np.float32), 0, thresholds_KQ.size, -1)
    return _write_means(above_BRT, inputs)


def _write_competition(responses_BKT: Value, n_groups: int, inputs: Padded) -> list[Value]:
    """Mean responses won, and proportions of timesteps lost, each (B, K)."""
    graph = inputs.graph
    groups = graph.reshape(responses_BKT, 0, GROUP_SIZE, n_groups, -1)
    results = []
    for kind in ("Max", "Min"):
        best = graph.reduce(kind, groups, 1, keepdims=True)
        result = graph.cast(graph.add("Equal", groups, best), np.float32)
        if kind == "Max":
            result = graph.add("Mul", result, groups)
        results.append(_write_means(graph.reshape(result, 0, GROUP_SIZE * n_groups, -1), inputs))
    return results


def _write_means(values_BKT: Value, inputs: Padded) -> Value:
    """Means (B, K) over the timesteps that are real."""
    graph = inputs.graph
    real_BT1 = graph.cast(inputs.mask("BT1"), np.float32)
    share_BT1 = graph.add("Div", real_BT1, inputs.n_real(np.float32, 1, 2))
    return graph.add("Squeeze", graph.add("MatMul", values_BKT, share_BT1), integers(2))


def _write_activations(
    convolutions: FixedConvolutions, i: int, kind: int, inputs: Padded, values_BFT: Value
) -> Value:
    """Clipped responses (B, K, T), 0 at padding; centre and scale are part of the weights."""
    graph = inputs.graph
    center, scale = (numbers(part[i, kind]) for part in (convolutions.centers, convolutions.scales))
    weight = _write_weight(convolutions, i, graph, slice(N_KERNELS))
    weight = graph.add("Div", weight, scale[:, None, None])
    bias = -center / scale
    responses = graph.add("Conv", values_BFT, weight, bias, **_geometry(convolutions, i))
    active = graph.add("Clip", responses, np.float32(-1), np.float32(1))
    return graph.add("Where", inputs.mask("B1T"), active, np.float32(0))


def _write_windows(convolutions: FixedConvolutions, inputs: Padded, means_BRW: Value) -> Padded:
    """Projected means of windows, and the inputs in them; means are over whole windows so far."""
    graph, projection = inputs.graph, convolutions.projection
    assert projection is not None
    assert inputs.lengths is not None
    size = convolutions.window_size or 1
    patches = inputs.patches(size, convolutions.channels.shape[2])
    starts_BW = graph.add("Mul", patches.steps, np.int64(size))
    n_real = graph.add("Sub", graph.unsqueeze(inputs.lengths, 1), starts_BW)
    n_real = graph.cast(graph.add("Clip", n_real, np.int64(1), np.int64(size)), np.float32)
    factors_B1W = graph.unsqueeze(graph.add("Div", np.float32(size), n_real), 1)
    means_BWR = graph.transpose(graph.add("Mul", means_BRW, factors_B1W), 0, 2, 1)
    projected = write_timestep_linear(projection, graph, means_BWR)
    return patches.with_values(graph.concat([projected, patches.values], 2))
