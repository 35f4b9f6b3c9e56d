"""A fit to a thousand million sequences, on paper: work, bytes, hours, and what gives way first.

    python -m benchmarks.scale.paper_model            # the tables, from the figures below
    python -m benchmarks.scale.paper_model --measure  # the CPU's figures, on this machine

Nothing here was run at that size. Replace the figures by yours; the formulas are plain.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np
import torch

from sklstm import LSTMSequenceClassifier

# The data.
N_SEQUENCES, N_TIMESTEPS, N_FEATURES, N_CLASSES = 10**9, 100, 10, 2
BYTES_PER_VALUE = 4
# The fit.
N_EPOCHS, N_GPUS, N_CORES = 3, 8, 64
SECONDS_BETWEEN_CHECKPOINTS = 600
# Disks: bytes a second in long reads, and reads a second of single sequences.
DISKS = {
    "NVMe": (5e9, 500_000),
    "network disk": (5e8, 10_000),
    "object store, 64 connections": (3e9, 3000),
}
# What a process holds for one sequence or step, in bytes.
INT64, FLOAT64, RECORD = 8, 8, 200
# Sequences in a block that is shuffled as a whole.
BLOCK = 1000


class Network(NamedTuple):
    """An LSTM of one layer, and the steps that were measured of it.

    A step's ``milliseconds`` are for ``batch_size`` sequences of ``n_timesteps`` of ``n_features``;
    other lengths and features are taken as work at the same rate.
    """

    width: int
    n_directions: int
    batch_size: int
    n_timesteps: int
    n_features: int
    milliseconds: float


# A whole training step as one CUDA graph, float32, one H200, torch 2.11.
ON_GPU = {
    "H128": Network(128, 1, 64, 100, 10, 0.62),
    "H128, both directions": Network(128, 2, 64, 100, 10, 1.20),
    "H512": Network(512, 1, 256, 200, 32, 7.3),
    "H1024, both directions": Network(1024, 2, 512, 128, 64, 22.7),
}
# One thread of an AMD EPYC with AVX-512, torch 2.13, on a busy machine, by --measure: CPU time of a
# training step, and of a prediction of as many sequences.
ON_CPU = {"H128": Network(128, 1, 64, 100, 10, 25.4)}
PREDICTING_ON_CPU = {"H128": Network(128, 1, 64, 100, 10, 7.2)}


def operations(network: Network, n: int, n_timesteps: int, n_features: int) -> float:
    """Floating point operations of a training step: the forward pass, and twice as much back."""
    gates = 4 * network.width
    forward = 2 * n * n_timesteps * gates * (n_features + network.width)
    return 3.0 * network.n_directions * forward


def rate(network: Network) -> float:
    """Operations a second that were measured."""
    sizes = (network.batch_size, network.n_timesteps, network.n_features)
    return operations(network, *sizes) / (network.milliseconds / 1e3)


def hours_per_epoch(network: Network) -> float:
    """Hours of one device for all sequences once."""
    work = operations(network, N_SEQUENCES, N_TIMESTEPS, N_FEATURES)
    return work / rate(network) / 3600


def hours_of_prediction(network: Network) -> float:
    """Hours of one device to predict all sequences: batch after batch."""
    return N_SEQUENCES / network.batch_size * network.milliseconds / 1e3 / 3600


def n_weights(network: Network) -> int:
    """Weights of the LSTM layer and of the head."""
    gates = 4 * network.width
    lstm = gates * (N_FEATURES + network.width + 2) * network.n_directions
    return lstm + N_CLASSES * (network.width * network.n_directions + 1)


# Tables -------------------------------------------------------------------------------------------


def bytes_on_disk() -> int:
    """Values of all sequences."""
    return N_SEQUENCES * N_TIMESTEPS * N_FEATURES * BYTES_PER_VALUE


def training_rows() -> Iterable[tuple[str, ...]]:
    """Work and time of a fit."""
    yield "Network", "Operations an epoch", "Rate", "Hours an epoch", f"Hours of {N_EPOCHS} epochs"
    on_devices = [(f"{name}, GPU", own, N_GPUS, "GPUs") for name, own in ON_GPU.items()]
    on_devices += [(f"{name}, CPU", own, N_CORES, "cores") for name, own in ON_CPU.items()]
    for name, network, n_devices, devices in on_devices:
        work = operations(network, N_SEQUENCES, N_TIMESTEPS, N_FEATURES)
        hours = hours_per_epoch(network)
        yield (
            name,
            f"{work:.1e}",
            f"{rate(network) / 1e12:.3g} TFLOP/s",
            f"{hours:.3g}",
            f"{N_EPOCHS * hours / n_devices:.3g} on {n_devices} {devices}",
        )


def prediction_rows() -> Iterable[tuple[str, ...]]:
    """Time of a prediction."""
    yield "Network", "Hours of one core", f"Hours of {N_CORES} cores"
    for name, network in PREDICTING_ON_CPU.items():
        hours = hours_of_prediction(network)
        yield name, f"{hours:.3g}", f"{hours / N_CORES:.3g}"


def reading_rows() -> Iterable[tuple[str, ...]]:
    """Hours of reading all sequences once, beside those of computing."""
    fastest = hours_per_epoch(ON_GPU["H128"]) / N_GPUS
    yield (
        "Disk",
        "Hours an epoch, long reads",
        "Hours an epoch, a read for each sequence",
        f"{N_GPUS} GPUs (H128) wait in long reads for",
    )
    for name, (throughput, n_reads) in DISKS.items():
        long = bytes_on_disk() / throughput / 3600
        share = max(0.0, 1 - fastest / long)
        yield name, f"{long:.3g}", f"{N_SEQUENCES / n_reads / 3600:.3g}", f"{share:.0%} of the time"


def breaking_rows() -> Iterable[tuple[str, ...]]:
    """What grows with the number of sequences or steps."""
    network = ON_GPU["H128"]
    n_steps = N_SEQUENCES // network.batch_size
    blocks = N_SEQUENCES / BLOCK
    weights = 3 * 4 * n_weights(network)
    yield "What", "As arrays of 8 bytes", "As it has to be"
    yield "values", size(bytes_on_disk()), "on disk; a window of blocks in memory"
    yield (
        "starts and lengths",
        size(2 * INT64 * N_SEQUENCES),
        f"{size(4 * N_SEQUENCES)} of int32 lengths; none where all are equal",
    )
    yield "permutation of an epoch", size(INT64 * N_SEQUENCES), f"{size(INT64 * blocks)}, of blocks"
    yield "labels", size(INT64 * N_SEQUENCES), f"{size(N_SEQUENCES)}, uint8"
    yield "weights of sequences", size(FLOAT64 * N_SEQUENCES), "none, or float32 beside the values"
    yield "history of steps, an epoch", size(RECORD * n_steps), "a running sum"
    yield "probabilities", size(FLOAT64 * N_CLASSES * N_SEQUENCES), "``predict_batches``"
    yield (
        "a checkpoint (weights and Adam's state)",
        size(weights),
        f"every {SECONDS_BETWEEN_CHECKPOINTS} s, in steps: an epoch is hours",
    )


def size(n_bytes: float) -> str:
    """Bytes in units of 1000."""
    for unit in ("B", "kB", "MB", "GB"):
        if n_bytes < 1000:
            return f"{n_bytes:.3g} {unit}"
        n_bytes /= 1000
    return f"{n_bytes:.3g} TB"


def table(rows: Iterable[tuple[str, ...]]) -> str:
    """Rows as reStructuredText, the first of them the head."""
    lines = [".. list-table::", "   :header-rows: 1", ""]
    for row in rows:
        lines += [f"   {' ' if i else '*'} - {cell}" for i, cell in enumerate(row)]
    return "\n".join(lines)


# Measuring ----------------------------------------------------------------------------------------


def measure(n_rounds: int = 5) -> None:
    """Print CPU milliseconds of a step and of a prediction of a batch: what stands above."""
    torch.set_num_threads(1)
    network = ON_CPU["H128"]
    rng = np.random.default_rng(0)
    n = 10 * network.batch_size
    X = rng.standard_normal((n, N_TIMESTEPS, N_FEATURES), dtype=np.float32)
    y = X.mean(axis=(1, 2)) > 0
    plain = {"bidirectional": False, "conv_filters": (), "n_kernels": 0, "patch_size": 1}
    model = LSTMSequenceClassifier(
        network.width, **plain, batch_size=network.batch_size, standardize=False, random_state=0
    )

    def fit(n_epochs: int) -> None:
        model.set_params(max_epochs=n_epochs).fit(X, y)

    fit(1)
    # What a fit takes beside its steps drops out of the difference.
    training = [cpu(lambda: fit(4)) - cpu(lambda: fit(1)) for _ in range(n_rounds)]
    steps = 3 * n / network.batch_size
    predicting = [cpu(lambda: model.predict_proba(X)) for _ in range(n_rounds)]
    batches = n / network.batch_size
    print(f"a step: {1e3 * float(np.median(training)) / steps:.3g} ms")
    print(f"a prediction of a batch: {1e3 * float(np.median(predicting)) / batches:.3g} ms")


def cpu(work: Callable[[], object]) -> float:
    """CPU seconds of this process."""
    begin = time.process_time()
    work()
    return time.process_time() - begin


def main(argv: Sequence[str] | None = None) -> None:
    """Print the tables, or measure."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--measure", action="store_true", help="time one thread of this machine")
    if parser.parse_args(argv).measure:
        measure()
        return
    for rows in (training_rows(), prediction_rows(), reading_rows(), breaking_rows()):
        print(table(rows), end="\n\n")


if __name__ == "__main__":
    main(sys.argv[1:])
