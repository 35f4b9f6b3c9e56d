"""Nodes of categories and of static columns."""

from __future__ import annotations

import numpy as np

from sklstm._sequences import Array
from sklstm.export._graph import Graph, Value, integers, numbers
from sklstm.nn._categories import LARGEST, CategoryEmbedding, OneHot, StaticEncoder


def write_embedded(embedding: CategoryEmbedding, graph: Graph, values: Value) -> Value:
    """Numbers, and vectors of codes, (..., D), float32."""
    tables = [np.pad(numbers(vectors), ((1, 0), (0, 0))) for vectors in embedding.vectors]
    return _write_looked_up(embedding, graph, values, tables)


def write_one_hot(one_hot: OneHot, graph: Graph, values: Value) -> Value:
    """Numbers, and one-hot vectors of codes, (..., D), float32."""
    tables = [np.eye(n + 1, n, -1, dtype=np.float32) for n in one_hot.n_categories]
    return _write_looked_up(one_hot, graph, values, tables)


def _write_looked_up(one_hot: OneHot, graph: Graph, values: Value, tables: list[Array]) -> Value:
    """Numbers, and the rows of tables that the codes say; the first one is that of no category."""
    first, parts = one_hot.n_numbers, []
    if first > 0:
        parts.append(graph.cast(_columns(graph, values, 0, first), np.float32))
    for i, table in enumerate(tables, start=first):
        codes = graph.add("Squeeze", _columns(graph, values, i, i + 1), integers(-1))
        codes = graph.cast(codes, np.int64)
        is_known = graph.add("And", graph.add("Greater", codes, np.int64(0)),
                             graph.add("Less", codes, np.int64(len(table))))  # fmt: skip
        codes = graph.add("Where", is_known, codes, np.int64(0))
        parts.append(graph.add("Gather", graph.constant(table), codes))
    return graph.concat(parts, -1)


def _columns(graph: Graph, values: Value, start: int, stop: int) -> Value:
    return graph.cut(values, -1, integers(start), integers(stop))


def write_static(encoder: StaticEncoder, graph: Graph, static: Value) -> Value:
    """What a network reads of static columns, (B, D), float32."""
    vectors = write_embedded(encoder.embedding, graph, _write_encoded(encoder, graph, static))
    return graph.add("Mul", vectors, np.float32(encoder.factor))


def write_expanded(encoder: StaticEncoder, graph: Graph, static: Value) -> Value:
    """What a linear model reads of static columns, (B, P), float32."""
    return write_one_hot(encoder.one_hot, graph, _write_encoded(encoder, graph, static))


def _write_encoded(encoder: StaticEncoder, graph: Graph, static: Value) -> Value:
    """Standardised numbers, indicators of missing ones, and codes; float64."""
    n = encoder.n_numbers
    if n == 0:
        return static
    given = _columns(graph, static, 0, n)
    is_missing = graph.add("IsNaN", given)
    scaled = given
    for part in numbers(encoder.mean).astype(np.float64):
        scaled = graph.add("Sub", scaled, part)
    scaled = graph.add("Div", scaled, numbers(encoder.scale).astype(np.float64))
    scaled = graph.add("Clip", scaled, np.float64(-LARGEST), np.float64(LARGEST))
    scaled = graph.add("Where", is_missing, np.float64(0), scaled)
    missing = graph.cast(is_missing, np.float64)
    missing = graph.add("Mul", missing, numbers(encoder.may_be_missing).astype(np.float64))
    codes = [_columns(graph, static, n, n + len(encoder.one_hot.n_categories))]
    return graph.concat([scaled, missing, *(codes if encoder.one_hot.n_categories else [])], 1)
