"""skorch net of the estimator: training step, epoch and fit loop."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from sklstm._batching._loader import (
    Batch,
    HostSequences,
    LabelledSequences,
    PaddedInputs,
    ShuffledBatches,
    Targets,
)
from sklstm._batching._parts import Cost
from sklstm._batching._scaling import Scaling
from sklstm._batching._shares import SharedBatch
from sklstm._compat._skorch import PlainNet
from sklstm._data._memory import is_out_of_memory
from sklstm._runtime._concurrency import ThreadTeam, background_tasks, run_all
from sklstm._runtime._heap import trim
from sklstm._runtime._ranks import Ranks
from sklstm._runtime._threads import ThreadingAutotuner
from sklstm._sequences import AnySequences, Array
from sklstm._tasks._losses import penalty
from sklstm._tasks._task import Task
from sklstm._training._callbacks import looks_at_batches
from sklstm._training._optimizers import (
    NoOptimizer,
    RateOnDevice,
    learning_rate,
    make_capturable,
)
from sklstm._training._progress import Progress
from sklstm._training._rows import begin_row, end_row, pause, record_row
from sklstm._training._shared_step import SharedStep
from sklstm._training._steps import DeviceSteps
from sklstm._training._time_limit import Pace
from sklstm._warnings import warn_user
from sklstm.nn import SequenceNetwork
from sklstm.nn._dropout import drawing_from
from sklstm.nn._ensemble import network_of
from sklstm.nn._normalization import Record, statistics_into, update_all

T = TypeVar("T")


class SequenceNet(PlainNet):
    """skorch net of a `SequenceNetwork`, trained on `LabelledSequences`.

    `forward`, `predict` and `predict_proba` take X in any form that the estimator takes.

    Overrides skorch where its defaults are incorrect or slow: losses are read from the device only
    at the end of an epoch, batches are recorded only for the user's callbacks, and only skorch's
    ``EarlyStopping`` stops training without an error, not Ctrl-C.
    """

    # Conversion of X to inputs, and of outputs to predictions.
    reader: SequenceReader
    task: Task

    def __init__(
        self,
        *args: Any,
        batch_rng: Any = None,
        cost: Cost | None = None,
        mixup_alpha: float = 0.0,
        n_mixup_epochs: int = 0,
        l1: float = 0.0,
        l2: float = 0.0,
        max_grad_norm: float | None = None,
        records_batches: bool = False,
        ranks: Ranks | None = None,
        **kwargs: Any,
    ) -> None:
        self.batch_rng = batch_rng
        self.cost = cost
        self.mixup_alpha = mixup_alpha
        self.n_mixup_epochs = n_mixup_epochs
        self.l1 = l1
        self.l2 = l2
        self.max_grad_norm = max_grad_norm
        self.records_batches = records_batches
        self.ranks = ranks
        self.shared_step: SharedStep | None = None
        self.should_stop = False
        self.mixup_alpha_of_row = 0.0
        self.n_halvings = 0
        self.is_capturing = False
        self.autotuner: ThreadingAutotuner | None = None
        self.n_epochs_done = 0
        self.progress = Progress()
        self.after_epoch: Callable[[SequenceNet], None] | None = None
        self.rate: RateOnDevice | None = None
        self.steps: DeviceSteps | None = None
        self.pace: Pace | None = None
        super().__init__(*args, **kwargs)

    def forward_iter(self, X: Any, training: bool = False, device: str = "cpu") -> Iterator[Tensor]:
        """Outputs of the network, batch by batch."""
        source = self.reader.read(X, torch.device(self.device))
        for rows in np.array_split(np.arange(len(source)), -(-len(source) // self.batch_size)):
            yield self.evaluation_step((source.batch(rows), None), training=training).to(device)

    def infer(self, x: PaddedInputs, **fit_params: Any) -> Tensor:
        """Outputs of the network for one padded batch."""
        outputs: Tensor = self.module_(*x)
        return outputs

    def predict(self, X: Any) -> Array:
        """Predictions, as of the estimator."""
        predicted: Array = self._predictor(X).predict()
        return predicted

    def predict_proba(self, X: Any) -> Array:
        """Class probabilities, as of the estimator."""
        probabilities: Array = self._predictor(X).predict_proba()
        return probabilities

    def _predictor(self, X: Any) -> Any:
        return self.task.predictor(self.forward(X).numpy().astype(np.float64))

    def partial_fit(self, X: Any, y: Any = None, classes: Any = None, **_: Any) -> SequenceNet:
        """Not available: use the estimator's."""
        raise TypeError("An estimator's net is not trained directly.\n\nCall the estimator's"
                        " fit or partial_fit.")  # fmt: skip

    def fit(self, X: Any, y: Any = None, **_: Any) -> SequenceNet:
        """Not available: use the estimator's."""
        return self.partial_fit(X)

    def fit_loop(
        self,
        X: LabelledSequences,
        y: None = None,
        epochs: int | None = None,
        **fit_params: Any,
    ) -> SequenceNet:
        """Train for ``epochs`` epochs, or until a callback asks to stop."""
        self.should_stop = False
        for _ in range(self.max_epochs if epochs is None else epochs):
            begin_row(self, X)
            iterator = self.get_iterator(X, training=True)
            self.run_single_epoch(iterator, training=True, prefix="train", step_fn=self.train_step)
            if self.progress.has_open_row:
                end_row(self, X)
                self.n_epochs_done += 1
                self.progress.end_epoch()
            if self.after_epoch is not None:
                self.after_epoch(self)
            is_over = self.pace is not None and self.pace.end_epoch()
            if self.should_stop or is_over:
                break
        return self

    @property
    def trained(self) -> SequenceNetwork:
        """The network that is trained by gradients: the module or a part of it."""
        return network_of(self.module_)

    @property
    def team(self) -> ThreadTeam | None:
        """Threads that predictions within the training share."""
        return None if self.autotuner is None else self.autotuner.team

    @property
    def uses_mixup(self) -> bool:
        """Whether the current epoch uses mixup."""
        return self.n_epochs_done < self.n_mixup_epochs

    def get_iterator(self, dataset: LabelledSequences, training: bool = False) -> ShuffledBatches:
        """Shuffled batches of the next epoch, with mixup in the first epochs."""
        alpha = self.mixup_alpha if self.uses_mixup else 0.0
        batches = ShuffledBatches(
            dataset, self.batch_size, self.batch_rng, self.cost, alpha, self.ranks
        )
        batches.n_skipped = self.progress.n_steps
        self._end_mixup(batches)
        return batches

    def _end_mixup(self, batches: ShuffledBatches) -> None:
        """End mixup in the middle of an epoch, if a time limit asks for it."""
        if self.pace is not None and self.pace.place >= self.n_mixup_epochs * len(batches):
            batches.mixup_alpha = 0.0

    def run_single_epoch(
        self, iterator: ShuffledBatches, training: bool, prefix: str, step_fn: Any, **_: Any
    ) -> None:
        """Run all steps of an epoch and record the mean loss, without penalties."""
        self.module_.train(training)
        self.progress.begin_epoch(self.batch_rng)
        # A time limit may end mixup within the epoch.
        self.mixup_alpha_of_row = iterator.mixup_alpha
        if not self._stays_on_device(iterator.dataset):
            self._run_steps(iterator, training, prefix, step_fn)
        else:
            self._run_on_device(iterator, prefix)
        if self.progress.has_open_row:
            record_row(self, iterator, prefix)

    def _stays_on_device(self, data: LabelledSequences) -> bool:
        """Whether steps are taken on the device: all data are there, no callback sees batches."""
        if self.rate is None or not data.are_on_device:
            return False
        return not any(looks_at_batches(cb) for _, cb in self.callbacks_)

    def _run_steps(
        self, iterator: ShuffledBatches, training: bool, prefix: str, step_fn: Any
    ) -> None:
        """Take the steps of an epoch, with callbacks."""
        for batch in iterator:
            self.notify("on_batch_begin", batch=batch, training=training)
            step = step_fn(batch)
            self.progress.take(step["loss"], batch.weight)
            if self.records_batches:
                self._record_batch(prefix, step["loss"].item(), len(batch.targets.weights))
            is_over = self._is_over(1)
            self.notify("on_batch_end", batch=batch, training=training, **step)
            self._end_mixup(iterator)
            if is_over or pause(self, iterator, prefix):
                break

    def _run_on_device(self, iterator: ShuffledBatches, prefix: str) -> None:
        """The same where no callback looks at batches: all on the device."""
        if self.steps is None:
            self.steps = DeviceSteps(self, iterator.dataset, len(iterator))
        self.steps.begin_epoch()
        plans, is_over = iterator.plans(), False
        while not is_over and (some := list(islice(plans, self._n_at_once(iterator)))):
            losses, weights = self.steps.run(some, self._next_rates(len(some)))
            self.progress.take(losses[-len(some) :], weights[-len(some) :])
            if self.records_batches:
                for plan, loss in zip(some, losses[-len(some) :].tolist(), strict=True):
                    self.history.new_batch()
                    self._record_batch(prefix, loss, len(plan.indices))
            is_over = self._is_over(len(some))
            self._end_mixup(iterator)
            is_over = is_over or pause(self, iterator, prefix)

    def _n_at_once(self, batches: ShuffledBatches) -> int:
        """Number of steps of a GPU until something is due, or the clock is to be read."""
        n = max(1, self.progress.n_until_pause(len(batches)))
        return n if self.pace is None else min(n, self.pace.n_at_once)

    def _is_over(self, n_steps: int) -> bool:
        """Whether the time is over after steps that were just taken."""
        if self.pace is None:
            return False
        if torch.device(self.device).type == "cuda":
            torch.cuda.current_stream(self.device).synchronize()
        return self.pace.take(n_steps)

    def _next_rates(self, n_steps: int) -> list[float]:
        """Learning rates of the next steps, by the schedule, which then is that far."""
        rates = []
        with warnings.catch_warnings():
            # The optimizer's steps come later.
            warnings.filterwarnings("ignore", message="Detected call of `lr_scheduler.step")
            for _ in range(n_steps):
                rates.append(learning_rate(self.optimizer_))
                self.notify("on_batch_end", training=True)
        return rates

    def _record_batch(self, prefix: str, loss: float, size: int) -> None:
        self.history.record_batch(f"{prefix}_loss", loss)
        self.history.record_batch(f"{prefix}_batch_size", size)

    def initialize_optimizer(self, triggered_directly: bool | None = None) -> SequenceNet:
        """Build the optimizer; on a GPU such that its steps can be captured, if possible."""
        super().initialize_optimizer(triggered_directly)
        make_capturable(self.optimizer_)
        return self

    def within_step(self) -> AbstractContextManager[None]:
        """Lend the learning rate to the optimizer."""
        return nullcontext() if self.rate is None else self.rate.lent()

    def take_step(self, batch: Batch, rate: Tensor) -> Tensor:
        """Take a step at a learning rate that is on the device; the loss, without penalties."""
        assert self.rate is not None
        self.module_.zero_grad()
        loss: Tensor = self.train_step_single(batch)["loss"]
        with self.rate.lent(rate):
            self.optimizer_.step()
        return loss

    def end_steps(self) -> None:
        """Free what steps on the device hold; an error's traceback may keep this net alive."""
        if self.steps is not None:
            self.steps.close()
            self.steps = None

    def addresses(self) -> list[int]:
        """Memory addresses of weights, statistics and the optimizer's state."""
        states = [value for state in self.optimizer_.state.values() for value in state.values()]
        tensors = [*self.module_.parameters(), *self.module_.buffers()]
        tensors += [value for value in states if isinstance(value, Tensor)]
        return [tensor.data_ptr() for tensor in tensors]

    def on_batch_begin(self, net: Any, batch: Any = None, training: bool = False, **_: Any) -> None:
        """Start a record of the batch, if batches are recorded."""
        if self.records_batches:
            self.history.new_batch()

    def train_step_single(self, batch: Batch | SharedBatch, **fit_params: Any) -> dict[str, Tensor]:
        """Compute clipped gradients of loss and penalties."""
        if isinstance(batch, Batch):
            loss, logits_BC = self.within_memory(batch, self._backward)
        else:
            loss, logits_BC = self._share_step(batch)
        if self.l1 or self.l2:
            penalty(self.trained.weight_matrices(), self.l1, self.l2).backward()
        if self.max_grad_norm is not None:
            nn.utils.clip_grad_norm_(self.module_.parameters(), self.max_grad_norm)
        return {"loss": loss, "y_pred": logits_BC}

    def _share_step(self, batch: SharedBatch) -> tuple[Tensor, Tensor]:
        """Loss, and logits of what this process computes."""
        if self.shared_step is None:
            assert self.ranks is not None
            self.shared_step = SharedStep(self, self.ranks)
        return self.shared_step.backward(batch)

    def within_memory(self, batch: Batch, compute: Callable[..., T]) -> T:
        """Result for a batch; on out of memory, split this and all later batches in halves."""
        for _ in range(self.n_halvings):
            batch = batch.halved()
        while True:
            try:
                with self._team_for(batch) as team:
                    return compute(batch, team)
            except (RuntimeError, MemoryError) as error:
                # What cannot be captured may still be computed.
                is_final = self.is_capturing or len(batch.inputs) == len(batch.targets.weights)
                if not is_out_of_memory(error) or is_final:
                    raise
            # Outside the handler: the error's traceback keeps the step's tensors alive.
            batch = self._halve(batch)

    def _halve(self, batch: Batch) -> Batch:
        self.n_halvings += 1
        self.module_.zero_grad()
        if torch.cuda.is_initialized():
            torch.cuda.empty_cache()
        # The kept heap may leave no memory for oneDNN to compile kernels.
        trim()
        halved = batch.halved()
        warn_user(
            f"A training step ran out of memory on device {self.device!r}. It is now computed in"
            f" {len(halved.inputs)} parts whose gradients are summed, which is slower. Results are"
            " the same up to rounding, but batch normalisation and mixup are applied within each"
            " part.\n\nA smaller batch_size avoids that, and changes the result."
        )
        return halved

    def _team_for(self, batch: Batch) -> AbstractContextManager[ThreadTeam | None]:
        """Context that gives the thread team of a step; None if there is nothing to parallelise."""
        # The share of a rank may have no sequence.
        is_shareable = len(batch.inputs) > 1 or (self.trained.n_branches > 1 and bool(batch.inputs))
        # With anomaly detection torch takes the GIL while it holds the lock of a parameter, and the
        # other way round in `Function.apply`: two threads wait for each other for ever.
        is_shareable &= not torch.is_anomaly_enabled()
        if self.autotuner is None or not is_shareable:
            return nullcontext()
        return self.autotuner.step(sum(inputs.values.shape[:2].numel() for inputs in batch.inputs))

    def _backward(self, batch: Batch, team: ThreadTeam | None) -> tuple[Tensor, Tensor]:
        """Loss and logits of a batch, in one part, whose branches run in parallel, or in parts."""
        if len(batch.inputs) > 1:
            return self._backward_by_parts(batch, team)
        with background_tasks(team):
            loss, logits_BC = self._loss(batch.inputs[0], batch.targets)
            loss.backward()
        return loss.detach(), logits_BC.detach()

    def _backward_by_parts(self, batch: Batch, team: ThreadTeam | None) -> tuple[Tensor, Tensor]:
        """Loss and logits of a batch in parts, which run in parallel, each with its own dropout."""
        parts, weight = batch.parts(), batch.targets.weights.sum()
        parameters = [p for p in self.module_.parameters() if p.requires_grad]
        seeds, device = torch.randint(2**62, (len(parts),)).tolist(), torch.device(self.device)
        records: list[Record] = [[] for _ in parts]

        def work(
            inputs: PaddedInputs, targets: Targets, seed: int, record: Record
        ) -> tuple[Tensor, Tensor, Any]:
            with drawing_from(torch.Generator(device).manual_seed(seed)), statistics_into(record):
                loss, logits_BC = self._loss(inputs, targets)
            fraction = targets.weights.sum() / weight
            gradients = torch.autograd.grad(loss * fraction, parameters)
            return loss.detach() * fraction, logits_BC.detach(), gradients

        own = zip(parts, seeds, records, strict=True)
        tasks = [partial(work, *part, seed, record) for part, seed, record in own]
        losses, logits, gradients = zip(*run_all(tasks, team), strict=True)
        update_all(records)
        for parameter, summands in zip(parameters, zip(*gradients, strict=True), strict=True):
            # In the order of the parts, not of completion: rounding depends on the order.
            total = sum(summands[1:], start=summands[0])
            # With the parameter's memory layout, as backward() leaves it: torch's fused optimizers
            # pair elements by memory position, and gradients of convolutions may be laid out
            # differently.
            parameter.grad = torch.empty_like(parameter).copy_(total)
        return torch.stack(losses).sum(), torch.cat(logits)

    def _loss(self, inputs: PaddedInputs, targets: Targets) -> tuple[Tensor, Tensor]:
        """Loss without penalties, and logits."""
        logits_BC = self.trained(*inputs, targets.mixup_weights)
        return self.get_loss(logits_BC, targets, training=True), logits_BC

    def get_loss(self, y_pred: Tensor, y_true: Targets, *args: Any, **kwargs: Any) -> Tensor:
        """Weighted mean loss of a batch, a scalar."""
        loss: Tensor = self.criterion_(y_pred, *y_true)
        return loss


@dataclass(frozen=True, eq=False)
class SequenceReader:
    """Conversion of X to network inputs: the estimator's validation, and scaling."""

    check_X: Callable[[Any], AnySequences]
    scaling: Scaling | None

    def read(self, X: Any, device: torch.device) -> HostSequences:
        """Sequences of X, from which batches are gathered onto the device."""
        return HostSequences(self.check_X(X), self.scaling, device)


def bare_net(network: nn.Module, device: torch.device) -> SequenceNet:
    """Net of a trained network, without loss, optimizer and callbacks."""
    net = SequenceNet(
        network,
        criterion=nn.Identity(),
        optimizer=NoOptimizer,
        train_split=None,
        device=str(device),
        verbose=0,
    )
    return net.initialize()  # type: ignore[no-any-return]
