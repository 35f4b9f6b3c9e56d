"""Nodes of token ids: embedding and TF-IDF."""

from __future__ import annotations

import numpy as np

from sklstm._sequences import UNKNOWN_ID, Array
from sklstm.export._graph import Padded, Value, integers, numbers
from sklstm.nn._tfidf import FACTOR, SMALLEST_NORM, TfidfLinear


def write_embedding(vectors: Array, is_rare: Array | None, ids: Padded) -> Padded:
    """Vectors (B, T, E) of token ids (B, T), whose padding is 0; rare ones are unknown."""
    if is_rare is not None:
        vectors = np.where(is_rare[:, None], vectors[UNKNOWN_ID], vectors)
    return ids.with_values(ids.graph.add("Gather", ids.graph.constant(vectors), ids.values))


def write_tfidf(linear: TfidfLinear, ids: Padded) -> Value:
    """Outputs (B, C), float64, of token ids (B, T), whose padding is 0."""
    graph = ids.graph
    table = graph.constant(numbers(linear.table))
    sums = graph.reduce("Sum", graph.add("Gather", table, _write_terms(linear, ids)), 1)
    sizes = integers(linear.bias.shape[0], 1)
    sums, squares = graph.add_all("Split", sums, sizes, n_outputs=2, axis=1)
    norms = graph.add("Sqrt", graph.add("Max", squares, np.float32(SMALLEST_NORM**2)))
    outputs = graph.add("Add", graph.add("Div", sums, norms), numbers(linear.bias))
    return graph.cast(outputs, np.float64)


def _write_terms(linear: TfidfLinear, ids: Padded) -> Value:
    """Numbers (B, 2 T) of the tokens and of the pairs of tokens; 0 where there is none."""
    graph, last = ids.graph, integers(np.iinfo(np.int64).max)
    longer = graph.add("Pad", ids.values, integers(0, 0, 0, 1))
    following = graph.cut(longer, 1, integers(1), last)
    hashed = graph.add("Add", graph.add("Mul", ids.values, np.int64(FACTOR)), following)
    buckets = graph.add("Mod", hashed, np.int64(linear.n_buckets))
    pairs = graph.add("Add", buckets, np.int64(linear.vocabulary_size))
    both = (graph.add("Greater", part, np.int64(0)) for part in (ids.values, following))
    is_pair = graph.add("And", *both)
    pairs = graph.add("Where", is_pair, pairs, np.int64(0))
    return graph.concat([ids.values, pairs], 1)
