"""Weight initialization."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def initialize_lstm(lstm: nn.LSTM) -> None:
    """Initialize a one-layer unidirectional LSTM in place.

    Input weights are Glorot-uniform and recurrent weights orthogonal [1]_, separately for each
    gate. Biases are 0, except that of the forget gate, 1, so that an untrained network remembers
    [2]_.

    References
    ----------
    .. [1] A. Saxe, J. McClelland, S. Ganguli, "Exact solutions to the nonlinear dynamics of
       learning in deep linear neural networks", ICLR 2014.
    .. [2] R. Jozefowicz, W. Zaremba, I. Sutskever, "An Empirical Exploration of Recurrent Network
       Architectures", ICML 2015.
    """
    weight_ih, weight_hh, bias_ih, bias_hh = lstm.all_weights[0]
    with torch.no_grad():
        for weight_gate in _gates(weight_ih):
            nn.init.xavier_uniform_(weight_gate)
        for weight_gate in _gates(weight_hh):
            nn.init.orthogonal_(weight_gate)
        nn.init.zeros_(bias_hh)
        nn.init.zeros_(bias_ih)
        # torch's order of the gates: input, forget, cell, output.
        _gates(bias_ih)[1].fill_(1.0)


def initialize_linear(linear: nn.Linear) -> None:
    """Initialize Glorot-uniform weights and zero biases in place."""
    nn.init.xavier_uniform_(linear.weight)
    nn.init.zeros_(linear.bias)


def _gates(stacked: Tensor) -> tuple[Tensor, ...]:
    """Views of the four gates in a stacked weight or bias."""
    return torch.chunk(stacked, 4, dim=0)
