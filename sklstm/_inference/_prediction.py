"""Inference: outputs and pooled vectors of a trained network in mini-batches."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import torch

from sklstm._batching._buckets import prediction_batches
from sklstm._batching._loader import Source
from sklstm._runtime._concurrency import ThreadTeam, run_all
from sklstm._runtime._heap import kept_heap
from sklstm._runtime._modes import own_modes
from sklstm._runtime._threads import thread_team
from sklstm._runtime._within import within
from sklstm._sequences import Array, IntArray, Sequences, all_finite
from sklstm.nn import ConvolutionEnsemble, SequenceNetwork
from sklstm.nn._ensemble import Ensemble

# Maximum number of timesteps, padding included, and of sequences per batch: larger batches are not
# faster (benchmarks/LOG.md).
MAX_TIMESTEPS, MAX_SEQUENCES = 16_384, 512
# The same with fixed convolutions: hundreds of responses each timestep, thousands of numbers each
# sequence.
MAX_CONVOLVED_TIMESTEPS, MAX_CONVOLVED_SEQUENCES = 2048, 128
# Maximum number of tasks that a team is given, of some kilobytes each.
MAX_TASKS = 512


def embed(
    network: SequenceNetwork | Ensemble, source: Source, team: ThreadTeam | None = None
) -> Array:
    """Pooled vectors in the order of the sequences, shape (n, D), float32."""
    return _compute(network, network.embed, network.output_size, source, team)


def compute_outputs(
    network: SequenceNetwork | Ensemble, source: Source, team: ThreadTeam | None = None
) -> Array:
    """Outputs of the network in the order of the sequences, shape (n, n_outputs), float64."""
    outputs = _compute(network, network, network.n_classes, source, team)
    return outputs.astype(np.float64)


def compute_members(ensemble: Ensemble, source: Source) -> Array:
    """Outputs of network and linear model of an ensemble, shape (n, 2, n_outputs), float64."""

    def compute(*inputs: torch.Tensor) -> torch.Tensor:
        return torch.cat(ensemble.members(*inputs), dim=1)

    outputs = _compute(ensemble, compute, 2 * ensemble.n_classes, source, None)
    return outputs.reshape(len(outputs), 2, -1).astype(np.float64)


def convolved_batches(lengths: IntArray) -> list[IntArray]:
    """Indices of each batch that fixed convolutions are computed of."""
    return prediction_batches(lengths, MAX_CONVOLVED_TIMESTEPS, MAX_CONVOLVED_SEQUENCES)


def _compute(
    network: SequenceNetwork | Ensemble,
    function: Callable[..., torch.Tensor],
    width: int,
    source: Source,
    team: ThreadTeam | None,
) -> Array:
    """Values of a function of padded batches, shape (n, width), float32.

    Batches run in parallel on the ``team``; if None, on a new team of torch's number of threads.
    """
    # Only if needed: setting the mode of all modules takes as long as a short sequence.
    if network.training:
        network.eval()
    outputs = np.empty((len(source.host_lengths), width), dtype=np.float32)

    def work(batches: list[IntArray]) -> None:
        for indices in batches:
            outputs[indices] = function(*source.batch(indices)).cpu().numpy()

    if isinstance(network, ConvolutionEnsemble):
        batches = convolved_batches(source.host_lengths)
    else:
        batches = prediction_batches(source.host_lengths, MAX_TIMESTEPS, MAX_SEQUENCES)
    size = -(-len(batches) // MAX_TASKS)
    tasks = [partial(work, batches[i : i + size]) for i in range(0, len(batches), size)]
    modes = own_modes(gradients=False)
    if team is not None or len(batches) == 1:
        within([modes], lambda: run_all(tasks, team))
    else:
        own = thread_team(source.device)
        within([modes, kept_heap(), own], lambda: run_all(tasks, own.team))
    return outputs


def check_outputs(outputs: Array, sequences: Sequences) -> Array:
    """Return finite outputs; raise an error that names the first sequence of others."""
    if all_finite(outputs):
        return outputs
    first = int(np.flatnonzero(~np.isfinite(outputs).all(axis=1))[0])
    largest = np.abs(sequences.take([first]).values).max()
    raise ValueError(
        f"X[{first}] is too large for this network: its outputs overflow float32. The largest"
        f" absolute value is {largest:.3g}.\n\nScale X as the training sequences, or train with"
        " standardize=True."
    )
