"""Batch normalisation over real timesteps only."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from contextvars import ContextVar
from itertools import chain
from typing import NamedTuple

import torch
from torch import Tensor, nn

from sklstm._runtime._concurrency import having

# A step moves the running statistics this far towards its own; the first ones are averaged.
MOMENTUM = 0.1


class Statistics(NamedTuple):
    """Of the timesteps of a batch, or of a part: how many, mean and unbiased variance (D,)."""

    size: int
    mean: Tensor
    variance: Tensor


class BatchNorm(nn.Module):
    r"""Each feature brought to mean 0 and variance 1 over the timesteps of a batch, then rescaled.

    .. math:: y = \gamma \frac{x - \mu}{\sqrt{\sigma^2 + \epsilon}} + \beta

    While training, :math:`\mu` and :math:`\sigma^2` are those of the batch; afterwards they are the
    running statistics, so that a sequence's result does not depend on its company.

    Parameters
    ----------
    n_features : int
        Width of what is normalised.

    References
    ----------
    .. [1] S. Ioffe, C. Szegedy, "Batch Normalization: Accelerating Deep Network Training by
       Reducing Internal Covariate Shift", ICML 2015.
    """

    mean: Tensor
    variance: Tensor
    n_steps: Tensor

    def __init__(self, n_features: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(n_features))
        self.bias = nn.Parameter(torch.zeros(n_features))
        self.register_buffer("mean", torch.zeros(n_features))
        self.register_buffer("variance", torch.ones(n_features))
        self.register_buffer("n_steps", torch.zeros(()))

    def forward(self, rows_ND: Tensor) -> Tensor:
        """Normalised timesteps, shape (N, D): while training, of real ones alone."""
        weight, bias = self.weight, self.bias
        # One timestep alone has no variance.
        if not self.training or len(rows_ND) < 2:
            return nn.functional.batch_norm(rows_ND, self.mean, self.variance, weight, bias)
        mean, variance = torch.zeros_like(self.mean), torch.ones_like(self.variance)
        # With a momentum of 1 the "running" statistics are those of the batch.
        normalised_ND = nn.functional.batch_norm(
            rows_ND, mean, variance, weight, bias, training=True, momentum=1.0
        )
        statistics = Statistics(len(rows_ND), mean, variance)
        record = _record.get()
        if record is None:
            self.update([statistics])
        else:
            record.append((self, statistics))
        return normalised_ND

    def update(self, parts: Sequence[Statistics]) -> None:
        """Move the running statistics towards those of a step, which may be known by parts."""
        size = sum(part.size for part in parts)
        mean = torch.stack([part.mean * (part.size / size) for part in parts]).sum(dim=0)
        # Squares about the common mean, over one less than there are of them.
        squares = [
            part.variance * (part.size - 1) + (part.mean - mean) ** 2 * part.size for part in parts
        ]
        variance = torch.stack(squares).sum(dim=0) / (size - 1)
        self.n_steps += 1
        weight = (1 / self.n_steps).clamp(min=MOMENTUM)
        self.mean.lerp_(mean, weight)
        self.variance.lerp_(variance, weight)


# Parts of one step -------------------------------------------------------------------------------

# What layers have seen of one part.
Record = list[tuple[BatchNorm, Statistics]]

_record: ContextVar[Record | None] = ContextVar("record", default=None)


def statistics_into(record: Record) -> AbstractContextManager[None]:
    """Inside, layers that train note their statistics there and leave the running ones alone."""
    return having(_record, record)


def update_all(records: Sequence[Record]) -> None:
    """Update the running statistics once, by the records of all parts of a step, in their order."""
    parts: dict[BatchNorm, list[Statistics]] = {}
    for layer, statistics in chain.from_iterable(records):
        parts.setdefault(layer, []).append(statistics)
    for layer, of_parts in parts.items():
        layer.update(of_parts)
