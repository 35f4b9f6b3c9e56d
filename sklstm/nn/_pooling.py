"""Pooling of hidden states over time: one vector per sequence.

Poolings take states (B, T, D) and lengths (B,), None if all are T, and return (B, D). States of
padding must be finite and are ignored. A pooling ``by_direction`` takes the states of a single
direction in the order of reading; others take those of both, concatenated in chronological order.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sklstm.nn._derived import may_reuse_memory
from sklstm.nn._initialization import initialize_linear
from sklstm.nn._linear import TimestepLinear
from sklstm.nn._long import cut_long

# Whatever is added to it, up to half of it, leaves 32 bits behind the binary point.
OFFSET = 1.5 * 2.0**20


class LastPooling(nn.Module):
    """Last hidden state of each sequence."""

    by_direction = True

    def forward(self, states_BTD: Tensor, lengths_B: Tensor | None = None) -> Tensor:
        """Pool states (B, T, D) over time to vectors of shape (B, D)."""
        if lengths_B is None:
            return states_BTD[:, -1]
        rows_B = torch.arange(lengths_B.shape[0], device=lengths_B.device)
        return states_BTD[rows_B, lengths_B - 1]


class MeanPooling(nn.Module):
    """Mean of the hidden states over the timesteps of each sequence.

    Parameters
    ----------
    is_padded_with_zeros : bool, default=False
        Whether the states of padding are known to be 0.
    """

    by_direction = True

    def __init__(self, *, is_padded_with_zeros: bool = False) -> None:
        super().__init__()
        self.is_padded_with_zeros = is_padded_with_zeros

    def forward(self, states_BTD: Tensor, lengths_B: Tensor | None = None) -> Tensor:
        """Pool states (B, T, D) over time to vectors of shape (B, D)."""
        if lengths_B is None:
            return self._sum(states_BTD) / states_BTD.shape[1]
        if not self.is_padded_with_zeros:
            states_BTD = states_BTD.masked_fill(is_padding(lengths_B, states_BTD), 0.0)
        return self._sum(states_BTD) / lengths_B.unsqueeze(1)

    def _sum(self, states_BTD: Tensor) -> Tensor:
        return _sum_over_time(states_BTD, self.training)


class MeanOfStates(MeanPooling):
    """Mean pooling of LSTM states, which are from -1 to 1.

    In evaluation mode the sum is exact, whatever its order: that of a stream is the same bits.
    """

    def _sum(self, states_BTD: Tensor) -> Tensor:
        if self.training:
            return super()._sum(states_BTD)
        first, *others = cut_long(states_BTD)
        total_BD = on_grid(states_BTD[:, first]).sum(dim=1)
        for part in others:
            total_BD += on_grid(states_BTD[:, part]).sum(dim=1)
        return total_BD.float()


class MaxPooling(nn.Module):
    """Maximum of each hidden unit over the timesteps of each sequence."""

    by_direction = True

    def forward(self, states_BTD: Tensor, lengths_B: Tensor | None = None) -> Tensor:
        """Pool states (B, T, D) over time to vectors of shape (B, D)."""
        if lengths_B is None:
            return states_BTD.amax(dim=1)
        padding_BT1 = is_padding(lengths_B, states_BTD)
        return states_BTD.masked_fill(padding_BT1, -torch.inf).amax(dim=1)


class MaxOfStates(MaxPooling):
    """Max pooling of LSTM states, which are from -1 to 1 in the padding, too."""

    def forward(self, states_BTD: Tensor, lengths_B: Tensor | None = None) -> Tensor:
        """Pool states (B, T, D) over time to vectors of shape (B, D)."""
        if lengths_B is None or not may_reuse_memory():
            return super().forward(states_BTD, lengths_B)
        return limited(states_BTD, lengths_B, -torch.inf).amax(dim=1)


class AttentionPooling(nn.Module):
    r"""Mean of the hidden states, weighted by learned attention [1]_.

    .. math:: a_t = \operatorname{softmax}_t\left(v^\top \tanh(W h_t + b)\right), \quad
        \text{pooled} = \sum_t a_t h_t

    Parameters
    ----------
    input_size : int
        Number of units D.

    References
    ----------
    .. [1] Z. Yang et al., "Hierarchical Attention Networks for Document Classification",
       NAACL 2016, equations 5 to 7.
    """

    by_direction = False

    def __init__(self, input_size: int) -> None:
        super().__init__()
        self.projection = TimestepLinear(input_size, input_size)
        self.context = TimestepLinear(input_size, 1, bias=False)
        initialize_linear(self.projection)
        nn.init.xavier_uniform_(self.context.weight)

    def forward(self, states_BTD: Tensor, lengths_B: Tensor | None = None) -> Tensor:
        """Pool states (B, T, D) over time to vectors of shape (B, D)."""
        hidden_BTD = torch.tanh(self.projection(states_BTD))
        scores_BT1 = self.context(hidden_BTD)
        if lengths_B is not None:
            # -inf, not a large negative number: padding must get weight 0 in every dtype.
            padding_BT1 = is_padding(lengths_B, states_BTD)
            scores_BT1 = scores_BT1.masked_fill(padding_BT1, -torch.inf)
        # Explicit softmax: the rounding of torch's, and of a matrix product over T, depends on the
        # padding.
        weights_BT1 = torch.exp(scores_BT1 - scores_BT1.amax(dim=1, keepdim=True))
        weighted_BD = _sum_over_time(weights_BT1 * states_BTD, self.training)
        return weighted_BD / _sum_over_time(weights_BT1, self.training)


def _sum_over_time(values_BTD: Tensor, training: bool) -> Tensor:
    """Sum over the timesteps, shape (B, D).

    In float64 in evaluation mode: torch's order of summation depends on the shape, which in float32
    would make the last bit depend on the batch composition.
    """
    if training:
        return values_BTD.sum(dim=1, dtype=torch.float32)
    first, *others = cut_long(values_BTD)
    total_BD = values_BTD[:, first].sum(dim=1, dtype=torch.float64)
    for part in others:
        # torch copies each part to float64. In place: a new tensor after the copy would keep malloc
        # from reusing its memory for the next one.
        total_BD += values_BTD[:, part].sum(dim=1, dtype=torch.float64)
    return total_BD.float()


def on_grid(states: Tensor) -> Tensor:
    """States from -1 to 1, rounded to multiples of 2**-32, float64; sums of 2**21 are exact."""
    # float64 has 52 bits behind the first one: numbers near 2**20 are multiples of 2**-32.
    return states.to(torch.float64, copy=True).add_(OFFSET).sub_(OFFSET)


def padding_mask(lengths_B: Tensor, n_timesteps: int) -> Tensor:
    """Mask that is True at real timesteps, shape (B, T)."""
    return torch.arange(n_timesteps, device=lengths_B.device) < lengths_B.unsqueeze(1)


def is_padding(lengths_B: Tensor, values_BTD: Tensor) -> Tensor:
    """Mask that is True at padding, shape (B, T, 1)."""
    return ~padding_mask(lengths_B, values_BTD.shape[1]).unsqueeze(2)


def limited(
    values_BTD: Tensor, lengths_B: Tensor, largest: float, out: Tensor | None = None
) -> Tensor:
    """The values, but in the padding at most ``largest``, shape (B, T, D); none may be NaN there.

    Several times as fast as ``masked_fill``, which torch computes one element at a time.
    """
    bounds_BT1 = torch.full_like(values_BTD[:, :, :1], torch.inf)
    bounds_BT1.masked_fill_(is_padding(lengths_B, values_BTD), largest)
    return torch.minimum(values_BTD, bounds_BT1, out=out)


def build_pooling(name: str, input_size: int) -> nn.Module:
    """Build the pooling "last", "mean", "max" or "attention"."""
    if name == "attention":
        return AttentionPooling(input_size)
    if name == "mean":
        return MeanOfStates()
    return {"last": LastPooling, "max": MaxOfStates}[name]()
