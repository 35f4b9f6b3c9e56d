"""Parameters that are set and have no effect on the fit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sklstm._config._options import OPTIONS, is_auto
from sklstm._warnings import warn_user

# Parameters, why they have no effect, and what to do about it.
Reason = tuple[tuple[str, ...], str, str]
OF_STOPPING = ("n_iter_no_change", "tol")


def warn_without_effect(
    estimator: Any, *, takes_tokens: bool, has_val: bool, has_scheduler: bool
) -> None:
    """Warn of parameters without effect, in one warning for each reason.

    ``has_val``: ``fit`` is given validation data. ``has_scheduler``: a callback sets the learning
    rate. A warning points to the line that has called ``fit``.
    """
    for names, reason, remedy in _reasons(estimator, takes_tokens, has_val, has_scheduler):
        values = {name: getattr(estimator, name) for name in names}
        idle = [f"{n}={v!r}" for n, v in values.items() if not _is_neutral(n, v)]
        if idle:
            has = "has" if len(idle) == 1 else "have"
            warn_user(f"{', '.join(idle)} {has} no effect {reason}.\n\n{remedy}")


def _is_neutral(name: str, value: Any) -> bool:
    return is_auto(value) or value in OPTIONS[name].metadata["neutral"]


def _reasons(
    estimator: Any, takes_tokens: bool, has_val: bool, has_scheduler: bool
) -> Iterator[Reason]:
    if has_val:
        reason = "beside X_val, which is validated on in place of a part of X"
        yield ("validation_fraction",), reason, "Leave out one or the other."
    if not estimator.early_stopping:
        # Validation data of the user's are scored also where nothing stops.
        names = OF_STOPPING if has_val else ("validation_fraction", *OF_STOPPING, "scoring")
        yield names, "with early_stopping=False", "Set early_stopping=True, or leave them out."
    if has_scheduler:
        reason = "beside skorch's LRScheduler in callbacks, which sets the learning rate"
        yield ("lr_schedule",), reason, "Set lr_schedule=None, or leave out the LRScheduler."
    if takes_tokens:
        yield ("mask_value",), "on token ids", "Pad token ids with 0, at the end."
    else:
        remedy = "Set embedding_dim if X is token ids."
        yield ("freeze_embedding",), "without an embedding", remedy
