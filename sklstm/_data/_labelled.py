"""Training and validation data: labelled, split, weighted and scaled."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from sklstm._batching._loader import LabelledSequences
from sklstm._batching._scaling import Scaling
from sklstm._batching._windows import prepare
from sklstm._config._configuration import Configuration
from sklstm._config._options import Options
from sklstm._data._lazy import as_list, without_copies
from sklstm._data._split import split_in_runs, split_rows
from sklstm._runtime._heap import trim
from sklstm._sequences import AnySequences, Array, IntArray, SequenceView
from sklstm._tasks._task import Task
from sklstm._validation._groups import check_groups, number_groups
from sklstm._validation._targets import check_one_each
from sklstm._validation._weights import check_weights

# From this number of sequences on, this fraction is held out for shares and shifts of outputs.
ENOUGH_TO_CALIBRATE, CALIBRATION_FRACTION = 100, 0.1


@dataclass(frozen=True, eq=False)
class Given:
    """Unchecked training or validation data, as passed to `fit`."""

    X: Any
    y: Any
    sample_weight: Any = None
    groups: Any = None


@dataclass(frozen=True, eq=False)
class Labelled:
    """Checked sequences with encoded targets and positive sample weights.

    ``groups`` numbers the group of each sequence; ``input_name`` is "X" or "X_val".
    """

    sequences: AnySequences
    targets: Array
    task: Task
    sample_weight: Array
    is_weighted: bool
    groups: Array | None = None
    input_name: str = "X"

    def take(self, indices: IntArray) -> Labelled:
        """The sequences at ``indices``."""
        return replace(
            self,
            sequences=self.sequences.take(indices),
            targets=self.targets[indices],
            sample_weight=_taken(self.sample_weight, indices),
            groups=None if self.groups is None else self.groups[indices],
        )

    @property
    def relative_weight(self) -> Array:
        """Sample weights divided by the largest; only their ratios matter.

        At least 1e-30, which float32 still holds: sums of squares and of inverses stay finite.
        """
        if not self.is_weighted:
            return self.sample_weight
        weights: Array = np.maximum(self.sample_weight / self.sample_weight.max(), 1e-30)
        return weights


def _taken(weights: Array, indices: IntArray) -> Array:
    """Weights at ``indices``, without memory if they are repetitions of one number."""
    if weights.strides == (0,):
        return np.broadcast_to(weights[0], len(indices))
    taken: Array = weights[indices]
    return taken


def label(
    sequences: AnySequences,
    given: Given,
    task: Task | type[Task],
    options: Options,
    *,
    estimator: str,
    suffix: str = "",
) -> Labelled:
    """Check and attach targets, weights and groups; drop sequences of weight 0.

    If ``task`` is a class, the task is learnt from the remaining targets. ``suffix`` is appended to
    X, y and sample_weight in messages.
    """
    y_name = f"y{suffix}"
    y = task.check_y(given.y, estimator=estimator, input_name=y_name)
    check_one_each(y, len(sequences), given.X, noun=task.noun, suffix=suffix)
    weights = check_weights(
        given.sample_weight, len(sequences), input_name=f"sample_weight{suffix}"
    )
    names = None if given.groups is None else check_groups(given.groups, len(sequences))
    if not weights.all():
        rows = np.flatnonzero(weights)
        # Codes of categories are numbered anew, without those of the sequences that are dropped.
        sequences = sequences if sequences.codes is not None else without_copies(sequences)
        sequences, y, weights = sequences.take(rows), y[rows], weights[rows]
        names = None if names is None else names[rows]
    if isinstance(task, type):
        task = task.learn(y, weights, options)
    return Labelled(
        without_copies(sequences),
        task.encode(y, input_name=y_name),
        task,
        weights,
        given.sample_weight is not None,
        None if names is None else number_groups(names),
        f"X{suffix}",
    )


def extent_of(
    sequences: AnySequences, previous: Mapping[str, int] | None, *, adds: bool = False
) -> dict[str, int] | None:
    """Number of sequences that a fit is given, and their lengths, for people to read.

    ``previous`` is that of the estimator that is trained further: empty for a first fit, None if it
    is not known, and then neither is this one. The numbers are summed up if each call ``adds``
    sequences.
    """
    if previous is None:
        return None
    lengths = sequences.lengths
    shortest, longest = int(lengths.min()), int(lengths.max())
    return {
        "n_sequences": len(lengths) + (previous.get("n_sequences", 0) if adds else 0),
        "shortest": min(shortest, previous.get("shortest", shortest)),
        "longest": max(longest, previous.get("longest", longest)),
    }


def split_for_validation(data: Labelled, configuration: Configuration) -> tuple[Labelled, Labelled]:
    """Training data and held-out validation data."""
    is_last, fraction = configuration.early_stopping == "last", configuration.validation_fraction
    return _split(data, fraction, configuration.random_state, last=is_last)


def split_for_calibration(data: Labelled, seed: int) -> tuple[Labelled, Labelled | None]:
    """Training data, and if there are enough a part held out for shares and shifts of outputs.

    Of numbers without groups it is runs of neighbours.
    """
    if len(data.targets) < ENOUGH_TO_CALIBRATE:
        return data, None
    if data.task.predicts_numbers and data.groups is None:
        training, held_out = split_in_runs(len(data.targets), CALIBRATION_FRACTION, seed)
        return data.take(training), data.take(held_out)
    # Not if no class, or no group, can be split.
    with suppress(ValueError):
        return _split(data, CALIBRATION_FRACTION, seed, last=False)
    return data, None


def _split(data: Labelled, fraction: float, seed: int, *, last: bool) -> tuple[Labelled, Labelled]:
    def split(strata: IntArray) -> tuple[IntArray, IntArray]:
        return split_rows(
            strata,
            data.groups,
            describe=lambda rows: data.task.describe(data.targets[rows]),
            last=last,
            fraction=fraction,
            seed=seed,
        )

    strata = data.task.strata(data.targets)
    try:
        train_rows, valid_rows = split(strata)
    except ValueError:
        if data.task.needs_all_strata:
            raise
        train_rows, valid_rows = split(np.zeros_like(strata))
    return data.take(train_rows), data.take(valid_rows)


def fit_scaling(data: Labelled, *, standardize: bool | str) -> Scaling:
    """Scaling of the features, fitted to these sequences."""
    if standardize in (False, "sequence"):
        return Scaling.identity(data.sequences.n_features, "sequence" if standardize else "dataset")
    per = "both" if standardize == "both" else "dataset"
    scaling = Scaling.standard(data.sequences, data.relative_weight, per)
    if isinstance(data.sequences, SequenceView):
        # The heap may keep the blocks for sizes that nobody asks for again.
        trim()
    return scaling


# Function from targets to the factors of their sample weights, such as class weights.
Factors = Callable[[Array], Array]


def drop_zero_weight(data: Labelled, factors: Factors) -> Labelled:
    """Drop sequences whose class, or each of whose labels, has weight 0."""
    kept = np.flatnonzero(factors(data.targets).reshape(len(data.targets), -1).any(axis=1))
    if len(kept) == 0:
        raise ValueError(
            "class_weight leaves no sequence of positive weight: the labels"
            f" {data.task.describe(data.targets)} have weight 0."
        )
    return data if len(kept) == len(data.targets) else data.take(kept)


def put_on_device(
    data: Labelled,
    factors: Factors,
    scaling: Scaling | None,
    device: torch.device,
    *,
    is_trained_on: bool = True,
) -> LabelledSequences:
    """Scale sequences and copy them to the device, weighted by class weight times sample weight.

    None has weight 0 throughout.
    """
    weights = _weights_of(data, factors)
    targets = torch.from_numpy(data.targets)
    if device.type != "cpu" and not targets.is_floating_point():
        # Not to be converted in each step.
        targets = targets.long()
    return LabelledSequences(
        prepare(
            data.sequences,
            scaling,
            device,
            input_name=data.input_name,
            is_trained_on=is_trained_on,
        ),
        targets.to(device),
        weights.to(device),
    )


def _weights_of(data: Labelled, factors: Factors) -> torch.Tensor:
    """Class weight times sample weight, float32, in no memory if they are equal."""
    # Transposed for factors of shape (n, k).
    weights = (data.relative_weight * factors(data.targets).T).T
    if (weights == weights.flat[0]).all():
        return torch.ones(1).expand(weights.shape)
    # Only the ratios matter; a mean of 1 keeps them within the range of float32. Of some labels of
    # a sequence the weight may be 0.
    weights = np.maximum(weights / weights.mean(), np.finfo(np.float32).tiny) * (weights > 0)
    return torch.from_numpy(weights.astype(np.float32))


@dataclass(frozen=True, eq=False)
class ScoredData:
    """What is scored after each epoch: on the device for the loss, on the host for scorers."""

    dataset: LabelledSequences
    task: Task
    X: Sequence[Array]
    y: Array
    sample_weight: Array | None
    is_held_out: bool


def as_validation(
    data: Labelled, factors: Factors, scaling: Scaling | None, device: torch.device
) -> ScoredData:
    """Prepare held-out data to be scored after each epoch."""
    data = drop_zero_weight(data, factors)
    placed = put_on_device(data, factors, scaling, device, is_trained_on=False)
    return _as_scored(data, placed, is_held_out=True)


def as_scored_training(data: Labelled, factors: Factors, training: LabelledSequences) -> ScoredData:
    """Prepare training data to be scored after each epoch, which are on the device already."""
    return _as_scored(drop_zero_weight(data, factors), training, is_held_out=False)


def _as_scored(data: Labelled, dataset: LabelledSequences, *, is_held_out: bool) -> ScoredData:
    return ScoredData(
        dataset,
        data.task,
        as_list(data.sequences),
        data.task.decode(data.targets),
        data.sample_weight if data.is_weighted else None,
        is_held_out,
    )
