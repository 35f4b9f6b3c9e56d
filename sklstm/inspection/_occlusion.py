"""Occlusion of windows, one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from sklstm._sequences import Array, IntArray
from sklstm.inspection._baselines import Pair
from sklstm.inspection._explained import Explained
from sklstm.inspection._mixtures import Mixtures

# Masks that are made at a time, in cells.
MAX_CELLS = 2**24
# Number of windows of a sequence.
N_WINDOWS = 20


def occlude(
    explained: Explained,
    pair: Pair,
    weights: Array,
    *,
    window: int | None,
    stride: int | None,
    by_feature: bool,
) -> tuple[list[Array], Array | None]:
    """Attributions (T_i, F) of each sequence, and of static columns (n, S).

    A window is one token, or a twentieth of the sequence, unless it is given.
    """
    n, names = len(pair.lengths), explained.static_names
    cells: list[Array] = [np.empty(0)] * n
    static = None if names is None else np.zeros((n, len(names)))
    for indices in pair.batches():
        mixtures = Mixtures(explained, *pair.batch(indices))
        for place, index in enumerate(indices):
            players = Players(
                int(pair.lengths[index]),
                explained.n_features,
                0 if names is None else len(names),
                by_feature=by_feature,
            )
            size = window or (1 if explained.takes_tokens else -(-players.shape[0] // N_WINDOWS))
            found = [
                _occlude_one(mixtures, place, weights[index], players, size, offset)
                for offset in range(0, size, stride or size)
            ]
            cells[index] = np.mean([of_cells for of_cells, _ in found], axis=0)
            if static is not None:
                static[index] = np.mean([of_static for _, of_static in found], axis=0)
    return cells, static


class Players:
    """What is occluded of one sequence: windows of cells, and static columns."""

    def __init__(self, length: int, n_features: int, n_static: int, *, by_feature: bool) -> None:
        self.shape = (length, n_features)
        self.n_static = n_static
        self.by_feature = by_feature

    def windows(self, size: int, offset: int) -> list[tuple[slice, slice]]:
        """Windows in the order of time, the first of them shorter by the offset."""
        length, n_features = self.shape
        bounds = [0, *range(size - offset, length, size), length]
        times = [slice(a, b) for a, b in pairwise(bounds) if b > a]
        columns = [slice(i, i + 1) for i in range(n_features)]
        if not self.by_feature:
            columns = [slice(0, n_features)]
        return [(time, column) for time in times for column in columns]


def _occlude_one(
    mixtures: Mixtures,
    place: int,
    weights: Array,
    players: Players,
    size: int,
    offset: int,
) -> tuple[Array, Array]:
    """Attributions (T, F) and (S,), the mean of both orders."""
    windows = players.windows(size, offset)
    cells, static = np.zeros(players.shape), np.zeros(players.n_static)
    n = len(windows) + players.n_static
    for order in (range(n), range(n - 1, -1, -1)):
        changes = _changes(mixtures, place, weights, players, windows, order)
        for player, change in zip(order, changes, strict=True):
            if player >= len(windows):
                static[player - len(windows)] += change / 2
            else:
                window = windows[player]
                cells[window] += change / 2 / cells[window].size
    return cells, static


def _changes(
    mixtures: Mixtures,
    place: int,
    weights: Array,
    players: Players,
    windows: Sequence[tuple[slice, slice]],
    order: Sequence[int],
) -> Array:
    """What the explained output loses with each window that is occluded, in this order."""
    length, n_features = players.shape
    n_rows = max(2, MAX_CELLS // (mixtures.n_timesteps * n_features))
    numbers: list[Array] = []
    mask = np.ones((mixtures.n_timesteps, n_features), dtype=bool)
    static = np.ones(players.n_static, dtype=bool)
    states = [(mask.copy(), static.copy())]
    for player in order:
        if player >= len(windows):
            static[player - len(windows)] = False
        else:
            mask[:length][windows[player]] = False
        states.append((mask.copy(), static.copy()))
        if len(states) >= n_rows:
            numbers.append(_numbers(mixtures, place, weights, states))
            states = []
    if states:
        numbers.append(_numbers(mixtures, place, weights, states))
    return -np.diff(np.concatenate(numbers))


def _numbers(
    mixtures: Mixtures, place: int, weights: Array, states: Sequence[tuple[Array, Array]]
) -> Array:
    rows: IntArray = np.full(len(states), place)
    masks, static = (np.stack(parts) for parts in zip(*states, strict=True))
    numbers: Array = mixtures.outputs(rows, masks, static) @ weights
    return numbers
