"""Completeness of X_val, y_val and sample_weight_val."""

from __future__ import annotations

from typing import Any


def check_held_out(X_val: Any, y_val: Any, sample_weight_val: Any, *, refits: bool) -> bool:
    """Whether validation data are given; raise if they are incomplete or combined with a refit."""
    if X_val is None and y_val is None and sample_weight_val is None:
        return False
    missing = [name for name, part in (("X_val", X_val), ("y_val", y_val)) if part is None]
    if missing:
        raise ValueError(
            "Validation data must be given as X_val and y_val together. Got no"
            f" {' and no '.join(missing)}."
        )
    if refits:
        raise ValueError(
            "refit=True trains again on all of X, but with X_val no part of it is held out.\n\nSet"
            " refit=False, or add X_val to X and call fit without it."
        )
    return True
