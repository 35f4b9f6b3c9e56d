"""A trained network and sequences -> one row of numbers for each sequence."""

from __future__ import annotations

import numpy as np
import torch

from sklstm._batching._buckets import prediction_batches
from sklstm._batching._loader import DeviceSequences
from sklstm._sequences import Array, Sequences, all_finite
from sklstm.nn import SequenceNetwork

# At most this many timesteps, padding included, and this many sequences in one batch.
MAX_TIMESTEPS, MAX_SEQUENCES = 65_536, 1_024


def embed(network: SequenceNetwork, sequences: DeviceSequences) -> Array:
    """The pooled vector of each sequence in the order given, (n, D), float32."""
    network.eval()
    pooled = np.empty((len(sequences), network.encoder.output_size), dtype=np.float32)
    with torch.inference_mode():
        batches = prediction_batches(sequences.host_lengths, MAX_TIMESTEPS, MAX_SEQUENCES)
        for indices in batches:
            pooled[indices] = network.embed(*sequences.batch(indices)).cpu().numpy()
    return pooled


def classify(network: SequenceNetwork, pooled: Array) -> Array:
    """The logits of each pooled vector, (n, C), float64."""
    network.eval()
    device = next(network.parameters()).device
    with torch.inference_mode():
        logits = network.classify(torch.from_numpy(pooled).to(device))
    return logits.cpu().numpy().astype(np.float64)


def probabilities(logits: Array) -> Array:
    """Softmax over the classes, (n, C), float64."""
    return torch.softmax(torch.from_numpy(logits), dim=1).numpy()


def log_probabilities(logits: Array) -> Array:
    """Logarithm of the softmax over the classes, (n, C), float64, finite where the softmax is 0."""
    return torch.log_softmax(torch.from_numpy(logits), dim=1).numpy()


def decisions(logits: Array) -> Array:
    """As scikit-learn has it: (n, C), or (n,) in favour of the second of two classes."""
    return logits[:, 1] - logits[:, 0] if logits.shape[1] == 2 else logits


def check_outputs(outputs: Array, sequences: Sequences) -> Array:
    """The outputs as they are, one row for each sequence, or an error that names X[17]."""
    if all_finite(outputs):
        return outputs
    first = int(np.flatnonzero(~np.isfinite(outputs).all(axis=1))[0])
    largest = np.abs(sequences.take([first]).values).max()
    raise ValueError(
        f"X[{first}] is too large for this network: what it computes is beyond float32. Its largest"
        f" absolute value is {largest:.3g}.\n\nBring X to the scale of the sequences that were"
        " trained on, or train with standardize=True."
    )
