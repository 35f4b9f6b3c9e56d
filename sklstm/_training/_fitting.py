"""What a user gives -> all that a fitted estimator holds."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from sklstm._batching._scaling import Scaling
from sklstm._sequences import Array
from sklstm._training._checkpoint import Checkpoint, open_checkpoint
from sklstm._training._datasets import (
    Given,
    Labelled,
    as_validation,
    drop_weightless,
    fit_scaling,
    label,
    put_on_device,
    split_for_validation,
    weigh_classes,
)
from sklstm._training._fingerprint import fingerprint
from sklstm._training._memory import training_memory
from sklstm._training._modes import own_modes
from sklstm._training._net import SequenceNet
from sklstm._training._randomness import draw_seed, own_turn
from sklstm._training._snapshot import describe_optimizer
from sklstm._training._specification import Specification, specify
from sklstm._training._threads import alone
from sklstm._training._torch_settings import own_settings
from sklstm._training._train import Trained, train
from sklstm._training._within import within
from sklstm._validation._features import (
    bare,
    check_first_X,
    check_next_X,
    form_of,
    given_vocabulary_size,
    kept_form,
)
from sklstm._validation._held_out import named_val


@dataclass(frozen=True, eq=False)
class Learnt:
    """A trained net, and the scaling of what comes into it; None where that is token ids."""

    trained: Trained
    scaling: Scaling | None


def fitted_attributes(
    estimator: Any,
    given: Given,
    parameters: Mapping[str, Any],
    classes: Array | None,
    *,
    resumes: bool,
    given_val: Given | None = None,
) -> dict[str, Any]:
    """Check, encode, weigh, specify, train: the attributes by name, none of them set yet."""

    def work() -> dict[str, Any]:
        return _fitted_attributes(
            estimator, given, parameters, classes, resumes=resumes, given_val=given_val
        )

    return within([own_settings(training=True), own_modes(gradients=True), alone()], work)


def _fitted_attributes(
    estimator: Any,
    given: Given,
    parameters: Mapping[str, Any],
    classes: Array | None,
    *,
    resumes: bool,
    given_val: Given | None,
) -> dict[str, Any]:
    name = type(estimator).__name__
    if resumes:
        inputs, form = estimator._check_X(given.X), kept_form(estimator)
    else:
        inputs = check_first_X(given.X, parameters, estimator=name)
        form = form_of(inputs)
    data = label(inputs.sequences, given, classes, estimator=name)
    specification = specify(
        parameters,
        data.sequences,
        n_classes=len(data.classes),
        # A training that goes on holds out what it held out before.
        seed=estimator._seed if resumes else draw_seed(estimator.random_state),
        # A training that goes on is told here if that has changed.
        vocabulary_size=given_vocabulary_size(parameters) or inputs.vocabulary_size,
        previous=estimator._network_specification if resumes else None,
    )
    if resumes:
        estimator._network_specification.check_same(specification.network)
    held_out = None
    if given_val is not None:
        like = bare(estimator, form)
        held_out = _label_val(like, given_val, data, specification, parameters["mask_value"])
    previous = (estimator.net_, estimator._scaling) if resumes else None
    has_seed = resumes or estimator.random_state is not None
    on = (data, held_out, parameters, previous)
    work = partial(_learn_at_checkpoint, specification, *on, has_seed=has_seed)
    return form | _attributes(*within([own_turn()], work), data.classes)


def _attributes(learnt: Learnt, specification: Specification, classes: Array) -> dict[str, Any]:
    trained = learnt.trained
    return {
        "classes_": classes,
        "net_": trained.net,
        "history_": trained.history,
        "n_iter_": len(trained.history["epoch"]),
        "best_epoch_": trained.best_epoch,
        "best_score_": trained.best_score,
        "stop_reason_": trained.stop_reason,
        "resolved_params_": specification.resolved,
        "_scaling": learnt.scaling,
        "_seed": specification.seed,
        "_network_specification": specification.network,
        "_n_features_out": trained.net.module_.output_size,
    }


def _label_val(
    like: Any, given: Given, data: Labelled, specification: Specification, mask_value: float | None
) -> Labelled:
    """The user's own validation data, which must fit the training data."""
    size = specification.network.vocabulary_size
    n_features = data.sequences.n_features
    with named_val():
        inputs = check_next_X(
            like, given.X, n_features=n_features, vocabulary_size=size, mask_value=mask_value
        )
        return label(inputs.sequences, given, data.classes, estimator=type(like).__name__)


def _learn_at_checkpoint(
    specification: Specification,
    data: Labelled,
    held_out: Labelled | None,
    parameters: Mapping[str, Any],
    previous: tuple[SequenceNet, Scaling | None] | None,
    *,
    has_seed: bool,
) -> tuple[Learnt, Specification]:
    """What is learnt, and the specification with the seed that it was learnt with."""
    on = (data, held_out, parameters, previous)
    with _open_checkpoint(specification, *on, has_seed=has_seed) as checkpoint:
        if checkpoint is not None:
            specification = replace(specification, seed=checkpoint.seed)
        return _stop_and_refit(specification, *on, checkpoint), specification


def _open_checkpoint(
    specification: Specification,
    data: Labelled,
    held_out: Labelled | None,
    parameters: Mapping[str, Any],
    previous: tuple[SequenceNet, Scaling | None] | None,
    *,
    has_seed: bool,
) -> AbstractContextManager[Checkpoint | None]:
    """The checkpoint that the parameters ask for, or None."""
    if parameters["checkpoint"] is None:
        return nullcontext()
    of_this_fit = fingerprint(
        specification,
        parameters,
        data,
        held_out,
        previous,
        optimizer=describe_optimizer(specification),
        seed=specification.seed if has_seed else None,
    )
    return open_checkpoint(
        parameters["checkpoint"],
        of_this_fit,
        seed=specification.seed,
        interval=parameters["checkpoint_interval"],
        is_repeatable=has_seed,
    )


def _stop_and_refit(
    specification: Specification,
    data: Labelled,
    held_out: Labelled | None,
    parameters: Mapping[str, Any],
    previous: tuple[SequenceNet, Scaling | None] | None,
    checkpoint: Checkpoint | None,
) -> Learnt:
    """Train on what is not held out and then, with ``refit``, anew on everything."""
    account = None if checkpoint is None else checkpoint.account
    if account is None:
        # What is split off here remains a part of X to those who read an error.
        naming: AbstractContextManager[None] = nullcontext() if held_out is None else named_val()
        training = data
        if specification.early_stopping and held_out is None:
            training, held_out = split_for_validation(data, specification)
        learnt = _learn(specification, training, held_out, parameters, previous, checkpoint, naming)
        if not (specification.early_stopping and specification.refit):
            return learnt
        account = learnt.trained.account
        if checkpoint is not None:
            checkpoint.begin_refit(account)
    as_long = replace(specification, max_epochs=account["best_epoch"], early_stopping=False)
    refitted = _learn(as_long, data, None, parameters, None, checkpoint, nullcontext())
    return replace(refitted, trained=replace(refitted.trained, **account))


def _learn(
    specification: Specification,
    data: Labelled,
    held_out: Labelled | None,
    parameters: Mapping[str, Any],
    previous: tuple[SequenceNet, Scaling | None] | None,
    checkpoint: Checkpoint | None,
    naming: AbstractContextManager[None],
) -> Learnt:
    """Train on ``data``: scaling and class weights come from them alone, or from before."""
    net, scaling = previous if previous is not None else (None, None)
    with training_memory(specification, data.sequences):
        if previous is None and specification.network.vocabulary_size is None:
            scaling = fit_scaling(data, standardize=specification.network.standardize)
        weight_of_class = weigh_classes(data, parameters["class_weight"])
        placed = (weight_of_class, scaling, specification.device)
        training = put_on_device(drop_weightless(data, weight_of_class), *placed)
        validation = None
        if held_out is not None:
            with naming:
                validation = as_validation(held_out, *placed)
        trained = train(specification, training, validation, previous=net, checkpoint=checkpoint)
        return Learnt(trained, scaling)
