"""Networks as people write them in torch, and their weights from ours."""

import torch
from torch import nn

from sklstm._training._configure import build_network
from tests.helpers import configuration


class Final(nn.Module):
    """The output of an LSTM after the last timestep, both directions."""

    def forward(self, output):
        states, (hidden, _) = output
        return torch.cat(list(hidden), dim=1) if len(hidden) == 2 else states[:, -1]


class States(nn.Module):
    def forward(self, output):
        return output[0]


def lstm(n_in, n_out, bidirectional=False):
    return nn.LSTM(n_in, n_out, batch_first=True, bidirectional=bidirectional)


def build(parameters, sizes):
    """The network that the estimator would train."""
    given = {"bidirectional": False, "pooling": "last", "conv_filters": (), **parameters}
    return build_network(configuration(sizes[0], n_outputs=sizes[1], **given).network)


def copy_weights(network, by_hand):
    """Give the modules written by hand the weights of the network, in the order of the layers."""
    layers = iter(network.encoder.layers)
    linears = iter(m for m in network.head if isinstance(m, nn.Linear))
    with torch.no_grad():
        for module in by_hand.modules():
            if isinstance(module, nn.LSTM):
                for number in range(module.num_layers):
                    _copy_layer(next(layers), module, number)
            elif isinstance(module, nn.Linear):
                module.load_state_dict(next(linears).state_dict())
            elif isinstance(module, nn.Embedding):
                module.load_state_dict(network.embedding.state_dict())
    assert next(layers, None) is None
    assert next(linears, None) is None


def _copy_layer(layer, lstm, number):
    assert lstm.bidirectional == (layer.backwards is not None)
    for suffix, one in (("", layer.forwards), ("_reverse", layer.backwards)):
        for name, value in one.lstm.named_parameters() if one is not None else ():
            getattr(lstm, name.replace("_l0", f"_l{number}") + suffix).copy_(value)
