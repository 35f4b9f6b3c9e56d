"""The context in which a fit is shared by several processes."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import partial
from numbers import Integral
from typing import Any, Protocol

from sklstm._runtime._group import TIMEOUT
from sklstm._runtime._ranks import Launcher, reset_launcher, set_launcher
from sklstm.distributed._clusters import launcher_on_cluster
from sklstm.distributed._loky import LokyRanks
from sklstm.distributed._torchrun import TorchrunRanks


class ClosableLauncher(Launcher, Protocol):
    """A launcher that keeps something for the fits of a context."""

    def close(self) -> None:
        """End what it keeps."""


class data_parallel(AbstractContextManager[None]):
    """Let several processes share each ``fit`` and ``partial_fit`` within the context.

    Parameters
    ----------
    processes : int, default=None
    """

    def __init__(
        self,
        processes: Any = None,
        *,
        n_ranks: int | None = None,
        ray: int | None = None,
        cpus_per_worker: int = 1,
        gpus_per_worker: float = 0,
        timeout: float = TIMEOUT,
    ) -> None:
        self._processes = processes
        self._on_cluster = partial(
            launcher_on_cluster,
            processes,
            n_ranks=n_ranks,
            ray=ray,
            cpus_per_worker=cpus_per_worker,
            gpus_per_worker=gpus_per_worker,
            timeout=timeout,
        )
        self._timeout = timeout
        self._launcher: ClosableLauncher | None = None
        self._token: Any = None

    def __enter__(self) -> None:
        self._launcher = self._on_cluster() or _launcher_of(self._processes, self._timeout)
        self._token = set_launcher(self._launcher)

    def __exit__(self, *error: object) -> None:
        reset_launcher(self._token)
        if self._launcher is not None:
            self._launcher.close()


def _launcher_of(processes: Any, timeout: float) -> ClosableLauncher | None:
    if processes is None:
        return TorchrunRanks(timeout)
    if isinstance(processes, bool) or not isinstance(processes, Integral) or processes < 1:
        raise ValueError(
            "data_parallel takes a number of processes, at least 1, or nothing within torchrun."
            f" Got {processes!r} instead."
        )
    return None if processes == 1 else LokyRanks(int(processes), timeout)
