"""Validation of how far an epoch is, before a training goes on within it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from sklstm._state._optimizer_state import is_like
from sklstm._training._callbacks import LearningRate
from sklstm._training._net import SequenceNet
from sklstm._training._progress import n_kept_of

ENTRIES = {"n_steps", "n_steps_before_row", "n_rows", "seconds", "losses", "weights", "sums"}


def check_progress(net: SequenceNet, state: Mapping[str, Any]) -> None:
    """Raise ValueError, or one of MALFORMED, unless the net can go on within this epoch."""
    own, done = state["progress"], state["n_epochs_done"]
    if own.keys() != ENTRIES:
        raise ValueError("The entries of the progress differ.")
    n_steps, before, n_rows = (own[n] for n in ("n_steps", "n_steps_before_row", "n_rows"))
    are_counts = all(is_like(0, n) and n >= 0 for n in (n_steps, before, n_rows))
    fits = (
        are_counts
        and before <= n_steps < _n_batches(net)
        and (n_steps == 0 or done < net.max_epochs)
        # An epoch has a row, and a step before a row has another.
        and n_rows >= done + bool(before)
        and is_like(0.0, own["seconds"])
        and own["seconds"] >= 0
        and _are_losses(own["losses"], own["weights"], own["sums"], n_steps - before)
    )
    if not fits:
        raise ValueError("How far the epoch is cannot be so.")


def _n_batches(net: SequenceNet) -> int:
    """Number of steps of an epoch."""
    (schedule,) = [cb for _, cb in net.callbacks_ if isinstance(cb, LearningRate)]
    return schedule.n_batches


def _are_losses(losses: Any, weights: Any, sums: Any, n_steps: int) -> bool:
    """Whether they are what is kept of the losses of so many steps."""
    n_kept = n_kept_of(n_steps)
    shape = torch.zeros(n_kept)
    if not (is_like(shape, losses) and is_like(shape, weights)):
        return False
    if not is_like(torch.zeros(2, dtype=torch.float64), sums):
        return False
    has_sums = n_steps > n_kept
    tensors: list[Tensor] = [losses, weights, sums]
    return (
        all(bool(torch.isfinite(tensor).all()) for tensor in tensors)
        and bool((weights > 0).all())
        and bool(sums[1] > 0) == has_sums
        and (has_sums or not bool(sums.any()))
    )
