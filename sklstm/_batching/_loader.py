"""Padded batches of sequences on the device."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import islice, starmap
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from sklstm._batching._buckets import pair_by_length, training_batches
from sklstm._batching._parts import Cost, cut
from sklstm._batching._scaling import Scaling
from sklstm._batching._shares import SharedBatch, deal, shares_of
from sklstm._batching._sources import Gatherer, TrainingSequences
from sklstm._runtime._ranks import Ranks
from sklstm._sequences import PADDING_ID, AnySequences, Array, IntArray, Sequences, SequenceView

# Number of padded lengths per doubling, on a CPU and on a GPU.
N_ROUNDED, N_ROUNDED_ON_GPU = 16, 8


class PaddedInputs(NamedTuple):
    """Network inputs: right-padded values (B, T, F) or token ids (B, T), and lengths (B,).

    Lengths are None if all are T, static columns (B, S) if there are none.
    """

    values: Tensor
    lengths: Tensor | None
    static: Tensor | None = None

    def halves(self) -> list[PaddedInputs]:
        """The inputs split in two; a single sequence is not split."""
        n, half = len(self.values), len(self.values) // 2
        parts = [slice(half), slice(half, n)] if n > 1 else [slice(n)]
        lengths, static = self.lengths, self.static
        return [
            PaddedInputs(
                self.values[p],
                None if lengths is None else lengths[p],
                None if static is None else static[p],
            )
            for p in parts
        ]


class Targets(NamedTuple):
    """Loss arguments: the target of each sequence, (B,) or (B, K), and its weight, (B,) or (B, K).

    With mixup also the mixup weights w (B,), float32. Sequence i is mixed with 1 - w[i] of sequence
    i - 1 of the same part, cyclically.
    """

    values: Tensor
    weights: Tensor
    mixup_weights: Tensor | None = None


class Batch(NamedTuple):
    """Mini-batch of a training step: inputs in separately padded parts, and all targets."""

    inputs: list[PaddedInputs]
    targets: Targets

    @property
    def weight(self) -> Tensor:
        """Sum of the weights."""
        return self.targets.weights.sum()

    def parts(self) -> list[tuple[PaddedInputs, Targets]]:
        """The inputs of each part with their targets."""
        sizes = [len(inputs.values) for inputs in self.inputs]
        of_parts = (
            [None] * len(sizes) if tensor is None else tensor.split(sizes)
            for tensor in self.targets
        )
        targets = [Targets(*t) for t in zip(*of_parts, strict=True)]
        return list(zip(self.inputs, targets, strict=True))

    def halved(self) -> Batch:
        """The batch with every part split in two."""
        return self._replace(inputs=[half for inputs in self.inputs for half in inputs.halves()])


class DeviceSequences:
    """Sequences copied to the device once; each batch is one gather there.

    Parameters
    ----------
    values : ndarray or Tensor of shape (n_timesteps + 1, n_features), or (n_timesteps + 1,)
        Concatenated timesteps, then one row of zeros, which padding is gathered from. Token ids
        have one dimension.
    offsets : ndarray of shape (n_sequences + 1,)
        As in `Sequences`.
    device : torch.device
        Device of the copy and of the batches.
    static : Tensor of shape (n_sequences, n_columns), default=None
        Static columns, on the device.
    overlaps : bool, default=False
        Whether the copy goes by way of pinned memory, without waiting for a GPU's computations.
    """

    def __init__(
        self,
        values: Array | Tensor,
        offsets: IntArray,
        device: torch.device,
        static: Tensor | None = None,
        *,
        overlaps: bool = False,
    ) -> None:
        self.device = device
        self.values = transfer(values, device, overlaps=overlaps)
        self.static = static
        # A sequence of more timesteps would take 8 GB in a single batch.
        lengths: Array = np.diff(offsets).astype(np.int32)
        self.host_lengths: IntArray = lengths
        self.host_starts = offsets[:-1]
        self.padding_row = len(values) - 1
        self.have_one_length = len(lengths) > 0 and bool((lengths == lengths[0]).all())
        self._overlaps = overlaps

    @property
    def contexts(self) -> list[AbstractContextManager[Any]]:
        """Contexts of a training: none."""
        return []

    def __len__(self) -> int:
        return len(self.host_lengths)

    @cached_property
    def lengths_and_starts(self) -> tuple[Tensor, Tensor]:
        """Numbers of timesteps and first rows, on the device.

        One transfer for a prediction, if any are needed; for a training less memory, which on a CPU
        is that of the arrays here.
        """
        if not self._overlaps:
            starts = np.require(self.host_starts, requirements="W")
            return transfer(self.host_lengths, self.device), transfer(starts, self.device)
        both = np.stack([self.host_lengths, self.host_starts])
        lengths, starts = transfer(both, self.device, overlaps=self._overlaps)
        return lengths, starts

    def batch(self, indices: IntArray) -> PaddedInputs:
        """Inputs of the sequences at ``indices``, right-padded with zeros.

        Values are batch-major in shape and time-major in memory: the LSTM kernels copy anything
        else (a step at B64 T100 H128 took twice as long, benchmarks/LOG.md).
        """
        if len(indices) == 1:
            return self._single(int(indices[0]))
        rows_B = torch.from_numpy(indices).to(self.device)
        return self.gather(rows_B, *self.padded_length(indices))

    def all(self) -> PaddedInputs:
        """The same of all sequences, in their order, with no transfer of indices."""
        if len(self) == 1:
            return self._single(0)
        rows_B = torch.arange(len(self), device=self.device)
        return self.gather(rows_B, *self.padded_length(slice(None)))

    def _single(self, index: int) -> PaddedInputs:
        """The same of one sequence, without a copy."""
        start, n_timesteps = self.host_starts[index], self.host_lengths[index]
        static = None if self.static is None else self.static[index : index + 1]
        return PaddedInputs(self.values[start : start + n_timesteps].unsqueeze(0), None, static)

    def gather(self, rows_B: Tensor, n_timesteps: int, is_padded: bool) -> PaddedInputs:
        """The same of indices on the device and a padded length, without a read by the host."""
        lengths_N, starts_N = self.lengths_and_starts
        lengths_B = lengths_N.index_select(0, rows_B).long() if is_padded else None
        steps_T1 = torch.arange(n_timesteps, device=self.device).unsqueeze(1)
        positions_TB = starts_N.index_select(0, rows_B) + steps_T1
        if lengths_B is not None:
            positions_TB = positions_TB.masked_fill(steps_T1 >= lengths_B, self.padding_row)
        values_TBF = self.values.index_select(0, positions_TB.flatten())
        shape = (n_timesteps, len(rows_B), *self.values.shape[1:])
        static_BS = None if self.static is None else self.static.index_select(0, rows_B)
        return PaddedInputs(values_TBF.view(shape).transpose(0, 1), lengths_B, static_BS)

    def shuffled(self, batch_size: int, rng: np.random.Generator) -> Iterator[list[IntArray]]:
        """The mini-batches of a newly shuffled epoch, in one list."""
        yield training_batches(self.host_lengths, batch_size, rng)

    def read(self, plans: Iterable[Plan]) -> Iterator[tuple[Plan, DeviceSequences]]:
        """The plans of an epoch, and where their sequences are."""
        return ((plan, self) for plan in plans)

    def pieces(self) -> Iterator[tuple[slice, DeviceSequences]]:
        """All sequences, in one piece."""
        yield slice(0, len(self)), self

    def map_ids(self, function: Callable[[Tensor], Tensor]) -> DeviceSequences:
        """The same with a function of token ids."""
        mapped = copy.copy(self)
        mapped.values = function(self.values)
        return mapped

    def largest(self) -> float | None:
        """Largest absolute input; None of token ids."""
        return float(self.values.abs().max()) if self.values.is_floating_point() else None

    def padded_length(self, indices: IntArray | slice) -> tuple[int, bool]:
        """Padded length of a batch, and whether it may be padded."""
        if self.have_one_length:
            return int(self.host_lengths[0]), False
        lengths = self.host_lengths[indices]
        longest = int(lengths.max())
        if self.device.type != "cpu":
            # Fewer kinds of batches, each of which is captured as a graph.
            return rounded_up(longest, N_ROUNDED_ON_GPU), True
        return (rounded_up(longest), True) if lengths.min() < longest else (longest, False)


class HostSequences:
    """Sequences on the host; each batch is read, scaled and copied to the device on demand.

    Parameters
    ----------
    sequences : Sequences or SequenceView
        The sequences, which are only read.
    scaling : Scaling or None
        As for `to_device`.
    device : torch.device
        Device of the batches.
    """

    def __init__(
        self, sequences: AnySequences, scaling: Scaling | None, device: torch.device
    ) -> None:
        self.sequences = sequences
        self.scaling = scaling
        self.device = device
        self.host_lengths = sequences.lengths

    def __len__(self) -> int:
        return len(self.host_lengths)

    def batch(self, indices: IntArray) -> PaddedInputs:
        """Inputs of the sequences at ``indices``, as of `DeviceSequences`."""
        taken = self.sequences
        if len(self) > 1 or isinstance(taken, SequenceView):
            taken = taken.load(indices)
        return to_device(taken, self.scaling, self.device, overlaps=True).all()


Source = TrainingSequences | HostSequences


def transfer(array: Array | Tensor, device: torch.device, *, overlaps: bool = False) -> Tensor:
    """Copy an array to the device; one that ``overlaps`` does not wait for a GPU's computations.

    Only a copy from pinned memory goes beside them; any other waits for all that was begun before.
    """
    on_host = array if isinstance(array, Tensor) else torch.from_numpy(array)
    if overlaps and device.type == "cuda":
        on_host = on_host.pin_memory()
    return on_host.to(device, non_blocking=overlaps)


def rounded_up(n_timesteps: int, n_values: int = N_ROUNDED) -> int:
    """Padded length: one of ``n_values``, a power of 2, per doubling; up to twice as many exact.

    It is at most 1 / n_values more. oneDNN compiles kernels for each number of timesteps (2.5 ms at
    B32 H64, as long as the step itself) and caches a limited number of them.
    """
    step = 1 << max(0, (n_timesteps - 1).bit_length() - n_values.bit_length())
    return -(-n_timesteps // step) * step


@dataclass(frozen=True, eq=False)
class LabelledSequences:
    """The skorch net's data set: sequences, targets and weights on the device."""

    sequences: TrainingSequences
    targets: Tensor
    weights: Tensor

    def __len__(self) -> int:
        return len(self.sequences)

    def on_host(self) -> tuple[Array, Array]:
        """Targets, and weights in float64."""
        targets = self.targets if self.targets.is_floating_point() else self.targets.long()
        return targets.cpu().numpy(), self.weights.cpu().numpy().astype(np.float64)

    @property
    def are_on_device(self) -> bool:
        """Whether all sequences are on the device, and not a window of them."""
        return isinstance(self.sequences, DeviceSequences)

    def batch(
        self, indices: IntArray, parts: Sequence[slice], gatherer: Gatherer | None = None
    ) -> Batch:
        """Mini-batch of the sequences at ``indices``, its inputs in parts."""
        rows_B = torch.from_numpy(indices).to(self.targets.device)
        gatherer = self.sequences if gatherer is None else gatherer
        inputs = [gatherer.batch(indices[part]) for part in parts]
        return Batch(inputs, self.targets_of(rows_B))

    def targets_of(self, rows_B: Tensor) -> Targets:
        """Targets and weights of indices on the device."""
        return Targets(self.targets.index_select(0, rows_B), self.weights.index_select(0, rows_B))


class Plan(NamedTuple):
    """Mini-batch to be gathered: its sequences, the parts they are cut into, and mixup weights.

    Batches of one ``window`` follow one another and are read together.
    """

    indices: IntArray
    parts: list[slice]
    mixup_weights: Array | None
    window: int = 0


class ShuffledBatches(Iterable[Batch | SharedBatch]):
    """Mini-batches of similar lengths; each iteration is one newly shuffled epoch.

    Parameters
    ----------
    dataset : LabelledSequences
        Training data.
    batch_size : int
        Maximum number of sequences per mini-batch.
    rng : numpy.random.Generator
        Source of the shuffling and of mixup weights.
    cost : Cost, default=None
        Cost model by which batches are cut into parts; None: they are not cut.
    mixup_alpha : float, default=0.0
        alpha of Beta(alpha, alpha), from which mixup weights are drawn; 0 disables mixup.
    ranks : Ranks, default=None
        Ranks that share each batch.
    """

    def __init__(
        self,
        dataset: LabelledSequences,
        batch_size: int,
        rng: np.random.Generator,
        cost: Cost | None = None,
        mixup_alpha: float = 0.0,
        ranks: Ranks | None = None,
    ) -> None:
        self.dataset = dataset
        self.batch_size = batch_size
        self.rng = rng
        self.cost = cost
        self.mixup_alpha = mixup_alpha
        self.ranks = ranks
        self.n_skipped = 0

    def __len__(self) -> int:
        return -(-len(self.dataset) // self.batch_size)

    def __iter__(self) -> Iterator[Batch | SharedBatch]:
        sequences = self.dataset.sequences
        if self.ranks is not None:
            return starmap(partial(self._gather_shares, self.ranks), sequences.read(self.plans()))
        if isinstance(sequences, DeviceSequences) and not gathers_by_batch(sequences.device):
            return self._gather_epoch(sequences, list(self.plans()))
        return starmap(self._gather, sequences.read(self.plans()))

    def plans(self) -> Iterator[Plan]:
        """The mini-batches of a newly shuffled epoch, not gathered yet.

        ``n_skipped`` of them, which an interrupted training has taken, are drawn and left out.
        """
        return islice(self._draw(), self.n_skipped, None)

    def _draw(self) -> Iterator[Plan]:
        sequences = self.dataset.sequences
        lengths = sequences.host_lengths
        for window, batches in enumerate(sequences.shuffled(self.batch_size, self.rng)):
            for members in batches:
                indices, parts = self._in_parts(members, lengths)
                if self.mixup_alpha == 0:
                    yield Plan(indices, parts, None, window)
                else:
                    yield self._mixed(indices, parts)._replace(window=window)

    def _in_parts(self, indices: IntArray, lengths: IntArray) -> tuple[IntArray, list[slice]]:
        """The sequences of a batch in the order of its parts, and the parts."""
        if self.ranks is not None:
            return deal(indices, lengths, self.ranks.size, self.cost)
        whole = [slice(len(indices))]
        return indices, whole if self.cost is None else cut(lengths[indices], self.cost)

    def _mixed(self, indices: IntArray, parts: list[slice]) -> Plan:
        """A batch with mixup weights of at least 0.5, so that each sequence dominates its own."""
        if not self.dataset.sequences.have_one_length:
            # A longer partner is truncated, though its target keeps its full weight: pair similar
            # lengths.
            lengths = self.dataset.sequences.host_lengths
            indices = np.concatenate([pair_by_length(indices[p], lengths, self.rng) for p in parts])
        # Drawn here and not in the network: the same for any number of threads (ADR 37).
        weights = self.rng.beta(self.mixup_alpha, self.mixup_alpha, size=len(indices))
        return Plan(indices, parts, np.maximum(weights, 1 - weights).astype(np.float32))

    def _gather_epoch(self, sequences: DeviceSequences, plans: list[Plan]) -> Iterator[Batch]:
        """All batches, with one transfer of their indices and one of their mixup weights."""
        device = self.dataset.targets.device
        order, weights = concatenate_plans(plans)
        order_N = torch.from_numpy(order).to(device)
        weights_N = None if weights is None else torch.from_numpy(weights).to(device)
        position = 0
        for plan in plans:
            place = slice(position, position + len(plan.indices))
            targets = self.dataset.targets_of(order_N[place])
            # A time limit may have ended mixup since.
            if weights_N is not None and self.mixup_alpha:
                targets = targets._replace(mixup_weights=weights_N[place])
            padded = sequences.padded_length(plan.indices)
            yield Batch([sequences.gather(order_N[place], *padded)], targets)
            position = place.stop

    def _gather_shares(self, ranks: Ranks, plan: Plan, gatherer: Gatherer) -> SharedBatch:
        """What this process computes of a batch that ranks share."""
        own, parts, n_parts = shares_of(ranks, len(plan.indices), plan.parts)
        weights = None if plan.mixup_weights is None else plan.mixup_weights[own]
        batch = self._gather(Plan(plan.indices[own], parts, weights), gatherer)
        return SharedBatch(*batch, self.dataset.weights[plan.indices].sum(), n_parts)

    def _gather(self, plan: Plan, gatherer: Gatherer) -> Batch:
        batch = self.dataset.batch(plan.indices, plan.parts, gatherer)
        # A time limit may have ended mixup since the window was planned.
        if plan.mixup_weights is None or not self.mixup_alpha:
            return batch
        weights_B = torch.from_numpy(plan.mixup_weights).to(batch.targets.weights.device)
        return batch._replace(targets=batch.targets._replace(mixup_weights=weights_B))


def concatenate_plans(plans: Sequence[Plan]) -> tuple[IntArray, Array | None]:
    """Indices of the sequences of all batches, and mixup weights if there are any."""
    weights = [plan.mixup_weights for plan in plans if plan.mixup_weights is not None]
    order = np.concatenate([plan.indices for plan in plans])
    return order, np.concatenate(weights) if weights else None


def gathers_by_batch(device: torch.device) -> bool:
    """Whether indices go to the device with each batch: a GPU would have to end a step before."""
    return device.type == "cpu"


def to_device(
    sequences: Sequences,
    scaling: Scaling | None,
    device: torch.device,
    *,
    input_name: str = "X",
    overlaps: bool = False,
) -> DeviceSequences:
    """Copy sequences to the device: scaled measurements, or token ids if ``scaling`` is None.

    A copy that ``overlaps`` does not wait for what the device computes meanwhile.
    """
    values = network_values(sequences, scaling, input_name=input_name)
    static = None
    if sequences.static is not None:
        static = transfer(sequences.static, device, overlaps=overlaps)
    return DeviceSequences(values, sequences.offsets, device, static, overlaps=overlaps)


def network_values(
    sequences: Sequences,
    scaling: Scaling | None,
    *,
    input_name: str,
    all_of: AnySequences | None = None,
) -> Array:
    """What a network reads, scaled measurements and codes or token ids, and a row of padding.

    If the sequences are a part, ``all_of`` are all of X, for messages.
    """
    if scaling is None:
        return np.concatenate([sequences.values[:, 0].astype(np.int64), [PADDING_ID]])
    values = scaling.to_float32(sequences, input_name=input_name, all_of=all_of)
    if sequences.codes is None:
        return values
    codes = np.pad(sequences.codes, ((0, 1), (0, 0))).astype(np.float32)
    return np.concatenate([values, codes], axis=1)
