"""What is fitted to token ids without gradients."""

import numpy as np
import pytest
import torch

from sklstm._batching._loader import DeviceSequences, LabelledSequences
from sklstm._batching._windows import WindowedSequences, prepare
from sklstm._sequences import Sequences
from sklstm._tasks._classification import Classification
from sklstm._training._tokens import (
    Calibration,
    calibrate,
    count_terms,
    fit_tokens,
    weigh_terms,
)
from sklstm.nn import SequenceNetwork, TfidfLinear, TokenEnsemble
from sklstm.nn._embedding import build_embedding
from tests.helpers import device
from tests.windows import make_small

VOCABULARY = 40
TASK = Classification(np.arange(2))


def sequences_of(X):
    offsets = np.concatenate([[0], np.cumsum([len(ids) for ids in X])])
    return DeviceSequences(np.concatenate([*X, [0]]), offsets, device())


def labelled(n, seed=0):
    """Whether a sequence has token 5 or token 6 somewhere is its class; tokens from 30 are rare."""
    rng = np.random.default_rng(seed)
    y = rng.integers(2, size=n)
    X = [rng.integers(7, 30, size=rng.integers(2, 9)) for _ in range(n)]
    for ids, label in zip(X, y, strict=True):
        ids[rng.integers(len(ids))] = 5 + label
    for i in range(30, VOCABULARY):
        X[i % n][-1] = i
    return LabelledSequences(sequences_of(X), torch.from_numpy(y).to(device()), torch.ones(n))


@pytest.fixture
def ensemble():
    torch.manual_seed(0)
    network = SequenceNetwork(4, 2, hidden_sizes=(3,), embedding=build_embedding(VOCABULARY, 4))
    return TokenEnsemble(network, VOCABULARY)


def test_terms_are_counted_in_the_order_of_the_sequences():
    X = [np.array(ids) for ids in ([3, 4, 3, 4], [5], [4, 4])]
    linear = TfidfLinear(6, 2)
    counts = count_terms(linear, sequences_of(X)).toarray()
    assert counts[:, :6].tolist() == [[0, 0, 0, 2, 2, 0], [0, 0, 0, 0, 0, 1], [0, 0, 0, 0, 2, 0]]
    bucket = 6 + (3 * 1_000_003 + 4) % 24
    assert counts[:, bucket].tolist() == [2, 0, 0]
    assert counts.sum(axis=1).tolist() == [7, 1, 3]


def test_the_linear_model_reads_the_features_that_it_is_fitted_to(ensemble):
    training = labelled(60)
    counts = count_terms(ensemble.linear, training.sequences)
    idf, rng = np.linspace(1, 3, counts.shape[1]), np.random.default_rng(0)
    weight = rng.normal(size=(2, counts.shape[1]))
    ensemble.linear.set(*map(torch.from_numpy, (idf, weight, np.zeros(2))))
    outputs = ensemble.linear(*training.sequences.batch(np.arange(60))[:2])
    np.testing.assert_allclose(outputs, weigh_terms(counts, idf) @ weight.T, atol=1e-5)


def test_it_learns_which_token_says_the_class(ensemble):
    fit_tokens(ensemble, labelled(300), TASK, finds_rare=False)
    assert ensemble.shares.tolist() == list(TASK.shares)
    new = labelled(200, seed=1)
    predicted = ensemble.linear(*new.sequences.batch(np.arange(200))[:2]).argmax(dim=1)
    assert (predicted == new.targets).float().mean() > 0.95


def test_rare_tokens_are_read_as_unknown_from_500_sequences_on(ensemble):
    training = labelled(500)
    read = fit_tokens(ensemble, training, None, finds_rare=True)
    assert ensemble.is_rare.nonzero().flatten().tolist() == [1, 2, 3, 4, *range(30, VOCABULARY)]
    was_rare = training.sequences.values >= 30
    assert (read.sequences.values[was_rare] == 1).all()
    kept = training.sequences.values[~was_rare]
    assert torch.equal(read.sequences.values[~was_rare], kept)
    assert not ensemble.linear.table.any()


def test_no_token_is_rare_among_fewer_sequences(ensemble):
    training = labelled(499)
    read = fit_tokens(ensemble, training, None, finds_rare=True)
    assert not ensemble.is_rare.any()
    assert torch.equal(read.sequences.values, training.sequences.values)


def test_shares_are_those_of_the_held_out_and_the_linear_model_is_that_of_all(ensemble):
    everything, held_out = labelled(400), labelled(200, seed=1)
    # Not trained, and sure all the same.
    with torch.no_grad():
        ensemble.network.head[-1].weight.mul_(100)
    fit_tokens(ensemble.eval(), labelled(50), TASK, finds_rare=False)
    calibrate(ensemble, Calibration(held_out, lambda: everything), TASK)
    of_network, of_linear = ensemble.shares.tolist()
    assert of_network < TASK.shares[0]
    assert of_linear > TASK.shares[1]
    table = ensemble.linear.table.clone()
    fit_tokens(ensemble, everything, TASK, finds_rare=False)
    assert torch.equal(ensemble.linear.table, table)


def test_terms_of_large_data_are_counted_piece_by_piece(monkeypatch):
    make_small(monkeypatch)
    data = labelled(100).sequences
    ids = data.values[:-1].numpy().astype(np.uint16)
    sequences = Sequences.from_lengths(ids[:, None], data.host_lengths)
    windowed = prepare(sequences, None, torch.device("cpu"))
    assert isinstance(windowed, WindowedSequences)
    linear = TfidfLinear(VOCABULARY, 2)
    found, expected = count_terms(linear, windowed), count_terms(linear, data)
    np.testing.assert_array_equal(found.toarray(), expected.toarray())
