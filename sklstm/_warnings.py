"""Warnings that point to the user's own line."""

from __future__ import annotations

import inspect
import warnings

PACKAGE = __name__.partition(".")[0]


def warn_user(message: str, category: type[Warning] = UserWarning) -> None:
    """Warn at the line that has called this package, however many frames lie in between."""
    level, depth, frame = 1, 1, inspect.currentframe()
    while frame is not None:
        # Not the first line outside: a callback of skorch's may be on the way.
        if frame.f_globals.get("__name__", "").partition(".")[0] == PACKAGE:
            level = depth + 1
        depth, frame = depth + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)
