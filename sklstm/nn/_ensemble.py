"""Ensembles of a network and a linear model."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from sklstm._sequences import UNKNOWN_ID
from sklstm.nn._fixed_convolutions import ConvolutionFeatures, FixedConvolutions
from sklstm.nn._linear import Linear
from sklstm.nn._network import SequenceNetwork
from sklstm.nn._tfidf import TfidfLinear, without_padding

# Share of a linear model on fixed convolutions, and of the network beside it until it is fitted.
LINEAR_SHARE = 0.5


class Ensemble(nn.Module, ABC):
    """Weighted sum of the logits of a `SequenceNetwork` and of a linear model.

    Only the network is trained by gradients. Its share is 1 and that of the linear model 0 until
    they are set.

    Parameters
    ----------
    network : SequenceNetwork
        The network.
    """

    # Of the network and of the linear model.
    shares: Tensor

    def __init__(self, network: SequenceNetwork) -> None:
        super().__init__()
        self.network = network
        self.register_buffer("shares", torch.tensor([1.0, 0.0]))
        self.n_classes, self.output_size = network.n_classes, network.output_size

    def set_shares(self, of_network: float, of_linear: float) -> None:
        """Set the factors of both logits."""
        self.shares.copy_(torch.tensor([of_network, of_linear]))

    @property
    def n_static(self) -> int:
        """Number of static columns that the linear model reads, one for each category."""
        static = self.network.static
        return 0 if static is None else static.one_hot.output_size

    @torch.no_grad()
    def shift(self, by_C: Tensor) -> None:
        """Add a constant to each logit, by way of those of the network."""
        self.network.shift(by_C / self.shares[0])

    def expand(self, static_BS: Tensor | None) -> list[Tensor]:
        """Static columns as the linear model reads them, (B, n_static), if there are any."""
        encoder = self.network.static
        return [] if encoder is None or static_BS is None else [encoder.expand(static_BS)]

    @abstractmethod
    def members(
        self, inputs: Tensor, lengths_B: Tensor | None = None, static_BS: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Logits of the network and of the linear model, each of shape (B, C)."""

    @abstractmethod
    def embed(
        self, inputs: Tensor, lengths_B: Tensor | None = None, static_BS: Tensor | None = None
    ) -> Tensor:
        """Pooled vectors of the network, shape (B, D)."""

    def forward(
        self, inputs: Tensor, lengths_B: Tensor | None = None, static_BS: Tensor | None = None
    ) -> Tensor:
        """Compute logits, shape (B, C), for the inputs of `SequenceNetwork`."""
        of_network_BC, of_linear_BC = self.members(inputs, lengths_B, static_BS)
        return self.shares[0] * of_network_BC + self.shares[1] * of_linear_BC


def network_of(module: SequenceNetwork | Ensemble) -> SequenceNetwork:
    """The network, without a linear model beside it."""
    return module.network if isinstance(module, Ensemble) else module


class ConvolutionEnsemble(Ensemble):
    """Weighted sum of a `SequenceNetwork` and a linear model on features of `FixedConvolutions`.

    The linear model reads the pooled features and the static columns. The network reads the
    windows, or the inputs if there are no windows. An estimator fits the linear model and the
    weights of the sum; before that, the outputs are those of the network.

    Parameters
    ----------
    convolutions : FixedConvolutions
        Features of the sequences.
    network : SequenceNetwork
        Network with ``convolutions.output_size`` features, or without windows those of the inputs.
    """

    def __init__(self, convolutions: FixedConvolutions, network: SequenceNetwork) -> None:
        super().__init__(network)
        self.convolutions = convolutions
        n_features = convolutions.n_features + self.n_static
        self.linear = Linear(n_features, network.n_classes).requires_grad_(False)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def set_linear(self, weight_CP: Tensor, bias_C: Tensor) -> None:
        """Set the linear model; the outputs then are the mean of both, until `set_shares`."""
        with torch.no_grad():
            self.linear.weight.copy_(weight_CP)
            self.linear.bias.copy_(bias_C)
        self.set_shares(LINEAR_SHARE, LINEAR_SHARE)

    def members(
        self, inputs: Tensor, lengths_B: Tensor | None = None, static_BS: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Logits of the network and of the linear model, each of shape (B, C)."""
        features = self.convolutions(inputs, lengths_B)
        of_network_BC: Tensor = self.network(*_steps(features, inputs, lengths_B), static_BS)
        read = [features.summaries, *self.expand(static_BS)]
        return of_network_BC, self.linear(torch.cat(read, dim=1) if len(read) > 1 else read[0])

    def embed(
        self, inputs: Tensor, lengths_B: Tensor | None = None, static_BS: Tensor | None = None
    ) -> Tensor:
        """Pooled vectors of the network, shape (B, D)."""
        if self.convolutions.window_size is None:
            return self.network.embed(inputs, lengths_B, static_BS)
        features = self.convolutions(inputs, lengths_B)
        return self.network.embed(*_steps(features, inputs, lengths_B), static_BS)


def _steps(
    features: ConvolutionFeatures, inputs_BTF: Tensor, lengths_B: Tensor | None
) -> tuple[Tensor, Tensor | None]:
    """What the network reads, and its lengths."""
    if features.windows is None:
        return inputs_BTF, lengths_B
    return features.windows, features.n_windows


class TokenEnsemble(Ensemble):
    """Weighted sum of a `SequenceNetwork` of token ids and a `TfidfLinear`.

    A linear model of static columns, if there are any, is added to the latter. The network reads
    rare tokens as unknown. An estimator fits the linear models and the weights of the sum, and
    determines which tokens are rare; before that, the outputs are those of the network.

    Parameters
    ----------
    network : SequenceNetwork
        Network with an embedding.
    vocabulary_size : int
        Number of token ids, including padding (0) and unknown (1).
    """

    is_rare: Tensor

    def __init__(self, network: SequenceNetwork, vocabulary_size: int) -> None:
        super().__init__(network)
        self.linear = TfidfLinear(vocabulary_size, network.n_classes)
        self.linear_static: Linear | None = None
        if network.static is not None:
            self.linear_static = Linear(self.n_static, network.n_classes, bias=False)
            nn.init.zeros_(self.linear_static.requires_grad_(False).weight)
        self.register_buffer("is_rare", torch.zeros(vocabulary_size, dtype=torch.bool))

    def set_linear_static(self, weight_CP: Tensor) -> None:
        """Set the linear model of the static columns."""
        if self.linear_static is not None:
            with torch.no_grad():
                self.linear_static.weight.copy_(weight_CP)

    def members(
        self, inputs: Tensor, lengths_B: Tensor | None = None, static_BS: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Logits of the network and of the linear model, each of shape (B, C)."""
        ids_BT = without_padding(inputs, lengths_B)
        of_network_BC: Tensor = self.network(self.read(ids_BT), lengths_B, static_BS)
        of_linear_BC: Tensor = self.linear(ids_BT)
        if self.linear_static is not None:
            of_linear_BC = of_linear_BC + self.linear_static(*self.expand(static_BS))
        return of_network_BC, of_linear_BC

    def embed(
        self, inputs: Tensor, lengths_B: Tensor | None = None, static_BS: Tensor | None = None
    ) -> Tensor:
        """Pooled vectors of the network, shape (B, D)."""
        ids_BT = without_padding(inputs, lengths_B)
        return self.network.embed(self.read(ids_BT), lengths_B, static_BS)

    def read(self, ids: Tensor) -> Tensor:
        """Token ids as the network reads them: rare ones are unknown."""
        return ids.masked_fill(self.is_rare[ids], UNKNOWN_ID)
