"""Mean and standard deviation of each sequence by itself."""

from __future__ import annotations

import numpy as np

from sklstm._sequences import Array, Sequences

EPSILON = np.finfo(np.float64).eps
# The squares of larger values are normal numbers of float64, and so are those of their deviations.
TINY = 2.0**-400


def means_and_deviations(sequences: Sequences) -> tuple[Array, Array]:
    """Mean and standard deviation of each feature in each sequence, (n_sequences, n_features) each.

    The formulae are scikit-learn's. Values must be float64; NaN is ignored, and the result if a
    sequence has no other value. The deviation is exactly 0 where it could be rounding alone.
    """
    means, deviations = _means_and_deviations(sequences)
    if not (deviations < TINY).any():
        return means, deviations
    factors = factors_of_tiny(
        np.fmax.reduceat(np.abs(sequences.values), sequences.offsets[:-1], axis=0)
    )
    if (factors == 1).all():
        return means, deviations
    larger = sequences.values * np.repeat(factors, sequences.lengths, axis=0)
    means, deviations = _means_and_deviations(Sequences(larger, sequences.offsets))
    return means / factors, deviations / factors


def factors_of_tiny(largest: Array) -> Array:
    """Powers of two that bring features with tiny maximum absolute values to about 1; 1 for others.

    A product with a power of two has the same digits.
    """
    _, exponents = np.frexp(largest)
    is_tiny = (largest > 0) & (largest < TINY)
    # The largest power is 2 ** 1023, and the smallest number 2 ** -1074.
    factors: Array = np.ldexp(1.0, np.where(is_tiny, np.minimum(-exponents, 1000), 0))
    return factors


def _means_and_deviations(sequences: Sequences) -> tuple[Array, Array]:
    starts, values = sequences.offsets[:-1], sequences.values
    observed = ~np.isnan(values)
    counts = np.add.reduceat(observed, starts, axis=0, dtype=np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        means = np.add.reduceat(np.where(observed, values, 0.0), starts, axis=0) / counts
        deviations = np.where(observed, values - np.repeat(means, sequences.lengths, axis=0), 0.0)
        # Two passes: the second term is the rounding error of the mean, 0 in exact arithmetic.
        residuals = np.add.reduceat(deviations, starts, axis=0)
        variances = np.add.reduceat(deviations**2, starts, axis=0) - residuals**2 / counts
        variances /= counts
        # What rounding alone can leave of a constant feature.
        bound = counts * EPSILON * variances + (counts * means * EPSILON) ** 2
        return means, np.where(variances <= bound, 0.0, np.sqrt(variances))


def scaled_within(sequences: Sequences, centers: Array, scales: Array) -> Array:
    """Values minus the center of their sequence, divided by its scale; a scale of 0 counts as 1."""
    lengths, scales = sequences.lengths, np.where(scales == 0, 1.0, scales)
    values: Array = sequences.values - np.repeat(centers, lengths, axis=0)
    values /= np.repeat(scales, lengths, axis=0)
    return values
