"""Memory of predictions of a memory map, in order and in random order. Linux only.

    python -m benchmarks.scale.prediction_memory

The rise of anonymous memory above what the process had before, after a first prediction of a few
sequences. Pages of the map itself are left out: the kernel takes them back when it needs them.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread
from typing import Any

import numpy as np

from sklstm import LSTMSequenceClassifier
from sklstm.preprocessing import open_sequences

N_TIMESTEPS, N_FEATURES = 100, 10
SMALL = {"bidirectional": False, "conv_filters": (), "n_kernels": 0, "patch_size": 8}
# Sequences that are written at a time.
N_WRITTEN = 10_000
INTERVAL = 0.002


def anonymous() -> float:
    """Anonymous memory of this process in MiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1024


def rise_during(work: Callable[[], Any]) -> float:
    """By how many MiB anonymous memory rises at most."""
    before, peak, has_ended = anonymous(), [0.0], Event()

    def watch() -> None:
        while not has_ended.is_set():
            peak[0] = max(peak[0], anonymous())
            time.sleep(INTERVAL)

    thread = Thread(target=watch)
    thread.start()
    work()
    has_ended.set()
    thread.join()
    return peak[0] - before


def write(path: Path, n_sequences: int) -> None:
    """Sequences of 100 x 10 float32, 3.8 KiB each."""
    shape = (n_sequences, N_TIMESTEPS, N_FEATURES)
    values = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=shape)
    rng = np.random.default_rng(0)
    for start in range(0, n_sequences, N_WRITTEN):
        part = values[start : start + N_WRITTEN]
        part[:] = rng.standard_normal(part.shape, dtype=np.float32)


def main(argv: Sequence[str] | None = None) -> None:
    """Print sizes and rises."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--sequences", type=int, nargs="+", default=[50_000, 200_000])
    numbers = parser.parse_args(argv).sequences
    rng = np.random.default_rng(0)
    X = rng.normal(size=(64, N_TIMESTEPS, N_FEATURES)).astype(np.float32)
    model = LSTMSequenceClassifier(8, **SMALL, max_epochs=1, random_state=0)
    model.fit(X, X.mean(axis=(1, 2)) > 0)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "X.npy"
        write(path, max(numbers))
        whole = open_sequences(path)
        model.predict_proba(whole[:600])
        for n in numbers:
            views = {"in order": whole[:n], "in random order": whole[rng.permutation(n)]}
            for order, view in views.items():
                rise = rise_during(lambda view=view: model.predict_proba(view))
                size = n * N_TIMESTEPS * N_FEATURES * 4 / 2**20
                print(f"{size:.0f} MiB {order}: {rise:.0f} MiB")


if __name__ == "__main__":
    main(sys.argv[1:])
