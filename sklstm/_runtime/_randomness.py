"""Seeds of a fit, without side effects on torch's global generators."""

from __future__ import annotations

import os
import threading
from contextlib import AbstractContextManager, suppress

import numpy as np
import torch

from sklstm._runtime._cluster import warn_user_or_client

# torch has one generator for all threads, so fits in threads of one process take turns.
_one_at_a_time = threading.RLock()
# Whether this thread has the turn: a callback may fit another estimator.
_here = threading.local()
# Locked by the first fit that waits, which warns: a search has hundreds of them.
_has_warned = threading.Lock()

TAKES_TURNS = (
    "Another thread of this process is fitting an estimator, and this fit waits for its end: fits"
    " in threads of one process take turns.\n\nFit in processes to gain from more cores: on Dask"
    " more workers of one thread each, LocalCluster(n_workers=..., threads_per_worker=1) or 'dask"
    " worker --nworkers=... --nthreads=1'; with joblib the backend 'loky' instead of 'threading'."
)


def draw_seed(random_state: int | np.random.RandomState | None) -> int:
    """Seed of a fit; for None from the operating system, not from NumPy's global state."""
    if random_state is None:
        return int(np.random.SeedSequence().generate_state(1)[0])
    if isinstance(random_state, np.random.RandomState):
        return int(random_state.randint(2**31))
    return int(random_state)


def seeds_for(seed: int, n_epochs_done: int) -> tuple[int, int]:
    """Independent seeds for torch and for the batches of a training after ``n_epochs_done``.

    Further training draws different batches than the first, reproducibly.
    """
    network_seed, batch_seed = np.random.SeedSequence([seed, n_epochs_done]).generate_state(2)
    return int(network_seed), int(batch_seed)


class own_turn(AbstractContextManager[None]):
    """Lock out other fits in threads of this process; the first that has to wait warns."""

    def __init__(self) -> None:
        self._is_outermost = False

    def __enter__(self) -> None:
        self._is_outermost = not getattr(_here, "has_turn", False)
        if not self._is_outermost:
            return
        if not _one_at_a_time.acquire(blocking=False):
            if _has_warned.acquire(blocking=False):
                warn_user_or_client(TAKES_TURNS)
            _one_at_a_time.acquire()
        _here.has_turn = True

    def __exit__(self, *error: object) -> None:
        if self._is_outermost:
            # RuntimeError: interrupted before the lock was acquired.
            with suppress(RuntimeError):
                _one_at_a_time.release()
            _here.has_turn = False


def _begin_in_child() -> None:
    """Replace the lock, which a thread may hold that a forked child does not have."""
    global _one_at_a_time
    _one_at_a_time = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_in_child)


class own_torch_generator(AbstractContextManager[None]):
    """Seed the generators of the CPU and of ``device``; restore their states afterwards."""

    def __init__(self, seed: int, device: torch.device) -> None:
        self._seed = seed
        self._device = device
        self._turn = own_turn()
        self._state: torch.Tensor | None = None
        self._cuda_state: torch.Tensor | None = None

    def __enter__(self) -> None:
        self._turn.__enter__()
        self._state = torch.get_rng_state()
        # torch.manual_seed would also seed all other CUDA devices.
        torch.default_generator.manual_seed(self._seed)
        if self._device.type == "cuda":
            self._cuda_state = torch.cuda.get_rng_state(self._device)
            index = self._device.index
            generators = torch.cuda.default_generators
            generators[torch.cuda.current_device() if index is None else index].manual_seed(
                self._seed
            )

    def __exit__(self, *error: object) -> None:
        if self._cuda_state is not None:
            torch.cuda.set_rng_state(self._cuda_state, self._device)
        if self._state is not None:
            torch.set_rng_state(self._state)
        # If this is called again, another fit may have the turn.
        self._state = self._cuda_state = None
        self._turn.__exit__()
