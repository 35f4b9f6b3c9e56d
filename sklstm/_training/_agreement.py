"""What ranks tell each other beside gradients: at the start, around an epoch and at the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from skorch.callbacks import GradientNormClipping, LRScheduler
from torch import Tensor

from sklstm._config._configuration import Configuration
from sklstm._runtime._ranks import Ranks
from sklstm.exceptions import RankError

if TYPE_CHECKING:
    from sklstm._training._net import SequenceNet

# Callbacks that do the same in all ranks, in each step.
EVERYWHERE = (GradientNormClipping, LRScheduler)


def for_other_ranks(configuration: Configuration) -> Configuration:
    """The configuration of all ranks but the first: nobody looks at them, and they write nothing.

    Of the user's callbacks only skorch's schedulers and its clipping stay.
    """
    kept = [cb for cb in configuration.callbacks or () if _is_everywhere(cb)]
    return replace(configuration, callbacks=tuple(kept), verbose=0, checkpoint=None)


def _is_everywhere(callback: Any) -> bool:
    callback = callback[1] if isinstance(callback, tuple) else callback
    return issubclass(callback if isinstance(callback, type) else type(callback), EVERYWHERE)


def agree_on_start(net: SequenceNet, ranks: Ranks) -> None:
    """Begin with the weights and the optimizer's state of rank 0."""
    ranks.tell_tensors(_tensors(net))
    state = ranks.tell(net.optimizer_.state_dict())
    if ranks.rank != 0:
        net.optimizer_.load_state_dict(state)


def agree_with_callbacks(net: SequenceNet, ranks: Ranks) -> None:
    """Follow what callbacks of rank 0 did: a stop, other rates, other or frozen weights, draws."""
    rates = [group["lr"] for group in net.optimizer_.param_groups]
    parameters = list(net.module_.parameters())
    of_user = None
    if net.records_batches:
        of_user = [parameter.requires_grad for parameter in parameters], torch.get_rng_state()
    net.should_stop, rates, of_user = ranks.tell((net.should_stop, rates, of_user))
    for group, rate in zip(net.optimizer_.param_groups, rates, strict=True):
        group["lr"] = rate
    if of_user is not None:
        are_trained, generator = of_user
        for parameter, is_trained in zip(parameters, are_trained, strict=True):
            parameter.requires_grad_(is_trained)
        # It is laid out by what is trained.
        net.shared_step = None
        torch.set_rng_state(generator)
        ranks.tell_tensors(_tensors(net))


def agree_on_result(net: SequenceNet, ranks: Ranks, summary: Any) -> Any:
    """End with the weights and the history of rank 0; its summary.

    Objects that callbacks have recorded stay in rank 0: other processes may not know their class.
    """
    ranks.tell_tensors(_tensors(net))
    told: Any = None
    if ranks.rank == 0:
        rows = [_plain(row) for row in net.history]
        told = replace(summary, history=_plain(summary.history)), rows
    told = ranks.tell(told)
    if ranks.rank == 0:
        return summary
    summary, net.history[:] = told
    return summary


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if _is_plain(value)}


def _is_plain(value: Any) -> bool:
    if isinstance(value, np.ndarray):
        return value.dtype != object or _is_plain(value.tolist())
    if isinstance(value, Mapping):
        return _is_plain([*value, *value.values()])
    if isinstance(value, (list, tuple)):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, (bool, int, float, str, np.generic))


def _tensors(net: SequenceNet) -> Sequence[Tensor]:
    return list(net.module_.state_dict().values())


def check_same_data(ranks: Ranks, described: Sequence[Any]) -> None:
    """Raise RankError if another rank was given other data than rank 0, described by text."""
    first = ranks.tell(list(described))
    differs = np.zeros(ranks.size, dtype=np.float32)
    differs[ranks.rank] = first != list(described)
    wrong = np.flatnonzero(ranks.combine(differs))
    if len(wrong):
        raise RankError(
            f"Rank {wrong[0]} was given other sequences, targets or parameters than rank 0.\n\nCall"
            " fit with the same arguments in every process: each batch is shared among them, so"
            " that none of them needs a part of its own.",
            int(wrong[0]),
        )
