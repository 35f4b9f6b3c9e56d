"""Training of a net from a configuration and prepared data."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from skorch.callbacks import EpochTimer

from sklstm._batching._loader import LabelledSequences, ShuffledBatches
from sklstm._batching._parts import Cost
from sklstm._config._configuration import Configuration
from sklstm._data._labelled import ScoredData
from sklstm._runtime._device import give_back_memory
from sklstm._runtime._heap import kept_heap
from sklstm._runtime._modes import own_modes
from sklstm._runtime._randomness import own_torch_generator, seeds_for
from sklstm._runtime._ranks import Ranks
from sklstm._runtime._threads import ThreadingAutotuner, thread_team
from sklstm._runtime._within import within
from sklstm._sequences import Array
from sklstm._tasks._task import Task
from sklstm._training._agreement import agree_on_result, agree_on_start, agree_with_callbacks
from sklstm._training._callbacks import LearningRate, ProgressBar, is_parallel_worker
from sklstm._training._closed_form import (
    fit_closed_form,
    fit_network_share,
    fit_shares,
    fit_static,
    shift_outputs,
)
from sklstm._training._configure import build_network
from sklstm._training._divergence import divergence_error
from sklstm._training._net import SequenceNet, SequenceReader, bare_net
from sklstm._training._optimizers import ONE_CYCLE_RISE, RateOnDevice, resolve_optimizer
from sklstm._training._progress import Progress
from sklstm._training._scores import TrainingScores, follows_loss
from sklstm._training._sklearn_callbacks import FitTask
from sklstm._training._soundness import LARGEST_WEIGHT
from sklstm._training._steps import can_stay_on_device
from sklstm._training._stopping import ValidationMonitor, ValidationScores
from sklstm._training._time_limit import Pace, Reserve, TimeLimit, now
from sklstm._training._tokens import Calibration, calibrate, fit_tokens
from sklstm._warnings import warn_user
from sklstm.nn._ensemble import ConvolutionEnsemble, TokenEnsemble

# Entries of a net's history that only skorch's callbacks use.
FOR_SKORCH = {"batches", "train_batch_count", "train_loss_best", "valid_loss_best"}


@dataclass(frozen=True, eq=False)
class TrainingSummary:
    """Result of a training besides the net."""

    history: dict[str, Array]
    best_epoch: float
    best_score: float
    stop_reason: str


class Resumable(Protocol):
    """Checkpoint of a training: its state on disk and its seed."""

    seed: int

    def begin(self, net: SequenceNet) -> None:
        """Restore the state on disk, if there is one, to a net whose training has just begun."""

    def write(self, net: SequenceNet) -> None:
        """Save the state after an epoch."""


def train(
    configuration: Configuration,
    task: Task,
    training: LabelledSequences,
    validation: ScoredData | None = None,
    *,
    reader: SequenceReader,
    previous: SequenceNet | None = None,
    is_partial: bool = False,
    calibration: Calibration | None = None,
    checkpoint: Resumable | None = None,
    fit_task: FitTask | None = None,
    scored: ScoredData | None = None,
    limit: TimeLimit | None = None,
    ranks: Ranks | None = None,
) -> tuple[SequenceNet, TrainingSummary]:
    """Train a new net, or a copy of ``previous`` further.

    What is fitted in closed form is fitted first: fixed convolutions and rare tokens not in further
    training, the linear model of an ensemble not if ``is_partial``; ``calibration`` follows last.
    ``scored`` are the training sequences, if they are to be scored after each epoch.

    With a ``checkpoint``, resume from it and write it after each epoch; with a ``limit``, end in
    time, after one step at least. Of ``ranks``, each computes a share of each step, and the result
    is the same in all. Errors, Ctrl-C included, propagate and leave everything else unchanged.
    """
    device = configuration.device
    n_epochs_done = len(previous.history) if previous is not None else 0
    torch_seed, batch_seed = seeds_for(configuration.random_state, n_epochs_done)
    threads = thread_team(device)

    def run() -> tuple[SequenceNet, TrainingSummary]:
        monitor = _build_monitor(configuration, validation)
        rng = np.random.default_rng(batch_seed)
        train_scores = None if scored is None else TrainingScores(scored, configuration.scoring)
        net = _build_net(configuration, task, training, monitor, rng, train_scores, fit_task, ranks)
        net.autotuner = ThreadingAutotuner(threads.team)
        net.reader, net.task = reader, task
        net.progress = Progress(
            configuration.checkpoint_interval, configuration.validation_interval
        )
        if ranks is None and can_stay_on_device(device, net.optimizer_):
            net.rate = RateOnDevice(net.optimizer_)
        if previous is not None:
            _continue_from(net, previous)
        began = now()
        read, left_out = _fit_closed_form(net, configuration, training, previous, is_partial)
        fits_share = left_out is not None and task.fits_network_share(configuration, len(read))
        known = None if validation is None else validation.dataset

        def finish(net: SequenceNet) -> tuple[SequenceNet, TrainingSummary]:
            if left_out is not None and fits_share:
                fit_network_share(net.module_, read, left_out, task, net.ranks)
            if not is_partial:
                _calibrate(net.module_, calibration, known, task)
            return net, _finish(net, monitor)

        if fit_task is not None:
            fit_task.trained = lambda: (*finish(_copy(net, monitor)), configuration.random_state)
        if limit is not None:
            reserve = Reserve.of(
                net.module_,
                task,
                n_read=len(read),
                n_shared=len(read) if fits_share else 0,
                held_out=None if is_partial or calibration is None else calibration.held_out,
                known=known,
                n_scored=0 if scored is None else len(read),
                seconds=now() - began,
            )
            n_batches = len(net.get_iterator(read))
            net.pace = _build_pace(net, limit, n_batches, reserve)
        _run(net, read, checkpoint)
        _check_weights(net, read)
        _warn_of_one_step(net, limit)
        net, summary = finish(net)
        return net, summary if ranks is None else agree_on_result(net, ranks, summary)

    modes, generator = own_modes(gradients=True), own_torch_generator(torch_seed, device)
    try:
        reading = training.sequences.contexts
        return within([modes, generator, kept_heap(), threads, *reading], run)
    finally:
        give_back_memory(device)


def _build_pace(net: SequenceNet, limit: TimeLimit, n_batches: int, reserve: Reserve) -> Pace:
    sizes, ranks = (net.max_epochs, n_batches, net.batch_size), net.ranks
    if ranks is None:
        return Pace(limit, *sizes, reserve)
    # What rank 0 measures decides, in all of them.
    limit, reserve = ranks.tell((limit, reserve))
    return Pace(limit, *sizes, reserve, lambda: ranks.tell(now()))


def _build_monitor(
    configuration: Configuration, validation: ScoredData | None
) -> ValidationScores | None:
    if validation is None:
        return None
    if not configuration.early_stopping:
        return ValidationScores(validation, configuration.scoring)
    n_rising = 0.0
    if configuration.lr_schedule == "one_cycle":
        n_rising = ONE_CYCLE_RISE * configuration.max_epochs
        if configuration.validation_interval is None:
            n_rising = math.ceil(n_rising)
    return ValidationMonitor(
        validation,
        configuration.scoring,
        configuration.n_iter_no_change,
        configuration.tol,
        n_warmup_epochs=max(n_rising, configuration.n_mixup_epochs),
    )


def _build_net(
    configuration: Configuration,
    task: Task,
    training: LabelledSequences,
    monitor: ValidationScores | None,
    batch_rng: np.random.Generator,
    train_scores: TrainingScores | None = None,
    fit_task: FitTask | None = None,
    ranks: Ranks | None = None,
) -> SequenceNet:
    """Initialized net, not trained."""
    n_batches = len(ShuffledBatches(training, configuration.batch_size, batch_rng))
    # Scores precede the callbacks that read them: schedule, bars and the user's. Those of skorch
    # come last, since one that stops training by an error lets none follow.
    callbacks: list[Any] = [cb for cb in (EpochTimer(), train_scores, monitor) if cb is not None]
    schedule = LearningRate(
        configuration.lr_schedule,
        configuration.max_epochs,
        n_batches,
        follows_score=bool(configuration.early_stopping),
    )
    callbacks.append(schedule)
    if configuration.verbose and not is_parallel_worker():
        # The score of "loss" is just the negative loss.
        score = "valid_loss" if follows_loss(configuration.scoring) else "valid_score"
        label = "fit" if fit_task is None else fit_task.label
        callbacks.append(ProgressBar(configuration.max_epochs, ("train_loss", score), label))
    if fit_task is not None and fit_task.has_callbacks:
        callbacks.append(fit_task)
    optimizer, options = resolve_optimizer(configuration.optimizer)
    network = configuration.network
    net = SequenceNet(
        build_network(network, configuration.embedding_weights),
        criterion=task.build_loss(configuration),
        optimizer=optimizer,
        lr=configuration.learning_rate,
        max_epochs=configuration.max_epochs,
        batch_size=configuration.batch_size,
        train_split=None,
        callbacks=[*callbacks, *(configuration.callbacks or ())],
        device=str(configuration.device),
        verbose=0,
        batch_rng=batch_rng,
        cost=Cost.of(network) if configuration.device.type == "cpu" else None,
        mixup_alpha=configuration.mixup_alpha,
        n_mixup_epochs=configuration.n_mixup_epochs,
        l1=configuration.l1,
        l2=configuration.l2,
        max_grad_norm=configuration.max_grad_norm,
        records_batches=bool(configuration.callbacks),
        ranks=ranks,
        **{f"optimizer__{name}": value for name, value in options.items()},
    )
    return net.initialize()  # type: ignore[no-any-return]


def _fit_closed_form(
    net: SequenceNet,
    configuration: Configuration,
    training: LabelledSequences,
    previous: SequenceNet | None,
    is_partial: bool,
) -> tuple[LabelledSequences, Array | None]:
    """The sequences as the network reads them, and what the linear model says of left-out ones."""
    if previous is None:
        fit_static(net.trained, training)
    of_linear = None if is_partial else net.task
    if isinstance(net.module_, ConvolutionEnsemble):
        seed = None if previous is not None else configuration.random_state
        return fit_closed_form(net.module_, training, of_linear, seed=seed, ranks=net.ranks)
    if isinstance(net.module_, TokenEnsemble):
        # Pretrained vectors say something about rare tokens, too.
        is_pretrained = configuration.embedding_weights is not None
        finds_rare = previous is None and not is_partial and not is_pretrained
        return fit_tokens(net.module_, training, of_linear, finds_rare=finds_rare), None
    return training, None


def _calibrate(
    module: Any, calibration: Calibration | None, known: LabelledSequences | None, task: Task
) -> None:
    """Fit shares and shifts to held-out sequences, or shifts to ``known`` ones of validation."""
    if calibration is not None and isinstance(module, TokenEnsemble):
        calibrate(module, calibration, task)
    elif calibration is not None and isinstance(module, ConvolutionEnsemble):
        fit_shares(module, calibration.held_out, task)
    held_out = calibration.held_out if calibration is not None else known
    if task.fits_shifts and held_out is not None:
        shift_outputs(module, held_out, task)


def _continue_from(net: SequenceNet, previous: SequenceNet) -> None:
    """Copy weights, history and, if compatible, the optimizer's state."""
    net.module_.load_state_dict(previous.module_.state_dict())
    net.history = copy.deepcopy(previous.history)
    net.progress.n_epochs_before = math.ceil(net.history[-1]["epoch"])
    if _is_compatible(net.optimizer_, previous.optimizer_):
        # Not the parameter groups: the learning rate is the new configuration's.
        state = net.optimizer_.state_dict()
        state["state"] = copy.deepcopy(previous.optimizer_.state_dict()["state"])
        net.optimizer_.load_state_dict(state)


def _is_compatible(optimizer: torch.optim.Optimizer, previous: torch.optim.Optimizer) -> bool:
    """Whether class and options are the same, except for the learning rate."""
    if type(optimizer) is not type(previous):
        return False
    options, earlier = ({**o.defaults, "lr": None} for o in (optimizer, previous))
    return bool(options == earlier)


def _run(
    net: SequenceNet, training: LabelledSequences, checkpoint: Resumable | None = None
) -> None:
    """Run the fit loop; skorch's ``partial_fit`` would swallow Ctrl-C."""
    try:
        net.notify("on_train_begin", X=training, y=None)
        if net.ranks is not None:
            agree_on_start(net, net.ranks)
        if checkpoint is not None:
            _begin_at(checkpoint, net)
        if net.pace is not None:
            net.pace.begin(net.n_epochs_done, net.progress.n_steps)
        # A resumed training may have stopped early already.
        if not net.should_stop:
            net.fit_loop(training, epochs=net.max_epochs - net.n_epochs_done)
        net.notify("on_train_end", X=training, y=None)
        if net.ranks is not None:
            agree_with_callbacks(net, net.ranks)
    finally:
        net.end_steps()
        for _, callback in net.callbacks_:
            if isinstance(callback, ProgressBar):
                callback.close()


def _begin_at(checkpoint: Resumable, net: SequenceNet) -> None:
    checkpoint.begin(net)
    net.after_epoch = checkpoint.write
    for _, callback in net.callbacks_:
        if isinstance(callback, ProgressBar):
            callback.skip(net.n_epochs_done)


def _copy(net: SequenceNet, monitor: ValidationScores | None) -> SequenceNet:
    """The net as of the current epoch, or of the best one in early stopping, without its state."""
    module = copy.deepcopy(net.module_)
    if isinstance(monitor, ValidationMonitor):
        module.load_state_dict(monitor.best_weights_)
    copied = bare_net(module, torch.device(net.device))
    copied.history.extend(dict(epoch) for epoch in net.history)
    copied.reader, copied.task, copied.pace = net.reader, net.task, net.pace
    return copied


def _warn_of_one_step(net: SequenceNet, limit: TimeLimit | None) -> None:
    if limit is not None and net.pace is not None and net.pace.has_one_step:
        warn_user(
            f"max_time={limit.seconds:g} seconds were over after a single training step of"
            f" {net.pace.n_steps}.\n\nSet a larger max_time, or a smaller batch_size or network.",
            ConvergenceWarning,
        )


def _check_weights(net: SequenceNet, training: LabelledSequences) -> None:
    """Raise if weights diverged in the last step, after which no loss is computed."""
    for parameter in net.module_.parameters():
        # Negated, so that NaN fails, too.
        if not (parameter.abs() <= LARGEST_WEIGHT).all():
            raise divergence_error(f"A weight grew beyond {LARGEST_WEIGHT:.0e}", net, training)


def _finish(net: SequenceNet, monitor: ValidationScores | None) -> TrainingSummary:
    """Summarize the training; drop data, callbacks and gradients from the net."""
    net.module_.eval()
    net.module_.zero_grad(set_to_none=True)
    net.callbacks = None
    net.callbacks_ = []
    net.batch_rng = net.autotuner = net.after_epoch = net.rate = None
    net.ranks = net.shared_step = None
    stop_reason, net.pace = _stop_reason(net, monitor), None
    net.progress = Progress()
    for epoch in net.history:
        epoch.pop("batches", None)
    best_epoch, best_score = _best(net.history, monitor)
    return TrainingSummary(_as_arrays(net.history), best_epoch, best_score, stop_reason)


def _best(history: list[dict[str, Any]], monitor: ValidationScores | None) -> tuple[float, float]:
    """Epoch whose weights were kept, and its score."""
    if isinstance(monitor, ValidationMonitor):
        return monitor.best_epoch_, monitor.best_score_
    last = history[-1]
    return last["epoch"], -last["train_loss"] if monitor is None else last["valid_score"]


def _stop_reason(net: SequenceNet, monitor: ValidationScores | None) -> str:
    if isinstance(monitor, ValidationMonitor) and monitor.is_out_of_patience:
        return "no_improvement"
    if net.should_stop:
        return "callback"
    return "max_time" if net.pace is not None and net.pace.is_over else "max_epochs"


def _as_arrays(history: list[dict[str, Any]]) -> dict[str, Array]:
    """One array per entry of the records, one element per epoch, NaN where it is missing."""
    names = dict.fromkeys(name for epoch in history for name in epoch if name not in FOR_SKORCH)
    return {name: _as_array([epoch.get(name, np.nan) for epoch in history]) for name in names}


def _as_array(figures: list[Any]) -> Array:
    """Array of scalars; of objects for other values, which a user's callback may record."""
    if all(np.ndim(figure) == 0 for figure in figures):
        return np.asarray(figures)
    array = np.empty(len(figures), dtype=object)
    array[:] = figures
    return array
