"""Networks of inputs that a path can lead through: vectors in place of ids and of categories."""

from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from sklstm.inspection._path import Function
from sklstm.nn import FixedConvolutions, SequenceNetwork, StaticEncoder
from sklstm.nn._categories import CategoryEmbedding, OneHot
from sklstm.nn._fixed_convolutions import N_KERNELS
from sklstm.nn._network import as_patches
from sklstm.nn._pooling import padding_mask


class ExpandedCategories(nn.Module):
    """`CategoryEmbedding` of one-hot vectors in place of codes."""

    def __init__(self, embedding: CategoryEmbedding) -> None:
        super().__init__()
        self.sizes = [embedding.n_numbers, *embedding.n_categories]
        self.vectors = embedding.vectors

    def forward(self, inputs: Tensor) -> Tensor:
        """Numbers and vectors, shape (..., D)."""
        numbers, *one_hot = inputs.split(self.sizes, dim=-1)
        embedded = [own @ vectors for own, vectors in zip(one_hot, self.vectors, strict=True)]
        return torch.cat([numbers, *embedded], dim=-1)


class ExpandedStatic(nn.Module):
    """`StaticEncoder` of what its ``expand`` gives."""

    def __init__(self, encoder: StaticEncoder) -> None:
        super().__init__()
        self.embedding = ExpandedCategories(encoder.embedding)
        self.factor = encoder.factor
        self.output_size = encoder.output_size

    def forward(self, static_BP: Tensor) -> Tensor:
        """Vectors that the network reads, shape (B, output_size)."""
        encoded_BD: Tensor = self.factor * self.embedding(static_BP)
        return encoded_BD


def expand_codes(network: SequenceNetwork, inputs_BTF: Tensor) -> Tensor:
    """Inputs with one-hot vectors in place of codes, if the network reads such."""
    categories = network.categories
    if categories is None:
        return inputs_BTF
    expanded: Tensor = OneHot(categories.n_numbers, categories.n_categories)(inputs_BTF)
    return expanded


def expand_static(network: SequenceNetwork, static_BS: Tensor) -> list[Tensor]:
    """Static columns with one-hot vectors, (B, P), if the network reads such."""
    encoder = network.static
    return [] if encoder is None else [encoder.expand(static_BS)]


def expanded_network(network: SequenceNetwork) -> SequenceNetwork:
    """A copy that reads what `expand_codes` gives, or vectors of tokens, and expanded static."""
    network = copy.deepcopy(network).eval().requires_grad_(False)
    network.embedding = None
    # Gradients of bfloat16 would have three digits.
    network.precision = "float32"
    if network.categories is not None:
        network.categories = ExpandedCategories(network.categories)  # type: ignore[assignment]
    if network.static is not None:
        network.static = ExpandedStatic(network.static)  # type: ignore[assignment]
    return network


def sum_of_outputs(
    network: SequenceNetwork, lengths_B: Tensor | None, weights_BC: Tensor
) -> Function:
    """Weighted outputs of an expanded network; its inputs are values, and static if any."""

    def function(inputs: Sequence[Tensor], rows_R: Tensor) -> Tensor:
        lengths_R = None if lengths_B is None else lengths_B[rows_R]
        outputs_RC: Tensor = network(inputs[0], lengths_R, *inputs[1:])
        return (outputs_RC * weights_BC[rows_R]).sum(dim=1)

    return function


def sum_of_window_outputs(
    network: SequenceNetwork,
    convolutions: FixedConvolutions,
    lengths_B: Tensor | None,
    weights_BC: Tensor,
) -> Function:
    """The same of a network of windows; inputs are values of convolutions, inputs, and static."""

    def function(inputs: Sequence[Tensor], rows_R: Tensor) -> Tensor:
        lengths_R = None if lengths_B is None else lengths_B[rows_R]
        windows = read_windows(convolutions, inputs[0], inputs[1], lengths_R)
        outputs_RC: Tensor = network(*windows, *inputs[2:])
        return (outputs_RC * weights_BC[rows_R]).sum(dim=1)

    return function


def read_windows(
    convolutions: FixedConvolutions,
    values_BF2T: Tensor,
    inputs_BTF: Tensor,
    lengths_B: Tensor | None,
) -> tuple[Tensor, Tensor | None]:
    """Windows (B, W, D) and their numbers, as of `FixedConvolutions`.

    Of expanded inputs, and of what its ``with_differences`` makes of these, batch first.
    """
    size, projection = convolutions.window_size, convolutions.projection
    assert size is not None
    assert projection is not None
    values_F2BT, n_timesteps = values_BF2T.permute(1, 2, 0, 3), inputs_BTF.shape[1]
    sums = []
    for i in range(len(convolutions.dilations)):
        responses_K2BT = convolutions.convolve(values_F2BT, i)[:N_KERNELS]
        center, scale = (
            part[i].T[..., None, None] for part in (convolutions.centers, convolutions.scales)
        )
        active_K2BT = ((responses_K2BT - center) / scale).clamp(-1, 1)
        if lengths_B is not None:
            active_K2BT = active_K2BT.masked_fill(~padding_mask(lengths_B, n_timesteps), 0)
        padded_K2BT = nn.functional.pad(active_K2BT, (0, -n_timesteps % size))
        sums.append(padded_K2BT.unflatten(3, (-1, size)).sum(dim=4).permute(2, 3, 1, 0).flatten(2))
    sums_BWR = torch.cat(sums, dim=2)
    starts_W1 = torch.arange(0, n_timesteps, size, device=sums_BWR.device).unsqueeze(1)
    ends = n_timesteps if lengths_B is None else lengths_B.view(-1, 1, 1)
    means_BWR = sums_BWR / (ends - starts_W1).clamp(1, size)
    patches_BWF, n_windows_B = as_patches(inputs_BTF, lengths_B, size)
    return torch.cat([projection(means_BWR), patches_BWF], dim=2), n_windows_B
