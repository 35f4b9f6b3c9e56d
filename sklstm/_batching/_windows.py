"""Large data, read window by window: an epoch shuffles blocks, and sequences within a window."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby, pairwise
from operator import attrgetter
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sklstm._batching._buckets import shuffled_batches
from sklstm._batching._loader import (
    DeviceSequences,
    PaddedInputs,
    Plan,
    network_values,
    to_device,
    transfer,
)
from sklstm._batching._scaling import Scaling
from sklstm._batching._sizes import is_large
from sklstm._runtime._ahead import ReadAhead
from sklstm._sequences import (
    AnySequences,
    Array,
    IntArray,
    Sequences,
    SequenceView,
    cut_into_runs,
    offsets_of,
)

# Of large data there are two windows of so many bytes each.
WINDOW_BYTES = 2**24
# Bytes of a block of consecutive sequences, which stays together in the order of an epoch: 256 of
# them make a window. Fewer are worse where X is sorted by class (benchmarks/LOG.md).
BLOCK_BYTES = 2**16
# Bytes that are scaled at a time, and that are on the device where nothing is shuffled.
READ_BYTES, PIECE_BYTES = 2**20, 2**23
# Bytes that a sequence takes beside its values: its place, and indices.
SEQUENCE_BYTES = 64
# Number of sequences whose sizes are summed up at a time.
CHUNK_SEQUENCES = 2**16


def prepare(
    sequences: AnySequences,
    scaling: Scaling | None,
    device: torch.device,
    *,
    input_name: str = "X",
    is_trained_on: bool = True,
) -> DeviceSequences | WindowedSequences:
    """Sequences of a training: on the device as a whole if they fit there, else in windows.

    Of those that are not trained on no bit depends on that; beside two windows there is less room.
    """
    n_bytes = bytes_per_timestep(sequences, scaling) * sequences.n_timesteps
    if is_large(n_bytes) if is_trained_on else n_bytes > WINDOW_BYTES:
        windowed = WindowedSequences(sequences, scaling, device, input_name=input_name)
        return windowed.whole() if fits_on(device, n_bytes) else windowed
    if isinstance(sequences, SequenceView):
        sequences = sequences.load(np.arange(len(sequences)))
    return to_device(sequences, scaling, device, input_name=input_name)


def fits_on(device: torch.device, n_bytes: int) -> bool:
    """Whether large data are put on the device: on a GPU, if they take up to half of its memory.

    Not of what is free at the moment: the order of batches, and so the result, depends on it.
    """
    if device.type != "cuda":
        return False
    return n_bytes <= torch.cuda.get_device_properties(device).total_memory // 2


def bytes_per_timestep(sequences: AnySequences, scaling: Scaling | None) -> int:
    """Bytes of a timestep on the device."""
    if scaling is None:
        return 8
    n_codes = 0 if sequences.codes is None else sequences.codes.shape[1]
    return 4 * (scaling.width(sequences.n_features) + n_codes)


class WindowedSequences:
    """Sequences of which only windows are on the device.

    What they give does not depend on where they lie, in memory or on disk.

    Parameters
    ----------
    sequences : Sequences or SequenceView
        The sequences, which are only read.
    scaling : Scaling or None
        As for `to_device`.
    device : torch.device
        Device of the windows.
    input_name : str, default="X"
        Name of the sequences in messages.
    """

    def __init__(
        self,
        sequences: AnySequences,
        scaling: Scaling | None,
        device: torch.device,
        *,
        input_name: str = "X",
    ) -> None:
        self.sequences = sequences
        self.scaling = scaling
        self.device = device
        self.input_name = input_name
        self.host_lengths = _signed(sequences.lengths)
        self.have_one_length = bool(self.host_lengths.min() == self.host_lengths.max())
        self.read_ids: Callable[[Tensor], Tensor] | None = None
        self._ahead = ReadAhead()
        self._bytes = bytes_per_timestep(sequences, scaling)
        # Where a CPU's windows are written, in turns.
        self._buffers: list[Array | None] = [None, None]

    def __len__(self) -> int:
        return len(self.host_lengths)

    @property
    def contexts(self) -> list[AbstractContextManager[Any]]:
        """Context of a training, in which the next window is read ahead."""
        return [self._ahead]

    @cached_property
    def static(self) -> Tensor | None:
        """Static columns of all sequences, on the device."""
        static = self.sequences.static
        return None if static is None else transfer(static, self.device)

    def batch(self, indices: IntArray) -> PaddedInputs:
        """Inputs of any sequences, as of `DeviceSequences`, read for this alone."""
        n_rows = int(self.host_lengths[indices].sum(dtype=np.int64)) + 1
        return self._load(indices, self._empty(n_rows)).all()

    def shuffled(self, batch_size: int, rng: np.random.Generator) -> Iterator[list[IntArray]]:
        """The mini-batches of a newly shuffled epoch, in lists of those of a window."""
        lengths, n_batches = self.host_lengths, -(-len(self) // batch_size)
        order = BlockOrder.draw(self._edges, self._sizes, rng)
        for n_own, members in order.windows(n_batches, WINDOW_BYTES):
            batches = shuffled_batches(lengths[members], n_own, rng)
            yield [members[batch] for batch in batches]

    def read(self, plans: Iterable[Plan]) -> Iterator[tuple[Plan, Window]]:
        """The plans of an epoch, each with the window it lies in, of which the next is read."""
        by_window = (list(own) for _, own in groupby(plans, key=attrgetter("window")))
        calls = (self._call(own, i % 2) for i, own in enumerate(by_window))
        for own, window in self._ahead.results(calls):
            for plan in own:
                yield plan, window

    def pieces(self) -> Iterator[tuple[slice, DeviceSequences]]:
        """All sequences on the device, in order, in runs of at most PIECE_BYTES."""
        for run in _runs(self.host_lengths, self._bytes, PIECE_BYTES):
            indices = np.arange(run.start, run.stop)
            n_rows = int(self.host_lengths[run].sum(dtype=np.int64)) + 1
            yield run, self._load(indices, self._empty(n_rows))

    def whole(self) -> DeviceSequences:
        """All sequences on the device, copied piece by piece."""
        offsets = offsets_of(self.host_lengths)
        shape = self._empty(0).shape[1:]
        dtype = torch.int64 if self.scaling is None else torch.float32
        values = torch.zeros((int(offsets[-1]) + 1, *shape), dtype=dtype, device=self.device)
        for run, piece in self.pieces():
            values[offsets[run.start] : offsets[run.stop]] = piece.values[:-1]
        return DeviceSequences(values, offsets, self.device, self.static)

    def map_ids(self, function: Callable[[Tensor], Tensor]) -> WindowedSequences:
        """The same with a function of token ids on the device."""
        mapped = copy.copy(self)
        mapped.read_ids = function
        return mapped

    def largest(self) -> float | None:
        """Largest absolute input; None of token ids."""
        if self.scaling is None:
            return None
        return max(float(np.abs(self._scaled(part)).max()) for _, part in self.sequences.blocks())

    @cached_property
    def _edges(self) -> IntArray:
        """First sequence of each block, and the number of sequences."""
        runs = _runs(self.host_lengths, self._bytes, BLOCK_BYTES)
        return np.array([*(run.start for run in runs), len(self)])

    @cached_property
    def _sizes(self) -> IntArray:
        """Bytes of each block."""
        edges = self._edges
        n_timesteps = np.add.reduceat(self.host_lengths, edges[:-1], dtype=np.int64)
        sizes: IntArray = n_timesteps * self._bytes + np.diff(edges) * SEQUENCE_BYTES
        return sizes

    def _call(self, plans: list[Plan], number: int) -> Callable[[], tuple[list[Plan], Window]]:
        """A function that gives the window of plans, in one of two buffers."""
        indices = np.concatenate([plan.indices for plan in plans])
        values = self._buffer(int(self.host_lengths[indices].sum(dtype=np.int64)) + 1, number)

        # On a GPU, copies of the other thread keep their place among the steps of this one.
        stream = None if self.device.type == "cpu" else torch.cuda.current_stream(self.device)

        def call() -> tuple[list[Plan], Window]:
            members = np.sort(indices)
            with nullcontext() if stream is None else torch.cuda.stream(stream):
                return plans, Window(members, self._load(members, values))

        return call

    def _buffer(self, n_rows: int, number: int) -> Array:
        """Memory for so many rows; on a CPU it is used again, in turns."""
        buffer = self._buffers[number]
        if self.device.type != "cpu":
            return self._empty(n_rows)
        if buffer is None or len(buffer) < n_rows:
            # Room for a window that is one block and one batch larger than the others.
            buffer = self._buffers[number] = None
            buffer = self._buffers[number] = self._empty(n_rows + n_rows // 8)
        return buffer[:n_rows]

    def _empty(self, n_rows: int) -> Array:
        if self.scaling is None:
            return np.empty(n_rows, dtype=np.int64)
        return np.empty((n_rows, self._bytes // 4), dtype=np.float32)

    def _load(self, indices: IntArray, values: Array) -> DeviceSequences:
        """These sequences on the device, read and scaled piece by piece into host memory."""
        lengths = self.host_lengths[indices].astype(np.int64)
        offsets = offsets_of(lengths)
        for run in cut_into_runs(lengths, READ_BYTES // self._bytes):
            self._ahead.check()
            part = self.sequences.load(indices[run])
            values[offsets[run.start] : offsets[run.stop]] = self._scaled(part)
        values[-1] = 0
        static = None
        if self.static is not None:
            static = self.static.index_select(0, torch.from_numpy(indices).to(self.device))
        placed = DeviceSequences(values, offsets, self.device, static, overlaps=True)
        if self.read_ids is not None:
            placed.values = self.read_ids(placed.values)
        return placed

    def _scaled(self, part: Sequences) -> Array:
        values = network_values(
            part, self.scaling, input_name=self.input_name, all_of=self.sequences
        )
        return values[:-1]


@dataclass(frozen=True, eq=False)
class Window:
    """Sequences on the device, of which ``members`` are the indices in the data, ascending."""

    members: IntArray
    sequences: DeviceSequences

    def batch(self, indices: IntArray) -> PaddedInputs:
        """Inputs of these sequences of the data."""
        inputs = self.sequences.batch(np.searchsorted(self.members, indices))
        # A single sequence is not copied, and a callback may keep what a later window overwrites.
        return inputs._replace(values=inputs.values.clone()) if len(indices) == 1 else inputs


@dataclass(frozen=True, eq=False)
class BlockOrder:
    """Blocks of consecutive sequences in random order.

    Attributes
    ----------
    starts : ndarray of shape (n_blocks,)
        First sequence of each block, in this order.
    ends, bytes : ndarray of shape (n_blocks,)
        Number of sequences, and of bytes, up to the end of each block.
    """

    starts: IntArray
    ends: IntArray
    bytes: IntArray

    @classmethod
    def draw(cls, edges: IntArray, sizes: IntArray, rng: np.random.Generator) -> BlockOrder:
        """A random order of blocks between these edges, of these sizes in bytes."""
        order = rng.permutation(len(sizes))
        return cls(edges[order], np.cumsum(np.diff(edges)[order]), np.cumsum(sizes[order]))

    def windows(self, n_batches: int, max_bytes: int) -> Iterator[tuple[int, IntArray]]:
        """Number of batches, and sequences in the order of the blocks, of each window.

        Windows are of about one size. Batch i of all holds the sequences at i * n // n_batches to
        (i + 1) * n // n_batches of this order.
        """
        n, total = int(self.ends[-1]), int(self.bytes[-1])
        n_windows = -(-total // max_bytes)
        # i * total // n_windows, whose product overflows 8 bytes from 12 TB on.
        whole, rest = divmod(total, n_windows)
        numbers = np.arange(1, n_windows + 1)
        marks = numbers * whole + numbers * rest // n_windows
        full = self.ends[np.searchsorted(self.bytes, marks)]
        stops = np.unique(np.minimum(((full + 1) * n_batches - 1) // n, n_batches))
        for first, stop in pairwise([0, *stops[stops > 0].tolist()]):
            yield stop - first, self._members(first * n // n_batches, stop * n // n_batches)

    def _members(self, first: int, stop: int) -> IntArray:
        """The sequences at ``first`` to ``stop`` of this order."""
        blocks = range(
            int(np.searchsorted(self.ends, first, side="right")),
            int(np.searchsorted(self.ends, stop - 1, side="right")) + 1,
        )
        begins = np.concatenate([[0], self.ends[:-1]])[blocks.start : blocks.stop]
        ranges = zip(begins, self.ends[blocks.start : blocks.stop],
                     self.starts[blocks.start : blocks.stop], strict=True)  # fmt: skip
        return np.concatenate(
            [
                np.arange(max(begin, first), min(end, stop)) + (start - begin)
                for begin, end, start in ranges
            ]
        )


def _runs(lengths: IntArray, n_bytes: int, max_bytes: int) -> Iterator[slice]:
    """Runs of sequences of at most so many bytes, or of one, each within a chunk of sequences."""
    for start in range(0, len(lengths), CHUNK_SEQUENCES):
        sizes = lengths[start : start + CHUNK_SEQUENCES].astype(np.int64) * n_bytes
        for run in cut_into_runs(sizes + SEQUENCE_BYTES, max_bytes):
            yield slice(start + run.start, start + run.stop)


def _signed(lengths: IntArray) -> IntArray:
    return lengths.astype(np.int64) if lengths.dtype.kind == "u" else lengths
