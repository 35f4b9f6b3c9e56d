"""Loss functions."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn


class WeightedCrossEntropy(nn.Module):
    r"""Weighted mean cross-entropy of logits.

    .. math:: \sum_i w_i \ell_i / \sum_i w_i

    with :math:`w_i` the class weight times the sample weight of sequence i.
    """

    def forward(
        self,
        logits_BC: Tensor,
        classes_B: Tensor,
        weights_B: Tensor,
        mixup_weights_B: Tensor | None = None,
    ) -> Tensor:
        """Loss, a scalar; with mixup each of the two classes is weighted by its mixup weight."""
        losses_B = self._losses(logits_BC, classes_B) * weights_B
        if mixup_weights_B is not None:
            others_B = self._losses(logits_BC, classes_B.roll(1)) * weights_B.roll(1)
            losses_B = torch.lerp(others_B, losses_B, mixup_weights_B)
        return losses_B.sum() / weights_B.sum()

    def _losses(self, logits_BC: Tensor, classes_B: Tensor) -> Tensor:
        return nn.functional.cross_entropy(logits_BC, classes_B, reduction="none")


def penalty(matrices: Iterable[Tensor], l1: float, l2: float) -> Tensor:
    """Penalty l1 * sum(abs(w)) + l2 * sum(w**2) on the weights, as in Keras."""
    terms = []
    for matrix in matrices:
        if l1:
            terms.append(l1 * matrix.abs().sum())
        if l2:
            terms.append(l2 * matrix.square().sum())
    return torch.stack(terms).sum()
