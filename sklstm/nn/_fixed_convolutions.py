"""Convolutions that are not trained: features of sequences after MiniRocket."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations
from typing import NamedTuple

import torch
from torch import Tensor, nn

from sklstm.nn._categories import OneHot
from sklstm.nn._competition import GROUP_SIZE, compete, draw_kernels
from sklstm.nn._convolution import convolve
from sklstm.nn._linear import TimestepLinear
from sklstm.nn._long import cut_long
from sklstm.nn._network import as_patches
from sklstm.nn._pooling import is_padding, padding_mask

# The kernels of MiniRocket: 9 weights, three of them 2 and all others -1, so that they sum to 0.
KERNEL_SIZE, N_KERNELS = 9, 84
# Maximum number of dilations, from 1 to where a kernel is as long as a sequence.
MAX_DILATIONS = 6
# Smallest mean that a root is taken of.
SMALLEST_MEAN = 1e-12
# Up to this number of timesteps responses at all dilations are computed at once.
FEW_TIMESTEPS = 512
# Maximum size of a projected window.
MAX_COMPONENTS = 64


class ConvolutionFeatures(NamedTuple):
    """Features of sequences as a whole (B, P), windows (B, W, D) and the number of each (B,).

    The numbers are None if all are W, the windows if there are none.
    """

    summaries: Tensor
    windows: Tensor | None = None
    n_windows: Tensor | None = None


class FixedConvolutions(nn.Module):
    r"""Features of dilated convolutions that are not trained, after MiniRocket [1]_ and Hydra [2]_.

    All kernels have 9 timesteps and convolve, with zero padding that preserves T, the sum of a
    random subset of the features: once of the inputs and once of their first differences.

    At each dilation there are the 84 kernels of MiniRocket, with three weights of 2 and six of -1.
    Two kinds of features are computed of each response :math:`r_t`:

    - the proportion of timesteps at which it is above a threshold, for several thresholds;
    - the mean of :math:`(r_t - c) / s`, clipped to [-1, 1], in each of consecutive windows,
      :math:`c` being a centre and :math:`s` a scale of the response. The means of all kernels are
      projected linearly, and the inputs in the window are appended to them.

    Further kernels are random and compete in groups of 8. At each timestep the one with the largest
    response wins, the one with the smallest loses. Two features are computed of each: the root of
    the mean response that it won with, if positive, and of the proportion of timesteps at which it
    lost. These and the proportions above are the summary of a sequence.

    Subsets, scales, thresholds, centres and projection are not trained: an estimator fits them once
    to its training sequences. Before, each kernel sums all features, thresholds and centres are 0,
    scales are 1, and the projection is random.

    Parameters
    ----------
    input_size : int
        Number of features F of a timestep.
    n_timesteps : int
        Length of a typical sequence, which the dilations follow from: up to six powers, rounded
        down, from 1 to (n_timesteps - 1) / 8.
    n_features : int
        Size P of a summary, half of it proportions, rounded to multiples of the numbers of kernels
        and dilations, at least one of each.
    window_size : int, default=None
        Number of timesteps of a window. None: summaries alone.
    n_categories : sequence of int, default=()
        Numbers of categories of further columns of the inputs, which hold codes: 0 for no category,
        then 1, 2 and so on. Each category is a feature, 0 or 1.

    References
    ----------
    .. [1] A. Dempster, D. F. Schmidt, G. I. Webb, "MiniRocket: A Very Fast (Almost) Deterministic
       Transform for Time Series Classification", KDD 2021.
    .. [2] A. Dempster, D. F. Schmidt, G. I. Webb, "Hydra: Competing Convolutional Kernels for Fast
       and Accurate Time Series Classification", Data Mining and Knowledge Discovery 37, 2023.
    """

    kernels: Tensor
    channels: Tensor
    factors: Tensor
    thresholds: Tensor
    centers: Tensor
    scales: Tensor

    def __init__(
        self,
        input_size: int,
        n_timesteps: int,
        n_features: int,
        window_size: int | None = None,
        n_categories: Sequence[int] = (),
    ) -> None:
        super().__init__()
        self.categories = OneHot(input_size, n_categories) if n_categories else None
        input_size += sum(n_categories)
        self.dilations = dilations_for(n_timesteps)
        self.window_size = window_size
        n_dilations = len(self.dilations)
        # Of inputs and of differences.
        n_responses = n_dilations * 2 * N_KERNELS
        n_thresholds = max(1, n_features // 2 // n_responses)
        n_groups = max(1, n_features // 2 // (n_dilations * 2 * 2 * GROUP_SIZE))
        competing = draw_kernels(n_dilations, GROUP_SIZE * n_groups, KERNEL_SIZE)
        # Filled, not concatenated, as `draw_kernels` says of networks without weights.
        kernels = torch.empty(n_dilations, N_KERNELS + competing.shape[1], KERNEL_SIZE)
        kernels[:, :N_KERNELS], kernels[:, N_KERNELS:] = _kernels(), competing
        self.register_buffer("kernels", kernels)
        self.register_buffer("channels", torch.ones(n_dilations, N_KERNELS + n_groups, input_size))
        self.register_buffer("factors", torch.ones(2, 1, input_size))
        shape = (n_dilations, 2, N_KERNELS)
        self.register_buffer("thresholds", torch.zeros(*shape, n_thresholds))
        self.n_proportions = n_responses * n_thresholds
        self.n_features = self.n_proportions + n_dilations * 2 * 2 * GROUP_SIZE * n_groups
        self.projection: TimestepLinear | None = None
        self.output_size = 0
        if window_size is not None:
            self.register_buffer("centers", torch.zeros(shape))
            self.register_buffer("scales", torch.ones(shape))
            self.projection = TimestepLinear(n_responses, min(MAX_COMPONENTS, n_responses))
            self.projection.requires_grad_(False)
            self.output_size = self.projection.out_features + window_size * input_size

    def forward(self, inputs_BTF: Tensor, lengths_B: Tensor | None = None) -> ConvolutionFeatures:
        """Summaries and windows; padding may hold any values.

        ``lengths_B`` are the numbers of timesteps of the sequences; None means T for all.
        """
        if lengths_B is not None:
            inputs_BTF = inputs_BTF.masked_fill(is_padding(lengths_B, inputs_BTF), 0)
        inputs_BTF = self.expand(inputs_BTF)
        summaries_BP, projected_BWD = self.pool(inputs_BTF, lengths_B, self.projection)
        if self.window_size is None:
            return ConvolutionFeatures(summaries_BP)
        patches_BWF, n_windows_B = as_patches(inputs_BTF, lengths_B, self.window_size)
        windows_BWD = torch.cat([projected_BWD, patches_BWF], dim=2)
        return ConvolutionFeatures(summaries_BP, windows_BWD, n_windows_B)

    def expand(self, inputs: Tensor) -> Tensor:
        """The inputs with a feature for each category, shape (..., F)."""
        return inputs if self.categories is None else self.categories(inputs)

    def pool(
        self,
        inputs_BTF: Tensor,
        lengths_B: Tensor | None,
        project: Callable[[Tensor], Tensor] | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Summaries (B, P), and mean activations in each window (B, W, R), R = 0 without windows.

        The means are projected, if ``project`` is given, in parts of a long sequence. The padding
        of the inputs is 0.
        """
        n_timesteps = inputs_BTF.shape[1]
        values_NTF = self.with_differences(inputs_BTF, lengths_B)
        counts, results, windows = [], [], []
        # Windows are never cut.
        for part in cut_long(values_NTF, self.window_size or 1):
            # Not positive where a sequence ends before.
            rest_B = None if lengths_B is None else lengths_B - part.start
            of_groups = [
                self._pool_part(some, self._respond(values_NTF, some, part), rest_B)
                for some in self._groups(inputs_BTF)
            ]
            counts_above, won_and_lost, sums_of_windows = zip(*of_groups, strict=True)
            counts.append(torch.cat([above.flatten(1) for above in counts_above], dim=1))
            results.append(torch.cat([sums.flatten(1) for sums in won_and_lost], dim=1))
            sums_BRW = torch.cat([sums.flatten(1, 2) for sums in sums_of_windows], dim=1)
            means_BWR = self._average(sums_BRW, part.stop - part.start, rest_B)
            windows.append(means_BWR if project is None else project(means_BWR))
        n_real = n_timesteps if lengths_B is None else lengths_B.unsqueeze(1)
        # The gradient of the root of 0 would be infinite.
        roots_BP = (_sum(results) / n_real).clamp(min=SMALLEST_MEAN).sqrt().float()
        summaries_BP = torch.cat([_sum(counts) / n_real, roots_BP], dim=1)
        return summaries_BP, torch.cat(windows, dim=1) if len(windows) > 1 else windows[0]

    def _average(self, sums_BRW: Tensor, n_timesteps: int, lengths_B: Tensor | None) -> Tensor:
        """Means of the windows, shape (B, W, R), of their sums."""
        if self.window_size is None:
            return sums_BRW.transpose(1, 2)
        starts_W = torch.arange(0, n_timesteps, self.window_size, device=sums_BRW.device)
        ends = n_timesteps if lengths_B is None else lengths_B.view(-1, 1, 1)
        n_in_windows = (ends - starts_W).clamp(1, self.window_size)
        return (sums_BRW / n_in_windows).float().transpose(1, 2)

    def _groups(self, inputs_BTF: Tensor) -> list[slice]:
        """The dilations that are computed at once: all for few timesteps, otherwise one each.

        That saves most of the time of a single sequence, but more memory than caches have.
        """
        n_dilations = len(self.dilations)
        if torch.compiler.is_exporting() or inputs_BTF[..., 0].numel() <= FEW_TIMESTEPS:
            return [slice(0, n_dilations)]
        return [slice(i, i + 1) for i in range(n_dilations)]

    def _respond(self, values_NTF: Tensor, some: slice, part: slice) -> Tensor:
        """Responses at some dilations, of inputs and differences, shape (B, S, K, T)."""
        dilations = range(len(self.dilations))[some]
        responses = [self.convolve(values_NTF, i, part).unflatten(0, (-1, 2)) for i in dilations]
        return torch.cat(responses, dim=1) if len(responses) > 1 else responses[0]

    def with_differences(self, inputs_BTF: Tensor, lengths_B: Tensor | None) -> Tensor:
        """Each sequence and then its first differences, both scaled, shape (2B, T, F).

        The difference at the last timestep is 0.
        """
        following_BTF = torch.cat([inputs_BTF[:, 1:], inputs_BTF[:, -1:]], dim=1)
        differences_BTF = following_BTF - inputs_BTF
        if lengths_B is not None:
            is_last = is_padding(lengths_B - 1, inputs_BTF)
            differences_BTF = differences_BTF.masked_fill(is_last, 0)
        return (torch.stack([inputs_BTF, differences_BTF], dim=1) * self.factors).flatten(0, 1)

    def convolve(self, values_NTF: Tensor, i: int, part: slice | None = None) -> Tensor:
        """Responses of all kernels at dilation number ``i``, shape (N, K, T), or those of a part.

        Results are bit-identical for any batch composition.
        """
        reach, n_timesteps = KERNEL_SIZE // 2 * self.dilations[i], values_NTF.shape[1]
        part = slice(0, n_timesteps) if part is None else part
        start, stop = part.start - reach, part.stop + reach
        values_NTF = values_NTF[:, max(start, 0) : min(stop, n_timesteps)]
        missing = (max(-start, 0), max(stop - n_timesteps, 0))
        values_NTF = nn.functional.pad(values_NTF, (0, 0, *missing))
        # The kernels of a group have the same channels.
        of_minirocket, of_groups = self.channels[i, :N_KERNELS], self.channels[i, N_KERNELS:]
        channels_KF = torch.cat([of_minirocket, *[of_groups] * GROUP_SIZE])
        weight_KFS = channels_KF.unsqueeze(2) * self.kernels[i].unsqueeze(1)
        return convolve(values_NTF, weight_KFS, self.dilations[i]).contiguous()

    def _pool_part(
        self, some: slice, responses_BSKT: Tensor, lengths_B: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Counts above thresholds, results of competitions, and sums of activations in windows."""
        thresholds_SKQ = self.thresholds[some].flatten(0, 1)
        competing_BSKGT = responses_BSKT[:, :, N_KERNELS:].unflatten(2, (GROUP_SIZE, -1))
        responses_BSKT = responses_BSKT[:, :, :N_KERNELS]
        if lengths_B is None:
            return (
                _count_above(responses_BSKT, thresholds_SKQ),
                compete(competing_BSKGT),
                _sums_of_windows(self._activate(some, responses_BSKT), self.window_size),
            )
        padding_B11T = ~padding_mask(lengths_B, responses_BSKT.shape[3])[:, None, None]
        active_BSKT = self._activate(some, responses_BSKT).masked_fill(padding_B11T, 0)
        return (
            _count_above(responses_BSKT.masked_fill(padding_B11T, -torch.inf), thresholds_SKQ),
            compete(competing_BSKGT, padding_B11T),
            _sums_of_windows(active_BSKT, self.window_size),
        )

    def _activate(self, some: slice, responses_BSKT: Tensor) -> Tensor:
        """Clipped responses; of no kernel without windows."""
        if self.window_size is None:
            return responses_BSKT[:, :, :0]
        center_SK1, scale_SK1 = (
            values[some].flatten(0, 1).unsqueeze(2) for values in (self.centers, self.scales)
        )
        return ((responses_BSKT - center_SK1) / scale_SK1).clamp(-1, 1)


def _kernels() -> Tensor:
    """Weights of the 84 kernels, shape (84, 9)."""
    kernels = torch.full((N_KERNELS, KERNEL_SIZE), -1.0)
    for kernel, places in zip(kernels, combinations(range(KERNEL_SIZE), 3), strict=True):
        kernel[list(places)] = 2.0
    return kernels


def dilations_for(n_timesteps: int) -> tuple[int, ...]:
    """150 timesteps -> 18.6 -> (1, 3, 5, 10, 18)."""
    largest = max(1.0, (n_timesteps - 1) / (KERNEL_SIZE - 1))
    # Rounding must not leave an integer just below itself.
    powers = (1e-9 + largest ** (i / (MAX_DILATIONS - 1)) for i in range(MAX_DILATIONS))
    return tuple(sorted({int(power) for power in powers}))


def _count_above(responses_BSKT: Tensor, thresholds_SKQ: Tensor) -> Tensor:
    """Number of timesteps above each threshold, shape (B, S, K, Q), float32."""
    if torch.is_grad_enabled() or torch.compiler.is_exporting():
        return (responses_BSKT.unsqueeze(3) > thresholds_SKQ.unsqueeze(3)).float().sum(dim=4)
    # Ten times as fast as a sum of booleans (benchmarks/LOG.md).
    above_BSKT, counts = torch.empty_like(responses_BSKT), []
    for threshold_SK in thresholds_SKQ.unbind(2):
        torch.gt(responses_BSKT, threshold_SK.unsqueeze(2), out=above_BSKT)
        counts.append(above_BSKT.sum(dim=3))
    return torch.stack(counts, dim=3)


def _sums_of_windows(values_BSKT: Tensor, size: int | None) -> Tensor:
    """Sum of each window, shape (B, S, K, W); padding is 0."""
    if size is None or size == 1:
        return values_BSKT
    padded_BSKT = nn.functional.pad(values_BSKT, (0, -values_BSKT.shape[3] % size))
    # In float64: the order of summation depends on the shape.
    sums_BSKW: Tensor = padded_BSKT.unflatten(3, (-1, size)).sum(dim=4, dtype=torch.float64)
    return sums_BSKW


def _sum(parts: Sequence[Tensor]) -> Tensor:
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total
