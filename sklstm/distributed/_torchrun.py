"""Ranks that torchrun has started."""

from __future__ import annotations

import os
from itertools import count
from typing import Any, TypeVar

import torch

from sklstm._runtime._group import Address, join, kill, serve
from sklstm._runtime._ranks import Work
from sklstm.distributed._devices import Gpu, gpus_of_machine

T = TypeVar("T")

VARIABLES = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
# Numbers of the fits of this process: of all contexts, which use one store.
_numbers = count()


class TorchrunRanks:
    """This process as one of those that torchrun has started; all of them call ``fit``.

    Parameters
    ----------
    timeout : float
        Seconds without a heartbeat after which a rank hangs.
    """

    def __init__(self, timeout: float) -> None:
        missing = [name for name in VARIABLES if name not in os.environ]
        if missing:
            raise ValueError(
                "data_parallel() without arguments joins the processes that torchrun has started,"
                f" but the environment has no {missing[0]}.\n\nStart the script by: torchrun"
                " --nproc-per-node=2 script.py. Or let data_parallel(2) start the processes."
            )
        self.timeout = timeout
        self.rank, self.size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
        host, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
        self.address = Address(host, port)
        self._server: Any = None
        # torchrun keeps a store there itself, unless it is told not to.
        if self.rank == 0 and os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True":
            self._server, _ = serve(host, port)

    def run(self, work: Work[T]) -> T:
        """Result of a work, which each process has of its own."""
        # A job that was started anew finds what it has left in the store.
        start = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
        prefix = f"{start}/{next(_numbers)}"
        options: dict[str, Any] = {"prefix": prefix, "timeout": self.timeout, "on_hung": kill}
        gpu = _own_gpu(work.device)
        options["gpu"] = None if gpu is None else gpu.name
        with join(self.rank, self.size, self.address, **options) as ranks:
            return work.here(ranks, None if gpu is None else gpu.device)

    def close(self) -> None:
        """Close the store, if it is this process's."""
        self._server = None


def _own_gpu(device: torch.device) -> Gpu | None:
    """GPU of this process among the processes of this machine."""
    size, rank = (int(os.environ.get(f"LOCAL_{name}", "0")) for name in ("WORLD_SIZE", "RANK"))
    return gpus_of_machine(device, max(size, rank + 1))[rank]
