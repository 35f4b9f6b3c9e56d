"""Loss functions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

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


class WeightedRegressionLoss(nn.Module):
    r"""Weighted mean loss of numbers, :math:`\sum_i w_i \ell_i / \sum_i w_i`.

    Targets are standardised; :math:`\ell_i` is the mean over the targets of a sequence, and of the
    quantiles of each.

    Parameters
    ----------
    kind : {"absolute_error", "huber", "quantile", "squared_error"}
        Loss of an error e: its magnitude; half its square up to 1 and its magnitude less 1/2
        beyond; max(q e, (q - 1) e) for each quantile q; its square.
    quantiles : sequence of float, default=()
        Probabilities of the quantiles.
    """

    quantiles: Tensor

    def __init__(self, kind: str, quantiles: Sequence[float] = ()) -> None:
        super().__init__()
        self.kind = kind
        probabilities = torch.tensor(quantiles, dtype=torch.float32, device="cpu")
        self.register_buffer("quantiles", probabilities)

    def forward(
        self,
        outputs_BO: Tensor,
        targets_BK: Tensor,
        weights_B: Tensor,
        mixup_weights_B: Tensor | None = None,
    ) -> Tensor:
        """Loss, a scalar; with mixup each of the two targets is weighted by its mixup weight."""
        losses_B = self._losses(outputs_BO, targets_BK) * weights_B
        if mixup_weights_B is not None:
            others_B = self._losses(outputs_BO, targets_BK.roll(1, dims=0)) * weights_B.roll(1)
            losses_B = torch.lerp(others_B, losses_B, mixup_weights_B)
        return losses_B.sum() / weights_B.sum()

    def _losses(self, outputs_BO: Tensor, targets_BK: Tensor) -> Tensor:
        """Loss of each sequence, shape (B,)."""
        outputs_BKQ = outputs_BO.unflatten(1, (targets_BK.shape[1], -1))
        errors_BKQ = targets_BK.unsqueeze(2) - outputs_BKQ
        return self._of_errors(errors_BKQ).flatten(1).mean(dim=1)

    def _of_errors(self, errors_BKQ: Tensor) -> Tensor:
        if self.kind == "quantile":
            return torch.maximum(self.quantiles * errors_BKQ, (self.quantiles - 1) * errors_BKQ)
        if self.kind == "huber":
            return nn.functional.huber_loss(
                errors_BKQ, torch.zeros_like(errors_BKQ), reduction="none"
            )
        return errors_BKQ.abs() if self.kind == "absolute_error" else errors_BKQ.square()


def penalty(matrices: Iterable[Tensor], l1: float, l2: float) -> Tensor:
    """Penalty l1 * sum(abs(w)) + l2 * sum(w**2) on the weights, as in Keras."""
    terms = []
    for matrix in matrices:
        if l1:
            terms.append(l1 * matrix.abs().sum())
        if l2:
            terms.append(l2 * matrix.square().sum())
    return torch.stack(terms).sum()
