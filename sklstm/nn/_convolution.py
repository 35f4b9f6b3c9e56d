"""Convolutions over time, beside the LSTM layers."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sklstm.nn._linear import Linear, in_enough_rows
from sklstm.nn._long import cut_long
from sklstm.nn._normalization import BatchNorm
from sklstm.nn._pooling import MeanPooling, is_padding, padding_mask

# Those of LSTM-FCN; each further layer has the last one.
KERNEL_SIZES = (8, 5, 3)
# Squeeze-and-excite passes through a sixteenth of the filters [Karim 2019].
REDUCTION = 16


class ConvolutionBranch(nn.Module):
    """Convolutional layers and global average pooling: the convolutional branch of LSTM-FCN [1]_.

    Each convolution is followed by batch normalisation, ReLU and, but for the last one, a
    squeeze-and-excitation block [2]_. The number of timesteps stays: sequences are padded with
    zeros on both sides.

    Parameters
    ----------
    input_size : int
        Number of features of a timestep.
    filters : sequence of int
        Number of filters of each layer, first to last; at least one.
    kernel_sizes : sequence of int, default=None
        Kernel size of each layer. None is 8, 5, 3 and then 3 for each further layer.

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
        kernel_sizes: Sequence[int] | None = None,
    ) -> None:
        super().__init__()
        if kernel_sizes is None:
            kernel_sizes = [*KERNEL_SIZES, *[KERNEL_SIZES[-1]] * len(filters)][: len(filters)]
        sizes = zip([input_size, *filters[:-1]], filters, kernel_sizes, strict=True)
        self.layers = nn.ModuleList(
            ConvolutionLayer(*size, squeeze_excite=i < len(filters))
            for i, size in enumerate(sizes, start=1)
        )
        self.pooling = MeanPooling()
        self.output_size = filters[-1]

    def forward(self, inputs_BTF: Tensor, lengths_B: Tensor | None = None) -> Tensor:
        """The mean of the last layer, shape (B, D); the padding may hold anything.

        ``lengths_B`` counts the timesteps of each sequence; None says that all have T.
        """
        if lengths_B is not None:
            inputs_BTF = inputs_BTF.masked_fill(is_padding(lengths_B, inputs_BTF), 0)
        for layer in self.layers:
            inputs_BTF = layer(inputs_BTF, lengths_B)
        pooled_BD: Tensor = self.pooling(inputs_BTF, lengths_B)
        return pooled_BD


class Convolution(nn.Conv1d):
    """``nn.Conv1d`` without bias, with zeros before and after a sequence, so that T stays T.

    An even kernel reads one timestep more ahead than behind. Each sequence has the same bits in any
    batch.
    """

    def __init__(self, input_size: int, n_filters: int, kernel_size: int) -> None:
        # No bias: the normalisation has one.
        super().__init__(input_size, n_filters, kernel_size, padding="same", bias=False)

    def reset_parameters(self) -> None:
        """Draw new weights [He 2015]."""
        nn.init.kaiming_uniform_(self.weight, nonlinearity="relu")

    @property
    def reach(self) -> tuple[int, int]:
        """How many timesteps before and after each one are read; a kernel of 1 is one of 2."""
        size = max(self.kernel_size[0], 2)
        return (size - 1) // 2, size // 2

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  (torch's name)
        """Sliding dot products of values (B, F, T), shape (B, D, T)."""
        weight = self.weight
        if weight.shape[2] == 1:
            # A product without neighbours rounds by the number of rows (oneDNN, float32).
            weight = nn.functional.pad(weight, (0, 1))
        values_BTF, batch_size = input.transpose(1, 2), input.shape[0]
        if batch_size == 1:
            # One sequence is convolved by another kernel, with another rounding (oneDNN, float32).
            values_BTF = values_BTF.expand(2, -1, -1)
        values_BTF = nn.functional.pad(values_BTF, (0, 0, *self.reach))
        # As an image of height 1 whose pixels are contiguous: half as fast otherwise.
        layout = {"memory_format": torch.channels_last}
        image = values_BTF.transpose(1, 2).unsqueeze(2).contiguous(**layout)
        kernel = weight.unsqueeze(2).contiguous(**layout)
        result: Tensor = nn.functional.conv2d(image, kernel)
        # Cut with the filters last: the gradient is laid out as what is cut, and would be copied.
        return result.squeeze(2).transpose(1, 2)[:batch_size].transpose(1, 2)


class ConvolutionLayer(nn.Module):
    """Convolution, batch normalisation, ReLU and perhaps squeeze-and-excitation.

    Parameters
    ----------
    input_size : int
        Number of features of a timestep.
    n_filters : int
        Number of filters.
    kernel_size : int
        Kernel size in timesteps.
    squeeze_excite : bool, default=False
        Whether a squeeze-and-excitation block follows.
    """

    def __init__(
        self,
        input_size: int,
        n_filters: int,
        kernel_size: int,
        *,
        squeeze_excite: bool = False,
    ) -> None:
        super().__init__()
        self.convolution = Convolution(input_size, n_filters, kernel_size)
        self.normalization = BatchNorm(n_filters)
        self.squeeze_excite = SqueezeExcite(n_filters) if squeeze_excite else None

    def forward(self, values_BTF: Tensor, lengths_B: Tensor | None = None) -> Tensor:
        """The layer's result, shape (B, T, D), padded with zeros, as the values must be.

        While training, the real timesteps are gathered before they are normalised, so that shapes
        within depend on the lengths; when predicting none do.
        """
        parts = cut_long(values_BTF)
        if len(parts) > 1 and lengths_B is None:
            values_BTD = self._activate_parts(parts, values_BTF)
        else:
            values_BTD = self._activate(self._convolve(values_BTF), lengths_B)
        if self.squeeze_excite is not None:
            values_BTD = self.squeeze_excite(values_BTD, lengths_B)
        return values_BTD

    def _convolve(self, values_BTF: Tensor) -> Tensor:
        result_BDT: Tensor = self.convolution(values_BTF.transpose(1, 2))
        return result_BDT.transpose(1, 2)

    def _activate(self, values_BTD: Tensor, lengths_B: Tensor | None) -> Tensor:
        """What was convolved, normalised and rectified, in memory of its own."""
        rows_ND = values_BTD.flatten(0, 1).float()
        if lengths_B is None or not self.training:
            activated_BTD = torch.relu(self.normalization(rows_ND)).view(values_BTD.shape)
            if lengths_B is None:
                return activated_BTD
            # Padding is zero again for the next layer.
            return activated_BTD.masked_fill(is_padding(lengths_B, values_BTD), 0)
        real_BT = padding_mask(lengths_B, values_BTD.shape[1])
        real_N = real_BT.flatten().nonzero().squeeze(1)
        real_ND = torch.relu(self.normalization(rows_ND.index_select(0, real_N)))
        return torch.zeros_like(rows_ND).index_copy(0, real_N, real_ND).view(values_BTD.shape)

    def _activate_parts(self, parts: Sequence[slice], values_BTF: Tensor) -> Tensor:
        """The same as of the whole, each part convolved with the timesteps around it."""
        before, after = self.convolution.reach
        size = (*values_BTF.shape[:2], self.convolution.out_channels)
        result_BTD = torch.empty(size, dtype=torch.float32, device=values_BTF.device)
        for part in parts:
            first = max(part.start - before, 0)
            around = self._convolve(values_BTF[:, first : part.stop + after])
            own = around[:, part.start - first : part.stop - first]
            result_BTD[:, part] = self._activate(own, None)
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
        self.squeeze = _Projection(n_filters, width, bias=False)
        self.excite = _Projection(width, n_filters, bias=False)
        self.mean = MeanPooling()

    def forward(self, values_BTD: Tensor, lengths_B: Tensor | None = None) -> Tensor:
        """The weighed filters, shape (B, T, D)."""
        means_BD = self.mean(values_BTD, lengths_B)
        scores_BD = self.excite(torch.relu(self.squeeze(means_BD)))
        # torch's sigmoid rounds the last few numbers of a tensor otherwise, its tanh does not.
        if self.training:
            factors_BD = in_enough_rows(torch.sigmoid, scores_BD.float())
            return values_BTD * factors_BD.unsqueeze(1)
        factors_BD = 0.5 + 0.5 * torch.tanh(0.5 * scores_BD)
        if torch.is_grad_enabled():
            return values_BTD * factors_BD.unsqueeze(1)
        # They are the layer's own, and as large as anything that it holds.
        return values_BTD.mul_(factors_BD.unsqueeze(1))


class _Projection(Linear):
    def reset_parameters(self) -> None:
        nn.init.xavier_uniform_(self.weight)
