"""Errors of sklstm that no scikit-learn or builtin error describes well enough."""

from __future__ import annotations


class ModelFileError(ValueError):
    """A file is not what this package writes, is damaged, or is of a newer format.

    Raised by `sklstm.load_model`, and by ``fit`` for a ``checkpoint``. The file is left as it is.
    """


class TrainingDivergedError(ArithmeticError):
    """The training loss became NaN or infinite.

    Raised by ``fit`` and ``partial_fit`` at the end of the epoch in which it happened. The
    estimator is left as it was before the call.
    """


__all__ = ["ModelFileError", "TrainingDivergedError"]
