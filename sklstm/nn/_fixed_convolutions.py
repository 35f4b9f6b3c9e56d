"""Convolutions that are not trained: features of sequences after MiniRocket."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations
from typing import NamedTuple

import torch
from torch import Tensor, nn

from sklstm.nn._categories import OneHot
from sklstm.nn._competition import GROUP_SIZE, compete, draw_kernels
from sklstm.nn._convolution import convolve, in_layout
from sklstm.nn._derived import Derived, may_reuse_memory
from sklstm.nn._dilated import KERNEL_SIZE, is_product, multiply, multiply_at_once
from sklstm.nn._linear import TimestepLinear
from sklstm.nn._long import cut_long
from sklstm.nn._network import as_patches
from sklstm.nn._pooling import is_padding, padding_mask

# The kernels of MiniRocket: 9 weights, three of them 2 and all others -1, so that they sum to 0.
N_KERNELS = 84
# Inputs, in standard deviations, are rounded to multiples of 1 / GRID. A response to magnitudes
# below a dozen is then an exact number of float32, in whatever order it is summed (ADR 54).
GRID = 4096
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
    r"""Features of fixed dilated convolutions, after MiniRocket [1]_ and Hydra [2]_.

    The kernels are 9 timesteps wide and not trained. Each convolves the sum of a random subset of
    the features, of the inputs and of their first differences, with zero padding that preserves T.

    At each dilation there are the 84 kernels of MiniRocket, with three weights of 2 and six of -1.
    Each response :math:`r_t` has two kinds of features:

    - the proportion of timesteps above a threshold, for several thresholds;
    - the mean of :math:`(r_t - c) / s`, clipped to [-1, 1], over each of consecutive windows, with
      a centre :math:`c` and a scale :math:`s` of the response. The means of all kernels are
      projected linearly, and the inputs in the window are appended.

    The kernels of Hydra are random and compete in groups of 8. At each timestep the kernel with the
    largest response wins and that with the smallest loses. Each kernel has two features: the square
    roots of the mean response with which it won, if positive, and of the proportion of timesteps at
    which it lost. These and the proportions above are the pooled features of a sequence.

    An estimator fits subsets, scales, thresholds, centres and projection to its training sequences.
    Before that, each kernel sums all features, thresholds and centres are 0, scales are 1, and the
    projection is random.

    Parameters
    ----------
    input_size : int
        Number of features F of a timestep.
    n_timesteps : int
        Typical length of a sequence. It determines the dilations: up to six on a logarithmic scale
        from 1 to (n_timesteps - 1) / 8.
    n_features : int
        Number P of pooled features, half of them proportions. It is rounded to what the numbers of
        kernels and dilations allow.
    window_size : int, default=None
        Number of timesteps per window. None means no windows.
    n_categories : sequence of int, default=()
        Number of categories of each further column of the inputs, which holds codes: 0 for no
        category, then 1, 2 and so on. Each category is a feature of 0 or 1.

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
        self.reach = KERNEL_SIZE // 2 * max(self.dilations)
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
        self._weights = Derived(_weigh)
        self.projection: TimestepLinear | None = None
        self.output_size = 0
        if window_size is not None:
            self.register_buffer("centers", torch.zeros(shape))
            self.register_buffer("scales", torch.ones(shape))
            self.projection = TimestepLinear(n_responses, min(MAX_COMPONENTS, n_responses))
            self.projection.requires_grad_(False)
            self.output_size = self.projection.out_features + window_size * input_size

    def forward(self, inputs_BTF: Tensor, lengths_B: Tensor | None = None) -> ConvolutionFeatures:
        """Compute pooled features and windows. Padding may hold any values.

        ``lengths_B`` are the numbers of timesteps of the sequences. None means T for all.
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
        values_F2BT = self.with_differences(inputs_BTF, lengths_B)
        counts, results, windows = [], [], []
        # Windows are never cut.
        for part in cut_long(inputs_BTF, self.window_size or 1):
            # Not positive where a sequence ends before.
            rest_B = None if lengths_B is None else lengths_B - part.start
            real_BT = None if rest_B is None else _is_real(rest_B, part)
            of_groups = [
                self._pool_part(some, self._respond(values_F2BT, some, part, real_BT), real_BT)
                for some in self._groups(inputs_BTF)
            ]
            counts_of, results_of, sums_of = zip(*of_groups, strict=True)
            counts.append(_concatenate(counts_of, 0))
            results.append(_concatenate(results_of, 0))
            sums_BWR = _concatenate(sums_of, 2)
            means_BWR = self._average(sums_BWR, part.stop - part.start, rest_B)
            windows.append(means_BWR if project is None else project(means_BWR))
        n_real = n_timesteps if lengths_B is None else lengths_B
        # The gradient of the root of 0 would be infinite.
        roots_PB = (_sum(results) / n_real).clamp(min=SMALLEST_MEAN).sqrt().float()
        # Sequences last in memory: what is computed of them has this order.
        summaries_PB = torch.cat([_sum(counts) / n_real, roots_PB])
        return summaries_PB.T, torch.cat(windows, dim=1) if len(windows) > 1 else windows[0]

    def _average(self, sums_BWR: Tensor, n_timesteps: int, lengths_B: Tensor | None) -> Tensor:
        """Means of the windows, shape (B, W, R), of their sums."""
        if self.window_size is None or (self.window_size == 1 and lengths_B is None):
            return sums_BWR
        starts_W1 = torch.arange(0, n_timesteps, self.window_size, device=sums_BWR.device)[:, None]
        ends = n_timesteps if lengths_B is None else lengths_B.view(-1, 1, 1)
        return (sums_BWR / (ends - starts_W1).clamp(1, self.window_size)).float()

    def _groups(self, inputs_BTF: Tensor) -> list[slice]:
        """The dilations that are computed at once: all for few timesteps, otherwise one each.

        That saves most of the time of a single sequence, but more memory than caches have.
        """
        n_dilations = len(self.dilations)
        if torch.compiler.is_exporting() or inputs_BTF[..., 0].numel() <= FEW_TIMESTEPS:
            return [slice(0, n_dilations)]
        return [slice(i, i + 1) for i in range(n_dilations)]

    def _respond(
        self, values_F2BT: Tensor, some: slice, part: slice, real_BT: Tensor | None
    ) -> Tensor:
        """Responses at some dilations, shape (S, K, 2, B, T)."""
        numbers = range(len(self.dilations))[some]
        if len(numbers) > 1 and real_BT is None and may_reuse_memory():
            weights = self._weights(self.kernels, self.channels)
            if isinstance(weights, Tensor):
                values = [self._within_reach(values_F2BT, i, part) for i in numbers]
                at_once_SK2BT = multiply_at_once(weights, values, self.dilations)
                if at_once_SK2BT is not None:
                    return at_once_SK2BT
        responses = [self.convolve(values_F2BT, i, part, real_BT) for i in numbers]
        return torch.stack(responses) if len(responses) > 1 else responses[0].unsqueeze(0)

    def _within_reach(self, values_F2BT: Tensor, i: int, part: slice) -> Tensor:
        """The values that a part of the timesteps is computed of at dilation number ``i``."""
        margin = self.reach - KERNEL_SIZE // 2 * self.dilations[i]
        return values_F2BT[..., part.start + margin : part.stop + 2 * self.reach - margin]

    def with_differences(self, inputs_BTF: Tensor, lengths_B: Tensor | None) -> Tensor:
        """Each sequence and its first differences, scaled and padded, shape (F, 2, B, T + padding).

        The difference at the last timestep is 0. The padding, at both ends, is as long as the
        largest dilation requires.
        """
        following_BTF = torch.cat([inputs_BTF[:, 1:], inputs_BTF[:, -1:]], dim=1)
        differences_BTF = following_BTF - inputs_BTF
        if lengths_B is not None:
            is_last = is_padding(lengths_B - 1, inputs_BTF)
            differences_BTF = differences_BTF.masked_fill(is_last, 0)
        both_2BTF = torch.stack([inputs_BTF, differences_BTF]) * self.factors.unsqueeze(1)
        padding = (self.reach, self.reach)
        return nn.functional.pad(_on_grid(both_2BTF).permute(3, 0, 1, 2), padding)

    def convolve(
        self,
        values_F2BT: Tensor,
        i: int,
        part: slice | None = None,
        real_BT: Tensor | None = None,
    ) -> Tensor:
        """Responses of all kernels at dilation number ``i``, shape (K, 2, B, T), or of a part of T.

        The values are as of `with_differences`. Where ``real_BT`` (B, T), which otherwise is 1, is
        0, so are the responses. Results are bit-identical for any batch composition.
        """
        dilation = self.dilations[i]
        if part is None:
            part = slice(0, values_F2BT.shape[3] - 2 * self.reach)
        values_F2BT = self._within_reach(values_F2BT, i, part)
        weights = self._weights(self.kernels, self.channels)
        if isinstance(weights, Tensor):
            return multiply(weights[i], values_F2BT, dilation, real_BT)
        # As two batches, which `convolve` reads with the features last.
        values_NTF = values_F2BT.permute(1, 2, 3, 0).flatten(0, 1)
        responses_NKT = convolve(values_NTF, weights[i], dilation)
        responses_2BKT: Tensor = responses_NKT.unflatten(0, values_F2BT.shape[1:3])
        responses_K2BT = responses_2BKT.permute(2, 0, 1, 3).contiguous()
        return responses_K2BT if real_BT is None else responses_K2BT * real_BT

    def _pool_part(
        self, some: slice, responses_SK2BT: Tensor, real_BT: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Of some dilations counts above thresholds (P, B), and results of competitions (P, B).

        The third are the sums of activations in windows (B, W, R). Responses in the padding are 0,
        so that it is known what these count for.
        """
        thresholds_SK2Q = self.thresholds[some].transpose(1, 2)
        competing_SKG2BT = responses_SK2BT[:, N_KERNELS:].unflatten(1, (GROUP_SIZE, -1))
        responses_SK2BT = responses_SK2BT[:, :N_KERNELS]
        active_SK2BT = self._activate(some, responses_SK2BT)
        counts_SK2QB = _count_above(responses_SK2BT, thresholds_SK2Q)
        n_padding_B: Tensor | None = None
        if real_BT is not None:
            active_SK2BT = active_SK2BT * real_BT
            n_padding_B = real_BT.shape[1] - real_BT.sum(dim=1)
            counts_SK2QB = counts_SK2QB - (thresholds_SK2Q < 0).unsqueeze(4) * n_padding_B
        results_SRKG2B = compete(competing_SKG2BT, n_padding_B)
        sums_SK2BW = _sums_of_windows(active_SK2BT, self.window_size)
        return (
            counts_SK2QB.transpose(1, 2).flatten(0, 3),
            results_SRKG2B.permute(0, 4, 1, 2, 3, 5).flatten(0, 4),
            sums_SK2BW.permute(3, 4, 0, 2, 1).flatten(2),
        )

    def _activate(self, some: slice, responses_SK2BT: Tensor) -> Tensor:
        """Clipped responses; of no kernel without windows."""
        if self.window_size is None:
            return responses_SK2BT[:, :0]
        center, scale = (
            values[some].transpose(1, 2)[..., None, None] for values in (self.centers, self.scales)
        )
        active_SK2BT = responses_SK2BT - center
        if may_reuse_memory():
            return active_SK2BT.div_(scale).clamp_(-1, 1)
        return (active_SK2BT / scale).clamp(-1, 1)


def _weigh(kernels_SKW: Tensor, channels_SKF: Tensor) -> Tensor | list[Tensor]:
    """Weights of all kernels at each dilation: (S, K, F * 9) for products, otherwise (K, F, 9)."""
    # The kernels of a group have the same channels.
    of_minirocket, of_groups = channels_SKF[:, :N_KERNELS], channels_SKF[:, N_KERNELS:]
    channels_SKF = torch.cat([of_minirocket, *[of_groups] * GROUP_SIZE], dim=1)
    weights_SKFW = channels_SKF.unsqueeze(3) * kernels_SKW.unsqueeze(2)
    if is_product(channels_SKF.shape[2], channels_SKF.device):
        return weights_SKFW.flatten(2)
    return [in_layout(weight_KFW) for weight_KFW in weights_SKFW.unbind()]


def _is_real(lengths_B: Tensor, part: slice) -> Tensor:
    """1 at real timesteps, otherwise 0, shape (B, T), float32."""
    return padding_mask(lengths_B, part.stop - part.start).float()


def _on_grid(values: Tensor) -> Tensor:
    """The values rounded to multiples of 1 / GRID; the gradient is as if they were not."""
    if may_reuse_memory():
        return (values * GRID).round_().div_(GRID)
    return values + ((values * GRID).round() / GRID - values).detach()


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


def _count_above(responses_SK2BT: Tensor, thresholds_SK2Q: Tensor) -> Tensor:
    """Number of timesteps above each threshold, shape (S, K, 2, Q, B), float32."""
    thresholds = [threshold[..., None, None] for threshold in thresholds_SK2Q.unbind(3)]
    if not may_reuse_memory():
        counts = [(responses_SK2BT > threshold).float().sum(dim=4) for threshold in thresholds]
        return torch.stack(counts, dim=3)
    # Ten times as fast as a sum of booleans (benchmarks/LOG.md).
    above_SK2BT, counts = torch.empty_like(responses_SK2BT), []
    for threshold in thresholds:
        torch.gt(responses_SK2BT, threshold, out=above_SK2BT)
        counts.append(above_SK2BT.sum(dim=4))
    return torch.stack(counts, dim=3)


def _sums_of_windows(values_SK2BT: Tensor, size: int | None) -> Tensor:
    """Sum of each window, shape (S, K, 2, B, W); padding is 0."""
    if size is None or size == 1:
        return values_SK2BT
    padded_SK2BT = nn.functional.pad(values_SK2BT, (0, -values_SK2BT.shape[4] % size))
    # In float64: the order of summation depends on the shape.
    sums_SK2BW: Tensor = padded_SK2BT.unflatten(4, (-1, size)).sum(dim=5, dtype=torch.float64)
    return sums_SK2BW


def _concatenate(parts: Sequence[Tensor], dim: int) -> Tensor:
    """Concatenation without a copy of a single part."""
    return torch.cat(list(parts), dim=dim) if len(parts) > 1 else parts[0]


def _sum(parts: Sequence[Tensor]) -> Tensor:
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return total
