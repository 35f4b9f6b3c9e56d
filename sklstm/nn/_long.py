"""Long sequences, some thousand timesteps at a time, so that memory is spent on results alone."""

from __future__ import annotations

import torch
from torch import Tensor

# A sequence is cut where it has more timesteps than LONG, into parts of CHUNK and a rest. Both
# depend on nothing but its length, since sums of parts are other bits than sums of the whole.
LONG, CHUNK = 65_536, 16_384


def cut_long(values_BTF: Tensor) -> list[slice]:
    """The timesteps of each part; of a shorter sequence, or where gradients are wanted, of all."""
    n_timesteps = values_BTF.shape[1]
    size = n_timesteps if torch.is_grad_enabled() or n_timesteps <= LONG else CHUNK
    return [slice(t, min(t + size, n_timesteps)) for t in range(0, n_timesteps, max(size, 1))]
