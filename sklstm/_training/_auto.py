"""Parameters that are "auto" -> what suits the data: the one place where that is decided.

The values follow from the study of accuracy (docs/adr/0033-...).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sklstm._validation._parameters import as_sizes, takes_tokens

# Those of LSTM-FCN [Karim 2018].
FILTERS, KERNEL_SIZES = (128, 256, 128), (8, 5, 3)
# Each further layer reads as many timesteps as the last of those.
FURTHER_KERNEL_SIZE = 3


def resolve_convolutions(
    parameters: Mapping[str, Any],
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Filters and kernel size of each convolutional layer."""
    filters, kernel_sizes = parameters["conv_filters"], parameters["conv_kernel_sizes"]
    if filters == "auto":
        filters = () if takes_tokens(parameters) else FILTERS
    filters = as_sizes(filters)
    if kernel_sizes == "auto":
        kernel_sizes = (*KERNEL_SIZES, *[FURTHER_KERNEL_SIZE] * len(filters))[: len(filters)]
    kernel_sizes = as_sizes(kernel_sizes)
    if len(kernel_sizes) == 1:
        kernel_sizes *= len(filters)
    return filters, kernel_sizes[: len(filters)]
