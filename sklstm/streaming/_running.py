"""Poolings that are updated timestep by timestep.

Each keeps a total of what it has seen of a stream, (B, W) for B streams, and gives that after each
new state, (B, T, W).
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from sklstm.nn import AttentionPooling, LastPooling
from sklstm.nn._pooling import MaxOfStates, MeanOfStates, on_grid

# Of the scores of attention, such that sums of their exponentials stay within float64.
LARGEST_SCORE = 600.0


class Running(ABC):
    """Pooling of the states so far."""

    def __init__(self, width: int) -> None:
        self.width = width

    @abstractmethod
    def begin(self, n_streams: int) -> Tensor:
        """Totals of nothing, shape (B, W)."""

    @abstractmethod
    def extend(self, total_BW: Tensor, states_BTD: Tensor) -> Tensor:
        """Totals after each state, shape (B, T, W)."""

    @abstractmethod
    def finish(self, totals_BTW: Tensor, counts_BT: Tensor) -> Tensor:
        """Pooled vectors of totals of so many states each, shape (B, T, D), float32."""


class RunningLast(Running):
    """The last state."""

    def begin(self, n_streams: int) -> Tensor:
        return torch.zeros(n_streams, self.width)

    def extend(self, total_BW: Tensor, states_BTD: Tensor) -> Tensor:
        return states_BTD

    def finish(self, totals_BTW: Tensor, counts_BT: Tensor) -> Tensor:
        return totals_BTW


class RunningMax(Running):
    """Maximum of each unit."""

    def begin(self, n_streams: int) -> Tensor:
        # States are from -1 to 1.
        return torch.full((n_streams, self.width), -1.0)

    def extend(self, total_BW: Tensor, states_BTD: Tensor) -> Tensor:
        return torch.maximum(states_BTD.cummax(dim=1).values, total_BW.unsqueeze(1))

    def finish(self, totals_BTW: Tensor, counts_BT: Tensor) -> Tensor:
        return totals_BTW


class RunningMean(Running):
    """Mean of the states, of a sum that is exact (`MeanOfStates`)."""

    def begin(self, n_streams: int) -> Tensor:
        return torch.zeros(n_streams, self.width, dtype=torch.float64)

    def extend(self, total_BW: Tensor, states_BTD: Tensor) -> Tensor:
        return on_grid(states_BTD).cumsum(dim=1).add_(total_BW.unsqueeze(1))

    def finish(self, totals_BTW: Tensor, counts_BT: Tensor) -> Tensor:
        return totals_BTW.float() / counts_BT.unsqueeze(2)


class RunningAttention(Running):
    """Mean of the states, weighted by attention: equal to that of the prefix up to rounding."""

    def __init__(self, width: int, pooling: AttentionPooling) -> None:
        super().__init__(width)
        self.pooling = pooling

    def begin(self, n_streams: int) -> Tensor:
        return torch.zeros(n_streams, self.width + 1, dtype=torch.float64)

    def extend(self, total_BW: Tensor, states_BTD: Tensor) -> Tensor:
        scores_BT1 = self.pooling.context(torch.tanh(self.pooling.projection(states_BTD)))
        weights_BT1 = scores_BT1.double().exp()
        weighted_BTW = torch.cat([weights_BT1 * states_BTD, weights_BT1], dim=2)
        return weighted_BTW.cumsum(dim=1).add_(total_BW.unsqueeze(1))

    def finish(self, totals_BTW: Tensor, counts_BT: Tensor) -> Tensor:
        return (totals_BTW[..., :-1] / totals_BTW[..., -1:]).float()


# Those that give the same bits as the pooling of a prefix.
EXACT: dict[type[nn.Module], type[Running]] = {
    LastPooling: RunningLast,
    MaxOfStates: RunningMax,
    MeanOfStates: RunningMean,
}


def build_running(pooling: nn.Module, width: int) -> Running | None:
    """The running form of a pooling of ``width`` units; None if it has none."""
    if isinstance(pooling, AttentionPooling):
        # The largest score of any state.
        is_bounded = float(pooling.context.weight.detach().abs().sum()) < LARGEST_SCORE
        return RunningAttention(width, pooling) if is_bounded else None
    kind = EXACT.get(type(pooling))
    return None if kind is None else kind(width)
