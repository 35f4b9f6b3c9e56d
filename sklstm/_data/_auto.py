"""Parameters that are "auto" -> what suits the data: the one place where that is decided.

The values follow from a study of accuracy (docs/adr/0034-defaults.rst and the pages
0036, 0038 and 0040).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sklstm._batching._scaling import relative_moments
from sklstm._config._options import Options, is_auto
from sklstm._sequences import IntArray, Sequences

# Those of LSTM-FCN, half as wide.
FILTERS = (64, 128, 64)
# Patches are such that nine of ten sequences have at most so many: the larger number where there
# are more than FEW sequences, enough to learn details from, and no more than MANY, which would take
# minutes.
MOST_PATCHES, MOST_FINE_PATCHES, FEW, MANY, SHARE = 128, 256, 100, 500, 0.9
# A batch is a sixty-fourth of the data, rounded to a power of two, within these bounds.
SMALLEST_BATCH, LARGEST_BATCH = 32, 128
# Small data are read this often; large data are not, as soon as there are so many steps.
MOST_EPOCHS, FEWEST_EPOCHS, ENOUGH_STEPS = 100, 10, 3000
# Sequences are standardised already, each by itself, where that would move values by less than this
# mean square; and where the median sequence has less than this share of the deviation of all, the
# scale of a few hides the others.
ALIKE, FLAT = 1e-3, 0.05


def resolve_auto(options: Options, sequences: Sequences) -> dict[str, Any]:
    """The value of each option that may be "auto" and depends on the data."""
    patch_size, batch_size, max_epochs = options.patch_size, options.batch_size, options.max_epochs
    filters, lengths = options.conv_filters, sequences.lengths
    if is_auto(filters):
        filters = () if options.takes_tokens else FILTERS
    if is_auto(patch_size):
        patch_size = 1 if options.takes_tokens else _patch_size(lengths)
    if is_auto(batch_size):
        batch_size = _batch_size(len(lengths))
    if is_auto(max_epochs):
        max_epochs = _n_epochs(len(lengths), batch_size)
    return {
        "standardize": _standardize(options, sequences),
        "patch_size": patch_size,
        "conv_filters": filters,
        "batch_size": batch_size,
        "max_epochs": max_epochs,
    }


def _standardize(options: Options, sequences: Sequences) -> bool | str:
    """True, False, "sequence" or "both"; token ids have no scale."""
    if options.takes_tokens:
        return False
    if is_auto(options.standardize):
        return "both" if _need_own_scale(sequences) else True
    return options.standardize


def _need_own_scale(sequences: Sequences) -> bool:
    """Whether there is to be learnt from each sequence standardised by itself."""
    means, deviations = relative_moments(sequences)
    if sequences.n_features == 1:
        return bool(np.mean(means**2 + (deviations - 1) ** 2) > ALIKE)
    # Of sequences that are not constant: a rare flag is one in few.
    medians = (np.median(column[column > 0]) for column in deviations.T if (column > 0).any())
    return bool(min(medians, default=1.0) < FLAT)


def _patch_size(lengths: IntArray) -> int:
    """At least 1: 50 sequences of 427 timesteps -> 4, so 107 patches; 200 such sequences -> 1."""
    long = int(np.quantile(lengths, SHARE, method="inverted_cdf"))
    most = MOST_FINE_PATCHES if FEW < len(lengths) <= MANY else MOST_PATCHES
    return -(-long // most)


def _batch_size(n_sequences: int) -> int:
    """7494 sequences -> 117 -> 128."""
    rounded = 2 ** round(np.log2(n_sequences / 64))
    return int(min(max(rounded, SMALLEST_BATCH), LARGEST_BATCH))


def _n_epochs(n_sequences: int, batch_size: int) -> int:
    n_batches = -(-n_sequences // batch_size)
    return max(FEWEST_EPOCHS, min(MOST_EPOCHS, ENOUGH_STEPS // n_batches))
