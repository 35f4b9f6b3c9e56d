import pytest
import torch
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from sklstm._tasks._losses import (
    WeightedBinaryCrossEntropy,
    WeightedCrossEntropy,
    penalty,
)

LOGITS = torch.randn(6, 3)
CLASSES = torch.tensor([0, 1, 2, 2, 1, 0])
ONES = torch.ones(6)


def test_unweighted_is_cross_entropy():
    torch.testing.assert_close(
        WeightedCrossEntropy()(LOGITS, CLASSES, ONES), cross_entropy(LOGITS, CLASSES)
    )


def test_class_weights_are_torchs():
    weight = torch.tensor([1.0, 5.0, 0.1])
    torch.testing.assert_close(
        WeightedCrossEntropy()(LOGITS, CLASSES, weight[CLASSES]),
        cross_entropy(LOGITS, CLASSES, weight=weight),
    )


def test_an_integer_weight_is_a_repetition():
    loss = WeightedCrossEntropy()
    weights = torch.tensor([1, 2, 0, 3, 1, 1])
    repeated = torch.repeat_interleave(torch.arange(6), weights)
    torch.testing.assert_close(
        loss(LOGITS, CLASSES, weights.float()),
        loss(LOGITS[repeated], CLASSES[repeated], torch.ones(8)),
    )


def test_under_mixup_the_target_is_made_of_two_classes():
    shares = torch.tensor([1.0, 0.5, 0.9, 0.6, 0.7, 0.8])
    own, others = (
        torch.nn.functional.one_hot(c, 3) for c in (CLASSES, CLASSES[[5, 0, 1, 2, 3, 4]])
    )
    of_both = shares[:, None] * own + (1 - shares)[:, None] * others
    torch.testing.assert_close(
        WeightedCrossEntropy()(LOGITS, CLASSES, ONES, shares), cross_entropy(LOGITS, of_both)
    )


def test_under_mixup_each_of_two_classes_has_the_weight_of_its_sequence():
    weights, share = torch.tensor([3.0, 5.0]), torch.tensor([0.9, 0.6])
    (of_0, of_1) = -LOGITS[:2].log_softmax(dim=1)
    by_hand = 0.9 * 3 * of_0[0] + 0.1 * 5 * of_0[1] + 0.6 * 5 * of_1[1] + 0.4 * 3 * of_1[0]
    loss = WeightedCrossEntropy()(LOGITS[:2], CLASSES[:2], weights, share)
    torch.testing.assert_close(loss, by_hand / 8)


LABELS = torch.tensor([[0.0, 1, 0], [1, 1, 0], [0, 0, 0], [1, 1, 1], [0, 1, 1], [1, 0, 0]])


def test_of_labels_it_is_the_mean_of_binary_cross_entropies():
    loss, expected = WeightedBinaryCrossEntropy(), binary_cross_entropy_with_logits
    torch.testing.assert_close(loss(LOGITS, LABELS, ONES), expected(LOGITS, LABELS))
    weights_BK = torch.rand(6, 3)
    torch.testing.assert_close(
        loss(LOGITS, LABELS, weights_BK),
        expected(LOGITS, LABELS, weights_BK, reduction="sum") / weights_BK.sum(),
    )
    # A sequence's weight is that of each of its labels.
    weights_B = torch.rand(6)
    torch.testing.assert_close(
        loss(LOGITS, LABELS, weights_B),
        loss(LOGITS, LABELS, weights_B.unsqueeze(1).expand(6, 3)),
    )


def test_under_mixup_labels_are_fractions_by_both_weights():
    loss, shares = WeightedBinaryCrossEntropy(), torch.tensor([1.0, 0.5, 0.9, 0.6, 0.7, 0.8])
    others = LABELS[[5, 0, 1, 2, 3, 4]]
    of_both = torch.lerp(others, LABELS, shares[:, None])
    expected = binary_cross_entropy_with_logits(LOGITS, of_both)
    torch.testing.assert_close(loss(LOGITS, LABELS, ONES, shares), expected)
    torch.testing.assert_close(loss(LOGITS, LABELS, torch.ones(6, 3), shares), expected)
    weights = torch.tensor([[3.0, 0], [0, 5]])
    share = torch.tensor([0.9, 0.6])
    of_own, of_others = (
        binary_cross_entropy_with_logits(LOGITS[:2, :2], t, reduction="none")
        for t in (LABELS[:2, :2], LABELS[[1, 0], :2])
    )
    by_hand = 0.9 * 3 * of_own[0, 0] + 0.1 * 5 * of_others[0, 1]
    by_hand = by_hand + 0.6 * 5 * of_own[1, 1] + 0.4 * 3 * of_others[1, 0]
    found = loss(LOGITS[:2, :2], LABELS[:2, :2], weights, share)
    torch.testing.assert_close(found, by_hand / 8)


def test_penalty_by_hand():
    matrices = [torch.tensor([[1.0, -2.0]]), torch.tensor([[3.0]])]
    assert penalty(matrices, l1=0.1, l2=0.0) == pytest.approx(0.1 * 6)
    assert penalty(matrices, l1=0.0, l2=0.1) == pytest.approx(0.1 * 14)
    assert penalty(matrices, l1=1.0, l2=2.0) == pytest.approx(6 + 28)
