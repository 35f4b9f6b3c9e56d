"""Training by hand and with sklstm, side by side: ``make bench``.

Each pair has the same network, batch size, optimizer and number of epochs. Ours includes all of
``fit``: checking, standardisation and the transfer to the device.
"""

from __future__ import annotations

import argparse

import numpy as np

from benchmarks.handwritten import LastState, train_packed, train_padded
from benchmarks.timing import HEADER, Comparison, compare, environment
from sklstm import LSTMSequenceClassifier

N_CLASSES = 3


def classifier(width: int, *, bidirectional: bool, batch_size: int, epochs: int):
    """The estimator with what the loop by hand has: last state, constant rate, no clipping."""
    return LSTMSequenceClassifier(
        width,
        bidirectional=bidirectional,
        pooling="last",
        batch_size=batch_size,
        max_epochs=epochs,
        learning_rate=1e-3,
        lr_schedule=None,
        max_grad_norm=None,
        random_state=0,
    )


def compare_steps(
    n_timesteps: int, n_features: int, width: int, batch_size: int, *, bidirectional: bool, repeats
) -> Comparison:
    """Time of a training step on sequences of one length."""
    n_batches, epochs = 10, 6
    rng = np.random.default_rng(0)
    shape = (n_batches * batch_size, n_timesteps, n_features)
    X, y = rng.normal(size=shape).astype(np.float32), rng.integers(0, N_CLASSES, size=shape[0])
    estimator = classifier(width, bidirectional=bidirectional, batch_size=batch_size, epochs=epochs)
    directions = "both directions" if bidirectional else "one direction"
    return compare(
        f"step B{batch_size} T{n_timesteps} F{n_features} H{width}, {directions}",
        lambda: train_padded(
            X, y, LastState(n_features, width, N_CLASSES, bidirectional),
            epochs=epochs, batch_size=batch_size,
        ),
        lambda: estimator.fit(X, y),
        repeats=repeats,
        units=epochs * n_batches,
    )  # fmt: skip


def compare_unequal_epochs(*, repeats: int) -> Comparison:
    """Time of an epoch on log-normal lengths from 10 to 400, against packed sequences."""
    n, n_features, width, batch_size, epochs = 1280, 10, 64, 32, 2
    rng = np.random.default_rng(0)
    lengths = np.clip(np.exp(rng.normal(4.15, 0.8, size=n)), 10, 400).astype(int)
    X = [rng.normal(size=(length, n_features)).astype(np.float32) for length in lengths]
    y = rng.integers(0, N_CLASSES, size=n)
    estimator = classifier(width, bidirectional=False, batch_size=batch_size, epochs=epochs)
    return compare(
        f"epoch of {n} sequences of {lengths.min()} to {lengths.max()} timesteps, packed by hand",
        lambda: train_packed(
            X, y, LastState(n_features, width, N_CLASSES), epochs=epochs, batch_size=batch_size
        ),
        lambda: estimator.fit(X, y),
        repeats=repeats,
        units=epochs,
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--repeats", type=int, default=5, help="pairs of runs for each line")
    repeats = parser.parse_args().repeats
    print(environment(), HEADER, sep="\n\n", flush=True)
    for sizes in ((20, 4, 32, 32), (50, 10, 64, 32), (100, 10, 128, 64)):
        for bidirectional in (False, True):
            print(
                compare_steps(*sizes, bidirectional=bidirectional, repeats=repeats).row(),
                flush=True,
            )
    print(compare_unequal_epochs(repeats=repeats).row(), flush=True)


if __name__ == "__main__":
    main()
