"""Loss functions."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn


class WeightedLoss(nn.Module, ABC):
    r"""Weighted mean loss of outputs, :math:`\sum_i w_i \ell_i / \sum_i w_i`."""

    def forward(
        self,
        outputs_BO: Tensor,
        targets: Tensor,
        weights: Tensor,
        mixup_weights_B: Tensor | None = None,
    ) -> Tensor:
        """Loss, a scalar; with mixup each of the two targets is weighted by its mixup weight."""
        losses_B = self.weighted_losses(outputs_BO, targets, weights)
        if mixup_weights_B is not None:
            of_others = (tensor.roll(1, dims=0) for tensor in (targets, weights))
            others_B = self.weighted_losses(outputs_BO, *of_others)
            losses_B = torch.lerp(others_B, losses_B, mixup_weights_B)
        return losses_B.sum() / weights.sum()

    def weighted_losses(self, outputs_BO: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
        """Loss of each sequence times its weight, shape (B,)."""
        return self.losses(outputs_BO, targets) * weights

    @abstractmethod
    def losses(self, outputs_BO: Tensor, targets: Tensor) -> Tensor:
        """Loss of each sequence, shape (B,), without its weight."""


class WeightedCrossEntropy(WeightedLoss):
    """Weighted mean cross-entropy of logits (B, C) and classes (B,).

    The weight of a sequence is its class weight times its sample weight.
    """

    def losses(self, outputs_BO: Tensor, targets: Tensor) -> Tensor:
        """Cross-entropy of each sequence, shape (B,)."""
        # Codes of classes may be of a smaller type.
        return nn.functional.cross_entropy(outputs_BO, targets.long(), reduction="none")


class WeightedBinaryCrossEntropy(WeightedLoss):
    """Weighted mean binary cross-entropy of logits (B, K) and labels (B, K), each 0 or 1.

    The weights are those of sequences (B,), whose loss is the mean over their labels, or of each
    label of each sequence (B, K).
    """

    def weighted_losses(self, outputs_BO: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
        """Sum or mean over the labels of each sequence, shape (B,)."""
        if weights.dim() == 1:
            return super().weighted_losses(outputs_BO, targets, weights)
        return (_binary_cross_entropy(outputs_BO, targets) * weights).sum(dim=1)

    def losses(self, outputs_BO: Tensor, targets: Tensor) -> Tensor:
        """Mean over the labels of each sequence, shape (B,)."""
        return _binary_cross_entropy(outputs_BO, targets).mean(dim=1)


def _binary_cross_entropy(logits_BK: Tensor, targets_BK: Tensor) -> Tensor:
    return nn.functional.binary_cross_entropy_with_logits(logits_BK, targets_BK, reduction="none")


class WeightedRegressionLoss(WeightedLoss):
    """Weighted mean loss of standardised numbers (B, K) and outputs of K numbers or K Q quantiles.

    The loss of a sequence is the mean over its targets, and over the quantiles of each.

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

    def losses(self, outputs_BO: Tensor, targets: Tensor) -> Tensor:
        """Loss of each sequence, shape (B,)."""
        outputs_BKQ = outputs_BO.unflatten(1, (targets.shape[1], -1))
        errors_BKQ = targets.unsqueeze(2) - outputs_BKQ
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
