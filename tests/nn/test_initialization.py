import torch
from torch import nn

from sklstm.nn._initialization import initialize_linear, initialize_lstm


def test_recurrent_weights_of_each_gate_are_orthogonal():
    lstm = nn.LSTM(3, 5)
    initialize_lstm(lstm)
    for gate in lstm.weight_hh_l0.chunk(4):
        # 1e-5: a QR decomposition in float32.
        torch.testing.assert_close(gate @ gate.T, torch.eye(5), rtol=0, atol=1e-5)


def test_only_the_forget_gate_has_a_bias_of_one():
    lstm = nn.LSTM(3, 5)
    initialize_lstm(lstm)
    bias = lstm.bias_ih_l0 + lstm.bias_hh_l0
    assert bias.tolist() == [0.0] * 5 + [1.0] * 5 + [0.0] * 10


def test_input_weights_are_glorot_uniform_for_each_gate():
    lstm = nn.LSTM(3, 5)
    initialize_lstm(lstm)
    bound = (6 / (3 + 5)) ** 0.5
    assert 0.9 * bound < lstm.weight_ih_l0.abs().max() <= bound


def test_linear_biases_are_zero():
    linear = nn.Linear(3, 5)
    initialize_linear(linear)
    assert linear.bias.tolist() == [0.0] * 5
    assert 0.8 * (6 / 8) ** 0.5 < linear.weight.abs().max() <= (6 / 8) ** 0.5
