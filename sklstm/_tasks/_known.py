"""Predictions of sequences whose outputs are computed already."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

T = TypeVar("T")


def of_known(method: Callable[[Any], T]) -> Callable[..., T]:
    """Prediction of a scorer's predictor, for its attribute ``X_``, the X that the scorer is given.

    A scorer that predicts anything else would get the predictions of X without a word.
    """

    @wraps(method)
    def checked(self: Any, X: Any = None) -> T:
        known = vars(self).get("X_")
        if X is not None and known is not None and X is not known:
            raise RuntimeError(
                "A scorer of 'scoring' predicted something other than the X that it was given. Only"
                " the outputs of X are computed after an epoch.\n\nScore other sequences in a"
                " callback, by net.predict(X)."
            )
        return method(self)

    return checked
