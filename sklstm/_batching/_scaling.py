"""Standardisation of features, and conversion to float32."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from sklearn.preprocessing import StandardScaler

from sklstm._moments import factors_of_tiny, means_and_deviations, scaled_within
from sklstm._sequences import Array, Sequences, all_finite

# Rows converted at a time, so that the float64 copy stays in the cache and small beside X.
CHUNK_ROWS = 65_536


@dataclass(frozen=True, eq=False)
class Scaling:
    """Standardisation of each feature, (x - mean) / scale, in float64.

    ``per`` is "dataset", for this mean and scale; "sequence", for each sequence's own instead of
    these; or "both", for both results concatenated.
    """

    mean: Array
    scale: Array
    per: str = "dataset"

    @classmethod
    def identity(cls, n_features: int, per: str = "dataset") -> Scaling:
        """Identity over the data set; sequences are standardised if ``per`` says so."""
        return cls(np.zeros(n_features), np.ones(n_features), per)

    @classmethod
    def standard(cls, sequences: Sequences, weights: Array, per: str = "dataset") -> Scaling:
        """Standardisation over all timesteps, weighted by sequence; constant features become 0."""
        timestep_weights = np.repeat(weights, sequences.lengths)
        values = sequences.values
        if values.shape[1] == 0:
            return cls.identity(0, per)
        factors = factors_of_tiny(np.maximum(values.max(axis=0), -values.min(axis=0)))
        if (factors != 1).any():
            values = values.astype(np.float64) * factors
        with np.errstate(over="ignore", invalid="ignore"):
            scaler = StandardScaler().fit(values, sample_weight=timestep_weights)
        # The standard deviation of subnormal numbers may underflow to 0.
        scale = np.maximum(scaler.scale_ / factors, np.finfo(np.float64).smallest_subnormal)
        return cls(scaler.mean_ / factors, scale, per)

    def to_float32(self, sequences: Sequences, *, input_name: str = "X") -> Array:
        """Scaled values and a final row of zeros, shape (n_timesteps + 1, n_features).

        Per "both" the shape is (n_timesteps + 1, 2 * n_features), values scaled per dataset first.
        """
        n_timesteps, n_features = sequences.values.shape
        width = 2 * n_features if self.per == "both" else n_features
        scaled = np.zeros((n_timesteps + 1, width), dtype=np.float32)
        with np.errstate(over="ignore", invalid="ignore"):
            if self.per != "sequence":
                for start in range(0, n_timesteps, CHUNK_ROWS):
                    values = sequences.values[start : start + CHUNK_ROWS]
                    # In float64: a timestamp of 1.7e9 seconds has a resolution of 128 in float32.
                    values = (values - self.mean) / self.scale
                    scaled[start : start + len(values), :n_features] = values
            if self.per != "dataset":
                for rows, part in _in_chunks(sequences):
                    scaled[rows, -n_features:] = scaled_within(part, *means_and_deviations(part))
        # If the variance overflows, the scale is infinite and all values would become 0.
        if not (all_finite(scaled) and all_finite(self.scale)):
            largest = np.abs(sequences.values).max()
            raise ValueError(
                f"{input_name} is too large for the network's float32: its largest absolute value"
                f" is {largest:.3g}.\n\nDivide {input_name} by a constant, which standardize=True"
                " does for values below 1e150."
            )
        return scaled


def relative_moments(sequences: Sequences) -> tuple[Array, Array]:
    """Mean and standard deviation of each sequence after standardisation over the data set.

    Two arrays of shape (n_sequences, n_features), all 0 and all 1 if sequences have the same
    moments.
    """
    moments = [means_and_deviations(part) for _, part in _in_chunks(sequences)]
    means, deviations = (np.concatenate(pieces) for pieces in zip(*moments, strict=True))
    factors = factors_of_tiny(np.maximum(np.abs(means), deviations).max(axis=0))
    means, deviations = means * factors, deviations * factors
    shares = (sequences.lengths / len(sequences.values))[:, None]
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        offsets = means - (shares * means).sum(axis=0)
        scale = np.sqrt((shares * (deviations**2 + offsets**2)).sum(axis=0))
        return offsets / scale, deviations / scale


def _in_chunks(sequences: Sequences) -> Iterator[tuple[slice, Sequences]]:
    """Row slices and float64 values of whole sequences, about CHUNK_ROWS rows at a time."""
    offsets = sequences.offsets
    bounds = np.searchsorted(offsets, np.arange(0, offsets[-1] + CHUNK_ROWS, CHUNK_ROWS))
    bounds = np.unique(np.minimum(bounds, len(sequences)))
    for first, last in pairwise(bounds):
        start, stop = offsets[first], offsets[last]
        values = sequences.values[start:stop].astype(np.float64)
        yield slice(start, stop), Sequences(values, offsets[first : last + 1] - start)
