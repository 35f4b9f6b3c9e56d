import pickle

import numpy as np
import pytest
import torch

from sklstm._batching._loader import LabelledSequences, to_device
from sklstm._sequences import Sequences
from sklstm._training._divergence import divergence_error
from sklstm._training._train import _build_net
from sklstm.exceptions import TrainingDivergedError
from tests.helpers import TWO_CLASSES, configuration, device, labelled


@pytest.fixture
def data():
    return labelled(12)


def build(data, **parameters):
    rng = np.random.default_rng(0)
    return _build_net(configuration(2, hidden_sizes=4, **parameters), TWO_CLASSES, data, None, rng)


def test_the_largest_input_is_named_as_the_network_sees_it(data):
    data.sequences.values.neg_()
    largest = -data.sequences.values.min().item()
    with pytest.raises(TrainingDivergedError) as raised:
        raise divergence_error("The loss", build(data), data)
    assert f"The largest input was {largest:.3g}." in str(raised.value)
    assert "standardize=True" in str(raised.value)


def test_token_ids_have_no_size():
    ids = Sequences.from_lengths(np.ones((3, 1), dtype=np.int64), [1, 2])
    tokens = LabelledSequences(to_device(ids, None, device()), torch.zeros(2), torch.ones(2))
    of_tokens = configuration(1, hidden_sizes=4, embedding_dim=3, n_tokens=5)
    net = _build_net(of_tokens, TWO_CLASSES, tokens, None, np.random.default_rng(0))
    assert "largest input" not in str(divergence_error("The loss", net, tokens))


def test_the_error_crosses_processes(data):
    error = divergence_error("The loss", build(data), data)
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
