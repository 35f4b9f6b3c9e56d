import copy

import pytest
import torch
from torch import nn

from sklstm.nn._convolution import Convolution, ConvolutionBranch, SqueezeExcite
from tests.helpers import FLOAT32, gradients

FILTERS = (6, 32, 5)


class ByHand(nn.Module):
    """The branch as one would write it for sequences of one length, with torch's own layers."""

    def __init__(self, branch):
        super().__init__()
        self.convolutions, self.norms = nn.ModuleList(), nn.ModuleList()
        self.squeezes, self.excites = [], []
        for layer in branch.layers:
            n_filters, n_inputs, kernel_size = layer.convolution.weight.shape
            # A momentum of None averages all steps, as ours does the first ten.
            self.norms.append(nn.BatchNorm1d(n_filters, momentum=None))
            self.convolutions.append(
                nn.Conv1d(n_inputs, n_filters, kernel_size, padding="same", bias=False)
            )
            self.convolutions[-1].weight.data = layer.convolution.weight.detach().clone()
            excite = layer.squeeze_excite
            self.squeezes.append(None if excite is None else excite.squeeze.weight.detach().clone())
            self.excites.append(None if excite is None else excite.excite.weight.detach().clone())

    def forward(self, inputs_BTF):
        values_BDT = inputs_BTF.transpose(1, 2)
        parts = (self.convolutions, self.norms, self.squeezes, self.excites)
        for convolution, norm, squeeze, excite in zip(*parts, strict=True):
            values_BDT = torch.relu(norm(convolution(values_BDT)))
            if squeeze is not None:
                hidden = torch.relu(nn.functional.linear(values_BDT.mean(dim=2), squeeze))
                factors = torch.sigmoid(nn.functional.linear(hidden, excite))
                values_BDT = values_BDT * factors[:, :, None]
        return values_BDT.mean(dim=2)


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel:UserWarning")
@pytest.mark.parametrize("kernel_sizes", [None, (1, 4, 2)])
@pytest.mark.parametrize("n_timesteps", [1, 4, 30])
def test_it_is_what_one_would_write_by_hand(kernel_sizes, n_timesteps):
    branch = ConvolutionBranch(3, FILTERS, kernel_sizes)
    by_hand = ByHand(branch)
    for _ in range(3):
        inputs, probe = torch.randn(7, n_timesteps, 3), torch.randn(7, FILTERS[-1])
        results = []
        for module in (branch, by_hand):
            module.zero_grad()
            results.append(module(inputs))
            (results[-1] * probe).sum().backward()
        torch.testing.assert_close(*results, **FLOAT32)
        pairs = zip(branch.layers, by_hand.convolutions, by_hand.norms, strict=True)
        for layer, convolution, norm in pairs:
            # Normalisation over few timesteps magnifies what float32 has rounded.
            close = {"rtol": 1e-3, "atol": 1e-4}
            torch.testing.assert_close(
                layer.convolution.weight.grad, convolution.weight.grad, **close
            )
            torch.testing.assert_close(layer.normalization.weight.grad, norm.weight.grad, **close)
            torch.testing.assert_close(layer.normalization.bias.grad, norm.bias.grad, **close)
    inputs = torch.randn(5, n_timesteps, 3)
    torch.testing.assert_close(branch.eval()(inputs), by_hand.eval()(inputs), **FLOAT32)


def test_while_training_padding_counts_in_no_statistic():
    """Sequences of one length, once as they are and once behind padding."""
    branch = ConvolutionBranch(3, FILTERS)
    twin = copy.deepcopy(branch)
    inputs, lengths = torch.randn(6, 9, 3), torch.full((6,), 9)
    expected = branch(inputs)
    padded = twin(nn.functional.pad(inputs, (0, 0, 0, 4), value=torch.nan), lengths)
    torch.testing.assert_close(padded, expected, **FLOAT32)
    for tensors in zip(branch.buffers(), twin.buffers(), strict=True):
        torch.testing.assert_close(*tensors, **FLOAT32)
    expected.square().sum().backward()
    padded.square().sum().backward()
    for name, gradient in gradients(branch).items():
        torch.testing.assert_close(gradients(twin)[name], gradient, rtol=1e-4, atol=1e-5)


def test_squeeze_and_excite_has_a_sixteenth_of_the_filters_and_at_least_one():
    assert [len(SqueezeExcite(n).squeeze.weight) for n in (3, 16, 128)] == [1, 1, 8]


def test_the_last_layer_is_not_excited():
    layers = ConvolutionBranch(3, FILTERS).layers
    assert [layer.squeeze_excite is None for layer in layers] == [False, False, True]


@pytest.mark.parametrize(("n_layers", "sizes"), [(1, [8]), (3, [8, 5, 3]), (5, [8, 5, 3, 3, 3])])
def test_kernels_are_those_of_lstm_fcn(n_layers, sizes):
    layers = ConvolutionBranch(3, [4] * n_layers).layers
    assert [layer.convolution.kernel_size[0] for layer in layers] == sizes


@pytest.mark.parametrize("kernel_size", [1, 2, 3, 8])
def test_an_even_kernel_reads_one_more_timestep_ahead(kernel_size):
    values = torch.zeros(1, 1, 61)
    values[0, 0, 30] = 1.0
    convolution = Convolution(1, 1, kernel_size)
    torch.nn.init.ones_(convolution.weight)
    result = convolution(values)
    reached = result.flatten().nonzero().flatten() - 30
    assert reached.tolist() == [*range(-(kernel_size // 2), (kernel_size - 1) // 2 + 1)]


@pytest.mark.parametrize("n_timesteps", [3, 40])
@pytest.mark.parametrize(("n_filters", "kernel_size"), [(32, 5), (3, 5), (32, 1), (3, 1)])
def test_a_sequence_alone_is_convolved_to_the_bit_as_in_company(
    n_timesteps, n_filters, kernel_size
):
    values, convolve = torch.randn(20, 64, n_timesteps), Convolution(64, n_filters, kernel_size)
    together = convolve(values)
    for i in range(len(values)):
        torch.testing.assert_close(convolve(values[i : i + 1])[0], together[i], rtol=0, atol=0)


@pytest.mark.parametrize("n_filters", [3, 17, 64])
def test_a_sequence_alone_is_excited_to_the_bit_as_in_company(n_filters):
    layer, values = SqueezeExcite(n_filters).eval(), torch.randn(60, 7, n_filters)
    with torch.no_grad():
        together = layer(values)
        for n in range(1, 60):
            assert torch.equal(layer(values[:n]), together[:n])


def test_the_factor_is_a_sigmoid_while_training_and_afterwards():
    layer, values = SqueezeExcite(5), 9 * torch.randn(4, 7, 5)
    squeeze, excite = layer.squeeze.weight, layer.excite.weight
    factors = torch.sigmoid(torch.relu(values.mean(dim=1) @ squeeze.T) @ excite.T)
    expected = values * factors.unsqueeze(1)
    (gradient,) = torch.autograd.grad(expected.sum(), excite)
    for mode in (True, False):
        result = layer.train(mode)(values)
        torch.testing.assert_close(result, expected, **FLOAT32)
        torch.testing.assert_close(
            torch.autograd.grad(result.sum(), excite)[0], gradient, rtol=1e-4, atol=1e-4
        )
