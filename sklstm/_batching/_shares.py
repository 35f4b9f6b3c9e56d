"""Shares of a mini-batch that are computed by different ranks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from sklstm._batching._parts import Cost, cut
from sklstm._runtime._ranks import Ranks
from sklstm._sequences import IntArray

if TYPE_CHECKING:
    from sklstm._batching._loader import PaddedInputs, Targets


@dataclass(frozen=True, eq=False)
class SharedBatch:
    """What this process computes of a batch that ranks share: one or more shares.

    ``weight`` is that of the whole batch; ``n_parts`` are the numbers of parts of the shares.
    """

    inputs: list[PaddedInputs]
    targets: Targets
    weight: Tensor
    n_parts: Sequence[int]


def deal(
    indices: IntArray, lengths: IntArray, n_shares: int, cost: Cost | None
) -> tuple[IntArray, list[slice]]:
    """The sequences of a batch of ascending lengths in the order of their shares, and its parts.

    A share has every ``n_shares``-th sequence, so that all of them take as long, and is cut into
    parts like a batch. Of a small batch some shares are empty.
    """
    dealt, parts, start = [indices[i::n_shares] for i in range(n_shares)], list[slice](), 0
    for own in dealt:
        whole = [slice(0, len(own))] if len(own) else []
        of_share = whole if cost is None or not whole else cut(lengths[own], cost)
        parts += [slice(start + part.start, start + part.stop) for part in of_share]
        start += len(own)
    return np.concatenate(dealt), parts


def shares_of(ranks: Ranks, n: int, parts: Sequence[slice]) -> tuple[slice, list[slice], list[int]]:
    """Place of this process's shares in a dealt batch, their parts there, and how many each has.

    Of 5 sequences and two ranks the shares are [0:3] and [3:5].
    """
    sizes = [len(range(i, n, ranks.size)) for i in range(ranks.size)]
    edges = list(pairwise(accumulate(sizes, initial=0)))
    own = [edges[i] for i in ranks.own]
    n_parts = [sum(start <= p.start and p.stop <= stop for p in parts) for start, stop in own]
    place = slice(own[0][0], own[-1][1])
    inside = [p for p in parts if place.start <= p.start and p.stop <= place.stop]
    of_own = [slice(p.start - place.start, p.stop - place.start) for p in inside]
    return place, of_own, n_parts
