"""Hold-out split for early stopping: by class, by group, or the last sequences."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sklstm._sequences import Array, IntArray
from sklstm._tasks._ridge import N_RUNS

# Number of random orders of the groups, of which the best stratified is taken: with few groups of
# unequal size a single order was off by 2.2 times as much (benchmarks/LOG.md).
N_ORDERS = 10


def split_rows(
    strata: IntArray,
    groups: IntArray | None,
    *,
    describe: Callable[[IntArray], str],
    last: bool,
    fraction: float,
    seed: int,
) -> tuple[IntArray, IntArray]:
    """Ascending indices of the training and of the validation sequences.

    ``strata`` and ``groups`` number the stratum, such as the class, and the group of each sequence.
    With ``last`` the last sequences are held out, otherwise a random part of each stratum. No group
    is on both sides, and every stratum has training sequences. ``describe`` names the targets of
    some rows in messages.
    """
    if last:
        held_out = _last(strata, groups, fraction, describe)
    elif groups is None:
        held_out = _stratified(strata, fraction, seed)
    else:
        held_out = _stratified_by_group(strata, groups, fraction, seed)
    return np.flatnonzero(~held_out), np.flatnonzero(held_out)


def split_in_runs(n_sequences: int, fraction: float, seed: int) -> tuple[IntArray, IntArray]:
    """The same, holding out runs of neighbours: of a hundred runs so many as the fraction says.

    Neighbours in X may be windows of one recording, which overlap. If single ones were held out, a
    network would know them already.
    """
    n_runs = min(N_RUNS, n_sequences)
    runs = np.arange(n_sequences) * n_runs // n_sequences
    chosen = np.random.default_rng(seed).permutation(n_runs)[: max(1, round(fraction * n_runs))]
    held_out = np.isin(runs, chosen)
    return np.flatnonzero(~held_out), np.flatnonzero(held_out)


def _stratified(strata: IntArray, fraction: float, seed: int) -> Array:
    """Mask of held-out sequences, shape (n_sequences,).

    Each class of at least two sequences is split in the same proportion, with at least one on
    either side; a class of one sequence is trained on. scikit-learn's splitters reject such a
    class, and may hold out none of a rare one, which most scorers need.
    """
    rng = np.random.default_rng(seed)
    held_out = np.zeros(len(strata), dtype=bool)
    order = np.argsort(strata, kind="stable")
    for members in np.split(order, np.flatnonzero(np.diff(strata[order])) + 1):
        if len(members) > 1:
            n_held_out = np.clip(round(fraction * len(members)), 1, len(members) - 1)
            held_out[rng.permutation(members)[:n_held_out]] = True
    if not held_out.any():
        raise ValueError(
            f"early_stopping=True needs a validation part, but none of the {len(strata)} classes"
            " has two sequences.\n\nGive more sequences, or set early_stopping=False."
        )
    return held_out


def _stratified_by_group(strata: IntArray, groups: IntArray, fraction: float, seed: int) -> Array:
    """Mask of held-out sequences: whole groups, each class as nearly in proportion as possible."""
    shares_GC = _shares(strata, groups)
    rng = np.random.default_rng(seed)
    draws = [_draw_groups(shares_GC, fraction, rng) for _ in range(N_ORDERS)]
    best = min(draws, key=lambda held_out: _distance(shares_GC[held_out].sum(axis=0), fraction))
    if not best:
        raise ValueError(
            f"early_stopping=True needs a validation part, but each of the {len(shares_GC)} groups"
            " holds all sequences of some class.\n\nGive more groups, your own X_val and y_val, or"
            " set early_stopping=False."
        )
    return np.isin(groups, best)


def _shares(strata: IntArray, groups: IntArray) -> Array:
    """Fraction of each class's sequences in each group, shape (n_groups, n_classes)."""
    present, strata = np.unique(strata, return_inverse=True)
    counts = np.zeros((groups.max() + 1, len(present)))
    np.add.at(counts, (groups, strata), 1)
    shares: Array = counts / counts.sum(axis=0)
    return shares


def _draw_groups(shares_GC: Array, fraction: float, rng: np.random.Generator) -> list[int]:
    """Groups, drawn in random order and taken if that brings the classes nearer to their fraction.

    At least one is taken, provided that one leaves training sequences of every class.
    """
    taken: list[int] = []
    held_out_C = np.zeros(shares_GC.shape[1])
    distance, spare = _distance(held_out_C, fraction), (np.inf, -1)
    for group in rng.permutation(len(shares_GC)):
        candidate_C = held_out_C + shares_GC[group]
        # With a tolerance: the fractions of a class sum to 1 up to rounding.
        if candidate_C.max() > 1 - 1e-9:
            continue
        nearer = _distance(candidate_C, fraction)
        if nearer < distance:
            taken.append(int(group))
            held_out_C, distance = candidate_C, nearer
        elif not taken:
            spare = min(spare, (nearer, int(group)))
    return taken or [spare[1]] * (spare[1] >= 0)


def _distance(held_out_C: Array, fraction: float) -> float:
    """Squared distance of the held-out fractions of the classes from the requested one."""
    return float(((held_out_C - fraction) ** 2).sum())


def _last(
    strata: IntArray,
    groups: IntArray | None,
    fraction: float,
    describe: Callable[[IntArray], str],
) -> Array:
    """Mask of held-out sequences: the last ones, from the nearest cut that splits no group."""
    n = len(strata)
    cuts = np.arange(1, n) if groups is None else _cuts_between(groups)
    if len(cuts) == 0:
        raise ValueError(
            "early_stopping='last' cannot hold out the last sequences: at every cut of X, a group"
            " has sequences on both sides.\n\nIf X is in order of time, call fit without groups, or"
            " pass dates as groups. Otherwise sort X by group."
        )
    cut = cuts[np.abs(cuts - (n - fraction * n)).argmin()]
    missing = cut + np.flatnonzero(~np.isin(strata[cut:], strata[:cut]))
    if len(missing):
        raise ValueError(
            f"early_stopping='last' holds out the last {n - cut} of {n} sequences, which leaves"
            f" none of the classes {describe(missing)} to train on.\n\nSet a smaller"
            " validation_fraction, or early_stopping=True; or give X_val and y_val to fit."
        )
    held_out: Array = np.arange(n) >= cut
    return held_out


def _cuts_between(groups: IntArray) -> IntArray:
    """Positions of cuts that split no group: groups [0, 0, 1, 0, 2] -> [4]."""
    last_row = np.zeros(groups.max() + 1, dtype=np.int64)
    np.maximum.at(last_row, groups, np.arange(len(groups)))
    reach = np.maximum.accumulate(last_row[groups])
    cuts: IntArray = np.flatnonzero(reach[:-1] == np.arange(len(groups) - 1)) + 1
    return cuts
