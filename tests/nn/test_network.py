import pytest
import torch
from torch import nn

from sklstm.nn import SequenceNetwork
from sklstm.nn._categories import StaticEncoder
from sklstm.nn._embedding import build_embedding
from sklstm.nn._network import lstm_takes_bfloat16
from tests.helpers import POOLINGS


def test_logits_are_the_head_of_the_pooled_vector():
    network = SequenceNetwork(3, 4, hidden_sizes=(8,), pooling="mean")
    inputs, lengths = torch.randn(2, 5, 3), torch.tensor([5, 2])
    pooled = network.embed(inputs, lengths)
    assert pooled.shape == (2, 8)
    assert torch.equal(network(inputs, lengths), network.classify(pooled))


@pytest.mark.parametrize("bidirectional", [False, True])
def test_token_ids_through_an_embedding_equal_its_vectors(bidirectional):
    embedding = nn.Embedding(10, 3, padding_idx=0)
    network = SequenceNetwork(3, 2, embedding=embedding, bidirectional=bidirectional)
    ids, lengths = torch.tensor([[4, 7, 2], [9, 1, 5]]), torch.tensor([3, 2])
    logits = network(ids, lengths)
    network.embedding = None
    assert torch.equal(network(embedding(ids), lengths), logits)


def test_a_frozen_embedding_stays_and_gets_no_gradient():
    vectors = torch.randn(10, 3)
    network = SequenceNetwork(3, 2, embedding=nn.Embedding.from_pretrained(vectors, freeze=True))
    network(torch.tensor([[4, 7, 2]])).sum().backward()
    assert network.embedding.weight.grad is None


def test_weight_matrices_are_all_weights_but_biases_and_embedding():
    network = SequenceNetwork(
        3,
        2,
        hidden_sizes=(8, 4),
        dense_sizes=(5,),
        pooling="attention",
        bidirectional=True,
        embedding=nn.Embedding(10, 3),
    )
    names = {id(p): name for name, p in network.named_parameters()}
    matrices = {names[id(p)] for p in network.weight_matrices()}
    expected = {n for n in names.values() if "weight" in n and not n.startswith("embedding")}
    assert matrices == expected
    assert len(matrices) == 2 * 2 * 2 + 2 + 2


@pytest.mark.parametrize("pooling", POOLINGS)
def test_bfloat16_is_float32_but_for_its_rounding(pooling):
    sizes = {"hidden_sizes": (8, 6), "bidirectional": True, "pooling": pooling}
    network, twin = SequenceNetwork(3, 4, **sizes), SequenceNetwork(3, 4, **sizes)
    twin.precision = "bfloat16"
    twin.load_state_dict(network.state_dict())
    inputs, lengths = torch.randn(5, 7, 3), torch.tensor([7, 1, 4, 7, 3])
    expected, logits = network(inputs, lengths), twin(inputs, lengths)
    assert logits.dtype == torch.float32
    assert torch.equal(logits, expected) != lstm_takes_bfloat16("cpu")
    # bfloat16 has 8 significant bits.
    torch.testing.assert_close(logits, expected, rtol=0.05, atol=0.05)
    expected.square().sum().backward()
    logits.square().sum().backward()
    for ours, theirs in zip(twin.parameters(), network.parameters(), strict=True):
        assert ours.grad.dtype == torch.float32
        # Relative to the largest: single elements may cancel to anything.
        largest = theirs.grad.abs().max()
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=0, atol=0.1 * float(largest) + 1e-6)


@pytest.mark.parametrize("lengths", [None, torch.tensor([7, 1, 4, 6])])
def test_patches_equal_timesteps_that_are_put_side_by_side_beforehand(lengths):
    options = {"conv_filters": (5,), "bidirectional": True}
    network = SequenceNetwork(2, 3, patch_size=3, **options).eval()
    of_patches = SequenceNetwork(6, 3, **options).eval()
    of_patches.load_state_dict(network.state_dict())
    inputs = torch.randn(4, 7, 2)
    patches = torch.zeros(4, 3, 6)
    for row, length in enumerate([7, 7, 7, 7] if lengths is None else lengths):
        for t in range(int(length)):
            patches[row, t // 3, 2 * (t % 3) : 2 * (t % 3) + 2] = inputs[row, t]
    n_patches = None if lengths is None else torch.tensor([3, 1, 2, 2])
    torch.testing.assert_close(network(inputs, lengths), of_patches(patches, n_patches))


@pytest.mark.parametrize("lengths", [None, torch.tensor([7, 1, 4, 6])])
@pytest.mark.parametrize("with_embedding", [False, True])
def test_mixed_sequences_equal_those_that_are_mixed_beforehand(lengths, with_embedding):
    """Each with the one before it, as long as it was; what padding holds does not matter."""
    embedding = build_embedding(9, 2) if with_embedding else None
    options = {"conv_filters": (5,), "patch_size": 2}
    network = SequenceNetwork(2, 3, embedding=embedding, **options).eval()
    inputs = torch.randint(1, 9, (4, 7)) if with_embedding else torch.randn(4, 7, 2)
    shares = torch.tensor([0.5, 0.9, 1.0, 0.7])
    sizes = [7, 7, 7, 7] if lengths is None else lengths.tolist()
    vectors = torch.zeros(4, 7, 2)
    for row, size in enumerate(sizes):
        alone = inputs[row, :size]
        vectors[row, :size] = embedding(alone) if with_embedding else alone
        inputs[row, size:] = 5 if with_embedding else torch.nan
    for row, size in enumerate(sizes):
        both = shares[row] * vectors[row] + (1 - shares[row]) * vectors[row - 1]
        pooled = network.embed(inputs, lengths, mixup_weights_B=shares)[row]
        network.embedding, kept = None, network.embedding
        expected = network.embed(both[None, :size])[0]
        network.embedding = kept
        torch.testing.assert_close(pooled, expected)


def test_patches_of_token_ids():
    embedding = build_embedding(9, 2)
    network = SequenceNetwork(2, 3, embedding=embedding, patch_size=2).eval()
    ids, lengths = torch.tensor([[3, 4, 5, 0], [6, 0, 0, 0]]), torch.tensor([3, 1])
    alone = torch.cat([network(ids[:1, :3]), network(ids[1:, :1])])
    torch.testing.assert_close(network(ids, lengths), alone)


def test_static_columns_are_mixed_as_their_sequences():
    network = SequenceNetwork(2, 3, static=StaticEncoder(1, (2,))).eval()
    inputs, shares = torch.randn(3, 5, 2), torch.tensor([0.9, 0.6, 1.0])
    static = torch.tensor([[0.5, 1.0], [-1.0, 2.0], [2.0, 0.0]]).double()
    vectors = network.static(static)
    expected = shares[:, None] * vectors + (1 - shares[:, None]) * vectors.roll(1, dims=0)
    mixed = network.embed(inputs, None, static, shares)
    torch.testing.assert_close(mixed[:, -vectors.shape[1] :], expected)
    assert not torch.allclose(vectors, expected)
