"""Convolutions over time, beside the LSTM layers."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain, islice
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from sklstm.nn._concurrency import Branch
from sklstm.nn._long import cut_long
from sklstm.nn._normalization import BatchNorm
from sklstm.nn._pooling import MeanPooling, padding_mask
from sklstm.nn._rows import in_enough_rows, product, product_in_float64

# Squeeze-and-excite passes through a sixteenth of the filters [Karim 2019].
REDUCTION = 16


class ConvolutionBranch(nn.Module):
    """Convolutions over time, each batch-normalised and followed by ReLU, and their mean over time.

    The branch of LSTM-FCN [1]_ that reads patterns of a few timesteps, wherever they are. The
    timesteps keep their number: before and after a sequence there are zeros.

    Parameters
    ----------
    input_size : int
        Features of a timestep.
    filters : sequence of int
        Width of each layer, first to last; at least one.
    kernel_sizes : sequence of int
        Timesteps that each layer reads at once.
    dilations : sequence of int, default=()
        How far apart they are, in each layer; 1 if empty.
    pool_size : int, default=1
        Neighbouring timesteps of the first layer's result of which the largest goes on, for each
        filter.
    squeeze_excite : bool, default=False
        Whether each layer but the last weighs its filters by the whole sequence [2]_.

    References
    ----------
    .. [1] F. Karim, S. Majumdar, H. Darabi, S. Chen, "LSTM Fully Convolutional Networks for Time
       Series Classification", IEEE Access 6, 2018.
    .. [2] F. Karim, S. Majumdar, H. Darabi, S. Harford, "Multivariate LSTM-FCNs for Time Series
       Classification", Neural Networks 116, 2019.
    """

    def __init__(
        self,
        input_size: int,
        filters: Sequence[int],
        kernel_sizes: Sequence[int],
        dilations: Sequence[int] = (),
        *,
        pool_size: int = 1,
        squeeze_excite: bool = False,
    ) -> None:
        super().__init__()
        dilations = dilations or [1] * len(filters)
        sizes = zip([input_size, *filters[:-1]], filters, kernel_sizes, dilations, strict=True)
        self.layers = nn.ModuleList(
            ConvolutionLayer(*size, squeeze_excite=squeeze_excite and i < len(filters))
            for i, size in enumerate(sizes, start=1)
        )
        self.pool_size = pool_size
        self.pooling = MeanPooling()
        self.output_size = filters[-1]

    def forward(self, inputs_BTF: Tensor, lengths_B: Tensor | None = None) -> Tensor:
        """The mean of the last layer, shape (B, D); the padding may hold anything.

        ``lengths_B`` counts the timesteps of each sequence; None says that all have T.
        """
        if lengths_B is not None:
            mask_BT1 = padding_mask(lengths_B, inputs_BTF.shape[1]).unsqueeze(2)
            inputs_BTF = inputs_BTF.masked_fill(~mask_BT1, 0)
        function, tensors = self.branch(inputs_BTF, lengths_B)
        return function(*tensors)

    def branch(self, inputs_BTF: Tensor, lengths_B: Tensor | None = None) -> Branch:
        """What ``forward`` computes, and from which tensors, where the padding is zero already."""
        layers = [cast("ConvolutionLayer", layer) for layer in self.layers]
        timesteps = Timesteps.of(lengths_B, inputs_BTF.shape[1])
        pooled = timesteps.pooled(self.pool_size)

        def run(inputs_BTF: Tensor, *weights: Tensor) -> Tensor:
            values_BTD, rest = inputs_BTF, iter(weights)
            for i, layer in enumerate(layers):
                own = islice(rest, len(layer.weights()))
                values_BTD = layer(values_BTD, pooled if i else timesteps, *own)
                if i == 0:
                    values_BTD = largest_of_neighbours(values_BTD, self.pool_size)
            pooled_BD: Tensor = self.pooling(values_BTD, pooled.lengths_B)
            return pooled_BD

        return run, [inputs_BTF, *chain.from_iterable(layer.weights() for layer in layers)]


class Timesteps(NamedTuple):
    """Which timesteps of a batch are real.

    ``real_N`` are their flat positions b * T + t; None, as for the lengths, says that all are.
    """

    lengths_B: Tensor | None
    n_timesteps: int
    real_N: Tensor | None

    @classmethod
    def of(cls, lengths_B: Tensor | None, n_timesteps: int) -> Timesteps:
        """Those of sequences of these lengths, padded to so many."""
        if lengths_B is None:
            return cls(None, n_timesteps, None)
        mask_BT = padding_mask(lengths_B, n_timesteps)
        return cls(lengths_B, n_timesteps, mask_BT.flatten().nonzero().squeeze(1))

    def pooled(self, size: int) -> Timesteps:
        """Those of each ``size`` neighbours."""
        if size == 1:
            return self
        lengths_B = None if self.lengths_B is None else (self.lengths_B + size - 1) // size
        return self.of(lengths_B, -(-self.n_timesteps // size))


class ConvolutionLayer(nn.Module):
    """One convolution, batch normalisation, ReLU and perhaps squeeze-and-excite.

    Parameters
    ----------
    input_size : int
        Features of a timestep.
    n_filters : int
        Width of the result.
    kernel_size : int
        Timesteps read at once. Of an even number, one more lies ahead than behind.
    dilation : int, default=1
        How far apart they are.
    squeeze_excite : bool, default=False
        Whether the filters are weighed by what all of them say of the whole sequence.
    """

    def __init__(
        self,
        input_size: int,
        n_filters: int,
        kernel_size: int,
        dilation: int = 1,
        *,
        squeeze_excite: bool = False,
    ) -> None:
        super().__init__()
        self.dilation = dilation
        # No bias: the normalisation has one.
        self.weight = nn.Parameter(torch.empty(n_filters, input_size, kernel_size))
        nn.init.kaiming_uniform_(self.weight, nonlinearity="relu")
        self.normalization = BatchNorm(n_filters)
        self.squeeze_excite = SqueezeExcite(n_filters) if squeeze_excite else None

    def weights(self) -> list[Tensor]:
        """What ``forward`` takes."""
        excite = [] if self.squeeze_excite is None else self.squeeze_excite.weights()
        return [self.weight, self.normalization.weight, self.normalization.bias, *excite]

    def forward(
        self,
        values_BTF: Tensor,
        timesteps: Timesteps,
        weight: Tensor,
        scale: Tensor,
        shift: Tensor,
        *excite: Tensor,
    ) -> Tensor:
        """The layer's result, shape (B, T, D), padded with zeros."""
        parts = cut_long(values_BTF)
        if len(parts) > 1 and timesteps.real_N is None:
            values_BTD = self._activate_parts(parts, values_BTF, weight, scale, shift)
        else:
            values_BTD = convolve(values_BTF, weight, self.dilation)
            values_BTD = self._activate(values_BTD, timesteps.real_N, scale, shift)
        if self.squeeze_excite is not None:
            values_BTD = self.squeeze_excite(values_BTD, timesteps.lengths_B, *excite)
        return values_BTD

    def _activate(
        self, values_BTD: Tensor, real_N: Tensor | None, scale: Tensor, shift: Tensor
    ) -> Tensor:
        """What was convolved, normalised and rectified, in memory of its own."""
        rows_ND = values_BTD.flatten(0, 1).float()
        if real_N is None:
            rows_ND = torch.relu(self.normalization(rows_ND, scale, shift))
        else:
            # Only real timesteps are normalised, and padding is zero again for the next layer.
            real_ND = rows_ND.index_select(0, real_N)
            real_ND = torch.relu(self.normalization(real_ND, scale, shift))
            rows_ND = torch.zeros_like(rows_ND).index_copy(0, real_N, real_ND)
        return rows_ND.view(values_BTD.shape)

    def _activate_parts(
        self,
        parts: Sequence[slice],
        values_BTF: Tensor,
        weight: Tensor,
        scale: Tensor,
        shift: Tensor,
    ) -> Tensor:
        """The same as of the whole, each part convolved with the timesteps around it."""
        before, after = reach(weight, self.dilation)
        size = (*values_BTF.shape[:2], len(weight))
        result_BTD = torch.empty(size, dtype=torch.float32, device=values_BTF.device)
        for part in parts:
            first = max(part.start - before, 0)
            around = convolve(values_BTF[:, first : part.stop + after], weight, self.dilation)
            own = around[:, part.start - first : part.stop - first]
            result_BTD[:, part] = self._activate(own, None, scale, shift)
        return result_BTD


class SqueezeExcite(nn.Module):
    r"""Each filter of a sequence times a factor that all its filters decide.

    .. math:: y_t = \sigma\left(W_2 \max(0, W_1 \bar x)\right) \odot x_t

    with :math:`\bar x` the mean over the timesteps.

    Parameters
    ----------
    n_filters : int
        Width of what is weighed.

    References
    ----------
    .. [1] J. Hu, L. Shen, G. Sun, "Squeeze-and-Excitation Networks", CVPR 2018.
    """

    def __init__(self, n_filters: int) -> None:
        super().__init__()
        width = max(1, n_filters // REDUCTION)
        self.squeeze = nn.Parameter(torch.empty(width, n_filters))
        self.excite = nn.Parameter(torch.empty(n_filters, width))
        for weight in (self.squeeze, self.excite):
            nn.init.xavier_uniform_(weight)
        self.mean = MeanPooling()

    def weights(self) -> list[Tensor]:
        """What ``forward`` takes."""
        return [self.squeeze, self.excite]

    def forward(
        self, values_BTD: Tensor, lengths_B: Tensor | None, squeeze: Tensor, excite: Tensor
    ) -> Tensor:
        """The weighed filters, shape (B, T, D)."""
        means_BD = self.mean(values_BTD, lengths_B)
        if self.training:
            return values_BTD * self._factors(means_BD, squeeze, excite).unsqueeze(1)
        squeezed_BE = torch.relu(product_in_float64(means_BD, squeeze))
        # torch's sigmoid rounds the last few numbers of a tensor otherwise, its tanh does not.
        factors_BD = _sigmoid_by_tanh(product_in_float64(squeezed_BE, excite))
        if torch.is_grad_enabled():
            return values_BTD * factors_BD.unsqueeze(1)
        # They are the layer's own, and as large as anything that it holds.
        return values_BTD.mul_(factors_BD.unsqueeze(1))

    def _factors(self, means_BD: Tensor, squeeze: Tensor, excite: Tensor) -> Tensor:
        def factors(means_BD: Tensor) -> Tensor:
            squeezed_BE = torch.relu(product(means_BD, squeeze))
            return torch.sigmoid(product(squeezed_BE, excite).float())

        return in_enough_rows(factors, means_BD)


def _sigmoid_by_tanh(values: Tensor) -> Tensor:
    return 0.5 + 0.5 * torch.tanh(0.5 * values)


def largest_of_neighbours(values_BTD: Tensor, size: int) -> Tensor:
    """The largest of each ``size`` neighbouring timesteps, none of which is negative."""
    if size == 1:
        return values_BTD
    values_BTD = nn.functional.pad(values_BTD, (0, 0, 0, -values_BTD.shape[1] % size))
    largest_BTD: Tensor = values_BTD.unflatten(1, (-1, size)).amax(dim=2)
    return largest_BTD


def reach(weight: Tensor, dilation: int) -> tuple[int, int]:
    """How many timesteps before and after each one a weight (D, F, K) reads."""
    kernel_size = weight.shape[2]
    return (kernel_size - 1) // 2 * dilation, kernel_size // 2 * dilation


def convolve(values_BTF: Tensor, weight: Tensor, dilation: int = 1) -> Tensor:
    """Sliding dot products with a weight (D, F, K), zeros beyond both ends, shape (B, T, D)."""
    if weight.shape[2] == 1:
        # A product without neighbours rounds by the number of rows (oneDNN, float32).
        weight = nn.functional.pad(weight, (0, 1))
    before, after = reach(weight, dilation)
    batch_size = len(values_BTF)
    if batch_size == 1:
        # One sequence is convolved by another kernel, with another rounding (oneDNN, float32).
        values_BTF = values_BTF.expand(2, -1, -1)
    values_BTF = nn.functional.pad(values_BTF, (0, 0, before, after))
    # As an image of height 1 whose pixels are contiguous: half as fast otherwise.
    image = values_BTF.transpose(1, 2).unsqueeze(2).contiguous(memory_format=torch.channels_last)
    kernel = weight.unsqueeze(2).contiguous(memory_format=torch.channels_last)
    result: Tensor = nn.functional.conv2d(image, kernel, dilation=(1, dilation))
    return result.squeeze(2).transpose(1, 2)[:batch_size]
