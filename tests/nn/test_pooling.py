import pytest
import torch

from sklstm.nn import AttentionPooling, LastPooling, MaxPooling, MeanPooling
from sklstm.nn._pooling import build_pooling, limited, padding_mask
from tests.helpers import FLOAT32, POOLINGS

STATES = torch.tensor(
    [[[1.0, -4.0], [3.0, -2.0], [9.0, 9.0]], [[5.0, -6.0], [7.0, 7.0], [8.0, 8.0]]]
)
LENGTHS = torch.tensor([2, 1])


def test_mask_is_true_where_real():
    assert padding_mask(LENGTHS, 3).tolist() == [[True, True, False], [True, False, False]]


@pytest.mark.parametrize(
    ("pooling", "padded", "full"),
    [
        (LastPooling(), [[3, -2], [5, -6]], [[9, 9], [8, 8]]),
        (MeanPooling(), [[2, -3], [5, -6]], [[13 / 3, 1], [20 / 3, 3]]),
        (MaxPooling(), [[3, -2], [5, -6]], [[9, 9], [8, 8]]),
    ],
)
def test_by_hand(pooling, padded, full):
    torch.testing.assert_close(pooling(STATES, LENGTHS), torch.tensor(padded, dtype=torch.float32))
    torch.testing.assert_close(pooling(STATES), torch.tensor(full, dtype=torch.float32))


@torch.no_grad()
def test_padding_counts_for_nothing_without_gradients_either():
    padded = torch.tensor([[3.0, -2.0], [5.0, -6.0]])
    assert torch.equal(build_pooling("max", 2)(STATES, LENGTHS), padded)
    # In the padding at most 0, in place.
    values = STATES.clone()
    assert limited(values, LENGTHS, 0.0, out=values) is values
    assert values.tolist() == [[[1, -4], [3, -2], [0, 0]], [[5, -6], [0, 0], [0, 0]]]


@torch.no_grad()
@pytest.mark.parametrize("pooling", [MaxPooling(), MeanPooling()])
def test_padding_of_nan_counts_for_nothing(pooling):
    broken = STATES.masked_fill(~padding_mask(LENGTHS, 3).unsqueeze(2), torch.nan)
    assert torch.equal(pooling(broken, LENGTHS), pooling(STATES, LENGTHS))


def test_zeros_in_the_padding_need_not_be_left_out():
    mean = MeanPooling(is_padded_with_zeros=True)
    zeros = STATES * padding_mask(LENGTHS, 3).unsqueeze(2)
    assert torch.equal(mean(zeros, LENGTHS), MeanPooling()(STATES, LENGTHS))
    assert torch.equal(mean(STATES), MeanPooling()(STATES))


def test_attention_alone_is_to_the_bit_that_in_company():
    pooling, states = AttentionPooling(6).eval(), torch.randn(60, 9, 6)
    with torch.no_grad():
        together = pooling(states)
        for n in range(1, 60):
            assert torch.equal(pooling(states[:n]), together[:n])


def test_attention_by_hand():
    pooling = AttentionPooling(2)
    for row, length, pooled in zip(STATES, LENGTHS.tolist(), pooling(STATES, LENGTHS), strict=True):
        real = row[:length]
        scores = torch.tanh(real @ pooling.projection.weight.T + pooling.projection.bias)
        weights = torch.softmax(scores @ pooling.context.weight[0], dim=0)
        torch.testing.assert_close(pooled, weights @ real, **FLOAT32)


@pytest.mark.parametrize("name", POOLINGS)
def test_padding_changes_neither_value_nor_gradient(name):
    pooling = build_pooling(name, 4)
    real = torch.randn(1, 3, 4, requires_grad=True)
    alone = pooling(real)
    (grad_alone,) = torch.autograd.grad(alone.sum(), real)
    padded = torch.cat([real, torch.full((1, 2, 4), 1e30)], dim=1)
    pooled = pooling(padded, torch.tensor([3]))
    (grad,) = torch.autograd.grad(pooled.sum(), real)
    torch.testing.assert_close(pooled, alone, **FLOAT32)
    torch.testing.assert_close(grad, grad_alone, **FLOAT32)
