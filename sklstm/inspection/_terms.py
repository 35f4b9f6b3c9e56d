"""Attributions of TF-IDF to tokens."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from sklstm.nn import TfidfLinear
from sklstm.nn._tfidf import SMALLEST_NORM

# Points of Gauss-Legendre quadrature along the path of counts.
N_POINTS = 32


def attribute_terms(
    linear: TfidfLinear, ids_BT: Tensor, baseline_BT: Tensor, weights_BC: Tensor
) -> Tensor:
    r"""Integrated gradients of the weighted outputs by token, (B, T), float64.

    The path leads from the counts of the terms of the baseline to those of the sequence: at point a
    of it each term of the one counts 1 - a and each of the other a. With s as the sum and q as the
    sum of squares, both linear in a, the output is :math:`s / \sqrt q`, so that the integral is one
    over numbers. A pair is shared by its two tokens, those alone that the baseline does not have.
    """
    tables = [_rows(linear, ids, weights_BC) for ids in (ids_BT, baseline_BT)]
    (sums_B, squares_B), (sums0_B, squares0_B) = (table.sum(dim=1).unbind(1) for table in tables)
    points, weights = np.polynomial.legendre.leggauss(N_POINTS)
    of_sums, of_squares = torch.zeros_like(sums_B), torch.zeros_like(sums_B)
    # With a = u^2: next to a = 0 the norm is a root.
    for u, weight in zip((points + 1) / 2, weights * (points + 1) / 2, strict=True):
        s_B = torch.lerp(sums0_B, sums_B, u * u)
        q_B = torch.lerp(squares0_B, squares_B, u * u).clamp(min=SMALLEST_NORM**2)
        of_sums += weight / q_B.sqrt()
        of_squares -= weight * s_B / (2 * q_B**1.5)
    of_terms, of_baseline = (
        of_sums.unsqueeze(1) * sums_BN + of_squares.unsqueeze(1) * squares_BN
        for sums_BN, squares_BN in (table.unbind(2) for table in tables)
    )
    return _by_token(of_terms - of_baseline, ids_BT != baseline_BT)


def _rows(linear: TfidfLinear, ids_BT: Tensor, weights_BC: Tensor) -> Tensor:
    """Weighted sum of the weights of each term, and the square of its frequency, (B, 2 T, 2)."""
    rows = linear.table[linear.terms(ids_BT)].double()
    weighted = (rows[..., :-1] * weights_BC.double().unsqueeze(1)).sum(dim=2)
    return torch.stack([weighted, rows[..., -1]], dim=2)


def _by_token(terms_BN: Tensor, differs_BT: Tensor) -> Tensor:
    """Numbers of tokens, and those of pairs, shared by the tokens that differ."""
    tokens_BT, pairs_BT = terms_BN.chunk(2, dim=1)
    differs = differs_BT.double()
    following = torch.nn.functional.pad(differs[:, 1:], (0, 1))
    total = (differs + following).clamp(min=1)
    of_first, of_second = pairs_BT * differs / total, pairs_BT * following / total
    return tokens_BT + of_first + torch.nn.functional.pad(of_second[:, :-1], (1, 0))
