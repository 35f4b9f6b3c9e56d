"""What is fitted to the training sequences without gradients: fixed convolutions, linear model."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from sklstm._batching._buckets import prediction_batches
from sklstm._batching._loader import DeviceSequences, LabelledSequences
from sklstm._inference._prediction import MAX_SEQUENCES, MAX_TIMESTEPS
from sklstm._sequences import Array, IntArray
from sklstm._tasks._task import Task
from sklstm.nn._ensemble import ConvolutionEnsemble
from sklstm.nn._fixed_convolutions import N_KERNELS, FixedConvolutions

# Maximum number of features that a kernel sums.
MAX_CHANNELS = 9
# Maximum numbers of sequences and of timesteps, padding included, that the statistics of responses
# are taken of: a sequence for each kernel, and some 100 MB.
N_SAMPLED, MAX_SAMPLED = N_KERNELS, 2**18
# The same that the projection is fitted to, in windows.
N_PROJECTED, MAX_PROJECTED = 1000, 2**15
# Fractions of the golden ratio's multiples fill (0, 1) evenly, however many are taken.
GOLDEN_RATIO = (1 + 5**0.5) / 2
# Smallest standard deviation that something is divided by.
SMALLEST_SCALE = 1e-6


def fit_closed_form(
    ensemble: ConvolutionEnsemble,
    training: LabelledSequences,
    task: Task | None,
    *,
    seed: int | None,
) -> LabelledSequences:
    """Fit all but the network to the training sequences; return their windows, which it reads.

    The linear model is not fitted if ``task`` is None, the convolutions if ``seed`` is None.
    """
    convolutions = ensemble.convolutions
    if seed is not None:
        fit_convolutions(convolutions, training.sequences, np.random.default_rng(seed))
    windows, proportions = compute_features(convolutions, training.sequences)
    if task is not None:
        targets, weights = training.targets.cpu().numpy(), training.weights.cpu().numpy()
        weight, bias = task.fit_linear(proportions, targets, weights.astype(np.float64))
        ensemble.set_linear(torch.from_numpy(weight), torch.from_numpy(bias))
    return LabelledSequences(windows, training.targets, training.weights)


@torch.no_grad()
def fit_convolutions(
    convolutions: FixedConvolutions, sequences: DeviceSequences, rng: np.random.Generator
) -> None:
    """Draw channels, and fit thresholds, centres, scales and projection to the sequences.

    The thresholds of a kernel are quantiles of its responses to one sequence, drawn at random.
    """
    n_thresholds = convolutions.thresholds.shape[2]
    quantiles = np.arange(1, convolutions.n_proportions + 1) * GOLDEN_RATIO % 1
    quantiles = quantiles.reshape(-1, N_KERNELS, n_thresholds)
    n_sampled = _number(sequences.host_lengths, N_SAMPLED, MAX_SAMPLED)
    for i in range(len(convolutions.dilations)):
        _draw_channels(convolutions.channels[i], rng)
        sampled = rng.choice(len(sequences), n_sampled, replace=False)
        responses = convolutions.convolve(sequences.batch(sampled).values, i).cpu().numpy()
        lengths = sequences.host_lengths[sampled]
        for kernel in range(N_KERNELS):
            own = kernel % len(sampled)
            response = responses[own, kernel, : lengths[own]]
            thresholds = torch.from_numpy(np.quantile(response, quantiles[i, kernel]))
            convolutions.thresholds[i, kernel] = thresholds
        real = np.arange(responses.shape[2]) < lengths[:, None]
        of_kernels = responses.transpose(1, 0, 2)[:, real]
        convolutions.centers[i] = torch.from_numpy(np.median(of_kernels, axis=1))
        deviations = np.maximum(of_kernels.std(axis=1), SMALLEST_SCALE)
        convolutions.scales[i] = torch.from_numpy(deviations)
    _fit_projection(convolutions, sequences, rng)


def _number(lengths: IntArray, most: int, most_timesteps: int) -> int:
    """Number of sequences with at most so many timesteps, padded to the longest; at least 1."""
    return max(1, min(most, len(lengths), most_timesteps // int(lengths.max())))


def _draw_channels(channels_KF: Tensor, rng: np.random.Generator) -> None:
    """Choose the features of each kernel: 1 to 9, few of them more often than many."""
    n_features = channels_KF.shape[1]
    largest = np.log2(min(n_features, MAX_CHANNELS) + 1)
    channels_KF.zero_()
    for kernel in channels_KF:
        n_channels = int(2 ** rng.uniform(0, largest))
        kernel[rng.choice(n_features, n_channels, replace=False)] = 1.0


def _fit_projection(
    convolutions: FixedConvolutions, sequences: DeviceSequences, rng: np.random.Generator
) -> None:
    """Principal components of the standardised activations, each of variance 1."""
    n_windows = -(-sequences.host_lengths // convolutions.window_size)
    n_projected = _number(n_windows, N_PROJECTED, MAX_PROJECTED)
    rows = np.sort(rng.choice(len(sequences), n_projected, replace=False))
    n_windows = n_windows[rows]
    blocks = []
    for indices in _batches(sequences.host_lengths[rows]):
        activations_BWR, _ = convolutions.pool(*sequences.batch(rows[indices]))
        real = np.arange(activations_BWR.shape[1]) < n_windows[indices][:, None]
        blocks.append(activations_BWR.cpu().numpy()[real])
    activations = np.concatenate(blocks).astype(np.float64)
    mean, scale = activations.mean(axis=0), np.maximum(activations.std(axis=0), SMALLEST_SCALE)
    standardized = (activations - mean) / scale
    variances, components = np.linalg.eigh(standardized.T @ standardized / len(standardized))
    deviations = np.sqrt(np.maximum(variances, SMALLEST_SCALE))
    kept = (components / deviations)[:, -len(convolutions.projection.weight) :]
    weight = (kept / scale[:, None]).T
    convolutions.projection.weight.copy_(torch.from_numpy(weight))
    convolutions.projection.bias.copy_(torch.from_numpy(-weight @ mean))


@torch.no_grad()
def compute_features(
    convolutions: FixedConvolutions, sequences: DeviceSequences
) -> tuple[DeviceSequences, Array]:
    """Windows and proportions of all sequences."""
    n_windows = -(-sequences.host_lengths // convolutions.window_size)
    offsets = np.concatenate([[0], np.cumsum(n_windows)])
    # The last row is padding.
    windows = np.zeros((offsets[-1] + 1, convolutions.output_size), dtype=np.float32)
    proportions = np.empty((len(sequences), convolutions.n_proportions), dtype=np.float32)
    for indices in _batches(sequences.host_lengths):
        features = convolutions(*sequences.batch(indices))
        proportions[indices] = features.proportions.cpu().numpy()
        of_batch = features.windows.cpu().numpy()
        for row, index in enumerate(indices):
            windows[offsets[index] : offsets[index + 1]] = of_batch[row, : n_windows[index]]
    return DeviceSequences(windows, offsets, sequences.device), proportions


def _batches(lengths: IntArray) -> list[IntArray]:
    """Indices of batches of similar lengths."""
    return prediction_batches(lengths, MAX_TIMESTEPS, MAX_SEQUENCES)
