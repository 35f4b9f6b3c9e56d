"""Chunking of long sequences, to limit the memory of intermediate results."""

from __future__ import annotations

import torch
from torch import Tensor

# Sequences of more than LONG timesteps are split into chunks of CHUNK and a rest. Chunks depend on
# the number of timesteps only, since chunked sums differ in rounding.
LONG, CHUNK = 65_536, 16_384


def cut_long(values_BTF: Tensor, multiple: int = 1) -> list[slice]:
    """Slices of the timesteps: chunks of a long batch without gradients, otherwise one slice.

    Chunks but the last have a ``multiple`` of timesteps.
    """
    n_timesteps = values_BTF.shape[1]
    size = n_timesteps
    if not torch.is_grad_enabled() and n_timesteps > LONG:
        size = -(-CHUNK // multiple) * multiple
    return [slice(t, min(t + size, n_timesteps)) for t in range(0, n_timesteps, max(size, 1))]
