"""Sums of tensors that lie on GPUs, one GPU for each rank, by NCCL."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from torch import Tensor

from sklstm._compat._torch import has_nccl, nccl_group

# NCCL's own limit would end the process of a rank that waits for another one's callbacks.
FOREVER = timedelta(days=365)
# Seconds between two looks whether a sum is done, and whether the other ranks still are there.
GLANCE, INTERVAL = 1e-4, 0.5


def may_use_nccl(gpus: Sequence[str | None]) -> bool:
    """Whether each rank has a GPU that no other has, of these names or None."""
    has_own = None not in gpus and len(set(gpus)) == len(gpus)
    return has_own and has_nccl()


class GpuSums:
    """Sums over ranks without a way by the host's memory.

    NCCL knows nothing of ranks that end, hence ``check``.

    Parameters
    ----------
    store : torch.distributed.Store
        Where the ranks meet.
    rank, size : int
        Number of this rank and number of ranks.
    check : callable
        Raises an error if another rank has failed or hangs.
    """

    def __init__(self, store: Any, rank: int, size: int, check: Callable[[], None]) -> None:
        self._group = nccl_group(store, rank, size, FOREVER)
        self._check = check
        self._is_summing = False

    def sum(self, tensor: Tensor) -> Tensor:
        """Sum over all ranks, in place."""
        self._is_summing = True
        work = self._group.allreduce([tensor])
        next_check = time.monotonic() + INTERVAL
        while not work.is_completed():
            if time.monotonic() > next_check:
                self._check()
                next_check = time.monotonic() + INTERVAL
            time.sleep(GLANCE)
        # The stream of what follows waits for that of NCCL; raises what NCCL has found.
        work.wait()
        self._is_summing = False
        return tensor

    def close(self) -> None:
        """Leave the group; a sum that cannot end is aborted, or the GPU would wait for it."""
        if self._is_summing:
            self._group.abort()
        else:
            self._group.shutdown()
