"""Exceptions that neither scikit-learn nor Python has a class for."""

from __future__ import annotations


class ModelFileError(ValueError):
    """Invalid model file or checkpoint: damaged, of another kind or of a newer format.

    Raised by `sklstm.load_model`, and by ``fit`` for a ``checkpoint``. The file is not modified.
    """


class TrainingDivergedError(ArithmeticError):
    """The training loss became NaN or infinite.

    Raised by ``fit`` and ``partial_fit`` at the end of that epoch. The call leaves the estimator
    unchanged.
    """


__all__ = ["ModelFileError", "TrainingDivergedError"]
