"""Pooled vectors -> logits."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from sklstm.nn._dropout import Dropout
from sklstm.nn._initialization import initialize_linear
from sklstm.nn._linear import Linear


class DenseHead(nn.Sequential):
    """Dropout, then dense layers with ReLU and dropout, then one dense layer that gives logits.

    There is no softmax: the loss wants logits, and probabilities are one explicit softmax of them.

    Parameters
    ----------
    input_size : int
        Width of the pooled vector.
    dense_sizes : sequence of int
        Width of each layer before the output; may be empty.
    n_classes : int
        Number of logits.
    dropout : float, default=0.0
        Fraction zeroed before the first dense layer and after each but the last, while training.
    """

    def __init__(
        self, input_size: int, dense_sizes: Sequence[int], n_classes: int, *, dropout: float = 0.0
    ) -> None:
        modules: list[nn.Module] = [Dropout(dropout)]
        for size in dense_sizes:
            modules += [Linear(input_size, size), nn.ReLU(), Dropout(dropout)]
            input_size = size
        super().__init__(*modules, Linear(input_size, n_classes))
        for module in self:
            if isinstance(module, Linear):
                initialize_linear(module)
