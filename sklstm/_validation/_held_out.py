"""The user's own validation data: whether they are complete, and errors that name them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

NAMES = re.compile(r"""(?<!\w)(?P<quote>['"]).*?(?P=quote)(?!\w)|\b(?P<name>X|y|sample_weight)\b""")


def check_held_out(X_val: Any, y_val: Any, sample_weight_val: Any, *, refits: bool) -> bool:
    """Whether validation data are given; raise if only a part of them is, or a refit is wanted."""
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
            "refit=True trains again on what was held out of X, but with X_val nothing is.\n\nSet"
            " refit=False, or add X_val to X and call fit without it."
        )
    return True


@contextmanager
def named_val() -> Iterator[None]:
    """Errors about X, y and sample_weight inside name X_val, y_val and sample_weight_val.

    The checks are those of any X and y, and would call X_val[17] X[17]. What is in quotes is the
    user's, such as a label 'y', and stays.
    """
    try:
        yield
    except (TypeError, ValueError) as error:
        if error.args and isinstance(error.args[0], str):
            message = NAMES.sub(lambda m: m[0] + "_val" * bool(m["name"]), error.args[0])
            error.args = (message, *error.args[1:])
        raise
