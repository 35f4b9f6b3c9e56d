"""Which GPU a rank computes on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import torch


class Gpu(NamedTuple):
    """A GPU of this machine, and its name that is unique in the world."""

    device: torch.device
    name: str


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


def gpus_of_machine(device: torch.device, size: int) -> list[Gpu | None]:
    """GPU of each of so many ranks on this machine; None for the CPU."""
    visible = visible_gpus() if device.type == "cuda" else ()
    shares = share_out([visible] * size, str(device))
    return [None if s is None else Gpu(torch.device("cuda", s), visible[s]) for s in shares]
