import dataclasses

import pytest
import torch

from sklstm import LSTMSequenceClassifier
from sklstm._training._specification import specify
from tests.helpers import short_sequences


def specification(**parameters):
    given = LSTMSequenceClassifier(**parameters).get_params(deep=False)
    return specify(given, short_sequences(3), n_classes=4, seed=7)


def test_everything_is_resolved():
    resolved = specification(hidden_sizes=8, optimizer="adamw", device="auto", callbacks=None)
    assert resolved.network.hidden_sizes == (8,)
    assert resolved.network.dense_sizes == ()
    assert resolved.weight_decay == 0.01
    assert isinstance(resolved.device, torch.device)
    assert resolved.callbacks == ()
    assert resolved.seed == 7


def test_a_given_weight_decay_wins_over_the_names_own():
    assert specification(optimizer="adamw", weight_decay=0.0).weight_decay == 0.0
    assert specification(optimizer="sgd", weight_decay=0.5).weight_decay == 0.5


def test_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError, match="seed"):
        specification().seed = 3


def test_both_scales_are_twice_the_inputs():
    one, both = (specification(standardize=s, conv_filters=()).network for s in (True, "both"))
    assert (one.n_features, both.n_features, both.n_inputs) == (3, 3, 6)
    assert both.build().encoder.layers[0].forwards.weight_ih_l0.shape[1] == 6
    assert both.cost().multiplications > one.cost().multiplications


def test_the_network_is_built_as_specified():
    network = specification(
        hidden_sizes=(8, 4), bidirectional=True, pooling="attention", dense_sizes=5, dropout=0.25
    ).network.build()
    assert [layer.forwards.hidden_size for layer in network.encoder.layers] == [8, 4]
    assert network.pooling.projection.in_features == 8
    assert network.head[-1].out_features == 4
    assert network.head[0].p == network.encoder.dropout.p == 0.25
