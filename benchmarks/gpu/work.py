"""What is trained, and how time is taken."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

import numpy as np
import torch

from benchmarks.contestants.by_hand import LastState
from benchmarks.work import Settings

# Epochs of a contestant, the later half of which counts.
N_EPOCHS, N_CLASSES = 8, 5


@dataclass(frozen=True)
class Work:
    """A network of one LSTM layer and its last states, and sequences of one length."""

    batch_size: int
    n_timesteps: int
    n_features: int
    width: int
    bidirectional: bool = False
    precision: str = "float32"
    n_batches: int = 8
    name: str = ""

    def __str__(self) -> str:
        if self.name:
            return self.name
        both = ", both directions" * self.bidirectional
        kind = f", {self.precision}" * (self.precision != "float32")
        sizes = f"B{self.batch_size} T{self.n_timesteps} F{self.n_features} H{self.width}"
        return f"step {sizes}{both}{kind}"

    @property
    def n_directions(self) -> int:
        """One or two."""
        return 2 if self.bidirectional else 1

    @property
    def operations(self) -> float:
        """Floating-point operations of the matrix products of a step: forward, and twice back."""
        products = 4 * self.width * (self.n_features + self.width)
        return 3 * 2.0 * self.batch_size * self.n_timesteps * products * self.n_directions

    def network(self) -> LastState:
        """What a user writes: cuDNN's LSTM, and a linear layer of its last states."""
        settings = Settings(self.width, bidirectional=self.bidirectional)
        return LastState(settings, self.n_features, N_CLASSES)

    def data(self) -> tuple[np.ndarray, np.ndarray]:
        """Sequences and classes."""
        n = self.batch_size * self.n_batches
        values = np.random.default_rng(0).normal(size=(n, self.n_timesteps, self.n_features))
        return values.astype(np.float32), np.arange(n) % N_CLASSES


STEPS = (
    Work(32, 20, 4, 32, n_batches=40),
    Work(64, 100, 10, 128, n_batches=20),
    Work(64, 100, 10, 128, bidirectional=True, n_batches=20),
    Work(256, 200, 32, 512),
    Work(512, 128, 64, 1024, bidirectional=True, n_batches=4),
    Work(512, 128, 64, 1024, bidirectional=True, precision="bfloat16", n_batches=4),
)
# Of the same names, to see that all of it runs.
SMALL = tuple(
    replace(work, batch_size=8, n_timesteps=5, n_features=2, width=4, n_batches=2, name=str(work))
    for work in STEPS
)


def seconds_of(run: Callable[[], Any], n_runs: int = N_EPOCHS) -> float:
    """Median time of the later half of some runs."""
    times = []
    for _ in range(n_runs):
        wait()
        start = time.perf_counter()
        run()
        wait()
        times.append(time.perf_counter() - start)
    return median(times[n_runs // 2 :])


def wait() -> None:
    """Wait for the GPU."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def ragged(n: int) -> tuple[list[np.ndarray], np.ndarray]:
    """Sequences of log-normal lengths, with 10 features."""
    rng = np.random.default_rng(0)
    lengths = np.clip(rng.lognormal(4.3, 0.6, n).astype(int), 10, 400)
    X = [rng.normal(size=(length, 10)).astype(np.float32) for length in lengths]
    return X, np.arange(n) % N_CLASSES
