"""Attributions of features that have no gradient: counts and winners of fixed convolutions."""

from __future__ import annotations

import torch
from torch import Tensor

from sklstm.nn import FixedConvolutions
from sklstm.nn._competition import GROUP_SIZE
from sklstm.nn._fixed_convolutions import N_KERNELS, SMALLEST_MEAN
from sklstm.nn._pooling import padding_mask

# Steps of the path along which winners of competitions are followed.
N_STEPS = 16


def summary_slopes(
    convolutions: FixedConvolutions,
    start_F2BT: Tensor,
    end_F2BT: Tensor,
    lengths_B: Tensor | None,
    weights_BP: Tensor,
) -> Tensor:
    """Slopes (F, 2, B, T) of the weighted sum of the summaries, in place of its gradient.

    Start and end are as of ``with_differences``. A response is linear in these, so along the
    straight path it crosses a threshold once at most, and what a count changes by is shared among
    the cells in proportion to their parts in the change of the response: divided by the latter, it
    is a slope, which takes the place of a derivative. The slopes times the differences of start and
    end sum to what the weighted summaries change by.
    """
    n_timesteps = start_F2BT.shape[3] - 2 * convolutions.reach
    is_real_BT = None if lengths_B is None else padding_mask(lengths_B, n_timesteps)
    n_real = n_timesteps if lengths_B is None else lengths_B
    shape = convolutions.thresholds.shape
    n_counts = convolutions.n_proportions
    of_counts_BS2KQ = (weights_BP[:, :n_counts] / _column(n_real)).unflatten(1, shape)
    of_roots = weights_BP[:, n_counts : convolutions.n_features]
    of_roots_BS2RKG = of_roots.unflatten(1, (shape[0], 2, 2, GROUP_SIZE, -1))
    total = torch.zeros_like(start_F2BT)
    for i in range(shape[0]):
        with torch.no_grad():
            first_K2BT, last_K2BT = (
                convolutions.convolve(values, i) for values in (start_F2BT, end_F2BT)
            )
            thresholds_K2Q = convolutions.thresholds[i].transpose(0, 1)
            of_counts = _count_slopes(
                first_K2BT[:N_KERNELS],
                last_K2BT[:N_KERNELS],
                thresholds_K2Q,
                of_counts_BS2KQ[:, i].permute(2, 1, 0, 3),
            )
            competing = [
                part[N_KERNELS:].unflatten(0, (GROUP_SIZE, -1)) for part in (first_K2BT, last_K2BT)
            ]
            of_winners = _competition_slopes(
                *competing, is_real_BT, n_real, of_roots_BS2RKG[:, i].permute(2, 3, 4, 1, 0)
            )
            slopes_K2BT = torch.cat([of_counts, of_winners.flatten(0, 1)])
            if is_real_BT is not None:
                slopes_K2BT = slopes_K2BT.masked_fill(~is_real_BT, 0)
        # The convolution is linear: its gradient anywhere leads slopes back.
        values = torch.zeros_like(start_F2BT).requires_grad_()
        responses = convolutions.convolve(values, i)
        total += torch.autograd.grad(responses, values, slopes_K2BT)[0]
    return total


def _column(n_real: int | Tensor) -> int | Tensor:
    return n_real if isinstance(n_real, int) else n_real.unsqueeze(1)


def _count_slopes(
    first_K2BT: Tensor, last_K2BT: Tensor, thresholds_K2Q: Tensor, weights_K2BQ: Tensor
) -> Tensor:
    """Slopes of weighted counts above thresholds."""
    change_K2BT = torch.zeros_like(first_K2BT)
    for threshold_K2, weight_K2B in zip(
        thresholds_K2Q.unbind(2), weights_K2BQ.unbind(3), strict=True
    ):
        threshold = threshold_K2[..., None, None]
        crosses = (last_K2BT > threshold).float() - (first_K2BT > threshold).float()
        change_K2BT += crosses * weight_K2B.unsqueeze(3)
    return _ratio(change_K2BT, last_K2BT - first_K2BT)


def _ratio(change: Tensor, difference: Tensor) -> Tensor:
    """The quotient; 0 where nothing has changed."""
    is_same = difference == 0
    return (change / difference.masked_fill(is_same, 1)).masked_fill(is_same, 0)


def _competition_slopes(
    first_KG2BT: Tensor,
    last_KG2BT: Tensor,
    is_real_BT: Tensor | None,
    n_real: int | Tensor,
    weights_RKG2B: Tensor,
) -> Tensor:
    """Slopes of the weighted roots of what kernels won, and of how often they lost.

    Summed over steps of the path, in each of which the root has a slope, and a kernel that has
    become or ceased to be the winner owes that to its lead over the other winner.
    """
    total, means = torch.zeros_like(first_KG2BT), None
    difference = last_KG2BT - first_KG2BT
    before = first_KG2BT
    for step in range(1, N_STEPS + 1):
        after = last_KG2BT if step == N_STEPS else first_KG2BT + step / N_STEPS * difference
        winners = [_Competition(values) for values in (before, after)]
        losers = [_Competition(-values) for values in (before, after)]
        if means is None:
            means = _means(winners[0], losers[0], is_real_BT, n_real)
        later = _means(winners[1], losers[1], is_real_BT, n_real)
        pairs = zip(means, later, weights_RKG2B, strict=True)
        of_won, of_lost = (weight * _root_slope(*pair) / n_real for *pair, weight in pairs)
        slopes = _won_slopes(*winners, of_won.unsqueeze(4))
        slopes -= _lead_slopes(*losers, of_lost.unsqueeze(4).expand_as(before), 1.0, 1.0)
        if is_real_BT is not None:
            slopes = slopes.masked_fill(~is_real_BT, 0)
        # Of this step's difference, as part of the whole one.
        total += slopes * ((after - before) / _not_zero(difference))
        before, means = after, later
    return total


def _not_zero(values: Tensor) -> Tensor:
    return values.masked_fill(values == 0, 1)


class _Competition:
    """Values, which of them are the largest of their group, and the place of the first such."""

    def __init__(self, values_KG2BT: Tensor) -> None:
        self.values = values_KG2BT
        largest, self.place = values_KG2BT.max(dim=0, keepdim=True)
        self.is_largest = values_KG2BT == largest
        # What each is ahead of the largest one, at most 0.
        self.largest = largest


def _means(
    winners: _Competition, losers: _Competition, is_real_BT: Tensor | None, n_real: int | Tensor
) -> list[Tensor]:
    """Mean of what each kernel won, and how often it lost, each (K, G, 2, B)."""
    values = [winners.is_largest * winners.values, losers.is_largest.float()]
    if is_real_BT is not None:
        values = [value.masked_fill(~is_real_BT, 0) for value in values]
    return [(value.sum(dim=4, dtype=torch.float64) / n_real) for value in values]


def _root_slope(before: Tensor, after: Tensor) -> Tensor:
    """Slope of the root between two means, float32."""
    roots = [mean.clamp(min=SMALLEST_MEAN).sqrt().float().double() for mean in (before, after)]
    return _ratio(roots[1] - roots[0], after - before).float()


def _won_slopes(before: _Competition, after: _Competition, weights: Tensor) -> Tensor:
    """Slopes of what is won: the value itself while it is the largest."""
    stays = before.is_largest & after.is_largest
    slopes = stays * weights
    return slopes + _lead_slopes(before, after, weights, before.values, after.values)


def _lead_slopes(
    before: _Competition,
    after: _Competition,
    weights: Tensor,
    lost: Tensor | float,
    gained: Tensor | float,
) -> Tensor:
    """Slopes of being the largest, which one loses or gains by its lead over the other one."""
    others = after.values.gather(0, before.place), before.values.gather(0, after.place)
    # Who is not the largest any more owes it to the later one, and the later one to the earlier.
    falls = before.is_largest & ~after.is_largest
    lead_before, lead_after = before.values - others[1], after.values - after.largest
    of_falling = _ratio(-(falls * weights * lost), lead_after - lead_before)
    rises = ~before.is_largest & after.is_largest
    lead_before, lead_after = before.values - before.largest, after.values - others[0]
    of_rising = _ratio(rises * weights * gained, lead_after - lead_before)
    slopes = of_falling + of_rising
    slopes.scatter_add_(0, after.place, -of_falling.sum(dim=0, keepdim=True))
    return slopes.scatter_add_(0, before.place, -of_rising.sum(dim=0, keepdim=True))
