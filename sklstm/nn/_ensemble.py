"""Ensemble of a network and a linear model on features of fixed convolutions."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from sklstm.nn._fixed_convolutions import ConvolutionFeatures, FixedConvolutions
from sklstm.nn._linear import Linear
from sklstm.nn._network import SequenceNetwork


class ConvolutionEnsemble(nn.Module):
    """Mean of a `SequenceNetwork` and a linear model on features of `FixedConvolutions`.

    The linear model reads the summaries, the network the windows, or the inputs if there are none.
    Until `set_linear` the outputs are those of the network alone.

    Parameters
    ----------
    convolutions : FixedConvolutions
        Features of the sequences.
    network : SequenceNetwork
        Network of ``convolutions.output_size`` features; without windows, of those of the inputs.
    """

    # Share of the network's outputs.
    share: Tensor

    def __init__(self, convolutions: FixedConvolutions, network: SequenceNetwork) -> None:
        super().__init__()
        self.convolutions = convolutions
        self.network = network
        self.linear = Linear(convolutions.n_features, network.n_classes).requires_grad_(False)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)
        self.register_buffer("share", torch.ones(()))
        self.n_classes, self.output_size = network.n_classes, network.output_size

    def set_linear(self, weight_CP: Tensor, bias_C: Tensor) -> None:
        """Set the linear model, which then counts as much as the network."""
        with torch.no_grad():
            self.linear.weight.copy_(weight_CP / 2)
            self.linear.bias.copy_(bias_C / 2)
            self.share.fill_(0.5)

    def forward(self, inputs_BTF: Tensor, lengths_B: Tensor | None = None) -> Tensor:
        """Logits, shape (B, C), as of `SequenceNetwork`."""
        features = self.convolutions(inputs_BTF, lengths_B)
        of_network_BC: Tensor = self.network(*_steps(features, inputs_BTF, lengths_B))
        of_linear_BC: Tensor = self.linear(features.summaries)
        return self.share * of_network_BC + of_linear_BC

    def embed(self, inputs_BTF: Tensor, lengths_B: Tensor | None = None) -> Tensor:
        """Pooled vectors of the network, shape (B, D)."""
        if self.convolutions.window_size is None:
            return self.network.embed(inputs_BTF, lengths_B)
        features = self.convolutions(inputs_BTF, lengths_B)
        return self.network.embed(*_steps(features, inputs_BTF, lengths_B))


def _steps(
    features: ConvolutionFeatures, inputs_BTF: Tensor, lengths_B: Tensor | None
) -> tuple[Tensor, Tensor | None]:
    """What the network reads, and its lengths."""
    if features.windows is None:
        return inputs_BTF, lengths_B
    return features.windows, features.n_windows
