"""Nodes of a pipeline's transformers of measurements."""

from __future__ import annotations

import numpy as np
from sklearn.preprocessing import MinMaxScaler, StandardScaler

from sklstm._config._options import as_sizes
from sklstm.export._graph import Graph, Padded, Value, integers
from sklstm.export._scaling import ZERO, write_moments, write_scaled_within
from sklstm.preprocessing._flat import merge_windows
from sklstm.preprocessing._imputer import SequenceImputer
from sklstm.preprocessing._rolling import RollingFeatures
from sklstm.preprocessing._scaler import SequenceScaler

NAN = np.float64(np.nan)
QUARTILES = (0.25, 0.5, 0.75)


def write_step(step: object, inputs: Padded) -> Padded:
    """Output (B, T, F) of a fitted transformer; padding of inputs and output is NaN."""
    if isinstance(step, SequenceScaler):
        values = _write_scaler(step, inputs)
    elif isinstance(step, SequenceImputer):
        values = _write_imputer(step, inputs)
    else:
        assert isinstance(step, RollingFeatures)
        values = _write_rolling(step, inputs)
    # The steps compute in double and return the type of X, which is that of the file's input.
    values = inputs.graph.cast(inputs.graph.cast(values, np.float32), np.float64)
    return inputs.with_values(values).masked(NAN)


# SequenceScaler -----------------------------------------------------------------------------------


def _write_scaler(step: SequenceScaler, inputs: Padded) -> Value:
    graph, scaler = inputs.graph, step.scaler_
    if scaler is None:
        return write_scaled_within(inputs, *WITHIN[step.method](inputs))
    # Fitted to float32, scikit-learn's scalers may have such attributes.
    scale = scaler.scale_.astype(np.float64)
    if isinstance(scaler, MinMaxScaler):
        scaled = graph.add("Mul", inputs.values, scale)
        return graph.add("Add", scaled, scaler.min_.astype(np.float64))
    center = scaler.mean_ if isinstance(scaler, StandardScaler) else scaler.center_
    return graph.add("Div", graph.add("Sub", inputs.values, center.astype(np.float64)), scale)


def _observed(inputs: Padded) -> Value:
    """Whether a value is real and not missing."""
    return inputs.graph.add("Not", inputs.graph.add("IsNaN", inputs.values))


def _write_standard(inputs: Padded) -> tuple[Value, Value]:
    return write_moments(inputs, _observed(inputs))


def _write_minmax(inputs: Padded) -> tuple[Value, Value]:
    """Minimum and range of each sequence, (B, 1, F)."""
    graph, observed, bounds = inputs.graph, _observed(inputs), []
    for kind, neutral in (("Min", np.inf), ("Max", -np.inf)):
        real = graph.add("Where", observed, inputs.values, np.float64(neutral))
        bounds.append(graph.reduce(kind, real, 1, keepdims=True))
    return bounds[0], _without_zero(graph, graph.add("Sub", bounds[1], bounds[0]))


def _write_robust(inputs: Padded) -> tuple[Value, Value]:
    """Median and interquartile range of each sequence, (B, 1, F)."""
    graph, observed = inputs.graph, _observed(inputs)
    real = graph.add("Where", observed, inputs.values, np.float64(np.inf))
    ordered, _ = _write_sorted(inputs, real)
    counts = graph.reduce("Sum", graph.cast(observed, np.int64), 1, keepdims=True)
    last = graph.add("Max", graph.add("Sub", counts, np.int64(1)), np.int64(0))
    first, median, third = (_write_quantile(graph, ordered, last, q) for q in QUARTILES)
    return median, _without_zero(graph, graph.add("Sub", third, first))


def _write_quantile(graph: Graph, ordered: Value, last: Value, fraction: float) -> Value:
    """A quantile, linearly interpolated, of ordered values whose last one is at ``last``."""
    rank = graph.add("Mul", graph.cast(last, np.float64), np.float64(fraction))
    below = graph.cast(graph.add("Floor", rank), np.int64)
    above = graph.add("Min", graph.add("Add", below, np.int64(1)), last)
    low, high = (graph.add("GatherElements", ordered, at, axis=1) for at in (below, above))
    share = graph.add("Sub", rank, graph.cast(below, np.float64))
    return graph.add("Add", low, graph.add("Mul", graph.add("Sub", high, low), share))


def _write_sorted(inputs: Padded, values: Value) -> tuple[Value, Value]:
    """Values in ascending order over time, and the timesteps at which they stand."""
    ordered, steps = inputs.graph.add_all(
        "TopK", values, inputs.n_timesteps, n_outputs=2, axis=1, largest=0, sorted=1
    )
    return ordered, steps


def _without_zero(graph: Graph, scale: Value) -> Value:
    """The scale, 1 for a constant feature; the threshold is scikit-learn's."""
    is_constant = graph.add("Less", scale, np.float64(10 * np.finfo(np.float64).eps))
    return graph.add("Where", is_constant, np.float64(1), scale)


WITHIN = {"minmax": _write_minmax, "robust": _write_robust, "standard": _write_standard}


# SequenceImputer ----------------------------------------------------------------------------------


def _write_imputer(step: SequenceImputer, inputs: Padded) -> Value:
    graph, observed = inputs.graph, _observed(inputs)
    filled = inputs.values
    if step.strategy in ("forward", "linear"):
        filled = _write_filled(step.strategy, inputs, observed)
    is_left = graph.add("IsNaN", filled)
    channels = [graph.add("Where", is_left, step.statistics_, filled)]
    if step.add_indicator:
        channels.append(graph.cast(graph.add("Not", observed), np.float64))
    if step.add_time_since:
        channels.append(_write_since(inputs, observed))
    return graph.concat(channels, 2)


def _write_filled(strategy: str, inputs: Padded, observed: Value) -> Value:
    """Values imputed from their own sequence; NaN where a feature has no observation in it."""
    graph = inputs.graph
    before, has_before, after, has_after = _write_neighbours(inputs, observed)
    before = graph.add("Where", has_before, before, after)
    start = graph.add("GatherElements", inputs.values, before, axis=1)
    if strategy == "linear":
        after = graph.add("Where", has_after, after, before)
        end = graph.add("GatherElements", inputs.values, after, axis=1)
        gap = graph.add("Max", graph.add("Sub", after, before), np.int64(1))
        elapsed = graph.cast(graph.add("Sub", _steps_T1(inputs), before), np.float64)
        share = graph.add("Div", elapsed, graph.cast(gap, np.float64))
        change = graph.add("Mul", graph.add("Sub", end, start), share)
        start = graph.add("Add", start, change)
    return graph.add("Where", graph.add("Or", has_before, has_after), start, NAN)


def _write_neighbours(inputs: Padded, flags: Value) -> tuple[Value, Value, Value, Value]:
    """Timesteps of the last flag up to each timestep and of the next one after it, (B, T, F).

    Each with whether there is one. Flags at timesteps 1 and 3 of 5: [1, 3] in order, and
    counts [0, 1, 1, 2, 2] say that timestep 2 lies behind number 0 and before number 1.
    """
    graph = inputs.graph
    no_step = np.int64(np.iinfo(np.int64).max)
    steps = graph.add("Where", flags, _steps_T1(inputs), no_step)
    ordered, _ = _write_sorted(inputs, steps)
    ones = graph.cast(flags, np.int64)
    counts = graph.add("CumSum", ones, np.int64(1))
    total = graph.reduce("Sum", ones, 1, keepdims=True)
    has_before = graph.add("Greater", counts, np.int64(0))
    before = graph.add("Max", graph.add("Sub", counts, np.int64(1)), np.int64(0))
    has_after = graph.add("Less", counts, total)
    after = graph.add("Where", has_after, counts, np.int64(0))
    found = []
    for at, exists in ((before, has_before), (after, has_after)):
        step = graph.add("GatherElements", ordered, at, axis=1)
        found += [graph.add("Where", exists, step, np.int64(0)), exists]
    return found[0], found[1], found[2], found[3]


def _write_since(inputs: Padded, flags: Value) -> Value:
    """Timesteps since the last flag, 0 at it; before the first one counted from the start."""
    graph, steps = inputs.graph, _steps_T1(inputs)
    last, has_last, _, _ = _write_neighbours(inputs, flags)
    since = graph.add("Sub", steps, last)
    from_start = graph.add("Add", steps, np.int64(1))
    return graph.cast(graph.add("Where", has_last, since, from_start), np.float64)


def _steps_T1(inputs: Padded) -> Value:
    return inputs.graph.unsqueeze(inputs.steps, 1)


# RollingFeatures ----------------------------------------------------------------------------------


def _write_rolling(step: RollingFeatures, inputs: Padded) -> Value:
    graph, values = inputs.graph, inputs.values
    channels = [values] if step.append else []
    computed = _write_statistics(step, inputs)
    channels += [computed[name] for name in step.statistics]
    for lag in as_sizes(step.differences):
        earlier = _write_lagged(inputs, values, lag, ZERO)
        change = graph.add("Sub", values, earlier)
        has_earlier = graph.add("GreaterOrEqual", _steps_T1(inputs), np.int64(lag))
        channels.append(graph.add("Where", has_earlier, change, ZERO))
    if step.time_since:
        is_zero = graph.add("Equal", values, ZERO)
        flags = graph.add("And", graph.add("Not", is_zero), _observed(inputs))
        channels.append(_write_since(inputs, flags))
    return graph.concat(channels, 2)


def _write_lagged(inputs: Padded, values: Value, lag: int, fill: np.float64) -> Value:
    """Values ``lag`` timesteps earlier, the fill where there are none."""
    graph = inputs.graph
    longer = graph.add("Pad", values, integers(0, lag, 0, 0, 0, 0), fill)
    return graph.cut(longer, 1, integers(0), inputs.n_timesteps)


State = tuple[Value, ...]


def _write_statistics(step: RollingFeatures, inputs: Padded) -> dict[str, Value]:
    graph, values = inputs.graph, inputs.values
    computed: dict[str, Value] = {}
    for name in ("min", "max"):
        if name in step.statistics:
            computed[name] = _reduce_windows(step.window, inputs, (values,), (NAN,), name)[0]
    if {"mean", "std"} & {*step.statistics}:
        observed = _observed(inputs)
        single = (graph.cast(observed, np.float64), graph.add("Where", observed, values, ZERO),
                  graph.add("Mul", graph.cast(observed, np.float64), ZERO))  # fmt: skip
        neutral = (ZERO, ZERO, ZERO)
        count, mean, squares = _reduce_windows(step.window, inputs, single, neutral, "moments")
        is_empty = graph.add("Equal", count, ZERO)
        divisor = graph.add("Max", count, np.float64(1))
        deviation = graph.add("Sqrt", graph.add("Div", squares, divisor))
        computed["mean"] = graph.add("Where", is_empty, NAN, mean)
        computed["std"] = graph.add("Where", is_empty, NAN, deviation)
    return computed


def _reduce_windows(
    window: int, inputs: Padded, states: State, neutral: tuple[np.float64, ...], kind: str
) -> State:
    """Merged states of the last ``window`` timesteps, by powers of two as in the transformer."""
    merge = {"min": _merge_least, "max": _merge_largest, "moments": _merge_moments}[kind]

    def after(older: State, newer: State, lag: int) -> State:
        pairs = zip(older, neutral, strict=True)
        lagged = tuple(_write_lagged(inputs, state, lag, fill) for state, fill in pairs)
        return merge(inputs.graph, lagged, newer)

    return merge_windows(states, window, after)


def _merge_least(graph: Graph, older: State, newer: State) -> State:
    return _merge_extreme(graph, "Min", older[0], newer[0])


def _merge_largest(graph: Graph, older: State, newer: State) -> State:
    return _merge_extreme(graph, "Max", older[0], newer[0])


def _merge_extreme(graph: Graph, kind: str, older: Value, newer: Value) -> State:
    """The extreme of both; NaN counts for nothing."""
    extreme = graph.add(kind, older, newer)
    extreme = graph.add("Where", graph.add("IsNaN", older), newer, extreme)
    return (graph.add("Where", graph.add("IsNaN", newer), older, extreme),)


def _merge_moments(graph: Graph, older: State, newer: State) -> State:
    """Count, mean and sum of squared deviations of both windows."""
    count = graph.add("Add", older[0], newer[0])
    fraction = graph.add("Div", newer[0], graph.add("Max", count, np.float64(1)))
    difference = graph.add("Sub", newer[1], older[1])
    mean = graph.add("Add", older[1], graph.add("Mul", difference, fraction))
    are_both = graph.add("Greater", graph.add("Mul", older[0], newer[0]), ZERO)
    # Beside an empty window: its count 0 times a square that overflows would be NaN.
    between = graph.add("Where", are_both, difference, ZERO)
    between = graph.add("Mul", graph.add("Mul", between, between), older[0])
    between = graph.add("Mul", between, fraction)
    squares = graph.add("Add", graph.add("Add", older[2], newer[2]), between)
    return count, mean, squares
