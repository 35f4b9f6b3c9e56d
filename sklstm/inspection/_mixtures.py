"""Outputs for sequences of which some cells are as in the baseline."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from sklstm._batching._loader import PaddedInputs
from sklstm._sequences import Array, IntArray
from sklstm.inspection._explained import Explained

# Timesteps that outputs are computed of at a time.
MAX_ROWS = {"cpu": 4096, "cuda": 2**16}


class Mixtures:
    """A batch of sequences and their baselines, and the outputs for mixtures of both."""

    def __init__(self, explained: Explained, given: PaddedInputs, baseline: PaddedInputs) -> None:
        self.module = explained.module
        self.given, self.baseline = given, baseline
        owners = [0] if explained.takes_tokens else explained.owners().tolist()
        self.owners = torch.tensor(owners, device=given.values.device)

    @property
    def n_timesteps(self) -> int:
        """Padded length."""
        return int(self.given.values.shape[1])

    def outputs(
        self, rows: IntArray, is_given: Array, static_is_given: Array | None = None
    ) -> Array:
        """Outputs (R, C) of sequences ``rows`` (R,) with masks (R, T, F) and (R, S), float64.

        Where a mask is False, the cell is that of the baseline.
        """
        size = max(1, MAX_ROWS[self.given.values.device.type] // self.n_timesteps)
        outputs = []
        for start in range(0, len(rows), size):
            part = slice(start, start + size)
            static = None if static_is_given is None else static_is_given[part]
            outputs.append(self._compute(rows[part], is_given[part], static))
        return np.concatenate(outputs).astype(np.float64)

    @torch.no_grad()
    def _compute(self, rows: IntArray, is_given: Array, static_is_given: Array | None) -> Array:
        device = self.given.values.device
        rows_R = torch.from_numpy(rows).to(device)
        mask_RTF = torch.from_numpy(np.ascontiguousarray(is_given)).to(device)[..., self.owners]
        mask = mask_RTF[..., 0] if self.given.values.ndim == 2 else mask_RTF
        values = torch.where(mask, self.given.values[rows_R], self.baseline.values[rows_R])
        lengths_R = None if self.given.lengths is None else self.given.lengths[rows_R]
        static_RS = None
        if self.given.static is not None and self.baseline.static is not None:
            static_RS = self.given.static[rows_R]
            if static_is_given is not None:
                kept_RS = torch.from_numpy(np.ascontiguousarray(static_is_given)).to(device)
                static_RS = torch.where(kept_RS, static_RS, self.baseline.static[rows_R])
        outputs_RC: Tensor = self.module(values, lengths_R, static_RS)
        return outputs_RC.cpu().numpy()
