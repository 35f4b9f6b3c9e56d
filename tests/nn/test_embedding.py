import pytest
import torch

from sklstm.nn._embedding import build_embedding


@pytest.mark.parametrize("weights", [None, torch.ones(6, 3)])
def test_padding_is_zero_and_stays_so(weights):
    embedding = build_embedding(6, 3, weights)
    assert embedding.weight.shape == (6, 3)
    assert not embedding.weight[0].any()
    assert embedding.weight[1:].any(dim=1).all()
    embedding(torch.tensor([0, 1, 2])).sum().backward()
    assert not embedding.weight.grad[0].any()
    assert embedding.weight.grad[1].any()


def test_given_weights_are_copied():
    weights = torch.randn(6, 3)
    embedding = build_embedding(6, 3, weights)
    assert torch.equal(embedding.weight[1:], weights[1:])
    with torch.no_grad():
        embedding.weight.fill_(0.0)
    assert weights.any()


@pytest.mark.parametrize("freeze", [False, True])
def test_freezing(freeze):
    assert build_embedding(6, 3, freeze=freeze).weight.requires_grad is not freeze
