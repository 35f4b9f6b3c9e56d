import torch

from sklstm._batching._parts import Cost
from sklstm._training._configure import build_network
from tests.helpers import configuration


def test_everything_is_resolved():
    resolved = configuration(
        3, n_outputs=4, seed=7, hidden_sizes=8, optimizer="adamw", device="auto", callbacks=None
    )
    assert resolved.network.hidden_sizes == (8,)
    assert resolved.network.dense_sizes == ()
    assert isinstance(resolved.device, torch.device)
    assert resolved.callbacks == ()
    assert resolved.random_state == 7
    assert (resolved.n_features, resolved.n_outputs) == (3, 4)


def test_both_scales_go_into_the_network():
    one, both = (configuration(3, standardize=s, conv_filters=()).network for s in (True, "both"))
    assert build_network(both).encoder.layers[0].forwards.lstm.weight_ih_l0.shape[1] == 6
    assert Cost.of(both).multiplications > Cost.of(one).multiplications


def test_the_network_is_built_as_configured():
    network = build_network(
        configuration(
            hidden_sizes=(8, 4), bidirectional=True, pooling="attention", dense_sizes=5,
            dropout=0.25, n_outputs=4, n_kernels=0,
        ).network
    )  # fmt: skip
    assert [layer.forwards.lstm.hidden_size for layer in network.encoder.layers] == [8, 4]
    assert network.pooling.projection.in_features == 8
    assert network.head[-1].out_features == 4
    assert network.head[0].p == network.encoder.dropout.p == 0.25
