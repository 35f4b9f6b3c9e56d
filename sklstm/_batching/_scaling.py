"""Standardisation of features, and conversion to float32."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from sklearn.preprocessing import StandardScaler

from sklstm._moments import factors_of_tiny, means_and_deviations, scaled_within
from sklstm._sequences import BLOCK_VALUES, AnySequences, Array, Sequences, all_finite

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
    def standard(cls, sequences: AnySequences, weights: Array, per: str = "dataset") -> Scaling:
        """Standardisation over all timesteps, weighted by sequence; constant features become 0."""
        if sequences.n_features == 0:
            return cls.identity(0, per)
        ones = np.ones(sequences.n_features)
        scaler, largest = _moments(sequences, weights, ones)
        factors = factors_of_tiny(largest)
        if (factors != 1).any():
            scaler, _ = _moments(sequences, weights, factors)
        # The standard deviation of subnormal numbers may underflow to 0.
        scale = np.maximum(scaler.scale_ / factors, np.finfo(np.float64).smallest_subnormal)
        return cls(scaler.mean_ / factors, scale, per)

    def width(self, n_features: int) -> int:
        """Number of features after scaling."""
        return 2 * n_features if self.per == "both" else n_features

    def to_float32(
        self, sequences: Sequences, *, input_name: str = "X", all_of: AnySequences | None = None
    ) -> Array:
        """Scaled values and a final row of zeros, shape (n_timesteps + 1, n_features).

        Per "both" the shape is (n_timesteps + 1, 2 * n_features), values scaled per dataset first.
        If the sequences are a part, ``all_of`` are all of X, for the message of an error.
        """
        n_timesteps, n_features = sequences.values.shape
        scaled = np.zeros((n_timesteps + 1, self.width(n_features)), dtype=np.float32)
        with np.errstate(over="ignore", invalid="ignore"):
            if self.per != "sequence":
                n_rows = max(1, min(CHUNK_ROWS, BLOCK_VALUES // max(1, n_features)))
                for start in range(0, n_timesteps, n_rows):
                    values = sequences.values[start : start + n_rows]
                    # In float64: a timestamp of 1.7e9 seconds has a resolution of 128 in float32.
                    values = (values - self.mean) / self.scale
                    scaled[start : start + len(values), :n_features] = values
            if self.per != "dataset":
                start = 0
                for part in _in_chunks(sequences):
                    rows = slice(start, start := start + len(part.values))
                    scaled[rows, -n_features:] = scaled_within(part, *means_and_deviations(part))
        # If the variance overflows, the scale is infinite and all values would become 0.
        if not (all_finite(scaled) and all_finite(self.scale)):
            largest = largest_of(sequences if all_of is None else all_of)
            raise ValueError(
                f"{input_name} is too large for the network's float32: its largest absolute value"
                f" is {largest:.3g}.\n\nDivide {input_name} by a constant, which standardize=True"
                " does for values below 1e150."
            )
        return scaled


def _moments(
    sequences: AnySequences, weights: Array, factors: Array
) -> tuple[StandardScaler, Array]:
    """Moments of all timesteps times factors of the features, and their largest absolute values.

    Values are read block by block, with the bits of scikit-learn's scaler if it is one.
    """
    scaler, largest = StandardScaler(), np.zeros(len(factors))
    for run, block in sequences.blocks():
        values = block.values
        bounds = np.maximum(values.max(axis=0), -values.min(axis=0))
        largest = np.maximum(largest, bounds)
        if (factors != 1).any():
            values = values.astype(np.float64) * factors
        timestep_weights = np.repeat(weights[run], block.lengths)
        with np.errstate(over="ignore", invalid="ignore"):
            scaler.partial_fit(values, sample_weight=timestep_weights)
    return scaler, largest


def largest_of(sequences: AnySequences) -> float:
    """Largest absolute value."""
    return max(float(np.abs(block.values).max()) for _, block in sequences.blocks())


def relative_moments(sequences: AnySequences) -> tuple[Array, Array]:
    """Mean and standard deviation of each sequence after standardisation over the data set.

    Two arrays of shape (n_sequences, n_features), all 0 and all 1 if sequences have the same
    moments.
    """
    moments = [means_and_deviations(part) for part in _in_chunks(sequences)]
    means, deviations = (np.concatenate(pieces) for pieces in zip(*moments, strict=True))
    factors = factors_of_tiny(np.maximum(np.abs(means), deviations).max(axis=0))
    means, deviations = means * factors, deviations * factors
    shares = (sequences.lengths / sequences.n_timesteps)[:, None]
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        offsets = means - (shares * means).sum(axis=0)
        scale = np.sqrt((shares * (deviations**2 + offsets**2)).sum(axis=0))
        return offsets / scale, deviations / scale


def _in_chunks(sequences: AnySequences) -> Iterator[Sequences]:
    """The sequences with values in float64, about CHUNK_ROWS rows or BLOCK_VALUES at a time."""
    most = min(BLOCK_VALUES, CHUNK_ROWS * max(1, sequences.n_features))
    for _, block in sequences.blocks(most):
        yield Sequences(block.values.astype(np.float64), block.offsets)
