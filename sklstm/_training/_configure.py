"""Resolution of options and data to a configuration, and construction of the network."""

from __future__ import annotations

from dataclasses import fields, replace
from inspect import signature
from typing import Any

import numpy as np
import torch

from sklstm._config._configuration import Configuration, NetworkConfiguration
from sklstm._config._options import ARCHITECTURE, Options, is_auto
from sklstm._data._auto import resolve_auto, typical_length
from sklstm._runtime._device import resolve_device, resolve_precision
from sklstm._sequences import AnySequences, Array
from sklstm._training._callbacks import sets_learning_rate
from sklstm._validation._columns import Widths
from sklstm._validation._forms import as_host
from sklstm.nn import SequenceNetwork
from sklstm.nn._categories import StaticEncoder
from sklstm.nn._embedding import build_embedding
from sklstm.nn._ensemble import ConvolutionEnsemble, Ensemble, TokenEnsemble
from sklstm.nn._fixed_convolutions import FixedConvolutions

NETWORK_ARGUMENTS = frozenset(signature(SequenceNetwork).parameters)


def configure(
    options: Options,
    sequences: AnySequences,
    *,
    n_outputs: int,
    seed: int,
    vocabulary_size: int | None = None,
    predicts_numbers: bool = False,
    widths: Widths = Widths(),  # noqa: B008  (immutable)
    previous: NetworkConfiguration | None = None,
) -> Configuration:
    """Resolve all options that are "auto" or None for training on these sequences.

    ``vocabulary_size`` None means measurements, not token ids; ``widths`` are those of categories
    and static columns. In further training, architecture options at "auto" keep the values of the
    ``previous`` network.
    """
    if previous is not None:
        kept = [name for name in ARCHITECTURE if is_auto(getattr(options, name))]
        options = replace(options, **{name: getattr(previous, name) for name in kept})
    resolved: dict[str, Any] = {f.name: getattr(options, f.name) for f in fields(options)}
    resolved |= resolve_auto(options, sequences, predicts_numbers=predicts_numbers)
    device, callbacks = resolve_device(options.device), tuple(options.callbacks or ())
    resolved |= {
        "device": device,
        "precision": resolve_precision(options.precision, device, options.hidden_sizes),
        "callbacks": callbacks,
        # A scheduler among the callbacks replaces lr_schedule.
        "lr_schedule": None if sets_learning_rate(callbacks) else options.lr_schedule,
    }
    n_features, weights = sequences.n_features, options.embedding_weights
    if weights is not None:
        weights = np.array(as_host(weights), dtype=np.float32)
    if vocabulary_size is not None:
        n_features = weights.shape[1] if weights is not None else options.embedding_dim or 0
    resolved |= {"vocabulary_size": vocabulary_size, "embedding_weights": weights}
    n_timesteps = typical_length(sequences.lengths)
    resolved |= {"n_features": n_features, "n_outputs": n_outputs, "random_state": seed}
    resolved |= widths._asdict()
    resolved["n_timesteps"] = n_timesteps if previous is None else previous.n_timesteps
    return Configuration(**resolved)


def build_network(
    network: NetworkConfiguration, embedding_weights: Array | None = None
) -> SequenceNetwork | Ensemble:
    """Build a newly initialized network, its embedding pretrained if weights are given."""
    options = {name: value for name, value in vars(network).items() if name in NETWORK_ARGUMENTS}
    if network.vocabulary_size is not None:
        weights = None if embedding_weights is None else torch.from_numpy(embedding_weights)
        options["embedding"] = build_embedding(
            network.vocabulary_size, network.n_features, weights, freeze=network.freeze_embedding
        )
    if network.has_static:
        options["static"] = StaticEncoder(network.n_static, network.static_categories)
    options |= {"n_features": network.n_inputs, "n_classes": network.n_outputs}
    # float32 whatever torch's default dtype is.
    if network.has_tfidf:
        n_tokens = options["embedding"].num_embeddings
        return TokenEnsemble(SequenceNetwork(**options), n_tokens).float()
    if network.n_kernels == 0:
        return SequenceNetwork(**options).float()
    window_size = network.patch_size if network.reads_windows else None
    sizes = (network.n_inputs, network.n_timesteps, network.n_kernels)
    convolutions = FixedConvolutions(*sizes, window_size, network.n_categories)
    if network.reads_windows:
        options |= {"n_features": convolutions.output_size, "patch_size": 1, "n_categories": ()}
    return ConvolutionEnsemble(convolutions, SequenceNetwork(**options)).float()
