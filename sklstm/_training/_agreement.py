"""What ranks tell each other beside gradients: at the start, after an epoch and at the end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from skorch.callbacks import LRScheduler
from torch import Tensor

from sklstm._config._configuration import Configuration
from sklstm._runtime._ranks import Ranks
from sklstm.exceptions import RankError

if TYPE_CHECKING:
    from sklstm._training._net import SequenceNet


def for_other_ranks(configuration: Configuration) -> Configuration:
    """The configuration of all ranks but the first: nobody looks at them, and they write nothing.

    Of the user's callbacks only skorch's schedulers stay, which every rank follows.
    """
    kept = [cb for cb in configuration.callbacks or () if _is_scheduler(cb)]
    return replace(configuration, callbacks=tuple(kept), verbose=0, checkpoint=None)


def _is_scheduler(callback: Any) -> bool:
    callback = callback[1] if isinstance(callback, tuple) else callback
    return issubclass(callback if isinstance(callback, type) else type(callback), LRScheduler)


def agree_on_start(net: SequenceNet, ranks: Ranks) -> None:
    """Begin with the weights and the optimizer's state of rank 0."""
    ranks.tell_tensors(_tensors(net))
    state = ranks.tell(net.optimizer_.state_dict())
    if ranks.rank != 0:
        net.optimizer_.load_state_dict(state)


def agree_after_row(net: SequenceNet, ranks: Ranks) -> None:
    """Follow what the callbacks of rank 0 did: a stop, other learning rates, other weights."""
    rates = [group["lr"] for group in net.optimizer_.param_groups]
    net.should_stop, rates, has_callbacks = ranks.tell(
        (net.should_stop, rates, net.records_batches)
    )
    for group, rate in zip(net.optimizer_.param_groups, rates, strict=True):
        group["lr"] = rate
    if has_callbacks:
        ranks.tell_tensors(_tensors(net))


def agree_on_result(net: SequenceNet, ranks: Ranks, summary: Any) -> Any:
    """End with the weights and the history of rank 0; its summary."""
    ranks.tell_tensors(_tensors(net))
    summary, history = ranks.tell((summary, list(net.history)))
    net.history[:] = history
    return summary


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
