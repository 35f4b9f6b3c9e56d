"""Configuration and labelled sequences -> a model: checkpoint, validation part, refit."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, replace

from sklstm._config._configuration import Configuration
from sklstm._data._labelled import (
    Labelled,
    as_validation,
    drop_zero_weight,
    fit_scaling,
    put_on_device,
    split_for_validation,
)
from sklstm._training._checkpoint import Checkpoint, open_checkpoint
from sklstm._training._fingerprint import fingerprint
from sklstm._training._memory import training_memory
from sklstm._training._net import Model
from sklstm._training._snapshot import describe_optimizer
from sklstm._training._train import TrainingSummary, train


@dataclass(frozen=True, eq=False)
class Job:
    """One training: what to do, with what, and where it goes on from.

    ``held_out`` are the user's own validation data. Without ``has_seed`` the seed was drawn, so
    that the same call trains another model.
    """

    configuration: Configuration
    data: Labelled
    held_out: Labelled | None = None
    previous: Model | None = None
    has_seed: bool = True


def fit_model(job: Job) -> tuple[Model, TrainingSummary, int]:
    """The model, how its training went, and the seed that it was trained with."""
    with _open_checkpoint(job) as checkpoint:
        if checkpoint is not None:
            configuration = replace(job.configuration, random_state=checkpoint.seed)
            job = replace(job, configuration=configuration)
        return *_stop_and_refit(job, checkpoint), job.configuration.random_state


def _open_checkpoint(job: Job) -> AbstractContextManager[Checkpoint | None]:
    """The checkpoint that the parameters ask for, or None."""
    configuration = job.configuration
    if configuration.checkpoint is None:
        return nullcontext()
    of_this_fit = fingerprint(
        configuration,
        job.data,
        job.held_out,
        job.previous,
        optimizer=describe_optimizer(configuration),
        seed=configuration.random_state if job.has_seed else None,
    )
    return open_checkpoint(
        configuration.checkpoint,
        of_this_fit,
        seed=configuration.random_state,
        interval=configuration.checkpoint_interval,
        is_repeatable=job.has_seed,
    )


def _stop_and_refit(job: Job, checkpoint: Checkpoint | None) -> tuple[Model, TrainingSummary]:
    """Train on what is not held out and then, with ``refit``, anew on everything."""
    configuration, data, held_out = job.configuration, job.data, job.held_out
    summary = None if checkpoint is None else checkpoint.summary
    if summary is None:
        if configuration.early_stopping and held_out is None:
            data, held_out = split_for_validation(data, configuration)
        on_part = replace(job, data=data, held_out=held_out)
        model, whole = _train(on_part, checkpoint)
        if not (configuration.early_stopping and configuration.refit):
            return model, whole
        summary = asdict(whole)
        if checkpoint is not None:
            checkpoint.begin_refit(summary)
    as_long = replace(configuration, max_epochs=summary["best_epoch"], early_stopping=False)
    on_all = replace(job, configuration=as_long, held_out=None, previous=None)
    return _train(on_all, checkpoint)[0], TrainingSummary(**summary)


def _train(job: Job, checkpoint: Checkpoint | None) -> tuple[Model, TrainingSummary]:
    """Train on the job's data: scaling and class weights come from them alone, or from before."""
    configuration, data, previous = job.configuration, job.data, job.previous
    with training_memory(configuration, data.sequences):
        if previous is not None:
            scaling = previous.scaling
        elif configuration.vocabulary_size is None:
            scaling = fit_scaling(data, standardize=configuration.standardize)
        else:
            scaling = None
        factors = data.task.weigh(data.targets, data.relative_weight, configuration)
        placed = (factors, scaling, configuration.device)
        training, validation = put_on_device(drop_zero_weight(data, factors), *placed), None
        if job.held_out is not None:
            validation = as_validation(job.held_out, *placed)
        net, summary = train(
            configuration,
            data.task,
            training,
            validation,
            previous=None if previous is None else previous.net,
            checkpoint=checkpoint,
        )
        return Model(net, scaling), summary
