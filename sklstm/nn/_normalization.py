"""Batch normalisation over real timesteps, padding excluded."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from contextvars import ContextVar
from itertools import chain
from typing import NamedTuple

import torch
from torch import Tensor, nn

from sklstm._runtime._concurrency import having

# Added to the variance.
EPSILON = 1e-5
# Momentum of the running statistics; the first 1 / MOMENTUM steps are averaged instead.
MOMENTUM = 0.1


class Statistics(NamedTuple):
    """Number of timesteps of a batch or part, their mean and unbiased variance (D,)."""

    size: int | Tensor
    mean: Tensor
    variance: Tensor


class BatchNorm(nn.Module):
    r"""Batch normalisation [1]_ of each feature over the timesteps of a batch.

    .. math:: y = \gamma \frac{x - \mu}{\sqrt{\sigma^2 + \epsilon}} + \beta

    In training mode :math:`\mu` and :math:`\sigma^2` are the statistics of the batch. In evaluation
    mode they are running statistics, so that results do not depend on the batch composition.

    Parameters
    ----------
    n_features : int
        Number of features.

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
        """Normalised timesteps, shape (N, D); in training mode without padding."""
        weight, bias = self.weight, self.bias
        # A single timestep has no variance.
        if not self.training or len(rows_ND) < 2:
            return nn.functional.batch_norm(
                rows_ND, self.mean, self.variance, weight, bias, eps=EPSILON
            )
        mean, variance = torch.zeros_like(self.mean), torch.ones_like(self.variance)
        # momentum=1: torch writes the statistics of the batch to mean and variance.
        normalised_ND = nn.functional.batch_norm(
            rows_ND, mean, variance, weight, bias, training=True, momentum=1.0, eps=EPSILON
        )
        self._note(Statistics(len(rows_ND), mean, variance))
        return normalised_ND

    def normalize_padded(self, values_BTD: Tensor, padding_BT1: Tensor) -> Tensor:
        """Normalised timesteps of a batch in training mode, shape (B, T, D); padding is finite.

        As `forward` of the real timesteps alone, but no shape depends on their number: that is what
        CUDA graphs require.
        """
        real_BT1 = (~padding_BT1).to(values_BTD.dtype)
        size = real_BT1.sum()
        mean_D = (values_BTD * real_BT1).sum(dim=(0, 1)) / size
        centered_BTD = values_BTD - mean_D
        squares_D = (centered_BTD.square() * real_BT1).sum(dim=(0, 1))
        scale_D = self.weight * torch.rsqrt(squares_D / size + EPSILON)
        self._note(Statistics(size, mean_D.detach(), squares_D.detach() / (size - 1)))
        return centered_BTD * scale_D + self.bias

    def _note(self, statistics: Statistics) -> None:
        """Update the running statistics, now or, within `statistics_into`, later."""
        record = _record.get()
        if record is None:
            self.update([statistics])
        else:
            record.append((self, statistics))

    def update(self, parts: Sequence[Statistics]) -> None:
        """Update the running statistics by a step, whose batch may consist of parts."""
        self.n_steps += 1
        weight = (1 / self.n_steps).clamp(min=MOMENTUM)
        for running, latest in zip((self.mean, self.variance), _pooled(parts), strict=True):
            running.lerp_(latest, weight)


def _pooled(parts: Sequence[Statistics]) -> tuple[Tensor, Tensor]:
    """Mean and unbiased variance of all timesteps of the parts."""
    if len(parts) == 1:
        # Nine operations fewer, each of which a GPU has to be told of; rounded as below.
        ((size, mean, variance),) = parts
        return mean, variance * (size - 1) / (size - 1)
    total = sum(part.size for part in parts)
    mean = torch.stack([part.mean * (part.size / total) for part in parts]).sum(dim=0)
    # Sums of squares about the common mean, divided by the number of timesteps less one.
    squares = [
        part.variance * (part.size - 1) + (part.mean - mean) ** 2 * part.size for part in parts
    ]
    return mean, torch.stack(squares).sum(dim=0) / (total - 1)


# Parts of one step -------------------------------------------------------------------------------

# Statistics of one part, by layer.
Record = list[tuple[BatchNorm, Statistics]]

_record: ContextVar[Record | None] = ContextVar("record", default=None)


def statistics_into(record: Record) -> AbstractContextManager[None]:
    """Append statistics to a record within the context instead of updating the running ones."""
    return having(_record, record)


def update_all(records: Sequence[Record]) -> None:
    """Update the running statistics of all layers once, by the records of all parts of a step."""
    for layer, of_parts in _by_layer(records).items():
        layer.update(of_parts)


def pool_all(records: Sequence[Record]) -> Record:
    """The records of several parts as that of one."""
    return [
        (layer, Statistics(sum(part.size for part in of_parts), *_pooled(of_parts)))
        for layer, of_parts in _by_layer(records).items()
    ]


def _by_layer(records: Sequence[Record]) -> dict[BatchNorm, list[Statistics]]:
    parts: dict[BatchNorm, list[Statistics]] = {}
    for layer, statistics in chain.from_iterable(records):
        parts.setdefault(layer, []).append(statistics)
    return parts
