"""Seeds that belong to the estimator, and a torch whose global state stays untouched."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

# torch has one generator for all threads, so trainings in threads of one process take turns. A lock
# that its own thread may take again: a callback may fit another estimator.
_one_at_a_time = threading.RLock()


def draw_seed(random_state: int | np.random.RandomState | None) -> int:
    """One seed for one fit.

    None gives a fresh one each time, from the operating system and not from NumPy's global state.
    """
    if random_state is None:
        return int(np.random.SeedSequence().generate_state(1)[0])
    if isinstance(random_state, np.random.RandomState):
        return int(random_state.randint(2**31))
    return int(random_state)


def seeds_for(seed: int, n_epochs_done: int) -> tuple[int, int]:
    """Independent seeds, for torch and for the batches, of a training with so many epochs behind.

    A training that goes on draws other batches than its first part, and the same ones each time.
    """
    network_seed, batch_seed = np.random.SeedSequence([seed, n_epochs_done]).generate_state(2)
    return int(network_seed), int(batch_seed)


@contextmanager
def own_torch_generator(seed: int, device: torch.device) -> Iterator[None]:
    """Seed the generators of the CPU and of ``device``; afterwards they are as they were before."""
    devices: list[Any] = [device] if device.type == "cuda" else []
    with _one_at_a_time, torch.random.fork_rng(devices=devices):
        # Not torch.manual_seed: that one would seed every other CUDA device as well.
        torch.default_generator.manual_seed(seed)
        for cuda_device in devices:
            with torch.cuda.device(cuda_device):
                torch.cuda.manual_seed(seed)
        yield
