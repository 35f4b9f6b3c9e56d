"""Completeness of X_val, y_val and sample_weight_val."""

from __future__ import annotations

from typing import Any


def check_held_out(X_val: Any, y_val: Any, sample_weight_val: Any) -> bool:
    """Whether validation data are given; raise if they are incomplete."""
    if X_val is None and y_val is None and sample_weight_val is None:
        return False
    missing = [name for name, part in (("X_val", X_val), ("y_val", y_val)) if part is None]
    if missing:
        raise ValueError(
            "Validation data must be given as X_val and y_val together. Got no"
            f" {' and no '.join(missing)}."
        )
    return True
