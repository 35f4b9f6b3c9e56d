"""Dense head: pooled vectors to logits."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from sklstm.nn._dropout import Dropout
from sklstm.nn._initialization import initialize_linear
from sklstm.nn._linear import Linear


class DenseHead(nn.Sequential):
    """Dense layers with ReLU and dropout, and an output layer without softmax.

    Parameters
    ----------
    input_size : int
        Size of the pooled vector.
    dense_sizes : sequence of int
        Number of units of each layer before the output. It may be empty.
    n_classes : int
        Number of logits.
    dropout : float, default=0.0
        Dropout rate before the first layer and after each layer but the last.
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
