"""Convolutional branch over time."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sklstm.nn._derived import Derived, may_reuse_memory
from sklstm.nn._linear import Linear, in_enough_rows
from sklstm.nn._long import cut_long
from sklstm.nn._normalization import BatchNorm
from sklstm.nn._pooling import MeanPooling, is_padding, limited, padding_mask

# Kernel sizes of LSTM-FCN; further layers have the last one.
KERNEL_SIZES = (8, 5, 3)
# Reduction ratio of squeeze-and-excitation [Karim 2019].
REDUCTION = 16


class ConvolutionBranch(nn.Module):
    """Convolutional branch of LSTM-FCN [1]_: convolutions and global average pooling.

    Each convolution is followed by batch normalisation, ReLU and, except in the last layer, a
    squeeze-and-excitation block [2]_. Zero padding preserves the number of timesteps.

    Parameters
    ----------
    input_size : int
        Number of features of a timestep.
    filters : sequence of int
        Number of filters of each layer, at least one layer.
    kernel_sizes : sequence of int, default=None
        Kernel size of each layer. None means 8, 5 and 3, then 3 for each further layer.

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
        self.pooling = MeanPooling(is_padded_with_zeros=True)
        self.output_size = filters[-1]

    def forward(self, inputs_BTF: Tensor, lengths_B: Tensor | None = None) -> Tensor:
        """Compute the pooled output of the last layer, shape (B, D).

                Padding may hold any values.

        ``lengths_B`` are the numbers of timesteps of the sequences. None means T for all.
        """
        if lengths_B is not None:
            inputs_BTF = inputs_BTF.masked_fill(is_padding(lengths_B, inputs_BTF), 0)
        for layer in self.layers:
            inputs_BTF = layer(inputs_BTF, lengths_B)
        pooled_BD: Tensor = self.pooling(inputs_BTF, lengths_B)
        return pooled_BD


class Convolution(nn.Conv1d):
    """``nn.Conv1d`` without bias, with zero padding that preserves T.

    An even kernel reads one more timestep after than before. Results are bit-identical for any
    batch composition.
    """

    def __init__(self, input_size: int, n_filters: int, kernel_size: int) -> None:
        # No bias: batch normalisation has one.
        super().__init__(input_size, n_filters, kernel_size, padding="same", bias=False)
        self._kernel = Derived(_at_least_2_wide)

    def train(self, mode: bool = True) -> Convolution:
        """Set the mode; a captured step changes weights without torch's counting it."""
        self._kernel.clear()
        super().train(mode)
        return self

    def reset_parameters(self) -> None:
        """Draw new weights [He 2015]."""
        nn.init.kaiming_uniform_(self.weight, nonlinearity="relu")

    @property
    def reach(self) -> tuple[int, int]:
        """Number of timesteps read before and after each one; a kernel of 1 counts as one of 2."""
        size = max(self.kernel_size[0], 2)
        return (size - 1) // 2, size // 2

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  (torch's name)
        """Convolution of values (B, F, T), shape (B, D, T)."""
        n = input.shape[0]
        # oneDNN convolves a single sequence with different rounding (float32).
        padding = (0, 0, *self.reach, 0, 1) if n == 1 else (0, 0, *self.reach)
        values_BTF = nn.functional.pad(input.transpose(1, 2), padding)
        convolved_BDT = convolve(values_BTF, self._kernel(self.weight))
        # Slice with the filters last: the gradient has the layout of the slice, otherwise a copy.
        return convolved_BDT.transpose(1, 2)[:n].transpose(1, 2)


def _at_least_2_wide(weight_DFS: Tensor) -> Tensor:
    """Weights for `convolve`; one of size 1 is padded."""
    if weight_DFS.shape[2] == 1:
        # oneDNN's rounding of a kernel of size 1 depends on the number of rows (float32).
        weight_DFS = nn.functional.pad(weight_DFS, (0, 1))
    return in_layout(weight_DFS)


def in_layout(values_BFT: Tensor) -> Tensor:
    """Images of height 1, (B, F, 1, T), in channels_last layout: half as fast otherwise."""
    return values_BFT.unsqueeze(2).contiguous(memory_format=torch.channels_last)


def convolve(values_BTF: Tensor, kernel_DF1S: Tensor, dilation: int = 1) -> Tensor:
    """Convolution without padding, shape (B, D, T'), bit-identical for any batch of at least two.

    The kernel is `in_layout`.
    """
    image = in_layout(values_BTF.transpose(1, 2))
    result: Tensor = nn.functional.conv2d(image, kernel_DF1S, dilation=(1, dilation))
    return result.squeeze(2)


class ConvolutionLayer(nn.Module):
    """Convolution, batch normalisation, ReLU and optional squeeze-and-excitation.

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
        """Output of the layer, shape (B, T, D); padding of input and output is 0.

        In training mode on a CPU the real timesteps are gathered before normalisation, so that
        intermediate shapes depend on the lengths; otherwise they do not.
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
        """Batch normalisation and ReLU, out of place."""
        rows_ND = values_BTD.flatten(0, 1).float()
        # A single timestep has no variance.
        if lengths_B is None or not self.training or len(rows_ND) == 1:
            activated_BTD = torch.relu(self.normalization(rows_ND)).view(values_BTD.shape)
            if lengths_B is None:
                return activated_BTD
            # The next layer requires zeros in the padding.
            if may_reuse_memory():
                return limited(activated_BTD, lengths_B, 0.0, out=activated_BTD)
            return activated_BTD.masked_fill(is_padding(lengths_B, values_BTD), 0)
        if not gathers_real(values_BTD):
            padding_BT1 = is_padding(lengths_B, values_BTD)
            normalised_BTD = self.normalization.normalize_padded(values_BTD.float(), padding_BT1)
            return torch.relu(normalised_BTD).masked_fill(padding_BT1, 0)
        real_BT = padding_mask(lengths_B, values_BTD.shape[1])
        real_N = real_BT.flatten().nonzero().squeeze(1)
        real_ND = torch.relu(self.normalization(rows_ND.index_select(0, real_N)))
        return torch.zeros_like(rows_ND).index_copy(0, real_N, real_ND).view(values_BTD.shape)

    def _activate_parts(self, parts: Sequence[slice], values_BTF: Tensor) -> Tensor:
        """Convolve and activate a long batch in parts, each with its neighbouring timesteps."""
        before, after = self.convolution.reach
        size = (*values_BTF.shape[:2], self.convolution.out_channels)
        result_BTD = torch.empty(size, dtype=torch.float32, device=values_BTF.device)
        for part in parts:
            first = max(part.start - before, 0)
            around = self._convolve(values_BTF[:, first : part.stop + after])
            own = around[:, part.start - first : part.stop - first]
            result_BTD[:, part] = self._activate(own, None)
        return result_BTD


def gathers_real(values_BTD: Tensor) -> bool:
    """Whether real timesteps are gathered in training: a GPU would have to tell their number."""
    return values_BTD.device.type == "cpu"


class SqueezeExcite(nn.Module):
    r"""Squeeze-and-excitation [1]_: scales each filter by a factor computed from all filters.

    .. math:: y_t = \sigma\left(W_2 \max(0, W_1 \bar x)\right) \odot x_t

    with :math:`\bar x` the mean over the timesteps.

    Parameters
    ----------
    n_filters : int
        Number of filters.

    References
    ----------
    .. [1] J. Hu, L. Shen, G. Sun, "Squeeze-and-Excitation Networks", CVPR 2018.
    """

    def __init__(self, n_filters: int) -> None:
        super().__init__()
        width = max(1, n_filters // REDUCTION)
        self.squeeze = _Projection(n_filters, width, bias=False)
        self.excite = _Projection(width, n_filters, bias=False)
        self.mean = MeanPooling(is_padded_with_zeros=True)

    def forward(self, values_BTD: Tensor, lengths_B: Tensor | None = None) -> Tensor:
        """Scaled filters, shape (B, T, D); padding is 0."""
        means_BD = self.mean(values_BTD, lengths_B)
        scores_BD = self.excite(torch.relu(self.squeeze(means_BD)))
        # torch's sigmoid rounds the last few elements of a tensor differently, its tanh does not.
        if self.training:
            factors_BD = in_enough_rows(torch.sigmoid, scores_BD.float())
            return values_BTD * factors_BD.unsqueeze(1)
        factors_BD = 0.5 + 0.5 * torch.tanh(0.5 * scores_BD)
        if torch.is_grad_enabled():
            return values_BTD * factors_BD.unsqueeze(1)
        # In place, to save memory: the values are the layer's own.
        return values_BTD.mul_(factors_BD.unsqueeze(1))


class _Projection(Linear):
    def reset_parameters(self) -> None:
        nn.init.xavier_uniform_(self.weight)
