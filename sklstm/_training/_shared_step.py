"""Training steps whose batches ranks share: one sum of gradients, losses and statistics a step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from itertools import accumulate
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from sklstm._batching._loader import Batch, PaddedInputs, Targets
from sklstm._batching._shares import SharedBatch
from sklstm._runtime._concurrency import ThreadTeam, background_tasks, run_all
from sklstm._runtime._ranks import Ranks
from sklstm.nn._dropout import drawing_from
from sklstm.nn._normalization import (
    BatchNorm,
    Record,
    Statistics,
    pool_all,
    statistics_into,
    update_all,
)

if TYPE_CHECKING:
    from sklstm._training._net import SequenceNet


class Computed(NamedTuple):
    """Loss and gradients of a share, as summands of those of the batch; logits and statistics."""

    loss: Tensor
    gradients: list[Tensor]
    logits: Tensor
    records: list[Record]


class SharedStep:
    """Backward pass of a batch of which each rank computes a share.

    What a rank adds to the sum is one flat tensor: gradients, the statistics of batch normalisation
    at a place of each rank's own, the loss, and 1 if it failed instead. So all ranks know of a
    failure in the same step.

    Parameters
    ----------
    net : SequenceNet
        Net that is trained.
    ranks : Ranks
        The ranks.
    """

    def __init__(self, net: SequenceNet, ranks: Ranks) -> None:
        self.net, self.ranks = net, ranks
        self.parameters = [p for p in net.module_.parameters() if p.requires_grad]
        self.norms = [m for m in net.trained.modules() if isinstance(m, BatchNorm)]
        sizes = [parameter.numel() for parameter in self.parameters]
        self._ends = list(accumulate(sizes, initial=0))
        # Numbers of timesteps, means and variances of one rank.
        self._n_statistics = sum(1 + 2 * len(norm.mean) for norm in self.norms)
        self._length = self._ends[-1] + self._n_statistics * ranks.size + 2

    def backward(self, batch: SharedBatch) -> tuple[Tensor, Tensor]:
        """Set the gradients; the loss of the batch, and the logits of this process's shares."""
        # Alike in all ranks, whatever they compute.
        seeds = torch.randint(2**62, (self.ranks.size,)).tolist()
        error, computed = None, list[Computed]()
        try:
            for rank, share in zip(self.ranks.own, _shares_of(batch), strict=True):
                compute = partial(self._compute, seed=seeds[rank], weight=batch.weight)
                computed.append(self.net.within_memory(share, compute))
            messages = [self._message(*own) for own in zip(self.ranks.own, computed, strict=True)]
        except Exception as failure:
            error = failure
            messages = [self._failed() for _ in self.ranks.own]
            self.ranks.report(error)
        total = self.ranks.sum(messages)
        if error is not None:
            raise error
        if total[-1] > 0:
            raise self.ranks.failure()
        self._take(total)
        return total[-2].clone(), torch.cat([share.logits for share in computed])

    def _compute(
        self, share: Batch, team: ThreadTeam | None, *, seed: int, weight: Tensor
    ) -> Computed:
        """Gradients of a share, whose parts run in parallel, each with its own dropout."""
        net, parts = self.net, share.parts()
        if not parts:
            nothing = [torch.zeros_like(parameter) for parameter in self.parameters]
            return Computed(torch.zeros_like(weight), nothing, share.targets.weights[:0], [])
        own = torch.Generator().manual_seed(seed)
        seeds = torch.randint(2**62, (len(parts),), generator=own).tolist()
        records: list[Record] = [[] for _ in parts]
        device = torch.device(net.device)

        def work(
            inputs: PaddedInputs, targets: Targets, seed: int, record: Record
        ) -> tuple[Tensor, Tensor, Sequence[Tensor]]:
            with drawing_from(torch.Generator(device).manual_seed(seed)), statistics_into(record):
                loss, logits_BC = net._loss(inputs, targets)
            fraction = targets.weights.sum() / weight
            gradients = torch.autograd.grad(loss * fraction, self.parameters)
            return loss.detach() * fraction, logits_BC.detach(), gradients

        each = zip(parts, seeds, records, strict=True)
        tasks = [partial(work, *part, seed, record) for part, seed, record in each]
        if len(tasks) == 1:
            with background_tasks(team):
                found = [tasks[0]()]
        else:
            found = run_all(tasks, team)
        losses, logits, gradients = zip(*found, strict=True)
        # In the order of the parts, not of completion: rounding depends on the order.
        sums = [sum(summands[1:], start=summands[0]) for summands in zip(*gradients, strict=True)]
        return Computed(torch.stack(losses).sum(), sums, torch.cat(logits), records)

    def _message(self, rank: int, computed: Computed) -> Tensor:
        """What a share adds to the sum."""
        message = computed.loss.new_zeros(self._length)
        torch.cat([g.reshape(-1) for g in computed.gradients], out=message[: self._ends[-1]])
        if self.norms and computed.records:
            start = self._ends[-1] + rank * self._n_statistics
            message[start : start + self._n_statistics] = self._pack(computed.records)
        message[-2] = computed.loss
        return message

    def _failed(self) -> Tensor:
        message = torch.zeros(self._length, device=self.net.device)
        message[-1] = 1.0
        return message

    def _pack(self, records: list[Record]) -> Tensor:
        """Statistics of one share, a layer after the other; of size 0 where there are none."""
        pooled, none = dict(pool_all(records)), self.parameters[0].new_zeros
        packed = []
        for layer in self.norms:
            n = len(layer.mean)
            size, mean, variance = pooled.get(layer, Statistics(0, none(n), none(n)))
            packed += [none(1) + size, mean, variance]
        return torch.cat(packed)

    def _take(self, total: Tensor) -> None:
        """Set gradients and update running statistics by the sum over all ranks."""
        for parameter, start, end in zip(
            self.parameters, self._ends[:-1], self._ends[1:], strict=True
        ):
            # With the parameter's memory layout, as backward() leaves it.
            parameter.grad = torch.empty_like(parameter)
            parameter.grad.copy_(total[start:end].view(parameter.shape))
        if self.norms:
            statistics = total[self._ends[-1] : -2].view(self.ranks.size, -1)
            update_all([self._unpack(of_rank) for of_rank in statistics])

    def _unpack(self, of_rank: Tensor) -> Record:
        record: Record = []
        position = 0
        for layer in self.norms:
            n = len(layer.mean)
            size, mean, variance = of_rank[position : position + 1 + 2 * n].split([1, n, n])
            position += 1 + 2 * n
            if size > 0:
                record.append((layer, Statistics(size.squeeze(0), mean, variance)))
        return record


def _shares_of(batch: SharedBatch) -> Iterator[Batch]:
    """The shares of this process as batches of their own."""
    first, row = 0, 0
    for n_parts in batch.n_parts:
        inputs = batch.inputs[first : first + n_parts]
        size = sum(len(part.values) for part in inputs)
        rows = slice(row, row + size)
        values, weights, mixed = batch.targets
        targets = Targets(values[rows], weights[rows], None if mixed is None else mixed[rows])
        yield Batch(inputs, targets)
        first, row = first + n_parts, rows.stop
