"""Convolutions that are not trained: features of sequences after MiniRocket."""

from __future__ import annotations

from itertools import combinations
from typing import NamedTuple

import torch
from torch import Tensor, nn

from sklstm.nn._convolution import convolve
from sklstm.nn._linear import TimestepLinear
from sklstm.nn._long import cut_long
from sklstm.nn._network import as_patches
from sklstm.nn._pooling import is_padding, padding_mask

# The kernels of MiniRocket: 9 weights, three of them 2 and all others -1, so that they sum to 0.
KERNEL_SIZE, N_KERNELS = 9, 84
# Timesteps before and after the middle one, at dilation 1.
REACH = KERNEL_SIZE // 2
# Maximum number of dilations, from 1 to where a kernel is as long as a sequence.
MAX_DILATIONS = 6
# Maximum size of a projected window.
MAX_COMPONENTS = 64


class ConvolutionFeatures(NamedTuple):
    """Windows (B, W, D), the number of each sequence (B,), and proportions (B, P).

    The numbers are None if all are W.
    """

    windows: Tensor
    n_windows: Tensor | None
    proportions: Tensor


class FixedConvolutions(nn.Module):
    r"""Features of dilated convolutions whose kernels are fixed, after MiniRocket [1]_.

    At each dilation there are 84 kernels of 9 timesteps, all with three weights of 2 and six of -1.
    Each convolves the sum of a random subset of the features, with zero padding that preserves T,
    to a response :math:`r_t`. Two kinds of features are computed of it:

    - the proportion of timesteps at which :math:`r_t` is above a threshold, for several thresholds;
    - the mean of :math:`\tanh((r_t - c) / s)` in each of consecutive windows, :math:`c` being a
      centre and :math:`s` a scale of the response. The means of all kernels are projected linearly,
      and the inputs in the window are appended to them.

    Subsets, thresholds, centres, scales and projection are not trained: an estimator fits them once
    to its training sequences. Before, each kernel sums all features, thresholds and centres are 0,
    and the projection is random.

    Parameters
    ----------
    input_size : int
        Number of features F of a timestep.
    n_timesteps : int
        Length of a typical sequence, which the dilations follow from: up to six powers, rounded
        down, from 1 to (n_timesteps - 1) / 8.
    n_proportions : int
        Number of proportions P, rounded down to a multiple of 84 times the number of dilations, of
        which there is at least one.
    window_size : int, default=1
        Number of timesteps of a window.

    References
    ----------
    .. [1] A. Dempster, D. F. Schmidt, G. I. Webb, "MiniRocket: A Very Fast (Almost) Deterministic
       Transform for Time Series Classification", KDD 2021.
    """

    kernels: Tensor
    channels: Tensor
    thresholds: Tensor
    centers: Tensor
    scales: Tensor

    def __init__(
        self, input_size: int, n_timesteps: int, n_proportions: int, window_size: int = 1
    ) -> None:
        super().__init__()
        self.dilations = dilations_for(n_timesteps)
        self.window_size = window_size
        n_responses = N_KERNELS * len(self.dilations)
        n_thresholds = max(1, n_proportions // n_responses)
        shape = (len(self.dilations), N_KERNELS)
        self.register_buffer("kernels", _kernels())
        self.register_buffer("channels", torch.ones(*shape, input_size))
        self.register_buffer("thresholds", torch.zeros(*shape, n_thresholds))
        self.register_buffer("centers", torch.zeros(shape))
        self.register_buffer("scales", torch.ones(shape))
        self.projection = TimestepLinear(n_responses, min(MAX_COMPONENTS, n_responses))
        self.projection.requires_grad_(False)
        self.n_proportions = n_responses * n_thresholds
        self.output_size = self.projection.out_features + window_size * input_size

    def forward(self, inputs_BTF: Tensor, lengths_B: Tensor | None = None) -> ConvolutionFeatures:
        """Windows and proportions; padding may hold any values.

        ``lengths_B`` are the numbers of timesteps of the sequences; None means T for all.
        """
        if lengths_B is not None:
            inputs_BTF = inputs_BTF.masked_fill(is_padding(lengths_B, inputs_BTF), 0)
        responses_BWR, proportions_BP = self.pool(inputs_BTF, lengths_B)
        patches_BWF, n_windows_B = as_patches(inputs_BTF, lengths_B, self.window_size)
        windows_BWD = torch.cat([self.projection(responses_BWR), patches_BWF], dim=2)
        return ConvolutionFeatures(windows_BWD, n_windows_B, proportions_BP)

    def pool(self, inputs_BTF: Tensor, lengths_B: Tensor | None) -> tuple[Tensor, Tensor]:
        """Mean activations in each window (B, W, R), and proportions (B, P).

        The padding of the inputs is 0.
        """
        n_real = inputs_BTF.shape[1] if lengths_B is None else lengths_B.view(-1, 1, 1)
        activations, proportions = [], []
        for i in range(len(self.dilations)):
            # Windows are never cut.
            parts = [
                self._pool_part(i, self.convolve(inputs_BTF, i, part), _rest(lengths_B, part))
                for part in cut_long(inputs_BTF, self.window_size)
            ]
            means, counts = zip(*parts, strict=True)
            activations.append(torch.cat(means, dim=2))
            proportions.append((sum(counts[1:], start=counts[0]) / n_real).flatten(1))
        return torch.cat(activations, dim=1).transpose(1, 2), torch.cat(proportions, dim=1)

    def convolve(self, inputs_BTF: Tensor, i: int, part: slice | None = None) -> Tensor:
        """Responses at dilation number ``i``, shape (B, 84, T), or those of a part of T.

        Results are bit-identical for any batch composition.
        """
        reach = REACH * self.dilations[i]
        values_BTF = nn.functional.pad(inputs_BTF, (0, 0, reach, reach))
        if part is not None:
            values_BTF = values_BTF[:, part.start : part.stop + 2 * reach]
        weight_KFS = self.channels[i].unsqueeze(2) * self.kernels.unsqueeze(1)
        return convolve(values_BTF, weight_KFS, self.dilations[i]).contiguous()

    def _pool_part(
        self, i: int, responses_BKT: Tensor, lengths_B: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """Mean activations in each window (B, 84, W), and counts above each threshold."""
        center_K1, scale_K1 = self.centers[i].unsqueeze(1), self.scales[i].unsqueeze(1)
        active_BKT = torch.tanh((responses_BKT - center_K1) / scale_K1)
        if lengths_B is not None:
            padding_B1T = ~padding_mask(lengths_B, responses_BKT.shape[2]).unsqueeze(1)
            active_BKT = active_BKT.masked_fill(padding_B1T, 0)
            responses_BKT = responses_BKT.masked_fill(padding_B1T, -torch.inf)
        means_BKW = _means_of_windows(active_BKT, lengths_B, self.window_size)
        return means_BKW, _count_above(responses_BKT, self.thresholds[i])


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


def _rest(lengths_B: Tensor | None, part: slice) -> Tensor | None:
    """Lengths from the start of a part; not positive where the sequence ends before."""
    return None if lengths_B is None else lengths_B - part.start


def _count_above(responses_BKT: Tensor, thresholds_KQ: Tensor) -> Tensor:
    """Number of timesteps above each threshold, shape (B, 84, Q), float32."""
    if torch.is_grad_enabled() or torch.compiler.is_exporting():
        return (responses_BKT.unsqueeze(2) > thresholds_KQ.unsqueeze(2)).float().sum(dim=3)
    # Ten times as fast as a sum of booleans (benchmarks/LOG.md).
    above_BKT, counts = torch.empty_like(responses_BKT), []
    for threshold_K in thresholds_KQ.unbind(1):
        torch.gt(responses_BKT, threshold_K.unsqueeze(1), out=above_BKT)
        counts.append(above_BKT.sum(dim=2))
    return torch.stack(counts, dim=2)


def _means_of_windows(values_BKT: Tensor, lengths_B: Tensor | None, size: int) -> Tensor:
    """Mean of the real timesteps in each window, shape (B, 84, W); padding is 0."""
    if size == 1:
        return values_BKT
    n_timesteps = values_BKT.shape[2]
    values_BKT = nn.functional.pad(values_BKT, (0, -n_timesteps % size))
    # In float64: the order of summation depends on the shape.
    sums_BKW = values_BKT.unflatten(2, (-1, size)).sum(dim=3, dtype=torch.float64)
    starts_W = torch.arange(0, n_timesteps, size, device=values_BKT.device)
    ends = n_timesteps if lengths_B is None else lengths_B.view(-1, 1, 1)
    means_BKW: Tensor = sums_BKW / (ends - starts_W).clamp(1, size)
    return means_BKW.float()
