"""Settings that somebody has made and that change nothing in the fit that is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sklstm._config._options import OPTIONS, is_auto
from sklstm._warnings import warn_user

OF_HOLDING_OUT = ("validation_part", "validation_fraction")
OF_STOPPING = ("n_iter_no_change", "tol", "refit")
OF_EMBEDDING = ("embedding_dropout", "freeze_embedding")
OF_CONVOLUTIONS = ("conv_kernel_sizes", "conv_dilations", "conv_stride", "auxiliary_loss")


def warn_without_effect(
    estimator: Any, *, takes_tokens: bool, has_val: bool, has_scheduler: bool
) -> None:
    """Warn of settings without effect, all that have one reason in one warning.

    ``has_val``: ``fit`` is given validation data. ``has_scheduler``: a callback sets the learning
    rate. A warning points to the line that has called ``fit``.
    """
    reasons = [*_of_stopping(estimator, has_val), *_of_running(estimator, has_scheduler)]
    reasons += _of_tokens(estimator) if takes_tokens else [WITHOUT_EMBEDDING]
    for names, reason, remedy in reasons:
        values = {name: getattr(estimator, name) for name in names}
        idle = [f"{n}={v!r}" for n, v in values.items() if not _is_neutral(n, v)]
        if idle:
            has = "has" if len(idle) == 1 else "have"
            warn_user(f"{', '.join(idle)} {has} no effect {reason}.\n\n{remedy}")


def _is_neutral(name: str, value: Any) -> bool:
    return is_auto(value) or value in OPTIONS[name].metadata["neutral"]


# Options, why they have no effect, and what to do about it.
Reason = tuple[tuple[str, ...], str, str]
WITHOUT_EMBEDDING: Reason = (
    OF_EMBEDDING,
    "without an embedding",
    "Set embedding_dim if X is token ids.",
)


def _of_stopping(estimator: Any, has_val: bool) -> Iterator[Reason]:
    if has_val:
        reason = "beside X_val, which is validated on in place of a part of X"
        yield OF_HOLDING_OUT, reason, "Leave out one or the other."
    if not estimator.early_stopping:
        # Validation data of the user's are scored also where nothing stops.
        names = OF_STOPPING if has_val else (*OF_HOLDING_OUT, *OF_STOPPING, "scoring")
        yield names, "with early_stopping=False", "Set early_stopping=True, or leave them out."


def _of_running(estimator: Any, has_scheduler: bool) -> Iterator[Reason]:
    if estimator.checkpoint is None:
        yield ("checkpoint_interval",), "with checkpoint=None", "Set checkpoint to a path."
    if has_scheduler:
        reason = "beside skorch's LRScheduler in callbacks, which sets the learning rate"
        yield ("lr_schedule",), reason, "Set lr_schedule=None, or leave out the LRScheduler."


def _of_tokens(estimator: Any) -> Iterator[Reason]:
    yield ("mask_value",), "on token ids", "Pad token ids with 0, at the end."
    # With () somebody knows that there are none, and a search may well draw what they would have.
    if is_auto(estimator.conv_filters):
        reason = "on token ids, for which conv_filters='auto' is ()"
        yield OF_CONVOLUTIONS, reason, "Set conv_filters, such as conv_filters=(64, 128, 64)."
