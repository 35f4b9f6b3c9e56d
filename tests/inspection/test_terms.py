import torch

from sklstm.inspection._terms import attribute_terms
from sklstm.nn import TfidfLinear


def linear():
    torch.manual_seed(0)
    module = TfidfLinear(12, 2)
    n = module.n_terms
    module.set(1 + torch.rand(n), torch.randn(2, n), torch.randn(2))
    return module


IDS = torch.tensor([[3, 5, 2, 5], [7, 8, 0, 0]])
WEIGHTS = torch.tensor([[1.0, 0.0], [-1.0, 1.0]])


def test_attributions_sum_to_the_change_from_no_tokens():
    module = linear()
    found = attribute_terms(module, IDS, torch.zeros_like(IDS), WEIGHTS)
    expected = ((module(IDS) - module.bias) * WEIGHTS).sum(dim=1)
    torch.testing.assert_close(found.sum(dim=1), expected.double(), atol=1e-5, rtol=1e-5)
    assert (found[1, 2:] == 0).all()


def test_attributions_sum_to_the_change_from_other_tokens():
    module, others = linear(), torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0]])
    found = attribute_terms(module, IDS, others, WEIGHTS)
    expected = ((module(IDS) - module(others)) * WEIGHTS).sum(dim=1)
    torch.testing.assert_close(found.sum(dim=1), expected.double(), atol=1e-5, rtol=1e-5)


def test_a_pair_belongs_to_the_token_that_the_baseline_does_not_have():
    others = IDS.clone()
    others[0, 1] = 1
    found = attribute_terms(linear(), IDS, others, WEIGHTS)
    assert found[0].nonzero().flatten().tolist() == [1]


def test_from_no_tokens_the_integral_is_known():
    module = linear()
    (found,) = attribute_terms(module, IDS[:1], torch.zeros(1, 4, dtype=torch.int64), WEIGHTS[:1])
    rows = module.table[module.terms(IDS[:1])][0].double()
    total, square = rows[:, 0].sum(), rows[:, 2].sum()
    # Twice the term's part of s / sqrt(q), less its share of the norm.
    terms = 2 * rows[:, 0] / square.sqrt() - total * rows[:, 2] / square**1.5
    tokens, pairs = terms[:4], terms[4:]
    expected = tokens + pairs / 2
    expected[1:] += pairs[:-1] / 2
    torch.testing.assert_close(found, expected, atol=1e-6, rtol=1e-6)
