"""Exceptions that neither scikit-learn nor Python has a class for."""

from __future__ import annotations


class ModelFileError(ValueError):
    """Raised if a model file or checkpoint is damaged, of another kind or of a newer format.

    `sklstm.load_model` and `sklstm.model_card` raise it, and ``fit`` for a ``checkpoint``. The file
    is not modified.
    """


class TrainingDivergedError(ArithmeticError):
    """Raised if the training loss becomes NaN or infinite.

    ``fit`` and ``partial_fit`` raise it at the end of the epoch, with epoch, learning rate and
    largest input in the message. The estimator is left unchanged.
    """


class RankError(RuntimeError):
    """Raised if one of several processes that train a model together fails, dies or hangs.

    ``fit`` and ``partial_fit`` raise it within `sklstm.distributed.data_parallel`. The estimator is
    left unchanged, and all processes of the fit have ended. With a ``checkpoint`` the same call
    resumes after the last saved epoch.

    Attributes
    ----------
    rank : int or None
        Number of the process, from 0. None if unknown.
    """

    def __init__(self, message: str, rank: int | None = None) -> None:
        super().__init__(message)
        self.rank = rank


__all__ = ["ModelFileError", "RankError", "TrainingDivergedError"]
