"""Model fitting: validation split, scaling, class weights and training."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from sklstm._batching._loader import LabelledSequences
from sklstm._config._configuration import Configuration
from sklstm._data._labelled import (
    Labelled,
    as_scored_training,
    as_validation,
    drop_zero_weight,
    fit_scaling,
    put_on_device,
    split_for_calibration,
    split_for_validation,
)
from sklstm._data._memory import training_memory
from sklstm._runtime._ranks import Ranks
from sklstm._sequences import AnySequences
from sklstm._training._net import SequenceNet, SequenceReader
from sklstm._training._sklearn_callbacks import FitTask
from sklstm._training._time_limit import TimeLimit
from sklstm._training._tokens import Calibration
from sklstm._training._train import Resumable, TrainingSummary, train

# Number of batches by which the time of an epoch is estimated.
N_TIMED = 4


@dataclass(frozen=True, eq=False)
class Job:
    """Everything that one fit needs.

    ``check_X`` validates X of later predictions; ``held_out`` are the user's validation data;
    ``previous`` is the net that is trained further. ``is_partial`` leaves the linear model beside
    the network as it is. ``has_seed`` is False if the seed was drawn, so that the same call gives a
    different model. ``limit`` is the time for all of it; ``fit_task`` is what scikit-learn's
    callbacks are told of.
    """

    configuration: Configuration
    data: Labelled
    check_X: Callable[[Any], AnySequences]
    held_out: Labelled | None = None
    previous: SequenceNet | None = None
    has_seed: bool = True
    is_partial: bool = False
    fit_task: FitTask | None = None
    limit: TimeLimit | None = None


def estimate_epoch(job: Job) -> float:
    """Seconds that the steps of an epoch take, by those of a few batches."""
    n, batch_size = len(job.data.targets), job.configuration.batch_size
    n_batches = -(-n // batch_size)
    few = np.linspace(0, n - 1, min(n, N_TIMED * batch_size)).astype(np.int64)
    # The first epoch is slower: kernels are compiled. Classes may be missing from a few batches.
    configuration = replace(
        job.configuration,
        max_epochs=2,
        early_stopping=False,
        validation_interval=None,
        class_weight=None,
        callbacks=None,
        return_train_score=False,
        verbose=0,
    )
    trial = replace(job, configuration=configuration, data=job.data.take(few), is_partial=True)
    _, summary, _ = fit_model(trial)
    return float(summary.history["dur"][-1]) * n_batches / -(-len(few) // batch_size)


def fit_model(
    job: Job, checkpoint: Resumable | None = None, ranks: Ranks | None = None
) -> tuple[SequenceNet, TrainingSummary, int]:
    """Trained net, its summary and its seed.

    Scaling and class weights are fitted to the training part; further training keeps the scaling.
    """
    configuration, data, held_out = job.configuration, job.data, job.held_out
    if checkpoint is not None:
        configuration = replace(configuration, random_state=checkpoint.seed)
    for_calibration = None
    if configuration.early_stopping and held_out is None:
        data, held_out = split_for_validation(data, configuration)
    elif not job.is_partial and data.task.calibrates(
        configuration, len(data.targets), is_validated=held_out is not None
    ):
        data, for_calibration = split_for_calibration(data, configuration.random_state)
    previous = job.previous
    with training_memory(configuration, data.sequences):
        if previous is not None:
            scaling = previous.reader.scaling
        elif configuration.vocabulary_size is None:
            scaling = fit_scaling(data, standardize=configuration.standardize)
        else:
            scaling = None
        factors = data.task.weigh(data.targets, data.relative_weight, configuration)
        placed = (factors, scaling, configuration.device)

        def place(part: Labelled, *, is_trained_on: bool = True) -> LabelledSequences:
            kept = drop_zero_weight(part, factors)
            return put_on_device(kept, *placed, is_trained_on=is_trained_on)

        training = place(data)
        validation = None if held_out is None else as_validation(held_out, *placed)
        is_scored = configuration.return_train_score
        scored = as_scored_training(data, factors, training) if is_scored else None
        calibration = None
        if for_calibration is not None and factors(for_calibration.targets).any():
            held = place(for_calibration, is_trained_on=False)
            # All only then: another copy of X.
            calibration = Calibration(held, partial(place, job.data, is_trained_on=False))
        net, summary = train(
            configuration,
            data.task,
            training,
            validation,
            reader=SequenceReader(job.check_X, scaling),
            previous=previous,
            is_partial=job.is_partial,
            calibration=calibration,
            checkpoint=checkpoint,
            fit_task=job.fit_task,
            scored=scored,
            limit=job.limit,
            ranks=ranks,
        )
    return net, summary, configuration.random_state
