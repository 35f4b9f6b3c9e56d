"""What features and static columns hold: moments, missing values, constant parts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from sklstm._sequences import Array, Sequences
from sklstm._validation._columns import Categories, StaticColumns

# Timesteps that are looked at together: a few of their copies fit into a cache.
CHUNK_ROWS = 1 << 14

Table = dict[str, list[Any]]


@dataclass(frozen=True, eq=False)
class FeatureStatistics:
    """Statistics of numbers over all timesteps, and of each sequence by itself.

    Attributes
    ----------
    n_missing, n_infinite : ndarray of shape (n_features,)
        Numbers of NaN and of infinite values.
    mean, std, minimum, maximum : ndarray of shape (n_features,)
        Of the finite values; NaN if there are none.
    lowest, highest : ndarray of shape (n_sequences, n_features)
        Of the finite values of a sequence; NaN if it has none.
    step : ndarray of shape (n_features,)
        By how much each timestep is more than the one before, if that is always the same within
        a sequence; otherwise NaN.
    increases : ndarray of shape (n_features,), bool
        Whether each value is larger than all values before it, in other sequences too.
    """

    n_missing: Array
    n_infinite: Array
    mean: Array
    std: Array
    minimum: Array
    maximum: Array
    lowest: Array
    highest: Array
    step: Array
    increases: Array


def statistics_of(sequences: Sequences) -> FeatureStatistics:
    """Statistics of the numbers in sequences, in one pass over them."""
    width = sequences.n_features
    n_missing, n_infinite = np.zeros(width, dtype=np.int64), np.zeros(width, dtype=np.int64)
    count, mean, squares = np.zeros(width), np.zeros(width), np.zeros(width)
    lowest, highest = (np.empty((len(sequences), width)) for _ in range(2))
    smallest_step, largest_step = np.full(width, np.inf), np.full(width, -np.inf)
    increases, before = np.ones(width, dtype=bool), np.full((1, width), -np.inf)
    for rows, values, starts in _chunks(sequences):
        finite = np.isfinite(values)
        is_finite = bool(finite.all())
        if not is_finite:
            missing = np.isnan(values)
            n_missing += missing.sum(axis=0)
            n_infinite += (~finite & ~missing).sum(axis=0)
        own = finite.sum(axis=0) if not is_finite else np.full(width, len(values))
        filled = values if is_finite else np.where(finite, values, 0.0)
        with np.errstate(all="ignore"):
            own_mean = np.where(own > 0, filled.sum(axis=0) / own, 0.0)
            deviations = filled - own_mean
            if not is_finite:
                deviations[~finite] = 0.0
            # Chan's formula for the squares of two parts, which loses no digits.
            total, shift = np.maximum(count + own, 1), own_mean - mean
            squares += np.einsum("ij,ij->j", deviations, deviations)
            squares += shift**2 * count * own / total
            mean, count = mean + shift * own / total, count + own
            low = values if is_finite else np.where(finite, values, np.inf)
            high = values if is_finite else np.where(finite, values, -np.inf)
            lowest[rows] = np.minimum.reduceat(low, starts, axis=0)
            highest[rows] = np.maximum.reduceat(high, starts, axis=0)
            steps = np.diff(np.concatenate([before, values]), axis=0)
            increases &= (steps > 0).all(axis=0)
            # NaN makes both NaN. A mask in min and max would take twice as long.
            steps[starts] = np.inf
            smallest_step = np.minimum(smallest_step, steps.min(axis=0))
            steps[starts] = -np.inf
            largest_step = np.maximum(largest_step, steps.max(axis=0))
        before = values[-1:]
    empty = ~np.isfinite(lowest)
    lowest[empty], highest[empty] = np.nan, np.nan
    with np.errstate(all="ignore"):
        is_steady = largest_step - smallest_step <= 1e-6 * np.abs(largest_step)
        is_steady &= np.isfinite(largest_step) & (smallest_step > 0)
        mean = np.where(count > 0, mean, np.nan)
        return FeatureStatistics(
            n_missing,
            n_infinite,
            mean,
            np.sqrt(squares / np.where(count > 0, count, np.nan)),
            np.fmin.reduce(lowest, axis=0),
            np.fmax.reduce(highest, axis=0),
            lowest,
            highest,
            np.where(is_steady, smallest_step, np.nan),
            increases,
        )


def _chunks(sequences: Sequences) -> Iterator[tuple[slice, Array, Array]]:
    """Which sequences, their float64 values, and where each starts in them."""
    offsets = sequences.offsets
    bounds = np.searchsorted(offsets, np.arange(0, offsets[-1] + CHUNK_ROWS, CHUNK_ROWS))
    bounds = np.unique(np.minimum(bounds, len(sequences)))
    for first, last in pairwise(bounds):
        start, stop = offsets[first], offsets[last]
        values = sequences.values[start:stop].astype(np.float64, copy=False)
        yield slice(first, last), values, offsets[first:last] - start


# Tables -------------------------------------------------------------------------------------------


def features_table(
    sequences: Sequences,
    statistics: FeatureStatistics,
    names: list[str],
    categories: Mapping[str, Categories],
    *,
    kind: str,
) -> Table:
    """One row a feature, as columns; ``names`` are those of numbers and of categories."""
    rows, numbers = [], iter(range(sequences.n_features))
    codes = list(categories)
    n, several = len(sequences.values) or 1, sequences.lengths > 1
    for name in names:
        if name in categories and sequences.codes is not None:
            column = sequences.codes[:, codes.index(name)]
            starts = sequences.offsets[:-1]
            is_constant = np.minimum.reduceat(column, starts) == np.maximum.reduceat(column, starts)
            rows.append(
                _row(name, "category", float((column == 0).mean()))
                | {"n_categories": len(categories[name])}
                | _constant(is_constant[several], len(np.unique(column)) == 1)
            )
            continue
        at = next(numbers)
        is_constant = statistics.lowest[:, at] == statistics.highest[:, at]
        row = _row(name, kind, statistics.n_missing[at] / n)
        row |= {
            "n_infinite": int(statistics.n_infinite[at]),
            "min": float(statistics.minimum[at]),
            "max": float(statistics.maximum[at]),
        }
        if kind == "number":
            row |= {"mean": float(statistics.mean[at]), "std": float(statistics.std[at])}
        is_single = bool(statistics.minimum[at] == statistics.maximum[at])
        rows.append(row | _constant(is_constant[several], is_single))
    return _columns_of(rows)


def static_table(table: Array | None, static: StaticColumns | None) -> Table:
    """One row a static column, as columns."""
    if table is None or static is None:
        return _columns_of([])
    rows, n = [], len(static.numbers)
    for at, name in enumerate(static.numbers):
        known = table[:, at][~np.isnan(table[:, at])]
        row = _row(name, "number", 1 - len(known) / len(table))
        if len(known):
            row |= {
                "mean": float(known.mean()),
                "std": float(known.std()),
                "min": float(known.min()),
                "max": float(known.max()),
            }
        rows.append(
            row | {"constant": len(np.unique(known)) < 2, "n_distinct": len(np.unique(known))}
        )
    for at, (name, values) in enumerate(static.categories.items(), start=n):
        row = _row(name, "category", float((table[:, at] == 0).mean()))
        row |= {"n_categories": len(values), "n_distinct": len(values)}
        rows.append(row | {"constant": len(np.unique(table[:, at])) < 2})
    places = {name: place for place, name in enumerate(static.columns)}
    return _columns_of(sorted(rows, key=lambda row: places[row["name"]]))


def _row(name: str, kind: str, missing: float) -> dict[str, Any]:
    empty = dict.fromkeys(("mean", "std", "min", "max"), float("nan"))
    return {"name": name, "kind": kind, "missing": float(missing), "n_infinite": 0, **empty}


def _constant(within: Array, is_constant: bool) -> dict[str, Any]:
    return {
        "constant": is_constant,
        "constant_within": float(within.mean()) if len(within) else 1.0,
    }


def _columns_of(rows: list[dict[str, Any]]) -> Table:
    names = list(dict.fromkeys(key for row in rows for key in row))
    return {name: [row.get(name) for row in rows] for name in names}


def percent(fraction: float) -> str:
    """A fraction as percent: neither "0%" nor "100%" unless it is."""
    if fraction in (0, 1):
        return f"{fraction:.0%}"
    return "<0.1%" if fraction < 0.001 else ">99.9%" if fraction > 0.999 else f"{fraction:.1%}"
