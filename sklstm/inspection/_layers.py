"""Layers of a network, in the order of computation, with their parameters and their cost."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import cast

from torch import Tensor, nn

from sklstm.inspection._model_summary import LayerSummary
from sklstm.nn._categories import StaticEncoder
from sklstm.nn._convolution import ConvolutionBranch, ConvolutionLayer
from sklstm.nn._encoder import LSTMLayer
from sklstm.nn._ensemble import ConvolutionEnsemble, Ensemble, TokenEnsemble, network_of
from sklstm.nn._fixed_convolutions import FixedConvolutions
from sklstm.nn._linear import Linear
from sklstm.nn._network import SequenceNetwork
from sklstm.nn._pooling import AttentionPooling, LastPooling, MaxPooling, MeanPooling

POOLINGS = {
    AttentionPooling: "Attention pooling",
    LastPooling: "Last state",
    MaxPooling: "Max pooling",
    MeanPooling: "Mean pooling",
}

Shape = tuple[str | int, ...]


def layers_of(module: SequenceNetwork | Ensemble) -> list[LayerSummary]:
    """The layers of a network, or of an ensemble with one; together they hold all parameters."""
    if not isinstance(module, Ensemble):
        return list(_of_network(module, "", "T"))
    return list(_of_ensemble(module))


def patch_size_of(module: SequenceNetwork | Ensemble) -> int:
    """Number of timesteps that the LSTM layers read as one."""
    if isinstance(module, ConvolutionEnsemble) and module.convolutions.window_size is not None:
        return module.convolutions.window_size
    return network_of(module).patch_size


def _of_ensemble(ensemble: Ensemble) -> Iterator[LayerSummary]:
    steps = "T"
    if isinstance(ensemble, ConvolutionEnsemble):
        convolutions = ensemble.convolutions
        yield from _of_fixed_convolutions(convolutions)
        steps = "T" if convolutions.window_size in (None, 1) else "P"
    yield from _of_network(ensemble.network, "network.", steps)
    shape: Shape = ("B", ensemble.n_classes)
    if isinstance(ensemble, ConvolutionEnsemble):
        cost = ensemble.linear.weight.numel()
        yield _layer("linear", "Linear model", shape, ensemble.linear, cost)
    if isinstance(ensemble, TokenEnsemble):
        yield _layer("linear", "Linear model of TF-IDF", shape, ensemble.linear)
        static = ensemble.linear_static
        if static is not None:
            cost = static.weight.numel()
            yield _layer("linear_static", "Linear model of static columns", shape, static, cost)
    own = [*ensemble.parameters(recurse=False), *ensemble.buffers(recurse=False)]
    yield _counted("shares", "Weighted sum", shape, own)


def _of_fixed_convolutions(convolutions: FixedConvolutions) -> Iterator[LayerSummary]:
    n_dilations, n_kernels, size = convolutions.kernels.shape
    # Of features and of their differences, each kernel of all of them.
    cost = n_dilations * 2 * n_kernels * size * convolutions.channels.shape[2]
    projection, window = convolutions.projection, convolutions.window_size
    of_projection = [] if projection is None else list(projection.parameters())
    own = [t for t in _tensors(convolutions) if not any(t is other for other in of_projection)]
    shape: Shape = ("B", convolutions.n_features)
    yield _counted("convolutions", "Fixed convolutions", shape, own, cost, "timestep")
    if projection is not None:
        shape = ("B", "T" if window == 1 else "P", convolutions.output_size)
        cost, name = projection.weight.numel(), "convolutions.projection"
        yield _layer(name, "Windows, projected", shape, projection, cost, "patch")


def _of_network(network: SequenceNetwork, prefix: str, steps: str) -> Iterator[LayerSummary]:
    """Layers of a network that reads timesteps "T", or patches "P" of them."""
    per = "timestep" if steps == "T" else "patch"
    if network.embedding is not None:
        shape: Shape = ("B", steps, network.embedding.embedding_dim)
        yield _layer(f"{prefix}embedding", "Embedding", shape, network.embedding)
    if network.categories is not None:
        categories = network.categories
        shape, cost = ("B", steps, categories.output_size), _numel(categories)
        yield _layer(f"{prefix}categories", "Category embedding", shape, categories, cost, per)
    if network.patch_size > 1:
        steps, per = "P", "patch"
    yield from _of_encoder(network, prefix, steps, per)
    if network.convolutions is not None:
        yield from _of_branch(network.convolutions, f"{prefix}convolutions", steps, per)
    if network.static is not None:
        yield _of_static(network.static, f"{prefix}static")
    yield from _of_head(network, f"{prefix}head")


def _of_encoder(
    network: SequenceNetwork, prefix: str, steps: str, per: str
) -> Iterator[LayerSummary]:
    encoder, pooling = network.encoder, network.pooling
    for i, layer in enumerate(encoder.layers):
        yield _of_lstm(cast("LSTMLayer", layer), f"{prefix}encoder.layers.{i}", steps, per)
    kind = next(name for type_, name in POOLINGS.items() if isinstance(pooling, type_))
    shape, cost = ("B", encoder.output_size), _matrices(pooling)
    yield _layer(f"{prefix}pooling", kind, shape, pooling, cost, per)


def _of_lstm(layer: LSTMLayer, name: str, steps: str, per: str) -> LayerSummary:
    lstms = [direction.lstm for direction in layer.directions()]
    kind = "LSTM" if len(lstms) == 1 else "Bidirectional LSTM"
    shape = ("B", steps, sum(lstm.hidden_size for lstm in lstms))
    tensors, cost = list(chain.from_iterable(map(_tensors, lstms))), sum(map(_matrices, lstms))
    return _counted(name, kind, shape, tensors, cost, per)


def _of_branch(
    branch: ConvolutionBranch, name: str, steps: str, per: str
) -> Iterator[LayerSummary]:
    for i, layer in enumerate(branch.layers):
        yield from _of_convolution(
            cast("ConvolutionLayer", layer), f"{name}.layers.{i}", steps, per
        )
    yield _layer(f"{name}.pooling", "Mean pooling", ("B", branch.output_size), branch.pooling)


def _of_convolution(
    layer: ConvolutionLayer, name: str, steps: str, per: str
) -> Iterator[LayerSummary]:
    weight, norm, squeeze = layer.convolution.weight, layer.normalization, layer.squeeze_excite
    shape = ("B", steps, len(weight))
    tensors = [weight, *_tensors(norm)]
    yield _counted(name, "Convolution, batch norm, ReLU", shape, tensors, weight.numel(), per)
    if squeeze is not None:
        kind, cost = "Squeeze-and-excitation", _matrices(squeeze)
        yield _layer(f"{name}.squeeze_excite", kind, shape, squeeze, cost)


def _of_static(static: StaticEncoder, name: str) -> LayerSummary:
    cost = _numel(static.embedding)
    return _layer(name, "Static columns", ("B", static.output_size), static, cost)


def _of_head(network: SequenceNetwork, name: str) -> Iterator[LayerSummary]:
    dense = [(i, layer) for i, layer in enumerate(network.head) if isinstance(layer, Linear)]
    for i, layer in dense:
        kind = "Output" if i == dense[-1][0] else "Dense, ReLU"
        shape, cost = ("B", layer.out_features), layer.weight.numel()
        yield _layer(f"{name}.{i}", kind, shape, layer, cost)


def _layer(
    name: str, kind: str, shape: Shape, module: nn.Module, cost: int = 0, per: str = "sequence"
) -> LayerSummary:
    return _counted(name, kind, shape, _tensors(module), cost, per)


def _counted(
    name: str, kind: str, shape: Shape, tensors: list[Tensor], cost: int = 0, per: str = "sequence"
) -> LayerSummary:
    n_trained = sum(tensor.numel() for tensor in tensors if tensor.requires_grad)
    n_fixed = sum(tensor.numel() for tensor in tensors) - n_trained
    n_bytes = sum(tensor.numel() * tensor.element_size() for tensor in tensors)
    return LayerSummary(name, kind, shape, n_trained, n_fixed, n_bytes, cost, per)


def _tensors(module: nn.Module) -> list[Tensor]:
    return [*module.parameters(), *module.buffers()]


def _numel(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _matrices(module: nn.Module) -> int:
    """Number of weights of matrices, each of which is multiplied by once."""
    return sum(parameter.numel() for parameter in module.parameters() if parameter.ndim > 1)
