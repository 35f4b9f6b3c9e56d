"""Integrals of gradients along straight paths."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from sklstm._sequences import Array

# Cells that every path has at first.
N_CELLS = 8
# Cells whose error is at least this part of the largest one are halved.
LARGE = 0.3
# The errors of the cells cancel in their sum: without signs they may be as many times as large.
CANCELLING = 16
# Width of a cell that is not halved: float32 hardly tells its points apart. Where an output all but
# jumps, its slope there is that between its ends, if by Simpson's rule it is at most so many times
# as large or as small.
SMALLEST, LARGEST_FACTOR = 2.0**-20, 2.0

# Function of inputs, each (R, ...), of the sequences (R,) -> outputs (R,).
Function = Callable[[Sequence[Tensor], Tensor], Tensor]


class Node(NamedTuple):
    """Point of a path: output there, its derivative along the path, and gradients."""

    output: float
    slope: float
    gradients: list[Tensor]


class Integral(NamedTuple):
    """Integrated gradients, one for each input, and how much they miss, (B,)."""

    gradients: list[Tensor]
    errors: Array


class Path:
    """Straight path of one sequence, cut into cells for Simpson's rule.

    The rule is refined where it misses most of the difference of outputs, which is known: kinks of
    maxima and of ReLU make gradients jump, so that equal steps would have to be many.
    """

    def __init__(self) -> None:
        bounds = np.linspace(0.0, 1.0, N_CELLS + 1).tolist()
        self.cells = list(pairwise(bounds))
        self.nodes: dict[float, Node] = {}

    def missing(self) -> list[float]:
        """Points that the rule needs and that are not known yet."""
        points = {p for a, b in self.cells for p in (a, (a + b) / 2, b)}
        return sorted(points.difference(self.nodes))

    def errors(self) -> Array:
        """What the rule misses in each cell."""
        return np.array([self._miss(*cell) for cell in self.cells])

    def _miss(self, a: float, b: float) -> float:
        found = self._factor(a, b) * self._by_simpson(a, b)
        return self.nodes[b].output - self.nodes[a].output - found

    def _by_simpson(self, a: float, b: float) -> float:
        first, middle, last = (self.nodes[p].slope for p in (a, (a + b) / 2, b))
        return (b - a) / 6 * (first + 4 * middle + last)

    def _factor(self, a: float, b: float) -> float:
        """What the gradients of a cell are multiplied with: 1, but for the smallest cells."""
        change, found = self.nodes[b].output - self.nodes[a].output, self._by_simpson(a, b)
        if b - a > SMALLEST or not found:
            return 1.0
        factor = change / found
        return factor if 1 / LARGEST_FACTOR <= factor <= LARGEST_FACTOR else 1.0

    def refine(self, errors: Array) -> bool:
        """Halve the cells of large errors; whether there was one that can be halved."""
        sizes = np.array([b - a > SMALLEST for a, b in self.cells]) * np.abs(errors)
        is_large = (sizes > 0) & (sizes >= LARGE * sizes.max())
        cells = []
        for (a, b), is_cut in zip(self.cells, is_large, strict=True):
            middle = (a + b) / 2
            cells += [(a, middle), (middle, b)] if is_cut else [(a, b)]
        self.cells = cells
        return bool(is_large.any())

    def mean_gradients(self) -> list[Tensor]:
        """Integrals of the gradients."""
        weights: dict[float, float] = {}
        for a, b in self.cells:
            for point, factor in ((a, 1), ((a + b) / 2, 4), (b, 1)):
                own = self._factor(a, b) * factor * (b - a) / 6
                weights[point] = weights.get(point, 0.0) + own
        totals: list[Tensor] = []
        for point, weight in weights.items():
            gradients = [weight * gradient.double() for gradient in self.nodes[point].gradients]
            totals = gradients if not totals else [
                total + gradient for total, gradient in zip(totals, gradients, strict=True)
            ]  # fmt: skip
        return totals


def integrate(
    function: Function,
    starts: Sequence[Tensor],
    ends: Sequence[Tensor],
    *,
    tol: float,
    max_nodes: int,
    n_rows: int,
) -> Integral:
    """Gradients of a function, integrated along the paths from starts to ends, each (B, ...).

    Their products with the differences of both sum to the difference of the outputs but for errors
    of at most ``tol``, unless ``max_nodes`` are not enough. The function is computed of ``n_rows``
    rows at a time.
    """
    paths = [Path() for _ in starts[0]]
    open_paths = set(range(len(paths)))
    while open_paths:
        wanted = [(i, point) for i in sorted(open_paths) for point in paths[i].missing()]
        for start in range(0, len(wanted), n_rows):
            rows = wanted[start : start + n_rows]
            for (i, point), node in zip(rows, _evaluate(function, starts, ends, rows), strict=True):
                paths[i].nodes[point] = node
        for i in sorted(open_paths):
            errors, path = paths[i].errors(), paths[i]
            is_exact = abs(errors.sum()) <= tol and np.abs(errors).sum() <= CANCELLING * tol
            if is_exact or len(path.nodes) >= max_nodes or not path.refine(errors):
                open_paths.discard(i)
    means = [path.mean_gradients() for path in paths]
    errors = np.array([path.errors().sum() for path in paths])
    return Integral([torch.stack(parts) for parts in zip(*means, strict=True)], errors)


def _evaluate(
    function: Function,
    starts: Sequence[Tensor],
    ends: Sequence[Tensor],
    rows: Sequence[tuple[int, float]],
) -> list[Node]:
    """Nodes of rows (sequence, point of its path)."""
    indices_R = torch.tensor([i for i, _ in rows], device=starts[0].device)
    points_R = torch.tensor([p for _, p in rows], device=starts[0].device, dtype=torch.float32)
    differences, inputs = [], []
    for start, end in zip(starts, ends, strict=True):
        first, difference = start[indices_R], (end - start)[indices_R]
        points = points_R.view(-1, *[1] * (start.ndim - 1))
        # The ends themselves: a sum of differences rounds.
        at = torch.where(points == 1, end[indices_R], first + points * difference)
        differences.append(difference)
        inputs.append(at.requires_grad_())
    outputs_R = function(inputs, indices_R)
    gradients = torch.autograd.grad(outputs_R.sum(), inputs, allow_unused=True)
    known = [
        torch.zeros_like(given) if gradient is None else gradient
        for given, gradient in zip(inputs, gradients, strict=True)
    ]
    slopes_R = sum(
        (gradient.double() * difference.double()).flatten(1).sum(dim=1)
        for gradient, difference in zip(known, differences, strict=True)
    )
    assert isinstance(slopes_R, Tensor)
    pairs = zip(outputs_R.detach().tolist(), slopes_R.tolist(), strict=True)
    return [Node(*pair, [g[row] for g in known]) for row, pair in enumerate(pairs)]
