"""Which GPU a rank computes on, and by which backend the ranks then talk."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import torch
import torch.distributed


def visible_gpus() -> tuple[str, ...]:
    """Names, unique in the world, of the GPUs that this process sees, in the order of torch."""
    if not torch.cuda.is_available():
        return ()
    return tuple(
        str(torch.cuda.get_device_properties(number).uuid)
        for number in range(torch.cuda.device_count())
    )


def share_out(visible: Sequence[Sequence[str]], device: str) -> list[int | None]:
    """Number of each rank's GPU among those that it sees; None for the CPU.

    Clusters with a GPU for each worker set ``CUDA_VISIBLE_DEVICES``, so that the first one is the
    worker's own. Where workers see the same ones, each takes the first of those used least. A
    device with a number, such as "cuda:1", is that one.

    Ranks that see (a, b), (a, b), (b, a) -> 0, 1, 0: the third shares b with the second.
    """
    kind, _, number = device.partition(":")
    if kind == "cpu" or not all(visible):
        return [None] * len(visible)
    if number:
        return [int(number)] * len(visible)
    n_users: Counter[str] = Counter()
    shares: list[int | None] = []
    for gpus in visible:
        share = min(range(len(gpus)), key=lambda i: (n_users[gpus[i]], i))
        n_users[gpus[share]] += 1
        shares.append(share)
    return shares


def backend_of(visible: Sequence[Sequence[str]], shares: Sequence[int | None]) -> str:
    """ "nccl" if every rank has a GPU that no other has, else "gloo"."""
    gpus = [
        gpus[share]
        for gpus, share in zip(visible, shares, strict=True)
        if share is not None and share < len(gpus)
    ]
    has_own = len(gpus) == len(shares) == len(set(gpus))
    return "nccl" if has_own and torch.distributed.is_nccl_available() else "gloo"
