"""The skorch net: its training step, its epoch, its stop."""

from __future__ import annotations

import math
from typing import Any

import torch
from skorch import NeuralNet
from skorch.callbacks import EarlyStopping
from torch import Tensor, nn

from sklstm._batching._loader import Inputs, LabelledSequences, ShuffledBatches, Targets
from sklstm._training._losses import WeightedCrossEntropy, penalty
from sklstm._training._optimizers import learning_rate
from sklstm.exceptions import TrainingDivergedError
from sklstm.nn import SequenceNetwork

Batch = tuple[Inputs, Targets]


class SequenceNet(NeuralNet):
    """A skorch net that trains a `SequenceNetwork` on `LabelledSequences`.

    It differs from its base where that costs correctness or time: no loss is read back from the
    device before the epoch's end, per-batch records are kept only while ``records_batches`` (when
    callbacks of the user's may want them), and only a stop that skorch's own ``EarlyStopping`` asks
    for ends a training quietly, never Ctrl-C.
    """

    def __init__(
        self,
        *args: Any,
        batch_rng: Any = None,
        l1: float = 0.0,
        l2: float = 0.0,
        weight_decay: float = 0.0,
        max_grad_norm: float | None = None,
        records_batches: bool = False,
        **kwargs: Any,
    ) -> None:
        self.batch_rng = batch_rng
        self.l1 = l1
        self.l2 = l2
        self.weight_decay = weight_decay
        self.max_grad_norm = max_grad_norm
        self.records_batches = records_batches
        self.should_stop = False
        super().__init__(*args, **kwargs)

    @property
    def _default_callbacks(self) -> list[Any]:
        return []

    def fit_loop(
        self,
        X: LabelledSequences,
        y: None = None,
        epochs: int | None = None,
        **fit_params: Any,
    ) -> SequenceNet:
        """Train for ``epochs`` epochs, or until a callback asks to stop."""
        self.should_stop = False
        iterator = self.get_iterator(X, training=True)
        for _ in range(self.max_epochs if epochs is None else epochs):
            self.notify("on_epoch_begin", dataset_train=X, dataset_valid=None)
            self.run_single_epoch(iterator, training=True, prefix="train", step_fn=self.train_step)
            self._end_epoch(X)
            if self.should_stop:
                break
        return self

    def _end_epoch(self, X: LabelledSequences) -> None:
        try:
            self.notify("on_epoch_end", dataset_train=X, dataset_valid=None)
        except KeyboardInterrupt:
            # TODO(skorch>=1.5): its EarlyStopping stops by raising what Ctrl-C raises. It has lost
            # its patience when it does; anything else is the user's interruption.
            stoppers = [cb for _, cb in self.callbacks_ if isinstance(cb, EarlyStopping)]
            if not any(cb.misses_ >= cb.patience for cb in stoppers):
                raise
            self.should_stop = True

    def get_iterator(self, dataset: LabelledSequences, training: bool = False) -> ShuffledBatches:
        """Batches of one epoch, drawn anew at each iteration."""
        return ShuffledBatches(dataset, self.batch_size, self.batch_rng)

    def run_single_epoch(
        self, iterator: ShuffledBatches, training: bool, prefix: str, step_fn: Any, **_: Any
    ) -> None:
        """All steps of one epoch, then the mean loss over its sequences, penalties not included."""
        self._set_training(training)
        losses, weights = [], []
        for batch in iterator:
            self.notify("on_batch_begin", batch=batch, training=training)
            step = step_fn(batch)
            losses.append(step["loss"])
            weights.append(batch[1].weights.sum())
            if self.records_batches:
                self.history.record_batch(f"{prefix}_loss", step["loss"].item())
                self.history.record_batch(f"{prefix}_batch_size", len(batch[1].weights))
            self.notify("on_batch_end", batch=batch, training=training, **step)
        weights_of_batches = torch.stack(weights)
        total = (torch.stack(losses) * weights_of_batches).sum() / weights_of_batches.sum()
        loss = float(total)
        if not math.isfinite(loss):
            raise divergence(f"The training loss became {loss}", self, iterator.dataset)
        earlier = self.history[:-1, f"{prefix}_loss"] if len(self.history) > 1 else []
        self.history.record(f"{prefix}_loss", loss)
        self.history.record(f"{prefix}_loss_best", loss < min(earlier, default=math.inf))
        self.history.record(f"{prefix}_batch_count", len(losses))

    def on_batch_begin(self, net: Any, batch: Any = None, training: bool = False, **_: Any) -> None:
        """Open a record for the batch, if batches are recorded."""
        if self.records_batches:
            self.history.new_batch()

    def train_step_single(self, batch: Batch, **fit_params: Any) -> dict[str, Tensor]:
        """Gradients of loss and penalties, clipped, and the decay of the weights."""
        inputs, targets = batch
        logits_BC = self.infer(inputs)
        loss = self.get_loss(logits_BC, targets, training=True)
        (loss + self._penalty()).backward()
        if self.max_grad_norm is not None:
            nn.utils.clip_grad_norm_(self.module_.parameters(), self.max_grad_norm)
        if self.weight_decay:
            self._decay_weights()
        return {"loss": loss.detach(), "y_pred": logits_BC}

    def infer(self, x: Inputs, **fit_params: Any) -> Tensor:
        """Logits of one batch, shape (B, C)."""
        logits_BC: Tensor = self.module_(*x)
        return logits_BC

    def get_loss(self, y_pred: Tensor, y_true: Targets, *args: Any, **kwargs: Any) -> Tensor:
        """The weighted mean cross-entropy of one batch, a scalar."""
        loss: Tensor = self.criterion_(y_pred, *y_true)
        return loss

    def _penalty(self) -> Tensor | float:
        if not (self.l1 or self.l2):
            return 0.0
        return penalty(self.module_.weight_matrices(), self.l1, self.l2)

    def _decay_weights(self) -> None:
        """Decoupled decay, as AdamW's: after the gradient is known, before the step."""
        with torch.no_grad():
            factor = 1.0 - learning_rate(self.optimizer_) * self.weight_decay
            for matrix in self.module_.weight_matrices():
                if matrix.grad is not None:
                    matrix.mul_(factor)


def divergence(what: str, net: SequenceNet, data: LabelledSequences) -> TrainingDivergedError:
    """The error to raise, with where it happened and what to try."""
    largest, inspect = "", ""
    # Token ids have no size.
    if data.sequences.values.is_floating_point():
        largest = f" The largest input was {float(data.sequences.values.abs().max()):.3g}."
        inspect = (
            " If the largest input is far above 10, set standardize=True or clip outliers in X."
        )
    return TrainingDivergedError(
        f"{what} in epoch {len(net.history)}, at a learning rate of"
        f" {learning_rate(net.optimizer_):.3g}.{largest}\n\nTry a smaller learning rate"
        f" (learning_rate={net.lr / 10:.1g}) or max_grad_norm=1.0.{inspect}"
    )


def bare_net(network: SequenceNetwork, device: torch.device) -> SequenceNet:
    """A net around a trained network, that has no optimizer state and no callbacks."""
    net = SequenceNet(
        network, criterion=WeightedCrossEntropy(), train_split=None, device=str(device), verbose=0
    )
    return net.initialize()  # type: ignore[no-any-return]
