"""Fixed convolutions: MiniRocket's features, for sequences of unequal lengths."""

import numpy as np
import pytest
import torch

from sklstm.nn import FixedConvolutions, _fixed_convolutions
from sklstm.nn._fixed_convolutions import GRID, N_KERNELS, dilations_for
from sklstm.nn._long import LONG

LENGTHS = torch.tensor([40, 3, 17, 1, 40, 26])


@pytest.fixture
def inputs():
    return torch.randn(6, 40, 2)


def build(n_features=2, n_timesteps=40, n_summaries=2000, window_size=3):
    """Convolutions with anything for what is fitted."""
    torch.manual_seed(0)
    convolutions = FixedConvolutions(n_features, n_timesteps, n_summaries, window_size)
    convolutions.thresholds.normal_()
    convolutions.centers.normal_()
    convolutions.scales.uniform_(0.5, 3.0)
    convolutions.factors.uniform_(0.5, 2.0)
    return convolutions.eval()


@pytest.mark.parametrize(
    ("n_timesteps", "dilations"),
    [(1, (1,)), (9, (1,)), (24, (1, 2)), (150, (1, 3, 5, 10, 18)), (257, (1, 2, 4, 8, 16, 32))],
)
def test_dilations_reach_from_1_to_where_a_kernel_is_as_long_as_a_sequence(n_timesteps, dilations):
    assert dilations_for(n_timesteps) == dilations


def test_responses_are_the_sums_that_minirocket_defines(inputs):
    convolutions = build()
    values = convolutions.with_differences(inputs, None)
    for i, dilation in enumerate(convolutions.dilations):
        response = convolutions.convolve(values, i)
        # Of all features; padded for the largest dilation.
        summed = values.numpy().sum(axis=0)[..., convolutions.reach - 4 * dilation :]
        shifted = [summed[..., k * dilation : k * dilation + 40] for k in range(9)]
        # The first kernel has its twos at the first three places.
        expected = 3 * (shifted[0] + shifted[1] + shifted[2]) - sum(shifted)
        np.testing.assert_allclose(response[0], expected, rtol=0, atol=1e-5)


def test_proportions_are_those_of_aeon_where_its_kernels_are_padded():
    minirocket = pytest.importorskip("aeon.transformations.collection.convolution_based").MiniRocket
    X = np.random.default_rng(0).normal(size=(12, 1, 150)).astype(np.float32)
    theirs = minirocket(n_kernels=1000, max_dilations_per_kernel=6, random_state=0).fit(X)
    *_, dilations, numbers, biases = theirs.parameters
    expected, start = theirs.transform(X), 0
    for i, (dilation, n) in enumerate(zip(dilations, numbers, strict=True)):
        own = FixedConvolutions(1, 150, 2 * 2 * 84 * 5 * n)
        j = own.dilations.index(dilation)
        end = start + N_KERNELS * n
        own.thresholds[j, 0] = torch.from_numpy(biases[start:end].reshape(N_KERNELS, n))
        summaries = own(torch.from_numpy(X.transpose(0, 2, 1))).summaries[:, : own.n_proportions]
        proportions = summaries.view(12, len(own.dilations), 2, N_KERNELS, n)[:, j, 0]
        # Every other kernel is padded there, all are here.
        padded = np.arange(N_KERNELS) % 2 == i % 2
        np.testing.assert_allclose(
            proportions[:, padded],
            expected[:, start:end].reshape(12, N_KERNELS, n)[:, padded],
            # Where a response equals a threshold but for rounding.
            atol=2 / 150,
        )
        start = end
    assert start == expected.shape[1]


def test_windows_hold_means_of_activations_and_the_inputs(inputs):
    convolutions = build()
    _, windows, n_windows = convolutions(inputs, LENGTHS)
    assert n_windows.tolist() == [14, 1, 6, 1, 14, 9]
    assert windows.shape == (6, 14, convolutions.output_size)
    # The sixth window of the third sequence has the last two of its 17 timesteps.
    assert torch.equal(windows[2, 5, -6:], torch.cat([inputs[2, 15:17].flatten(), torch.zeros(2)]))
    values = convolutions.with_differences(inputs[2:3, :17], None)
    responses = convolutions.convolve(values, 0)[:N_KERNELS].squeeze(2).transpose(0, 1)
    centers, scales = convolutions.centers[0].unsqueeze(2), convolutions.scales[0].unsqueeze(2)
    first = ((responses - centers) / scales).clamp(-1, 1)[:, :, 15:]
    is_padding = torch.arange(40)[:, None] >= LENGTHS.view(-1, 1, 1)
    _, means = convolutions.pool(inputs.masked_fill(is_padding, 0), LENGTHS)
    torch.testing.assert_close(means[2, 5, : 2 * N_KERNELS], first.mean(dim=2).flatten())


def test_differences_end_with_the_sequence(inputs):
    convolutions = build(window_size=1)
    convolutions.factors.copy_(torch.tensor([[[1.0, 2.0]], [[3.0, 4.0]]]))
    is_padding = torch.arange(40)[:, None] >= LENGTHS.view(-1, 1, 1)
    values = convolutions.with_differences(inputs.masked_fill(is_padding, 0), LENGTHS)
    assert not values[..., : convolutions.reach].any()
    values = values[..., convolutions.reach : -convolutions.reach].permute(2, 1, 3, 0)
    expected = np.diff(inputs[2, :17], axis=0) * [3.0, 4.0]
    scaled = inputs[2, :17] * torch.tensor([1.0, 2.0])
    # Half of the distance that values are rounded to, and rounding of float32.
    torch.testing.assert_close(values[2, 0, :17], scaled, atol=0.51 / GRID, rtol=0)
    np.testing.assert_allclose(values[2, 1, :16], expected, atol=0.51 / GRID)
    assert not values[2, :, 17:].any()
    assert not values[2, 1, 16].any()


def test_responses_are_exact_in_whatever_order_they_are_summed(inputs):
    """So that other libraries and machines count and compare the same (ADR 54)."""
    convolutions = build()
    values = convolutions.with_differences(inputs, None)
    kernels = convolutions.kernels[0].double() * convolutions.channels[0, 0, 0]
    # The dilation is 1, the padding that of the largest one.
    summed = values.double().sum(dim=0)[..., convolutions.reach - 4 : 4 - convolutions.reach]
    exact = torch.nn.functional.conv1d(summed.view(12, 1, 48), kernels.unsqueeze(1))
    responses = convolutions.convolve(values, 0).permute(1, 2, 0, 3).flatten(0, 1)
    assert torch.equal(responses.double(), exact)


def test_a_constant_has_no_response_away_from_the_ends():
    convolutions = build(1, 1)
    values = convolutions.with_differences(torch.full((1, 40, 1), 0.1), None)
    assert not convolutions.convolve(values, 0)[..., 4:-4].any()


def test_rounding_leaves_the_gradient_as_it_is():
    inputs = torch.randn(2, 9, 2, requires_grad=True)
    convolutions = build()
    convolutions.with_differences(inputs, None)[:, 0].sum().backward()
    torch.testing.assert_close(inputs.grad, convolutions.factors[0].expand(2, 9, 2))


def test_competing_kernels_win_with_the_largest_response_and_lose_with_the_smallest(inputs):
    convolutions = build(window_size=1)
    features = convolutions(inputs, LENGTHS).summaries[:, convolutions.n_proportions :]
    n_groups = convolutions.channels.shape[1] - N_KERNELS
    features = features.view(6, len(convolutions.dilations), 2, 2, 8, n_groups)
    values = convolutions.with_differences(inputs[2:3, :17], None)
    for i in range(len(convolutions.dilations)):
        responses = convolutions.convolve(values, i)[N_KERNELS:].squeeze(2).transpose(0, 1)
        responses = responses.numpy().reshape(2, 8, n_groups, 17)
        won = np.where(responses == responses.max(axis=1, keepdims=True), responses, 0.0)
        lost = responses == responses.min(axis=1, keepdims=True)
        expected = np.sqrt([np.maximum(won.sum(axis=3), 0) / 17, lost.mean(axis=3)])
        np.testing.assert_allclose(features[2, i], expected.swapaxes(0, 1), atol=1e-5)
    assert (lost.sum(axis=1) == 1).all()


@pytest.mark.parametrize("n_features", [1, 2, 5])
@pytest.mark.parametrize("window_size", [1, 3])
def test_a_sequence_has_the_same_bits_alone_and_padded_in_any_batch(n_features, window_size):
    convolutions = build(n_features, window_size=window_size)
    inputs = torch.randn(6, 40, n_features)
    with torch.inference_mode():
        together = convolutions(inputs, LENGTHS)
        more = torch.nn.functional.pad(inputs, (0, 0, 0, 25), value=torch.nan)
        padded = convolutions(more, LENGTHS)
        for row, length in enumerate(LENGTHS.tolist()):
            alone = convolutions(inputs[row : row + 1, :length])
            n = alone.windows.shape[1]
            for batch in (together, padded):
                assert torch.equal(alone.windows[0], batch.windows[row, :n])
                assert torch.equal(alone.summaries[0], batch.summaries[row])


def test_without_windows_the_summaries_are_the_same(inputs):
    convolutions, alone = build(), FixedConvolutions(2, 40, 2000)
    with_windows = convolutions.state_dict()
    alone.load_state_dict({name: with_windows[name] for name in alone.state_dict()})
    features = alone(inputs, LENGTHS)
    assert torch.equal(features.summaries, convolutions(inputs, LENGTHS).summaries)
    assert features.windows is features.n_windows is alone.projection is None


def test_gradients_pass_and_leave_the_values(inputs):
    convolutions = build()
    with torch.no_grad():
        expected = convolutions(inputs, LENGTHS)
    inputs.requires_grad_()
    summaries, windows, _ = convolutions(inputs, LENGTHS)
    assert torch.equal(windows, expected.windows)
    assert torch.equal(summaries, expected.summaries)
    windows.sum().backward()
    assert (inputs.grad[0].abs() > 0).all()
    assert not inputs.grad[1, 3:].any()
    assert not any(p.requires_grad for p in convolutions.parameters())


def test_long_sequences_in_chunks_are_the_same():
    n_timesteps = LONG + 100
    convolutions = build(1, n_timesteps, window_size=7)
    inputs, lengths = torch.randn(2, n_timesteps, 1), torch.tensor([n_timesteps, 20_000])
    with torch.no_grad():
        chunked = convolutions(inputs, lengths)
    with torch.enable_grad():
        whole = convolutions(inputs, lengths)
    assert torch.equal(chunked.windows[0], whole.windows[0])
    torch.testing.assert_close(chunked.summaries, whole.summaries)


def test_export_has_a_dynamic_batch_size(inputs):
    convolutions = build()
    shapes = ({0: torch.export.Dim("batch")},) * 2
    program = torch.export.export(convolutions, (inputs, LENGTHS), dynamic_shapes=shapes).module()
    for n in (2, 6):
        results = program(inputs[:n], LENGTHS[:n])
        for result, expected in zip(results, convolutions(inputs[:n], LENGTHS[:n]), strict=True):
            torch.testing.assert_close(result, expected)


@pytest.mark.parametrize("lengths", [None, LENGTHS])
def test_all_dilations_at_once_give_the_same_bits_as_one_at_a_time(lengths, inputs, monkeypatch):
    convolutions = build()
    at_once = convolutions(inputs, lengths)
    monkeypatch.setattr(_fixed_convolutions, "FEW_TIMESTEPS", 0)
    one_by_one = convolutions(inputs, lengths)
    assert torch.equal(at_once.summaries, one_by_one.summaries)
    assert torch.equal(at_once.windows, one_by_one.windows)
