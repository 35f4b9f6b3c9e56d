"""Linear model of TF-IDF of tokens and of pairs of tokens."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import nn

from sklstm.nn import TfidfLinear

LENGTHS = torch.tensor([7, 1, 4])


@pytest.fixture
def ids():
    return torch.from_numpy(np.random.default_rng(0).integers(1, 9, size=(3, 7)))


@pytest.fixture
def linear():
    torch.manual_seed(0)
    linear = TfidfLinear(9, 3)
    linear.set(torch.rand(linear.n_terms) + 1, torch.randn(3, linear.n_terms), torch.randn(3))
    return linear


def by_hand(linear, ids, idf, weight, bias):
    """A dictionary of counts, as of a book."""
    buckets = [(a * 1_000_003 + b) % linear.n_buckets for a, b in pairwise(ids)]
    counts = Counter([*ids, *(linear.vocabulary_size + bucket for bucket in buckets)])
    norm = sum(n * idf[k] ** 2 for k, n in counts.items()) ** 0.5
    return sum(n * idf[k] * weight[:, k] for k, n in counts.items()) / norm + bias


def test_outputs_are_those_of_a_count_of_tokens_and_pairs(ids):
    linear, rng = TfidfLinear(9, 3), np.random.default_rng(1)
    idf, weight, bias = rng.uniform(1, 5, 45), rng.normal(size=(3, 45)), rng.normal(size=3)
    linear.set(*map(torch.from_numpy, (idf, weight, bias)))
    expected = [
        by_hand(linear, row[:n].tolist(), idf, weight, bias)
        for row, n in zip(ids, LENGTHS, strict=True)
    ]
    np.testing.assert_allclose(linear(ids, LENGTHS), expected, rtol=1e-4, atol=1e-5)


def test_outputs_are_zero_before_it_is_set(ids):
    assert not TfidfLinear(9, 3)(ids, LENGTHS).any()


def test_terms_are_tokens_and_then_pairs(linear):
    terms = linear.terms(torch.tensor([[2, 3, 0], [4, 4, 4]]), torch.tensor([2, 3]))
    one, two = (9 + (a * 1_000_003 + b) % 36 for a, b in ((2, 3), (4, 4)))
    assert terms.tolist() == [[2, 3, 0, one, 0, 0], [4, 4, 4, two, two, 0]]
    assert linear.terms(torch.tensor([[5]])).tolist() == [[5, 0]]
    # Id 0 is no token anywhere, and in no pair.
    assert linear.terms(torch.tensor([[3, 0, 4]])).tolist() == [[3, 0, 4, 0, 0, 0]]


def test_a_sequence_has_the_same_bits_alone_in_company_and_with_any_padding(linear, ids):
    together = linear(ids, LENGTHS)
    for i, n in enumerate(LENGTHS):
        assert torch.equal(linear(ids[i : i + 1, :n]), together[i : i + 1])
    padded = nn.functional.pad(ids, (0, 30), value=8)
    assert torch.equal(linear(padded, LENGTHS), together)


def test_the_order_of_tokens_counts_by_their_pairs(linear):
    forwards, backwards = torch.tensor([[2, 3, 4]]), torch.tensor([[4, 3, 2]])
    assert not torch.allclose(linear(forwards), linear(backwards))
    tokens = (linear.terms(ids)[:, :3].sort().values for ids in (forwards, backwards))
    assert torch.equal(*tokens)


def test_it_is_frozen_and_exports(linear, ids):
    assert not any(p.requires_grad for p in linear.parameters())
    batch, n = torch.export.Dim("batch"), torch.export.Dim("n", min=3)
    program = torch.export.export(linear, (ids,), dynamic_shapes=({0: batch, 1: n},))
    torch.testing.assert_close(program.module()(ids[:2, :5]), linear(ids[:2, :5]))
