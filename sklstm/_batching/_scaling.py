"""Standardisation of each feature, on the way to the device's float32."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from sklearn.preprocessing import StandardScaler

from sklstm._sequences import Array, Sequences, all_finite

# Rows converted at a time: the float64 intermediate stays in the cache and small beside X.
CHUNK_ROWS = 65_536


@dataclass(frozen=True, eq=False)
class Scaling:
    """What is subtracted from each feature and what it is then divided by, float64."""

    mean: Array
    scale: Array

    @classmethod
    def identity(cls, n_features: int) -> Scaling:
        """Leaves values as they are."""
        return cls(np.zeros(n_features), np.ones(n_features))

    @classmethod
    def standard(cls, sequences: Sequences, weights: Array) -> Scaling:
        """To mean 0 and variance 1 over all timesteps, each with the weight of its sequence.

        Constant features become 0.
        """
        timestep_weights = np.repeat(weights, sequences.lengths)
        with np.errstate(over="ignore", invalid="ignore"):
            scaler = StandardScaler().fit(sequences.values, sample_weight=timestep_weights)
        return cls(scaler.mean_, scaler.scale_)

    def to_float32(self, values: Array) -> Array:
        """Scaled values and one last row of zeros, shape (n_timesteps + 1, n_features)."""
        scaled = np.zeros((len(values) + 1, *values.shape[1:]), dtype=np.float32)
        with np.errstate(over="ignore", invalid="ignore"):
            for start in range(0, len(values), CHUNK_ROWS):
                chunk = values[start : start + CHUNK_ROWS]
                # In float64: a timestamp of 1.7e9 seconds has a resolution of 128 in float32.
                scaled[start : start + len(chunk)] = (chunk - self.mean) / self.scale
        # An infinite scale is the variance's own overflow: it would make every value 0.
        if not (all_finite(scaled) and all_finite(self.scale)):
            largest = np.abs(values).max()
            raise ValueError(
                f"X is too large for the network's float32: its largest absolute value is"
                f" {largest:.3g}.\n\nDivide X by a constant, or set standardize=True."
            )
        return scaled
