import torch
from torch import nn

from sklstm.nn import DenseHead
from sklstm.nn._dropout import Dropout
from sklstm.nn._linear import Linear


def test_layers_in_their_order():
    head = DenseHead(8, (6, 4), 3, dropout=0.5)
    kinds = [type(module) for module in head]
    hidden = [Linear, nn.ReLU, Dropout]
    assert kinds == [Dropout, *hidden, *hidden, Linear]
    assert [m.out_features for m in head if isinstance(m, nn.Linear)] == [6, 4, 3]
    assert all(m.p == 0.5 for m in head if isinstance(m, Dropout))


def test_gives_logits_not_probabilities():
    head = DenseHead(2, (), 2)
    with torch.no_grad():
        head[-1].weight.copy_(torch.eye(2))
    assert head(torch.tensor([[3.0, -5.0]])).tolist() == [[3.0, -5.0]]
