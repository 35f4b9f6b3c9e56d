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


class RankError(RuntimeError):
    """One of several processes that train a model together failed, was killed or hangs.

    Raised by ``fit`` and ``partial_fit`` within `sklstm.distributed.data_parallel`. The call leaves
    the estimator unchanged and no process of the fit behind. With ``checkpoint`` the same call goes
    on from the last epoch.

    Attributes
    ----------
    rank : int or None
        Number of the process, from 0; None if it is not known.
    """

    def __init__(self, message: str, rank: int | None = None) -> None:
        super().__init__(message)
        self.rank = rank


__all__ = ["ModelFileError", "RankError", "TrainingDivergedError"]
