"""Data-dependent defaults: resolution of parameters that are "auto".

The values follow from a study of accuracy (ADR 34, 36, 38 and 40).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sklstm._batching._scaling import relative_moments
from sklstm._batching._sizes import is_large
from sklstm._config._options import Options, is_auto
from sklstm._sequences import AnySequences, IntArray

# Half the filters of LSTM-FCN.
FILTERS = (64, 128, 64)
# Maximum number of patches of a sequence, at this quantile of the lengths: a single long sequence
# is no reason to patch all others (ADR 34).
MAX_PATCHES, LENGTH_QUANTILE = 128, 0.9
# The same for more than SMALL_N sequences, enough to learn details from, and at most LARGE_N: more
# would take minutes.
MAX_FINE_PATCHES, SMALL_N, LARGE_N = 256, 100, 500
# The same for windows of fixed convolutions, which hold more than the timesteps do.
MAX_WINDOWS = 32
# Fixed convolutions: as many kernels as make a table of ENOUGH_FEATURES numbers, within these
# bounds; none for more sequences, for which the linear model would take longer than the network.
MIN_KERNELS, MAX_KERNELS, ENOUGH_FEATURES, MANY_SEQUENCES = 1000, 5040, 10_000_000, 10_000
# The batch size is 1/64 of the data, rounded to a power of two, within these bounds.
MIN_BATCH_SIZE, MAX_BATCH_SIZE = 32, 128
# Small data have MAX_EPOCHS; large data have about ENOUGH_STEPS training steps, and MIN_EPOCHS.
MAX_EPOCHS, MIN_EPOCHS, ENOUGH_STEPS = 100, 10, 3000
# An embedding overfits earlier, and so do numbers, which windows of one recording share.
ENOUGH_STEPS_OF_TOKENS = ENOUGH_STEPS_OF_NUMBERS = 800
MIN_EPOCHS_OF_NUMBERS = 5
# One feature is standardised per sequence as well if that moves values by more than this mean
# square: otherwise sequences are standardised already.
MIN_SHIFT = 1e-3
# Of several features, if the median sequence has less than this fraction of a feature's overall
# standard deviation: a few large sequences hide the variation of the others.
MIN_DEVIATION = 0.05
# Both are asked of so many means and deviations of large data, of sequences at equal distances.
MANY_MOMENTS = 2**18


def resolve_auto(
    options: Options, sequences: AnySequences, *, predicts_numbers: bool = False
) -> dict[str, Any]:
    """Values of the options that may be "auto" and depend on the data."""
    patch_size, batch_size, max_epochs = options.patch_size, options.batch_size, options.max_epochs
    filters, standardize, lengths = options.conv_filters, options.standardize, sequences.lengths
    n_kernels = options.n_kernels
    if is_auto(n_kernels):
        # Whoever sets the convolutions designs a network.
        is_designed = options.takes_tokens or not is_auto(filters)
        n_kernels = 0 if is_designed else _n_kernels(len(lengths))
    if options.takes_tokens:
        standardize = False
    elif is_auto(standardize):
        is_better = predicts_numbers or _need_own_scale(sequences)
        standardize = "both" if is_better else True
    if is_auto(filters):
        # Windows of fixed convolutions are better for one feature, trained ones for several.
        is_univariate = sequences.n_features == 1 and sequences.codes is None
        is_better_without = n_kernels > 0 and is_univariate
        has_none = options.takes_tokens or predicts_numbers or is_better_without
        filters = () if has_none else FILTERS
    if is_auto(patch_size):
        has_windows = n_kernels > 0 and not filters
        patch_size = 1 if options.takes_tokens else _patch_size(lengths, has_windows=has_windows)
    if is_auto(batch_size):
        batch_size = _batch_size(len(lengths))
    if is_auto(max_epochs):
        most = ENOUGH_STEPS_OF_TOKENS if options.takes_tokens else ENOUGH_STEPS
        least = MIN_EPOCHS
        if predicts_numbers:
            most, least = ENOUGH_STEPS_OF_NUMBERS, MIN_EPOCHS_OF_NUMBERS
        max_epochs = _n_epochs(len(lengths), batch_size, most, least)
    return {
        "standardize": standardize,
        "patch_size": patch_size,
        "conv_filters": filters,
        "n_kernels": n_kernels,
        "batch_size": batch_size,
        "max_epochs": max_epochs,
    }


def _need_own_scale(sequences: AnySequences) -> bool:
    """Whether standardisation per sequence adds information."""
    if is_large(4 * sequences.n_timesteps * sequences.n_features):
        n = max(2, min(len(sequences), MANY_MOMENTS // sequences.n_features))
        sequences = sequences.take(np.linspace(0, len(sequences) - 1, n).astype(np.int64))
    means, deviations = relative_moments(sequences)
    if sequences.n_features == 1:
        return bool(np.mean(means**2 + (deviations - 1) ** 2) > MIN_SHIFT)
    # Constant sequences do not count: a rare flag varies in few sequences.
    medians = (np.median(column[column > 0]) for column in deviations.T if (column > 0).any())
    return bool(min(medians, default=1.0) < MIN_DEVIATION)


def typical_length(lengths: IntArray) -> int:
    """Number of timesteps that nine of ten sequences do not exceed."""
    return int(np.quantile(lengths, LENGTH_QUANTILE, method="inverted_cdf"))


def _patch_size(lengths: IntArray, *, has_windows: bool) -> int:
    """50 sequences of 427 timesteps -> 4, so 107 patches; 200 such sequences -> 2, so 214."""
    most = MAX_FINE_PATCHES if SMALL_N < len(lengths) <= LARGE_N else MAX_PATCHES
    return -(-typical_length(lengths) // (MAX_WINDOWS if has_windows else most))


def _n_kernels(n_sequences: int) -> int:
    if n_sequences > MANY_SEQUENCES:
        return 0
    return max(MIN_KERNELS, min(MAX_KERNELS, ENOUGH_FEATURES // n_sequences))


def _batch_size(n_sequences: int) -> int:
    """7494 sequences -> 117 -> 128."""
    rounded = 2 ** round(np.log2(n_sequences / 64))
    return int(min(max(rounded, MIN_BATCH_SIZE), MAX_BATCH_SIZE))


def _n_epochs(n_sequences: int, batch_size: int, enough_steps: int, least: int) -> int:
    n_batches = -(-n_sequences // batch_size)
    return max(least, min(MAX_EPOCHS, enough_steps // n_batches))
