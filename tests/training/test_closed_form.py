"""What is fitted without gradients: fixed convolutions and the linear model."""

import tracemalloc

import numpy as np
import pytest
import torch

from sklstm._batching._loader import DeviceSequences, LabelledSequences, to_device
from sklstm._batching._scaling import Scaling
from sklstm._batching._windows import WindowedSequences, prepare
from sklstm._sequences import Sequences
from sklstm._tasks._classification import Classification
from sklstm._training._closed_form import (
    compute_features,
    fit_closed_form,
    fit_convolutions,
    fit_network_share,
    fit_static,
)
from sklstm.nn import ConvolutionEnsemble, FixedConvolutions, SequenceNetwork
from sklstm.nn._categories import StaticEncoder
from tests.helpers import device
from tests.windows import make_small


def sequences_of(lengths, n_features=2, seed=0):
    values = np.random.default_rng(seed).normal(size=(sum(lengths) + 1, n_features))
    values[-1] = 0
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    return DeviceSequences(values.astype(np.float32), offsets, device())


LENGTHS = [30, 12, 25, 7, 30, 18, 3, 22] * 5


@pytest.fixture
def fitted():
    convolutions = FixedConvolutions(2, 30, 1000, 3)
    fit_convolutions(convolutions, sequences_of(LENGTHS), np.random.default_rng(0))
    return convolutions


def test_each_kernel_sums_a_subset_of_the_features(fitted):
    numbers = fitted.channels.sum(dim=2)
    assert set(numbers.flatten().tolist()) == {1, 2}
    wide = FixedConvolutions(40, 30, 100, 1)
    fit_convolutions(wide, sequences_of(LENGTHS, 40), np.random.default_rng(0))
    numbers = wide.channels.sum(dim=2)
    assert numbers.min() == 1
    assert numbers.max() == 9


def test_thresholds_lie_among_the_responses_and_fill_their_range(fitted):
    _, summaries = compute_features(fitted, sequences_of(LENGTHS, seed=1))
    proportions = summaries[:, : fitted.n_proportions]
    np.testing.assert_allclose(proportions.mean(), 0.5, atol=0.05)
    assert (proportions.mean(axis=0) < 0.2).mean() > 0.1
    assert (proportions.mean(axis=0) > 0.8).mean() > 0.1


def test_activations_are_centred_and_the_projection_has_unit_variance_at_most(fitted):
    sequences = sequences_of(LENGTHS)
    windows, _ = compute_features(fitted, sequences)
    projected = windows.values[:-1, : len(fitted.projection.weight)]
    np.testing.assert_allclose(projected.mean(dim=0), 0.0, atol=1e-4)
    deviations = projected.std(dim=0)
    np.testing.assert_allclose(deviations.max(), 1.0, atol=0.02)
    # Components without correlation, the last one first.
    covariance = np.cov(projected.T)
    assert np.abs(covariance - np.diag(np.diag(covariance))).max() < 1e-3
    assert (np.diff(np.diag(covariance)) >= -1e-6).all()


def test_windows_are_in_the_order_of_the_sequences(fitted):
    sequences = sequences_of(LENGTHS)
    windows, summaries = compute_features(fitted, sequences)
    assert windows.host_lengths.tolist() == [-(-n // 3) for n in LENGTHS]
    for row in (0, 6, 13):
        alone = fitted(*sequences.batch(np.array([row]))[:2])
        assert torch.equal(windows.batch(np.array([row])).values, alone.windows)
        np.testing.assert_array_equal(summaries[[row]], alone.summaries)


def test_the_linear_model_is_that_of_the_task_and_may_be_left_out():
    sequences, y = sequences_of(LENGTHS), np.arange(len(LENGTHS)) % 2
    sequences.values[:-1, 0] += torch.as_tensor(
        np.repeat(np.tile([0.0, 3.0], 20), LENGTHS), device=device()
    ) * (torch.arange(sum(LENGTHS)) % 5 == 0)
    training = LabelledSequences(
        sequences, torch.from_numpy(y).to(device()), torch.ones(len(y), dtype=torch.float32)
    )
    convolutions = FixedConvolutions(2, 30, 1000, 3)
    ensemble = ConvolutionEnsemble(convolutions, SequenceNetwork(convolutions.output_size, 2))
    fit_closed_form(ensemble, training, None, seed=0)
    assert ensemble.shares.tolist() == [1, 0]
    assert not ensemble.linear.weight.any()
    before = convolutions.thresholds.clone()
    task = Classification(np.array([0, 1]))
    windows, left_out = fit_closed_form(ensemble, training, task, seed=None)
    assert torch.equal(before, convolutions.thresholds)
    assert len(windows) == len(y)
    assert ensemble.shares.tolist() == [0.5, 0.5]
    _, proportions = compute_features(convolutions, sequences)
    scores = (
        proportions @ ensemble.linear.weight.cpu().numpy().T + ensemble.linear.bias.cpu().numpy()
    )
    assert (scores.argmax(axis=1) == y).mean() > 0.9
    assert left_out.shape == (len(y), 2)
    fit_network_share(ensemble, windows, left_out, task)
    # A network that was not trained is not confident, and is not made so.
    assert ensemble.shares.tolist() == [1, 0.5]


def test_long_sequences_are_sampled_within_a_bound_of_memory(monkeypatch):
    sequences = sequences_of([3000] * 12, 1)
    convolutions = FixedConvolutions(1, 3000, 500, 1)
    tracemalloc.start()
    monkeypatch.setattr("sklstm._training._closed_form.MAX_SAMPLED", 9000)
    monkeypatch.setattr("sklstm._training._closed_form.MAX_PROJECTED", 3000)
    fit_convolutions(convolutions, sequences, np.random.default_rng(0))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # NumPy's memory; of all 12 sequences the activations alone are 290 MB.
    assert peak < 60e6


def test_sequences_of_one_timestep_have_no_differences():
    convolutions = FixedConvolutions(2, 1, 500)
    fit_convolutions(convolutions, sequences_of([1] * 6), np.random.default_rng(0))
    _, summaries = compute_features(convolutions, sequences_of([1] * 6))
    assert np.isfinite(summaries).all()


def test_of_a_single_sequence_that_is_too_long_the_beginning_is_sampled(monkeypatch):
    monkeypatch.setattr("sklstm._training._closed_form.MAX_SAMPLED", 500)
    monkeypatch.setattr("sklstm._training._closed_form.MAX_PROJECTED", 300)
    whole, beginning = (FixedConvolutions(1, 50, 500, 2) for _ in range(2))
    sequences, short = sequences_of([2000], 1), sequences_of([500], 1)
    short.values[:-1] = sequences.values[:500]
    for convolutions, given in ((whole, sequences), (beginning, short)):
        monkeypatch.setattr(
            "sklstm._training._closed_form._deviations", lambda *_: torch.ones(2, 1, 1)
        )
        convolutions.kernels.copy_(whole.kernels)
        fit_convolutions(convolutions, given, np.random.default_rng(0))
    assert torch.equal(whole.thresholds, beginning.thresholds)
    assert torch.equal(whole.centers, beginning.centers)


def test_one_static_column_weighs_as_much_as_all_other_features():
    """As a feature among hundreds it would be lost in them."""
    rng = np.random.default_rng(0)
    sequences, y = sequences_of(LENGTHS), np.arange(len(LENGTHS)) % 2
    age = rng.normal(0.5 * (2 * y - 1), 0.3)
    sequences.static = torch.from_numpy(age[:, None]).to(device())
    training = LabelledSequences(
        sequences, torch.from_numpy(y).to(device()), torch.ones(len(y), dtype=torch.float32)
    )
    network = SequenceNetwork(2, 2, static=StaticEncoder(1))
    ensemble = ConvolutionEnsemble(FixedConvolutions(2, 30, 1000), network).eval()
    fit_static(network, training)
    fit_closed_form(ensemble, training, Classification(np.array([0, 1])), seed=0)
    new = torch.linspace(-2, 2, 41, device=device()).double().unsqueeze(1)
    inputs = sequences.batch(np.zeros(41, dtype=np.int64)).values
    logits = ensemble.members(inputs, None, new)[1]
    is_second = (logits[:, 1] > logits[:, 0]).cpu().numpy()
    assert (is_second == (new.cpu().numpy().ravel() > 0)).mean() > 0.85


@pytest.mark.parametrize("window_size", [None, 3])
def test_large_data_are_read_piece_by_piece(window_size, monkeypatch):
    make_small(monkeypatch)
    values = np.random.default_rng(0).normal(size=(sum(LENGTHS), 2))
    # Pieces differ in mean and deviation.
    values *= np.linspace(1, 3, len(values))[:, None]
    values += np.linspace(0, 5, len(values))[:, None]
    sequences = Sequences.from_lengths(values, LENGTHS)
    windowed = prepare(sequences, Scaling.identity(2), torch.device("cpu"))
    assert isinstance(windowed, WindowedSequences)
    whole = to_device(sequences, Scaling.identity(2), torch.device("cpu"))
    convolutions = FixedConvolutions(2, 30, 84, window_size)
    fit_convolutions(convolutions, whole, np.random.default_rng(0))
    of_pieces = FixedConvolutions(2, 30, 84, window_size)
    fit_convolutions(of_pieces, windowed, np.random.default_rng(0))
    torch.testing.assert_close(of_pieces.factors, convolutions.factors, rtol=1e-5, atol=0.0)
    for found, expected in zip(
        compute_features(convolutions, windowed), compute_features(convolutions, whole), strict=True
    ):
        if isinstance(expected, DeviceSequences):
            found, expected = found.values, expected.values
        np.testing.assert_array_equal(found, expected)
