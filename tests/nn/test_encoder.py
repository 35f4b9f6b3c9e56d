import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from sklstm.nn import LSTMEncoder, LSTMLayer
from sklstm.nn._encoder import reversal_index, reverse
from tests.helpers import FLOAT32


def copy_into(lstm: nn.LSTM, encoder: LSTMEncoder) -> None:
    """Give a torch LSTM (all of one width) the weights of the encoder."""
    with torch.no_grad():
        for k, ours in enumerate(encoder.layers):
            for suffix, one in (("", ours.forwards), ("_reverse", ours.backwards)):
                if one is not None:
                    for name, value in one.lstm.named_parameters():
                        getattr(lstm, f"{name[:-1]}{k}{suffix}").copy_(value)


def build_twins(bidirectional: bool, depth: int) -> tuple[LSTMEncoder, nn.LSTM]:
    """An encoder and a torch LSTM of the same sizes and weights."""
    encoder = LSTMEncoder(3, [6] * depth, bidirectional=bidirectional)
    lstm = nn.LSTM(3, 6, num_layers=depth, bidirectional=bidirectional, batch_first=True)
    copy_into(lstm, encoder)
    return encoder, lstm


LENGTHS = torch.tensor([7, 1, 4, 7, 3])


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_equal_lengths_agree_with_torch(bidirectional, depth):
    encoder, lstm = build_twins(bidirectional, depth)
    inputs = torch.randn(5, 7, 3)
    torch.testing.assert_close(encoder(inputs), lstm(inputs)[0], **FLOAT32)


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_padded_agrees_with_packed_in_value_and_gradient(bidirectional, depth):
    encoder, lstm = build_twins(bidirectional, depth)
    inputs = torch.randn(5, 7, 3)
    packed = pack_padded_sequence(inputs, LENGTHS, batch_first=True, enforce_sorted=False)
    expected, _ = pad_packed_sequence(lstm(packed)[0], batch_first=True)
    mask = (torch.arange(7) < LENGTHS.unsqueeze(1)).unsqueeze(2)
    states = encoder(inputs, LENGTHS) * mask
    torch.testing.assert_close(states, expected, **FLOAT32)

    weights = torch.randn_like(expected)
    (expected * weights).sum().backward()
    (states * weights).sum().backward()
    for k, layer in enumerate(encoder.layers):
        for suffix, one in (("", layer.forwards), ("_reverse", layer.backwards)):
            if one is not None:
                for name, ours in one.lstm.named_parameters():
                    theirs = getattr(lstm, f"{name[:-1]}{k}{suffix}")
                    # Sums over all timesteps, in another order.
                    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-4, atol=1e-5)


def test_each_layer_has_its_own_width():
    encoder = LSTMEncoder(3, [8, 4, 2], bidirectional=True)
    assert [layer.forwards.lstm.input_size for layer in encoder.layers] == [3, 16, 8]
    assert encoder(torch.zeros(2, 5, 3)).shape == (2, 5, 4)
    assert encoder.output_size == 4


def test_reversal_of_the_worked_example():
    assert reversal_index(torch.tensor([3, 1]), 3).tolist() == [4, 1, 2, 3, 0, 5]


def test_reversing_keeps_padding_at_the_end_and_twice_is_nothing():
    values = torch.arange(5 * 7.0).reshape(5, 7, 1)
    index = reversal_index(LENGTHS, 7)
    reversed_ = reverse(values, index)
    for row, got, length in zip(values, reversed_, LENGTHS.tolist(), strict=True):
        assert got[:length].tolist() == row[:length].flip(0).tolist()
        assert got[length:].tolist() == row[length:].tolist()
    assert torch.equal(reverse(reversed_, index), values)


def test_the_gradient_of_a_reversal_is_autograds_own():
    values = torch.randn(5, 7, 2, dtype=torch.float64, requires_grad=True)
    index = reversal_index(LENGTHS, 7)
    assert torch.autograd.gradcheck(lambda v: reverse(v, index), (values,))


def test_dropout_is_between_layers_only():
    torch.manual_seed(0)
    one, two = (LSTMEncoder(3, [6] * depth, dropout=0.9).train() for depth in (1, 2))
    inputs = torch.randn(4, 5, 3)
    assert torch.equal(one(inputs), one(inputs))
    assert not torch.equal(two(inputs), two(inputs))


@pytest.mark.parametrize("width", [1, 2, 6, 64])
@pytest.mark.parametrize("n_inputs", [6, 64])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_a_sequence_is_read_to_the_bit_as_in_company(width, n_inputs, bidirectional):
    layer = LSTMLayer(n_inputs, width, bidirectional=bidirectional).eval()
    inputs = torch.randn(9, 11, n_inputs)
    with torch.no_grad():
        together = layer(inputs)
        for size in (1, 2, 5):
            assert torch.equal(layer(inputs[:size]), together[:size])


def test_a_layer_as_wide_as_its_input_trains_as_torch_does():
    """What makes predictions alike must not change a single bit of what is trained."""
    layer, inputs = LSTMLayer(6, 6), torch.randn(5, 11, 6)
    torchs = nn.LSTM(6, 6, batch_first=True)
    torchs.load_state_dict(layer.forwards.lstm.state_dict())
    assert torch.equal(layer(inputs), torchs(inputs)[0])
    torch.testing.assert_close(layer.eval()(inputs), torchs(inputs)[0], **FLOAT32)
