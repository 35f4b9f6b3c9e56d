"""Rows of the history: one for each epoch, or for the steps until a validation within it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from skorch.callbacks import EarlyStopping, EpochTimer
from skorch.exceptions import SkorchException

from sklstm._batching._loader import LabelledSequences, ShuffledBatches
from sklstm._training._agreement import agree_with_callbacks
from sklstm._training._callbacks import planned_rate
from sklstm._training._divergence import divergence_error

if TYPE_CHECKING:
    from sklstm._training._net import SequenceNet

# What skorch's callbacks monitor by default.
OF_VALIDATION = ("valid_loss", "valid_loss_best")


def begin_row(net: SequenceNet, X: LabelledSequences) -> None:
    """Begin a row of the history, that of an epoch or of the steps until a validation."""
    net.notify("on_epoch_begin", dataset_train=X, dataset_valid=None)
    if net.ranks is not None:
        agree_with_callbacks(net, net.ranks)
    seconds_before = net.progress.begin_row()
    for _, callback in net.callbacks_:
        if isinstance(callback, EpochTimer):
            callback.epoch_start_time_ -= seconds_before
    if len(net.history) > 1:
        # Nobody may look at batches of an earlier row any more.
        net.history[-2]["batches"] = []


def end_row(net: SequenceNet, X: LabelledSequences) -> None:
    """End a row of the history; only skorch's ``EarlyStopping`` ends a training by an error."""
    net.progress.end_row()
    try:
        net.notify("on_epoch_end", dataset_train=X, dataset_valid=None)
    except KeyboardInterrupt:
        # TODO(skorch>=1.5): its EarlyStopping raises KeyboardInterrupt, as Ctrl-C does, but
        # only once it is out of patience.
        stoppers = [cb for _, cb in net.callbacks_ if isinstance(cb, EarlyStopping)]
        if not any(cb.misses_ >= cb.patience for cb in stoppers):
            raise
        net.should_stop = True
    except (KeyError, ValueError, SkorchException) as error:
        # skorch's messages begin with the key; those of a KeyError are a repr.
        misses = any(f"'{key}' was not found" in str(error) for key in OF_VALIDATION)
        if misses and OF_VALIDATION[0] not in net.history[-1]:
            error.add_note(
                "\nThis fit has no validation data: set early_stopping=True, or give X_val and"
                " y_val to fit."
            )
        raise
    if net.ranks is not None:
        agree_with_callbacks(net, net.ranks)


def record_row(net: SequenceNet, iterator: ShuffledBatches, prefix: str) -> None:
    """Record the mean loss of the steps of a row of the history."""
    progress = net.progress
    epochs = progress.n_epochs_before + net.n_epochs_done
    within = progress.n_steps / len(iterator)
    by_epoch = progress.validation_interval is None
    net.history.record("epoch", epochs + 1 if by_epoch else epochs + within)
    loss = progress.loss.mean()
    if not math.isfinite(loss):
        raise divergence_error(f"The training loss became {loss}", net, iterator.dataset)
    earlier = net.history[:-1, f"{prefix}_loss"] if len(net.history) > 1 else []
    net.history.record(f"{prefix}_loss", loss)
    net.history.record(f"{prefix}_loss_best", loss < min(earlier, default=math.inf))
    n_batches = progress.n_steps - progress.n_steps_before_row
    net.history.record(f"{prefix}_batch_count", n_batches)
    if net.n_mixup_epochs:
        net.history.record("mixup_alpha", net.mixup_alpha_of_row)


def pause(net: SequenceNet, iterator: ShuffledBatches, prefix: str) -> bool:
    """Validate and write a checkpoint if that is due within an epoch; whether to stop."""
    progress, n_batches = net.progress, len(iterator)
    validates = progress.is_due(progress.validation_interval, n_batches)
    if validates:
        progress.is_within_epoch = True
        record_row(net, iterator, prefix)
        end_row(net, iterator.dataset)
        progress.is_within_epoch = False
        if net.should_stop:
            return True
    if progress.is_due(progress.checkpoint_interval, n_batches):
        _keep(net, iterator)
    if validates:
        begin_row(net, iterator.dataset)
        net.module_.train(True)
        net.mixup_alpha_of_row = iterator.mixup_alpha
    return False


def _keep(net: SequenceNet, iterator: ShuffledBatches) -> None:
    """Write a checkpoint within an epoch, unless the training has diverged."""
    if net.after_epoch is None:
        return
    if net.progress.has_open_row and not math.isfinite(loss := net.progress.loss.mean()):
        raise divergence_error(f"The training loss became {loss}", net, iterator.dataset)
    with planned_rate(net):
        net.after_epoch(net)
