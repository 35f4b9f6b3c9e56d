"""Which sequences are held out of a training to decide when it stops."""

from __future__ import annotations

import numpy as np

from sklstm._sequences import IntArray


def stratified_split(classes: IntArray, fraction: float, seed: int) -> tuple[IntArray, IntArray]:
    """Indices (to train on, to validate on), both ascending.

    Each class of at least two sequences is split in the same proportion, but keeps at least one of
    them on either side; a class of one sequence is trained on. scikit-learn's splitters refuse such
    a class, and may hold out none of a rare one, which most scorers cannot do without.
    """
    rng = np.random.default_rng(seed)
    held_out = []
    for members in _members(classes):
        if len(members) > 1:
            n_held_out = np.clip(round(fraction * len(members)), 1, len(members) - 1)
            held_out.append(rng.permutation(members)[:n_held_out])
    if not held_out:
        raise ValueError(
            f"early_stopping=True needs a validation part, but none of the {len(classes)} classes"
            " has two sequences.\n\nGive more sequences, or set early_stopping=False."
        )
    valid = np.sort(np.concatenate(held_out))
    return np.setdiff1d(np.arange(len(classes)), valid), valid


def _members(classes: IntArray) -> list[IntArray]:
    """Indices of the sequences of each class."""
    order = np.argsort(classes, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(classes[order])) + 1)
