import numpy as np
import pytest
import torch

from sklstm.inspection._expanded import (
    expand_codes,
    expand_static,
    expanded_network,
    read_windows,
)
from sklstm.inspection._explained import read_model
from tests.inspection.fitted import fitted


def batch_of(name, n=3):
    model, given = fitted(name)
    explained = read_model(model, "test")
    sequences = explained.read(given[:n])
    return explained, explained.source(sequences).batch(np.arange(n))


@pytest.mark.parametrize("name", ["categories", "static", "lstm"])
def test_outputs_are_those_of_the_network(name):
    explained, inputs = batch_of(name)
    network = explained.network
    values = expand_codes(network, inputs.values)
    static = [] if inputs.static is None else expand_static(network, inputs.static)
    with torch.no_grad():
        found = expanded_network(network)(values, inputs.lengths, *static)
        torch.testing.assert_close(found, network(*inputs))


def test_vectors_take_the_place_of_ids():
    explained, inputs = batch_of("ids alone")
    network = explained.network
    with torch.no_grad():
        found = expanded_network(network)(network.embedding(inputs.values), inputs.lengths)
        torch.testing.assert_close(found, network(*inputs))
    assert network.embedding is not None


@pytest.mark.parametrize("name", ["windows", "category windows"])
def test_windows_are_those_of_the_module(name):
    explained, inputs = batch_of(name)
    convolutions = explained.module.convolutions
    with torch.no_grad():
        features = convolutions(inputs.values, inputs.lengths)
        real = torch.arange(inputs.values.shape[1]) < inputs.lengths[:, None]
        expanded = convolutions.expand(inputs.values * real[..., None])
        values = convolutions.with_differences(expanded, inputs.lengths).permute(2, 0, 1, 3)
        windows, n_windows = read_windows(convolutions, values, expanded, inputs.lengths)
    torch.testing.assert_close(n_windows, features.n_windows)
    for own, expected, n in zip(windows, features.windows, n_windows, strict=True):
        torch.testing.assert_close(own[:n], expected[:n], atol=1e-5, rtol=1e-5)
