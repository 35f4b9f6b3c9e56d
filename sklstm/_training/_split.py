"""Which sequences are held out of a training to decide when it stops."""

from __future__ import annotations

import numpy as np
from sklearn.model_selection import train_test_split

from sklstm._sequences import IntArray


def stratified_split(classes: IntArray, fraction: float, seed: int) -> tuple[IntArray, IntArray]:
    """Indices (to train on, to validate on), both ascending.

    Each class is split in the same proportion, as far as its size allows; a class of one sequence
    is trained on.
    """
    counts = np.bincount(classes)
    divisible = np.flatnonzero(counts[classes] > 1)
    n_classes = int((counts > 1).sum())
    n_valid = max(round(fraction * len(classes)), n_classes)
    if n_classes == 0 or len(divisible) - n_valid < n_classes:
        raise ValueError(
            f"early_stopping=True needs a validation part: validation_fraction={fraction} of"
            f" {len(classes)} sequences in {len(counts)} classes leaves too few to train on.\n\n"
            "Give more sequences or a smaller validation_fraction, or set early_stopping=False."
        )
    _, valid = train_test_split(
        divisible, test_size=n_valid, stratify=classes[divisible], random_state=seed % 2**32
    )
    train = np.setdiff1d(np.arange(len(classes)), valid)
    return train, np.sort(valid)
