"""Warnings about parameters that have no effect on the fit."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from sklstm._config._options import OPTIONS, is_auto
from sklstm._warnings import warn_user

# Parameters without effect, the reason, and the remedy.
Reason = tuple[Sequence[str], str, str]
OF_STOPPING = ("n_iter_no_change", "tol")


def warn_without_effect(
    estimator: Any, *, takes_tokens: bool, has_val: bool, has_scheduler: bool
) -> None:
    """Warn about parameters without effect, once per reason.

    ``has_val``: validation data are passed to ``fit``. ``has_scheduler``: a callback sets the
    learning rate.
    """
    for names, reason, remedy in _reasons(estimator, takes_tokens, has_val, has_scheduler):
        set_names = [name for name in names if _is_set(estimator, name)]
        idle = [f"{name}={getattr(estimator, name)!r}" for name in set_names]
        if idle:
            has = "has" if len(idle) == 1 else "have"
            warn_user(f"{', '.join(idle)} {has} no effect {reason}.\n\n{remedy}")


def _is_set(estimator: Any, name: str) -> bool:
    """Whether a parameter asks for something."""
    value = getattr(estimator, name)
    return not is_auto(value) and value not in OPTIONS[name].metadata["neutral"]


def _reasons(
    estimator: Any, takes_tokens: bool, has_val: bool, has_scheduler: bool
) -> Iterator[Reason]:
    if has_val:
        reason = "with X_val, which is used instead of a held-out part of X"
        yield ("validation_fraction",), reason, "Leave out one or the other."
    if not estimator.early_stopping:
        # Validation data of the user's, and training sequences, are scored all the same.
        is_scored = has_val or estimator.return_train_score
        names = [*OF_STOPPING] if has_val else ["validation_fraction", *OF_STOPPING]
        remedy = "Set early_stopping=True, or leave them out."
        if not is_scored:
            names.append("scoring")
            if _is_set(estimator, "scoring"):
                remedy += " For scoring, return_train_score=True or X_val will do as well."
        yield names, "with early_stopping=False", remedy
    if estimator.checkpoint is None:
        remedy = "Set checkpoint to the path of a file, or leave it out."
        yield ("checkpoint_interval",), "without a checkpoint", remedy
    if has_scheduler:
        reason = "beside skorch's LRScheduler in callbacks, which sets the learning rate"
        yield ("lr_schedule",), reason, "Set lr_schedule=None, or leave out the LRScheduler."
    if takes_tokens:
        yield ("mask_value",), "on token ids", "Pad token ids with 0, at the end."
    else:
        remedy = "Set embedding_dim if X is token ids."
        yield ("freeze_embedding", "tfidf"), "without an embedding", remedy
