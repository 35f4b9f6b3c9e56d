"""Hints at leakage: what would make a score better than it is on new data."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from sklstm._sequences import Array, IntArray, Sequences
from sklstm._validation._frames import NAMES_IN_LONG_TABLES
from sklstm._validation._messages import enumerate_names
from sklstm.datasets._columns import percent

# How likely a finding may be by chance alone: low, since many columns are looked at.
CHANCE = 1e-6
# Fewer sequences say nothing of a column of theirs.
ENOUGH = 10
# A correlation of numbers that is no measurement any more.
SAME = 0.9999
NAMES_OF_IDS = frozenset({*NAMES_IN_LONG_TABLES, "identifier", "index", "key", "uuid"})
NAMES_OF_TARGETS = frozenset({"class", "label", "outcome", "target", "y"})


class Hint(NamedTuple):
    """What should be looked at before a fit: its kind, its column if it is of one, and a text."""

    kind: str
    column: str | None
    text: str


class Target(NamedTuple):
    """One column of the target: codes of classes or numbers, and its name in texts."""

    values: Array
    are_classes: bool
    name: str


# Duplicates ---------------------------------------------------------------------------------------


def first_of_same(sequences: Sequences) -> IntArray:
    """For each sequence, the first sequence that equals it, static columns included."""
    found: dict[bytes | int, list[int]] = {}
    first = np.arange(len(sequences))
    offsets = sequences.offsets.tolist()
    for row in range(len(sequences)):
        content = _content(sequences, row, offsets)
        for candidate in found.setdefault(hash(content), []):
            if _content(sequences, candidate, offsets) == content:
                first[row] = candidate
                break
        else:
            found[hash(content)].append(row)
    return first


def _content(sequences: Sequences, row: int, offsets: list[int]) -> tuple[bytes, ...]:
    """All values of a sequence; NaN equals NaN."""
    rows = slice(offsets[row], offsets[row + 1])
    content: tuple[bytes, ...] = (sequences.values[rows].tobytes(),)
    if sequences.codes is not None:
        content += (sequences.codes[rows].tobytes(),)
    if sequences.static is not None:
        content += (sequences.static[row].tobytes(),)
    return content


def duplicates(sequences: Sequences, targets: Array | None, groups: Array | None) -> Iterator[Hint]:
    """Hints at sequences that come more than once, in other classes or groups."""
    first = first_of_same(sequences)
    copies = np.flatnonzero(first != np.arange(len(first)))
    if len(copies) == 0:
        return
    pairs = _pairs(first, copies)
    share = percent(len(copies) / len(first))
    text = (
        f"{_copies(len(copies))} ({share} of all): {pairs}. Copies on both sides of a split make"
        " scores too good."
    )
    yield Hint("duplicates", None, text)
    if targets is not None:
        differ = (targets[copies] != targets[first[copies]]).reshape(len(copies), -1).any(axis=1)
        others = copies[differ]
        if len(others):
            text = f"Equal sequences have different targets: {_pairs(first, others)}."
            yield Hint("conflicting_targets", None, text)
    if groups is not None:
        others = copies[groups[copies] != groups[first[copies]]]
        if len(others):
            text = f"Equal sequences are in different groups: {_pairs(first, others)}."
            yield Hint("duplicates_across_groups", None, text)


def _pairs(first: IntArray, copies: IntArray) -> str:
    return enumerate_names(copies, lambda row: f"X[{row}] = X[{first[row]}]")


def _copies(n: int) -> str:
    if n == 1:
        return "1 sequence is a copy of an earlier one"
    return f"{n} sequences are copies of earlier ones"


# Names --------------------------------------------------------------------------------------------


def telling_names(columns: Sequence[str]) -> Iterator[Hint]:
    """Hints at columns that are called an id, a time or a target."""
    for column in columns:
        plain = column.lower()
        if plain in NAMES_OF_TARGETS:
            yield Hint("name_of_target", column, f"{column!r} is called like a target.")
        elif plain in NAMES_OF_IDS or plain.endswith(("_id", "_index")):
            text = f"{column!r} is called like an id or a time, which new data do not share."
            yield Hint("identifier", column, text)


# Values -------------------------------------------------------------------------------------------


def identifies(values: Array) -> bool:
    """Whether a column of whole numbers or codes has another value for each sequence."""
    known = values[~np.isnan(values)]
    is_whole = bool((known == np.floor(known)).all())
    return len(known) == len(values) >= ENOUGH and is_whole and len(np.unique(known)) == len(known)


def reveals(
    values: Array, target: Target, *, are_codes: bool = False, by_range: bool = True
) -> bool:
    """Whether one number of each sequence says what its target is, beyond chance.

    Of classes: each value comes with one class, or the values of each class form a range, if that
    counts. Of numbers: both are the same but for a scale.
    """
    known = ~np.isnan(values)
    values, targets = values[known], target.values[known]
    if len(values) < ENOUGH or len(np.unique(targets)) < 2:
        return False
    if not target.are_classes:
        return not are_codes and _correlates(values, targets)
    has_ranges = by_range and not are_codes
    return _is_pure(values, targets) or (has_ranges and _is_in_ranges(values, targets))


def _correlates(values: Array, targets: Array) -> bool:
    if values.std() == 0 or targets.std() == 0:
        return False
    return bool(abs(np.corrcoef(values, targets)[0, 1]) > SAME)


def _is_pure(values: Array, targets: Array) -> bool:
    """Whether each value comes with one class, and shuffled classes would hardly do that."""
    distinct, codes, sizes = np.unique(values, return_inverse=True, return_counts=True)
    _, classes, counts = np.unique(targets, return_inverse=True, return_counts=True)
    if len(distinct) < 2 or len(distinct) > len(values) / 2:
        return False
    pairs = np.unique(codes * len(counts) + classes)
    if len(pairs) > len(distinct):
        return False
    # A group of size k has one class with a probability of about sum(share ** k).
    shares = counts / len(values)
    log_chance = sum(math.log((shares**size).sum()) for size in sizes.tolist())
    return log_chance < math.log(CHANCE)


def _is_in_ranges(values: Array, targets: Array) -> bool:
    """Whether the values of each class form a range of their own, which shuffling hardly gives."""
    order = np.argsort(values, kind="stable")
    values, targets = values[order], targets[order]
    changes = np.flatnonzero(targets[1:] != targets[:-1])
    counts = np.unique(targets, return_counts=True)[1]
    if len(changes) != len(counts) - 1 or (values[changes] == values[changes + 1]).any():
        return False
    log_ways = sum(math.lgamma(count + 1) for count in counts.tolist())
    log_chance = log_ways + math.lgamma(len(counts) + 1) - math.lgamma(len(values) + 1)
    return log_chance < math.log(CHANCE)
