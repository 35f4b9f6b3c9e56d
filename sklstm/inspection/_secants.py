"""Attributions of features that have no gradient: counts and winners of fixed convolutions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from sklstm.nn import FixedConvolutions
from sklstm.nn._competition import GROUP_SIZE
from sklstm.nn._dilated import KERNEL_SIZE
from sklstm.nn._fixed_convolutions import N_KERNELS, SMALLEST_MEAN
from sklstm.nn._pooling import padding_mask

# Steps of the path along which winners of competitions are followed.
N_STEPS = 16


class Rates(NamedTuple):
    """Attribution per unit of the positive and of the negative parts of responses."""

    rising: Tensor
    falling: Tensor


def attribute_summaries(
    convolutions: FixedConvolutions,
    values: Sequence[Tensor],
    lengths_B: Tensor | None,
    weights_BP: Tensor,
) -> Tensor:
    """Attributions of the weighted sum of the summaries, shape (F, 2, B, T + padding).

    The values, those of the baseline first, are as of ``with_differences``. A response is linear in
    these, so along the straight path it rises or falls, and crosses a threshold once at most. What
    a count changes by is shared among the cells that the response rises by, or falls by, in
    proportion to their parts in that. Parts in the other direction get nothing: in proportion to
    the change itself, which may be a small difference of large parts, shares would have no bounds.
    """
    start_F2BT, end_F2BT = values
    n_timesteps = start_F2BT.shape[3] - 2 * convolutions.reach
    is_real_BT = None if lengths_B is None else padding_mask(lengths_B, n_timesteps)
    n_real = n_timesteps if lengths_B is None else lengths_B
    shape = convolutions.thresholds.shape
    n_counts = convolutions.n_proportions
    scale = n_real if isinstance(n_real, int) else n_real.unsqueeze(1)
    of_counts_BS2KQ = (weights_BP[:, :n_counts] / scale).unflatten(1, shape)
    of_roots = weights_BP[:, n_counts : convolutions.n_features]
    of_roots_BS2RKG = of_roots.unflatten(1, (shape[0], 2, 2, GROUP_SIZE, -1))
    total = torch.zeros_like(start_F2BT)
    for i in range(shape[0]):
        parts = Parts(convolutions, i, end_F2BT - start_F2BT)
        with torch.no_grad():
            ends = [convolutions.convolve(end, i) for end in values]
            counts = _count_rates(
                [end[:N_KERNELS] for end in ends],
                Rates(*(sums[:N_KERNELS] for sums in parts.sums)),
                convolutions.thresholds[i].transpose(0, 1),
                of_counts_BS2KQ[:, i].permute(2, 1, 0, 3),
            )
            path = _Competitions(ends, parts.sums, is_real_BT, n_real)
            winners = path.rates(of_roots_BS2RKG[:, i].permute(2, 3, 4, 1, 0))
            rates = [torch.cat(pair) for pair in zip(counts, winners, strict=True)]
            if is_real_BT is not None:
                rates = [rate.masked_fill(~is_real_BT, 0) for rate in rates]
        total += parts.share(Rates(*rates))
    return total


class Parts:
    """Positive and negative parts of the change of all responses at one dilation.

    Attributes
    ----------
    sums : Rates
        Sum of the positive parts, and of the negative ones, each (K, 2, B, T).
    """

    def __init__(self, convolutions: FixedConvolutions, i: int, change_F2BT: Tensor) -> None:
        kernels_KW, channels_KF = convolutions.kernels[i], convolutions.channels[i]
        # The kernels of a group have the same channels.
        groups_KF = channels_KF[N_KERNELS:].repeat(GROUP_SIZE, 1)
        channels_KF = torch.cat([channels_KF[:N_KERNELS], groups_KF])
        weights_KFW = channels_KF.unsqueeze(2) * kernels_KW.unsqueeze(1)
        up, down = weights_KFW.clamp(min=0), weights_KFW.clamp(max=0)
        self._kernels = torch.cat([up, down], dim=1), torch.cat([down, up], dim=1)
        self._dilation = convolutions.dilations[i]
        self._cut = convolutions.reach - KERNEL_SIZE // 2 * self._dilation
        changes = torch.stack([change_F2BT.clamp(min=0), change_F2BT.clamp(max=0)])
        self._changes = changes.requires_grad_()
        with torch.enable_grad():
            self._sums = [self._convolve(kernel) for kernel in self._kernels]
        self.sums = Rates(*(values.detach() for values in self._sums))

    def _convolve(self, weights_KFW: Tensor) -> Tensor:
        """Sums of parts, (K, 2, B, T): of rising cells by the first half of the weights."""
        cut = slice(self._cut, self._changes.shape[4] - self._cut)
        values_NFT = self._changes[..., cut].flatten(0, 1).permute(1, 2, 0, 3).flatten(0, 1)
        sums_NKT = nn.functional.conv1d(values_NFT, weights_KFW, dilation=self._dilation)
        sums_2BKT: Tensor = sums_NKT.unflatten(0, (2, -1))
        return sums_2BKT.permute(2, 0, 1, 3)

    def share(self, rates: Rates) -> Tensor:
        """Attributions (F, 2, B, T + padding) by what each unit of the parts is worth."""
        (slopes,) = torch.autograd.grad(self._sums, self._changes, rates)
        return (slopes * self._changes.detach()).sum(dim=0)


def _count_rates(
    ends: list[Tensor], parts: Rates, thresholds_K2Q: Tensor, weights_K2BQ: Tensor
) -> Rates:
    """Rates of weighted counts above thresholds."""
    first_K2BT, last_K2BT = ends
    change_K2BT = torch.zeros_like(first_K2BT)
    for threshold_K2, weight_K2B in zip(
        thresholds_K2Q.unbind(2), weights_K2BQ.unbind(3), strict=True
    ):
        threshold = threshold_K2[..., None, None]
        crosses = (last_K2BT > threshold).float() - (first_K2BT > threshold).float()
        change_K2BT += crosses * weight_K2B.unsqueeze(3)
    rises = last_K2BT > first_K2BT
    return Rates(
        _ratio(change_K2BT * rises, parts.rising), _ratio(change_K2BT * ~rises, parts.falling)
    )


def _ratio(change: Tensor, total: Tensor) -> Tensor:
    """The quotient; 0 where there is nothing to share."""
    is_zero = total == 0
    return (change / total.masked_fill(is_zero, 1)).masked_fill(is_zero, 0)


class _Competitions:
    """Competitions along the path from the first to the last responses."""

    def __init__(
        self, ends: list[Tensor], parts: Rates, is_real_BT: Tensor | None, n_real: int | Tensor
    ) -> None:
        self.first, self.last = (_grouped(end) for end in ends)
        self.parts = Rates(*(_grouped(sums) for sums in parts))
        self.is_real_BT, self.n_real = is_real_BT, n_real

    def rates(self, weights_RKG2B: Tensor) -> Rates:
        """Rates of the weighted roots of what kernels won, and of how often they lost.

        In each step of the path the root has a slope. A kernel that becomes the winner owes that to
        its own rise and to the other's fall.
        """
        rising, falling = torch.zeros_like(self.first), torch.zeros_like(self.first)
        before, means = self.first, None
        for step in range(1, N_STEPS + 1):
            after = self.last
            if step < N_STEPS:
                after = self.first + step / N_STEPS * (self.last - self.first)
            winners = [_Places(values) for values in (before, after)]
            losers = [_Places(-values) for values in (before, after)]
            means = means or self._means(winners[0], losers[0])
            later = self._means(winners[1], losers[1])
            slopes = [
                (_root_slope(*pair) * weight / self.n_real).unsqueeze(4)
                for *pair, weight in zip(means, later, weights_RKG2B, strict=True)
            ]
            stays = winners[0].is_largest & winners[1].is_largest
            rising += stays * slopes[0] / N_STEPS
            falling += stays * slopes[0] / N_STEPS
            self._add_leads(winners, slopes[0] * before, slopes[0] * after, (rising, falling))
            # Of the negative responses what rises is what falls.
            self._add_leads(losers, slopes[1], slopes[1], (falling, rising), negative=True)
            before, means = after, later
        return Rates(rising.flatten(0, 1), falling.flatten(0, 1))

    def _means(self, winners: _Places, losers: _Places) -> list[Tensor]:
        """Mean of what each kernel won, and how often it lost, each (K, G, 2, B)."""
        values = [winners.is_largest * winners.values, losers.is_largest.float()]
        if self.is_real_BT is not None:
            values = [value.masked_fill(~self.is_real_BT, 0) for value in values]
        return [value.sum(dim=4, dtype=torch.float64) / self.n_real for value in values]

    def _add_leads(
        self,
        places: list[_Places],
        lost: Tensor,
        gained: Tensor,
        rates: tuple[Tensor, Tensor],
        *,
        negative: bool = False,
    ) -> None:
        """Add the rates of what kernels lose when overtaken, and gain when they overtake."""
        before, after = places
        rise, fall = self.parts
        if negative:
            rise, fall = -fall, -rise
        rising, falling = rates
        sign = -1 if negative else 1
        falls = before.is_largest & ~after.is_largest
        # The kernel's own fall, and the rise of the one that overtakes it.
        total = rise.gather(0, after.place) - fall
        rate = _ratio(-(falls * lost), total)
        falling -= sign * rate
        rising.scatter_add_(0, after.place, sign * rate.sum(dim=0, keepdim=True))
        rises = ~before.is_largest & after.is_largest
        total = rise - fall.gather(0, before.place)
        rate = _ratio(rises * gained, total)
        rising += sign * rate
        falling.scatter_add_(0, before.place, -sign * rate.sum(dim=0, keepdim=True))


class _Places:
    """Values, which of them are the largest of their group, and the place of the first such."""

    def __init__(self, values_KG2BT: Tensor) -> None:
        self.values = values_KG2BT
        largest, self.place = values_KG2BT.max(dim=0, keepdim=True)
        self.is_largest = values_KG2BT == largest


def _grouped(responses_K2BT: Tensor) -> Tensor:
    """Those of the competing kernels, (8, G, 2, B, T)."""
    grouped: Tensor = responses_K2BT[N_KERNELS:].unflatten(0, (GROUP_SIZE, -1))
    return grouped


def _root_slope(before: Tensor, after: Tensor) -> Tensor:
    """Slope of the root between two means, float32."""
    roots = [mean.clamp(min=SMALLEST_MEAN).sqrt().float().double() for mean in (before, after)]
    return _ratio(roots[1] - roots[0], after - before).float()
