"""Settings that somebody has made and that change nothing in the fit that is asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sklstm._validation._parameters import takes_tokens
from sklstm._warnings import warn_user

# What asks for nothing, and so is never missed. "auto" is not either.
ASKS_FOR_NOTHING: dict[str, tuple[Any, ...]] = {
    "validation_part": ("stratified",),
    "validation_fraction": (0.1,),
    "n_iter_no_change": (10,),
    "tol": (1e-4,),
    "scoring": ("loss",),
    "refit": (False,),
    "checkpoint_interval": (1,),
    "embedding_dropout": (0.0,),
    "freeze_embedding": (False,),
    # The padding of token ids is 0.
    "mask_value": (None, 0),
    "conv_kernel_sizes": ("auto",),
    "conv_dilations": ("auto", 1),
    "conv_stride": ("auto", None),
    "auxiliary_loss": (0.0,),
    "lr_schedule": (None,),
}
OF_HOLDING_OUT = ("validation_part", "validation_fraction")
OF_STOPPING = ("n_iter_no_change", "tol", "refit")
OF_EMBEDDING = ("embedding_dropout", "freeze_embedding")
OF_CONVOLUTIONS = ("conv_kernel_sizes", "conv_dilations", "conv_stride", "auxiliary_loss")


def warn_without_effect(
    parameters: Mapping[str, Any], *, has_val: bool, has_scheduler: bool
) -> None:
    """Warn of settings without effect, all that have one reason in one warning.

    ``has_val``: ``fit`` is given validation data. ``has_scheduler``: a callback sets the learning
    rate. A warning points to the line that has called ``fit``.
    """
    for names, reason, remedy in _reasons(parameters, has_val, has_scheduler):
        idle = [name for name in names if parameters[name] not in ASKS_FOR_NOTHING[name]]
        if idle:
            settings = ", ".join(f"{name}={parameters[name]!r}" for name in idle)
            has = "has" if len(idle) == 1 else "have"
            warn_user(f"{settings} {has} no effect {reason}.\n\n{remedy}")


def _reasons(
    parameters: Mapping[str, Any], has_val: bool, has_scheduler: bool
) -> Iterator[tuple[tuple[str, ...], str, str]]:
    """Settings, why they have no effect, and what to do about it."""
    if has_val:
        reason = "beside X_val, which is validated on in place of a part of X"
        yield OF_HOLDING_OUT, reason, "Leave out one or the other."
    if not parameters["early_stopping"]:
        # Validation data of the user's are scored also where nothing stops.
        names = OF_STOPPING if has_val else (*OF_HOLDING_OUT, *OF_STOPPING, "scoring")
        yield names, "with early_stopping=False", "Set early_stopping=True, or leave them out."
    if parameters["checkpoint"] is None:
        yield ("checkpoint_interval",), "with checkpoint=None", "Set checkpoint to a path."
    if has_scheduler:
        reason = "beside skorch's LRScheduler in callbacks, which sets the learning rate"
        yield ("lr_schedule",), reason, "Set lr_schedule=None, or leave out the LRScheduler."
    if not takes_tokens(parameters):
        yield OF_EMBEDDING, "without an embedding", "Set embedding_dim if X is token ids."
        return
    yield ("mask_value",), "on token ids", "Pad token ids with 0, at the end."
    # With () somebody knows that there are none, and a search may well draw what they would have.
    if parameters["conv_filters"] == "auto":
        reason = "on token ids, for which conv_filters='auto' is ()"
        yield OF_CONVOLUTIONS, reason, "Set conv_filters, such as conv_filters=(64, 128, 64)."
