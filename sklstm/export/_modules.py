"""Nodes of what an estimator has fitted: a network, or an ensemble with a linear model."""

from __future__ import annotations

from typing import Any

import numpy as np

from sklstm.export._columns import write_expanded
from sklstm.export._fixed_convolutions import write_fixed_convolutions
from sklstm.export._graph import Padded, Value, numbers
from sklstm.export._network import write_linear, write_network
from sklstm.export._tokens import write_embedding, write_tfidf
from sklstm.nn._ensemble import ConvolutionEnsemble, Ensemble, TokenEnsemble
from sklstm.nn._network import SequenceNetwork


def write_outputs(module: Any, inputs: Padded, static: Value | None) -> Value:
    """Outputs (B, C), float64, of features (B, T, F) or token ids (B, T), whose padding is 0."""
    if isinstance(module, ConvolutionEnsemble):
        return _write_convolution_ensemble(module, inputs, static)
    if isinstance(module, TokenEnsemble):
        return _write_token_ensemble(module, inputs, static)
    assert isinstance(module, SequenceNetwork)
    if module.embedding is not None:
        inputs = write_embedding(numbers(module.embedding.weight), None, inputs)
    return write_network(module, inputs, static)


def _write_convolution_ensemble(
    ensemble: ConvolutionEnsemble, inputs: Padded, static: Value | None
) -> Value:
    graph = inputs.graph
    summaries, windows = write_fixed_convolutions(ensemble.convolutions, inputs)
    of_network = write_network(ensemble.network, windows or inputs, static)
    read = graph.concat([summaries, *_expanded(ensemble, inputs, static)], 1)
    of_linear = write_linear(ensemble.linear, graph, graph.cast(read, np.float64))
    return _write_sum(ensemble, inputs, of_network, of_linear)


def _write_token_ensemble(ensemble: TokenEnsemble, ids: Padded, static: Value | None) -> Value:
    graph, embedding = ids.graph, ensemble.network.embedding
    assert embedding is not None
    is_rare = ensemble.is_rare.cpu().numpy()
    embedded = write_embedding(numbers(embedding.weight), is_rare, ids)
    of_network = write_network(ensemble.network, embedded, static)
    of_linear = write_tfidf(ensemble.linear, ids)
    for expanded in _expanded(ensemble, ids, static):
        assert ensemble.linear_static is not None
        columns = graph.cast(expanded, np.float64)
        of_static = write_linear(ensemble.linear_static, graph, columns)
        of_linear = graph.add("Add", of_linear, of_static)
    return _write_sum(ensemble, ids, of_network, of_linear)


def _expanded(ensemble: Ensemble, inputs: Padded, static: Value | None) -> list[Value]:
    """Static columns as the linear model reads them, if there are any."""
    encoder = ensemble.network.static
    if encoder is None or static is None:
        return []
    return [write_expanded(encoder, inputs.graph, static)]


def _write_sum(ensemble: Ensemble, inputs: Padded, of_network: Value, of_linear: Value) -> Value:
    graph, shares = inputs.graph, numbers(ensemble.shares).astype(np.float64)
    parts = zip((of_network, of_linear), shares, strict=True)
    return graph.add("Add", *(graph.add("Mul", *part) for part in parts))
