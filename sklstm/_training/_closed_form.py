"""What is fitted to the training sequences without gradients: fixed convolutions, linear model."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from scipy.sparse import hstack
from torch import Tensor

from sklstm._batching._loader import DeviceSequences, LabelledSequences
from sklstm._batching._sources import TrainingSequences
from sklstm._inference._prediction import (
    compute_members,
    compute_outputs,
    convolved_batches,
)
from sklstm._runtime._ranks import Ranks, share_of
from sklstm._sequences import Array, IntArray, offsets_of
from sklstm._tasks._task import Task
from sklstm.nn._ensemble import LINEAR_SHARE, ConvolutionEnsemble, Ensemble
from sklstm.nn._fixed_convolutions import MAX_COMPONENTS, N_KERNELS, FixedConvolutions
from sklstm.nn._network import SequenceNetwork

# Maximum number of features that a kernel sums, as in MiniRocket.
MAX_CHANNELS = 9
# Maximum numbers of sequences and of timesteps, padding included, that the statistics of responses
# are taken of: a sequence for each kernel, and some 100 MB.
N_SAMPLED, MAX_SAMPLED = N_KERNELS, 2**16
# The same that the projection is fitted to, in windows.
N_PROJECTED, MAX_PROJECTED = 1000, 2**14
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
    ranks: Ranks | None = None,
) -> tuple[LabelledSequences, Array | None]:
    """Fit all but the network to the training sequences; return what the network reads.

    The linear model is not fitted if ``task`` is None, the convolutions if ``seed`` is None. The
    second value are left-out outputs of the linear model, if the task needs them.
    """
    convolutions = ensemble.convolutions
    if seed is not None:
        fit_convolutions(convolutions, training.sequences, np.random.default_rng(seed))
    if task is None and convolutions.window_size is None:
        return training, None
    left_out = None
    windows, summaries = compute_features(convolutions, training.sequences, ranks)
    if task is not None:
        features = with_static(ensemble, training.sequences, summaries)
        factors = _factors(summaries.shape[1], features.shape[1])
        weight, bias, left_out = task.fit_linear(features, *training.on_host(), factors)
        ensemble.set_linear(torch.from_numpy(weight), torch.from_numpy(bias))
    if windows is None:
        return training, left_out
    return LabelledSequences(windows, training.targets, training.weights), left_out


@torch.no_grad()
def fit_convolutions(
    convolutions: FixedConvolutions, sequences: TrainingSequences, rng: np.random.Generator
) -> None:
    """Draw channels, and fit thresholds, centres, scales and projection to the sequences.

    The thresholds of a kernel are quantiles of its responses to one sequence, drawn at random.
    """
    convolutions.factors.copy_(1.0 / _deviations(convolutions, sequences))
    # Of kernels on the features and on their differences alike.
    shape = convolutions.thresholds.flatten(1, 2).shape
    quantiles = np.arange(1, shape.numel() + 1) * GOLDEN_RATIO % 1
    for i, of_dilation in enumerate(quantiles.reshape(shape)):
        _draw_channels(convolutions.channels[i], rng)
        _fit_to_responses(convolutions, i, sequences, of_dilation, rng)
    if convolutions.projection is not None:
        weight, bias = _principal_components(convolutions, sequences, rng)
        convolutions.projection.weight.copy_(torch.from_numpy(weight))
        convolutions.projection.bias.copy_(torch.from_numpy(bias))


def _fit_to_responses(
    convolutions: FixedConvolutions,
    i: int,
    sequences: TrainingSequences,
    quantiles: Array,
    rng: np.random.Generator,
) -> None:
    """Set thresholds, and with windows centres and scales, of the kernels of one dilation."""
    n_sampled = _number(sequences.host_lengths, N_SAMPLED, MAX_SAMPLED)
    sampled = rng.choice(len(sequences), n_sampled, replace=False)
    batch = _batch(convolutions, sequences, sampled, MAX_SAMPLED)
    values = convolutions.with_differences(*batch)
    responses_K2BT = convolutions.convolve(values, i)[:N_KERNELS]
    responses = responses_K2BT.permute(2, 1, 0, 3).flatten(1, 2).cpu().numpy()
    lengths = np.minimum(sequences.host_lengths[sampled], responses.shape[2])
    thresholds = convolutions.thresholds[i].flatten(0, 1)
    for kernel, quantile in enumerate(quantiles):
        own = kernel % n_sampled
        response = responses[own, kernel, : lengths[own]]
        thresholds[kernel] = torch.from_numpy(np.quantile(response, quantile))
    if convolutions.window_size is not None:
        real = np.arange(responses.shape[2]) < lengths[:, None]
        of_kernels = responses.transpose(1, 0, 2)[:, real]
        centers, deviations = np.median(of_kernels, axis=1), of_kernels.std(axis=1)
        scales = np.maximum(deviations, SMALLEST_SCALE)
        convolutions.centers[i] = torch.from_numpy(centers).view(2, N_KERNELS)
        convolutions.scales[i] = torch.from_numpy(scales).view(2, N_KERNELS)


def _number(lengths: IntArray, most: int, most_timesteps: int) -> int:
    """Number of sequences with at most so many timesteps, padded to the longest; at least 1."""
    return max(1, min(most, len(lengths), most_timesteps // int(lengths.max())))


def _batch(
    convolutions: FixedConvolutions, sequences: TrainingSequences, indices: IntArray, most: int
) -> tuple[Tensor, Tensor | None]:
    """Features and lengths of a batch; of a single sequence at most the first so many timesteps."""
    batch = sequences.batch(indices)
    values = batch.values if len(indices) > 1 else batch.values[:, :most]
    return convolutions.expand(values), batch.lengths


def _deviations(convolutions: FixedConvolutions, sequences: TrainingSequences) -> Tensor:
    """Standard deviations of features and of their first differences, shape (2, 1, F)."""
    n, pooled = 0, torch.zeros(0)
    for _, piece in sequences.pieces():
        n_piece = len(piece.values) - 1
        moments = torch.stack([_moments(v) for v in _with_differences(convolutions, piece)])
        pooled = moments if n == 0 else _pool(pooled, n, moments, n_piece)
        n += n_piece
    return pooled[:, 1].nan_to_num().clamp(min=SMALLEST_SCALE)


def _with_differences(
    convolutions: FixedConvolutions, sequences: DeviceSequences
) -> tuple[Tensor, Tensor]:
    """Features and their first differences, (n_timesteps, F) each."""
    # The last row is padding.
    values = convolutions.expand(sequences.values[:-1])
    differences = values.diff(dim=0, append=values[-1:])
    # As the convolutions read them: 0 at the last timestep of a sequence.
    lengths, starts = sequences.lengths_and_starts
    differences[starts + lengths - 1] = 0.0
    return values, differences


def _moments(values: Tensor) -> Tensor:
    """Means and standard deviations, shape (2, 1, F)."""
    deviations = values.std(dim=0, keepdim=True, correction=0)
    return torch.stack([values.mean(dim=0, keepdim=True), deviations])


def _pool(earlier: Tensor, n: int, later: Tensor, n_later: int) -> Tensor:
    """Moments, (K, 2, 1, F), of two parts of so many timesteps together."""
    share = n_later / (n + n_later)
    offsets = later[:, 0] - earlier[:, 0]
    variances = (1 - share) * earlier[:, 1] ** 2 + share * later[:, 1] ** 2
    variances += share * (1 - share) * offsets**2
    return torch.stack([earlier[:, 0] + share * offsets, variances.sqrt()], dim=1)


def _draw_channels(channels_KF: Tensor, rng: np.random.Generator) -> None:
    """Choose the features of each kernel: 1 to 9, few of them more often than many."""
    n_features = channels_KF.shape[1]
    largest = np.log2(min(n_features, MAX_CHANNELS) + 1)
    channels_KF.zero_()
    for kernel in channels_KF:
        n_channels = int(2 ** rng.uniform(0, largest))
        kernel[rng.choice(n_features, n_channels, replace=False)] = 1.0


def _principal_components(
    convolutions: FixedConvolutions, sequences: TrainingSequences, rng: np.random.Generator
) -> tuple[Array, Array]:
    """Projection of activations to their principal components, each of variance 1: weight, bias."""
    mean, covariance = _moments_of_activations(convolutions, sequences, rng)
    scale = np.sqrt(np.maximum(np.diag(covariance), SMALLEST_SCALE**2))
    variances, components = np.linalg.eigh(covariance / np.outer(scale, scale))
    deviations = np.sqrt(np.maximum(variances, SMALLEST_SCALE))
    kept = (components / deviations)[:, -min(MAX_COMPONENTS, len(variances)) :]
    weight = (kept / scale[:, None]).T
    return weight, -weight @ mean


def _moments_of_activations(
    convolutions: FixedConvolutions, sequences: TrainingSequences, rng: np.random.Generator
) -> tuple[Array, Array]:
    """Mean and covariance over the windows of sequences drawn at random."""
    n_windows = _numbers_of_windows(convolutions, sequences)
    n_projected = _number(n_windows, N_PROJECTED, MAX_PROJECTED)
    rows = np.sort(rng.choice(len(sequences), n_projected, replace=False))
    n_windows, most = n_windows[rows], MAX_PROJECTED * (convolutions.window_size or 1)
    n_responses = convolutions.centers.numel()
    n, total, products = 0, np.zeros(n_responses), np.zeros((n_responses, n_responses))
    for indices in convolved_batches(sequences.host_lengths[rows], sequences.device):
        batch = _batch(convolutions, sequences, rows[indices], most)
        _, activations_BWR = convolutions.pool(*batch)
        real = np.arange(activations_BWR.shape[1]) < n_windows[indices][:, None]
        activations = activations_BWR.cpu().numpy()[real].astype(np.float64)
        n += len(activations)
        total += activations.sum(axis=0)
        products += activations.T @ activations
    mean = total / n
    return mean, products / n - np.outer(mean, mean)


def _numbers_of_windows(convolutions: FixedConvolutions, sequences: TrainingSequences) -> IntArray:
    lengths: IntArray = sequences.host_lengths
    return -(-lengths // (convolutions.window_size or 1))


@torch.no_grad()
def compute_features(
    convolutions: FixedConvolutions, sequences: TrainingSequences, ranks: Ranks | None = None
) -> tuple[DeviceSequences | None, Array]:
    """Windows, if there are any, and summaries of all sequences.

    Each of the ``ranks`` computes a share, and all of them get the whole.
    """
    n_windows = _numbers_of_windows(convolutions, sequences)
    offsets = offsets_of(n_windows)
    # The last row is padding.
    windows = np.zeros((offsets[-1] + 1, convolutions.output_size), dtype=np.float32)
    summaries = np.zeros((len(sequences), convolutions.n_features), dtype=np.float32)
    for run, piece in sequences.pieces():
        for indices in share_of(ranks, convolved_batches(piece.host_lengths, piece.device)):
            batch = piece.batch(indices)
            features = convolutions(batch.values, batch.lengths)
            rows = run.start + indices
            summaries[rows] = features.summaries.cpu().numpy()
            if features.windows is not None:
                of_batch = features.windows.cpu().numpy()
                for row, of_row in zip(rows, of_batch, strict=True):
                    windows[offsets[row] : offsets[row + 1]] = of_row[: n_windows[row]]
    if ranks is not None:
        windows, summaries = ranks.combine(windows), ranks.combine(summaries)
    if convolutions.window_size is None:
        return None, summaries
    return DeviceSequences(windows, offsets, sequences.device, sequences.static), summaries


@torch.no_grad()
def fit_static(network: SequenceNetwork, training: LabelledSequences) -> None:
    """Fit the encoder of static columns, if there is one, to the training sequences."""
    if network.static is not None and training.sequences.static is not None:
        numbers_BN = training.sequences.static[:, : network.static.n_numbers]
        weights = training.weights
        network.static.fit(numbers_BN, weights if weights.ndim == 1 else weights.mean(dim=1))


def _factors(n_features: int, n_all: int) -> Array | None:
    """Factors of the features of a linear model by which the last ones weigh as much as the first.

    There may be thousands of features to one static column.
    """
    if n_all == n_features:
        return None
    n_static = n_all - n_features
    return np.repeat([1.0, np.sqrt(n_features / n_static)], [n_features, n_static])


def fit_shares(ensemble: Ensemble, held_out: LabelledSequences, task: Task) -> None:
    """Fit the shares of network and linear model to the held-out sequences."""
    members = compute_members(ensemble, held_out.sequences)
    ensemble.set_shares(*task.fit_shares(members, *held_out.on_host()))


def fit_network_share(
    ensemble: ConvolutionEnsemble,
    read: LabelledSequences,
    left_out: Array,
    task: Task,
    ranks: Ranks | None = None,
) -> None:
    """Set the network's share, by its outputs for what it was trained on and left-out ones."""
    outputs = compute_outputs(ensemble.network, read.sequences, ranks=ranks)
    _, weights = read.on_host()
    ensemble.set_shares(task.fit_network_share(outputs, left_out, weights), LINEAR_SHARE)


def shift_outputs(
    module: SequenceNetwork | Ensemble, held_out: LabelledSequences, task: Task
) -> None:
    """Shift outputs to what the held-out sequences say."""
    outputs = compute_outputs(module, held_out.sequences)
    shifts = task.fit_shifts(outputs, *held_out.on_host())
    module.shift(torch.from_numpy(shifts))


def with_static(ensemble: Ensemble, sequences: TrainingSequences, features: Any) -> Any:
    """Features of a linear model, dense or sparse, with those of the static columns behind."""
    static = [columns.cpu().numpy() for columns in ensemble.expand(sequences.static)]
    if not static:
        return features
    if isinstance(features, np.ndarray):
        return np.hstack([features, *static])
    return hstack([features, *static], format="csr", dtype=np.float64)
