"""Ensemble of a network and a linear model."""

import pytest
import torch
from torch.func import functional_call, grad

from sklstm.nn import ConvolutionEnsemble, FixedConvolutions, SequenceNetwork, TokenEnsemble
from sklstm.nn._embedding import build_embedding
from sklstm.nn._ensemble import network_of

LENGTHS = torch.tensor([20, 3, 9])


@pytest.fixture
def ensemble():
    torch.manual_seed(0)
    convolutions = FixedConvolutions(2, 20, 500, window_size=4)
    return ConvolutionEnsemble(convolutions, SequenceNetwork(convolutions.output_size, 3)).eval()


@pytest.fixture
def inputs():
    return torch.randn(3, 20, 2)


def test_logits_are_the_networks_until_there_is_a_linear_model(ensemble, inputs):
    features = ensemble.convolutions(inputs, LENGTHS)
    of_network = ensemble.network(features.windows, features.n_windows)
    assert torch.equal(ensemble(inputs, LENGTHS), of_network)
    weight = torch.randn(3, ensemble.convolutions.n_features)
    bias = torch.randn(3)
    ensemble.set_linear(weight, bias)
    expected = (of_network + features.summaries @ weight.T + bias) / 2
    torch.testing.assert_close(ensemble(inputs, LENGTHS), expected)


def test_pooled_vectors_are_the_networks(ensemble, inputs):
    features = ensemble.convolutions(inputs, LENGTHS)
    expected = ensemble.network.embed(features.windows, features.n_windows)
    assert torch.equal(ensemble.embed(inputs, LENGTHS), expected)
    assert ensemble.output_size == expected.shape[1]


def test_all_but_the_network_is_frozen(ensemble):
    learnt = {name for name, p in ensemble.named_parameters() if p.requires_grad}
    assert learnt == {f"network.{name}" for name, _ in ensemble.network.named_parameters()}


def test_functional_gradients_are_those_of_backward(ensemble, inputs):
    parameters = {n: p for n, p in ensemble.named_parameters() if p.requires_grad}

    def loss(parameters):
        return functional_call(ensemble, parameters, (inputs, LENGTHS)).square().sum()

    gradients = grad(loss)(parameters)
    ensemble(inputs, LENGTHS).square().sum().backward()
    for name, parameter in parameters.items():
        torch.testing.assert_close(gradients[name], parameter.grad)


@pytest.fixture
def of_tokens():
    torch.manual_seed(0)
    network = SequenceNetwork(4, 3, embedding=build_embedding(30, 4))
    ensemble = TokenEnsemble(network, 30).eval()
    n_terms = ensemble.linear.n_terms
    ensemble.linear.set(torch.rand(n_terms) + 1, torch.randn(3, n_terms), torch.randn(3))
    ensemble.set_shares(0.3, 0.6)
    return ensemble


def test_logits_of_tokens_are_the_weighted_sum_and_rare_tokens_unknown_to_the_network(of_tokens):
    ids = torch.randint(2, 30, (3, 20))
    of_tokens.is_rare[10:] = True
    read = ids.where(ids < 10, 1)
    expected = 0.3 * of_tokens.network(read, LENGTHS) + 0.6 * of_tokens.linear(ids, LENGTHS)
    torch.testing.assert_close(of_tokens(ids, LENGTHS), expected)
    assert torch.equal(of_tokens.embed(ids, LENGTHS), of_tokens.network.embed(read, LENGTHS))


def test_padding_of_tokens_may_hold_anything(of_tokens):
    ids = torch.randint(2, 30, (3, 20))
    filled = ids.masked_fill(torch.arange(20) >= LENGTHS[:, None], 10**9)
    assert torch.equal(of_tokens(filled, LENGTHS), of_tokens(ids, LENGTHS))
    assert torch.equal(of_tokens.embed(filled, LENGTHS), of_tokens.embed(ids, LENGTHS))


def test_the_network_of_an_ensemble_or_alone(ensemble):
    assert network_of(ensemble) is ensemble.network
    assert network_of(ensemble.network) is ensemble.network
