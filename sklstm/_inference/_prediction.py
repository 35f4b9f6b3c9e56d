"""Inference: outputs and pooled vectors of a trained network in mini-batches."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial

import numpy as np
import torch

from sklstm._batching._buckets import prediction_batches
from sklstm._batching._loader import Source
from sklstm._batching._windows import WindowedSequences
from sklstm._runtime._concurrency import ThreadTeam, run_all
from sklstm._runtime._heap import keep_some, kept_heap
from sklstm._runtime._modes import own_modes
from sklstm._runtime._ranks import Ranks, share_of
from sklstm._runtime._threads import thread_team
from sklstm._runtime._within import within
from sklstm._sequences import Array, IntArray, Sequences, all_finite
from sklstm.nn import ConvolutionEnsemble, SequenceNetwork
from sklstm.nn._ensemble import Ensemble

# Maximum number of timesteps, padding included, and of sequences per batch: on a CPU larger batches
# are not faster (benchmarks/LOG.md), on a GPU they take some hundred MB.
MAX_BATCH = {"cpu": (16_384, 512), "cuda": (2**18, 2**13)}
# The same with fixed convolutions: a thousand responses each timestep, thousands of numbers each
# sequence.
MAX_CONVOLVED = {"cpu": (2048, 128), "cuda": (2**15, 2**11)}
# Number of batches that are gathered ahead of the outputs, while a GPU computes.
N_AHEAD = {"cpu": 0, "cuda": 1}
# Maximum number of tasks that a team is given, of some kilobytes each.
MAX_TASKS = 512
# Up to this number of batches what is gained by a kept heap is lost when it is trimmed.
FEW_BATCHES = 32


def embed(
    network: SequenceNetwork | Ensemble, source: Source, team: ThreadTeam | None = None
) -> Array:
    """Pooled vectors in the order of the sequences, shape (n, D), float32."""
    return _compute(network, network.embed, network.output_size, source, team)


def compute_outputs(
    network: SequenceNetwork | Ensemble,
    source: Source,
    team: ThreadTeam | None = None,
    ranks: Ranks | None = None,
) -> Array:
    """Outputs of the network in the order of the sequences, shape (n, n_outputs), float64.

    Each of the ``ranks`` computes a share, and all of them get the whole.
    """
    outputs = _compute(network, network, network.n_classes, source, team, ranks)
    return outputs.astype(np.float64)


def compute_members(ensemble: Ensemble, source: Source) -> Array:
    """Outputs of network and linear model of an ensemble, shape (n, 2, n_outputs), float64."""

    def compute(*inputs: torch.Tensor) -> torch.Tensor:
        return torch.cat(ensemble.members(*inputs), dim=1)

    outputs = _compute(ensemble, compute, 2 * ensemble.n_classes, source, None)
    return outputs.reshape(len(outputs), 2, -1).astype(np.float64)


def plain_batches(lengths: IntArray, device: torch.device) -> list[IntArray]:
    """Indices of each batch that a network is computed of."""
    return prediction_batches(lengths, *MAX_BATCH[device.type])


def convolved_batches(lengths: IntArray, device: torch.device) -> list[IntArray]:
    """Indices of each batch that fixed convolutions are computed of."""
    return prediction_batches(lengths, *MAX_CONVOLVED[device.type])


def _compute(
    network: SequenceNetwork | Ensemble,
    function: Callable[..., torch.Tensor],
    width: int,
    source: Source,
    team: ThreadTeam | None,
    ranks: Ranks | None = None,
) -> Array:
    """Values of a function of padded batches, shape (n, width), float32.

    Batches run in parallel on the ``team``; if None, on a new team of torch's number of threads.
    """
    if isinstance(source, WindowedSequences):
        of_pieces = (
            _compute(network, function, width, piece, team, ranks) for _, piece in source.pieces()
        )
        return np.concatenate(list(of_pieces))
    # Only if needed: setting the mode of all modules takes as long as a short sequence.
    if network.training:
        network.eval()
    outputs = np.zeros((len(source.host_lengths), width), dtype=np.float32)

    n_ahead = N_AHEAD[source.device.type]

    def work(batches: list[IntArray]) -> None:
        pending: deque[tuple[IntArray, Callable[[], Array]]] = deque()
        for indices in batches:
            values = function(*source.batch(indices))
            pending.append((indices, to_host(values, overlaps=len(batches) > 1)))
            if len(pending) > n_ahead:
                done, receive = pending.popleft()
                outputs[done] = receive()
        for done, receive in pending:
            outputs[done] = receive()

    cut = convolved_batches if isinstance(network, ConvolutionEnsemble) else plain_batches
    batches = share_of(ranks, cut(source.host_lengths, source.device))
    # Batches of one task overlap; tasks run in parallel.
    size = max(1, len(batches) if n_ahead else -(-len(batches) // MAX_TASKS))
    tasks = [partial(work, batches[i : i + size]) for i in range(0, len(batches), size)]
    modes = own_modes(gradients=False)
    keep_some()
    if team is not None or len(batches) == 1:
        within([modes], lambda: run_all(tasks, team))
    else:
        own = thread_team(source.device, shares=True)
        heap = [kept_heap()] if len(batches) > FEW_BATCHES else []
        within([modes, *heap, own], lambda: run_all(tasks, own.team))
    return outputs if ranks is None else ranks.combine(outputs)


def to_host(values: torch.Tensor, *, overlaps: bool) -> Callable[[], Array]:
    """Copy a tensor to the host; a function that returns the copy.

    One that ``overlaps`` is only begun, and the function waits for it. For a single copy that would
    take longer.
    """
    if values.device.type == "cpu" or not overlaps:
        return values.cpu().numpy
    copy = torch.empty(values.shape, dtype=values.dtype, pin_memory=True)
    copy.copy_(values, non_blocking=True)
    has_arrived = torch.cuda.Event()
    has_arrived.record(torch.cuda.current_stream(values.device))

    def receive() -> Array:
        has_arrived.synchronize()
        array: Array = copy.numpy()
        return array

    return receive


def check_outputs(outputs: Array, sequences: Sequences, start: int = 0) -> Array:
    """Return finite outputs; raise an error that names the first sequence of others.

    ``start`` is the user's index of the first sequence.
    """
    if all_finite(outputs):
        return outputs
    first = int(np.flatnonzero(~np.isfinite(outputs).all(axis=1))[0])
    largest = np.abs(sequences.take([first]).values).max()
    raise ValueError(
        f"X[{start + first}] is too large for this network: its outputs overflow float32."
        f" The largest absolute value is {largest:.3g}.\n\nScale X as the training sequences, or"
        " train with standardize=True."
    )
