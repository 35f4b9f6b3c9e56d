"""Training steps that stay on the device, replayed as CUDA graphs on a GPU."""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import Tensor

from sklstm._batching._loader import (
    Batch,
    DeviceSequences,
    LabelledSequences,
    Plan,
    concatenate_plans,
)
from sklstm._data._memory import is_out_of_memory
from sklstm._runtime import _streams
from sklstm._training._optimizers import is_capturable
from sklstm._warnings import warn_user

if TYPE_CHECKING:
    from sklstm._training._net import SequenceNet

# Maximum number of graphs that are kept, the least recently used being dropped.
MAX_GRAPHS = 128
# Number of steps of a kind before it is captured: the first one also allocates the state of the
# optimizer, and a capture takes as long as a few steps.
N_PLAIN = 3


def can_stay_on_device(device: torch.device, optimizer: torch.optim.Optimizer) -> bool:
    """Whether steps are taken by `DeviceSteps`: on a GPU. On a CPU they would not be faster."""
    return device.type == "cuda" and is_capturable(optimizer)


class Kind(NamedTuple):
    """What the shapes of a step follow from: sequences, padded length, whether they are mixed."""

    size: int
    n_timesteps: int
    is_padded: bool
    is_mixed: bool


class DeviceSteps:
    """The training steps of an epoch, with all they read and write on the device.

    Order of the sequences, mixup weights and learning rates are written there once an epoch; with a
    time limit, before each few steps. A step of a kind is then a function without arguments, shapes
    that depend on data, or reads by the host. On a GPU it is captured as a CUDA graph, which
    computes the same bits.

    Parameters
    ----------
    net : SequenceNet
        Net to train.
    data : LabelledSequences
        Training data.
    n_batches : int
        Number of steps of an epoch.
    """

    def __init__(self, net: SequenceNet, data: LabelledSequences, n_batches: int) -> None:
        self.net = net
        self.data = data
        assert isinstance(data.sequences, DeviceSequences)
        self.sequences = data.sequences
        device = data.targets.device
        self.order = torch.zeros(len(data), dtype=torch.int64, device=device)
        self.mixup_weights = torch.ones(len(data), device=device)
        self.rates, self.losses, self.weights = torch.zeros(3, n_batches, device=device)
        # Of the next step: its first sequence and its number.
        self.position, self.number = torch.zeros(2, 1, dtype=torch.int64, device=device)
        self._n_placed = self._n_taken = 0
        self.graphs = GraphCache(self) if device.type == "cuda" else None

    def begin_epoch(self) -> None:
        """Start over, at the first batch."""
        self.position.zero_()
        self.number.zero_()
        self._n_placed = self._n_taken = 0

    def run(self, plans: Sequence[Plan], rates: Sequence[float]) -> tuple[Tensor, Tensor]:
        """Take the next steps; the losses of all batches so far and their weights, on the device.

        What is written to the device is behind what earlier steps read.
        """
        order, weights = concatenate_plans(plans)
        places = slice(self._n_placed, self._n_placed + len(order))
        numbers = slice(self._n_taken, self._n_taken + len(plans))
        self._n_placed, self._n_taken = places.stop, numbers.stop
        self.order[places].copy_(torch.from_numpy(order))
        if weights is not None:
            self.mixup_weights[places].copy_(torch.from_numpy(weights))
        self.rates[numbers].copy_(torch.from_numpy(np.array(rates, dtype=np.float32)))
        kinds = [self._kind(plan) for plan in plans]
        if self.graphs is None:
            for kind in kinds:
                self.step(kind)
        else:
            self.graphs.run(kinds)
        return self.losses[: self._n_taken], self.weights[: self._n_taken]

    def close(self) -> None:
        """Free the graphs, which refer to this object, and would wait for the garbage collector."""
        if self.graphs is not None:
            self.graphs.close()
            self.graphs = None

    def _kind(self, plan: Plan) -> Kind:
        padded = self.sequences.padded_length(plan.indices)
        return Kind(len(plan.indices), *padded, plan.mixup_weights is not None)

    def step(self, kind: Kind) -> None:
        """Take the next step, which is of this kind."""
        net = self.net
        places_B = self.position + torch.arange(kind.size, device=self.position.device)
        rows_B = self.order.index_select(0, places_B)
        targets = self.data.targets_of(rows_B)
        if kind.is_mixed:
            targets = targets._replace(mixup_weights=self.mixup_weights.index_select(0, places_B))
        inputs = self.sequences.gather(rows_B, kind.n_timesteps, kind.is_padded)
        loss = net.take_step(Batch([inputs], targets), self.rates.index_select(0, self.number))
        self.losses.index_copy_(0, self.number, loss.view(1))
        self.weights.index_copy_(0, self.number, targets.weights.sum().view(1))
        self.position += kind.size
        self.number += 1


class GraphCache:
    """CUDA graphs of the kinds of steps, in one memory pool, on a stream of their own.

    Within a graph, branches of the network overlap. The first steps of a kind are taken without a
    graph, and all if they do not fit into memory or cannot be captured.
    """

    def __init__(self, steps: DeviceSteps) -> None:
        self._steps = steps
        self._device = steps.order.device
        self._stream = torch.cuda.Stream(self._device)
        self._pool = torch.cuda.graph_pool_handle()
        self._graphs: OrderedDict[Kind, torch.cuda.CUDAGraph] = OrderedDict()
        self._n_plain: Counter[Kind] = Counter()
        self._can_capture = True
        self._side = _streams.side_stream(self._device) if _streams.OVERLAPS else None
        # Of weights, statistics and the optimizer's state, when the first graph was captured.
        self._addresses: list[int] = []

    def run(self, kinds: Sequence[Kind]) -> None:
        """Take the next steps, which are of these kinds."""
        self._forget_moved()
        callers = torch.cuda.current_stream(self._device)
        self._stream.wait_stream(callers)
        # All on one stream: cuBLAS may compute other bits on another one.
        with torch.cuda.device(self._device), torch.cuda.stream(self._stream):
            for kind in kinds:
                graph = self._graph(kind)
                if graph is None:
                    self._steps.step(kind)
                else:
                    graph.replay()
        callers.wait_stream(self._stream)

    def _graph(self, kind: Kind) -> torch.cuda.CUDAGraph | None:
        """The graph of a kind, captured if that begins to pay; None before."""
        if self._steps.net.n_halvings or not self._can_capture:
            self._graphs.clear()
            return None
        graph = self._graphs.pop(kind, None)
        if graph is None and self._n_plain[kind] >= N_PLAIN:
            graph = self._capture(kind)
        if graph is None:
            self._n_plain[kind] += 1
            return None
        self._graphs[kind] = graph
        if len(self._graphs) > MAX_GRAPHS:
            self._graphs.popitem(last=False)
        return graph

    def close(self) -> None:
        """Drop all graphs, once none is running."""
        if self._graphs:
            torch.cuda.synchronize(self._device)
        self._graphs.clear()

    def _forget_moved(self) -> None:
        """Drop the graphs if a callback has replaced tensors that they read and write."""
        if self._graphs and self._addresses != self._steps.net.addresses():
            self._graphs.clear()

    def _capture(self, kind: Kind) -> torch.cuda.CUDAGraph | None:
        """Record a step without taking it; None, now and later, if that fails."""
        graph = None
        try:
            graph = self._record_overlapping(kind) or self._record(kind, nullcontext())
        except RuntimeError as error:
            self._can_capture = False
            if not is_out_of_memory(error):
                warn_user(
                    f"A training step could not be captured as a CUDA graph ({error!s:.200}). All"
                    " steps are taken one operation at a time, with the same results, but slower."
                )
        return graph

    def _record_overlapping(self, kind: Kind) -> torch.cuda.CUDAGraph | None:
        """Record a step whose branches overlap; None, now and later, if that fails."""
        if self._side is None:
            return None
        try:
            return self._record(kind, self._side)
        except RuntimeError as error:
            if is_out_of_memory(error):
                raise
            self._side = None
            return None

    def _record(self, kind: Kind, within: AbstractContextManager[object]) -> torch.cuda.CUDAGraph:
        net, graph = self._steps.net, torch.cuda.CUDAGraph()
        # Other threads may use the GPU meanwhile.
        graph.capture_begin(pool=self._pool, capture_error_mode="thread_local")
        net.is_capturing = True
        try:
            with within:
                self._steps.step(kind)
        finally:
            net.is_capturing = False
            graph.capture_end()
        if not self._graphs:
            self._addresses = net.addresses()
        return graph
