"""Time limits of the fits of a search, from that of the search."""

from __future__ import annotations

from numbers import Integral, Real
from typing import Any

from joblib import effective_n_jobs

from sklstm._compat._sklearn import InvalidParameterError


def time_per_fit(
    total: float,
    n_fits: int,
    *,
    n_jobs: int | None = None,
    refit: bool = True,
    reserve: float = 0.1,
) -> float:
    """``max_time`` of each fit, by which a search keeps within a total time.

    Parameters
    ----------
    total : float
        Time for the whole search, in seconds.
    n_fits : int
        Number of fits: that of candidates times that of folds.
    n_jobs : int, default=None
        Number of fits at the same time, as the search has it: None is 1, -1 is one for each core.
    refit : bool, default=True
        Whether the search fits the best candidate again, as it does unless told otherwise.
    reserve : float, default=0.1
        Fraction of the total for everything else, in [0, 1): predictions and scores of the folds
        and the start of the processes.

    Returns
    -------
    float
        Seconds.

    Raises
    ------
    InvalidParameterError
        If a parameter has an invalid type or value.

    Notes
    -----
    Fits come in rounds of ``n_jobs``, and the refit by itself: with r rounds,
    ``total * (1 - reserve) / r``. A fit takes one training step at least, after what it fits in
    closed form: a total that is too small for that is not kept. Processes take seconds to start: a
    total of less than a minute with ``n_jobs`` needs a larger ``reserve``.

    Examples
    --------
    An hour for 20 candidates on 5 folds, 4 at a time: 25 rounds and the refit.

    >>> from sklstm.model_selection import time_per_fit
    >>> round(time_per_fit(3600, 20 * 5, n_jobs=4), 1)
    124.6
    """
    _check(total, n_fits, refit, reserve)
    n_rounds = -(-n_fits // effective_n_jobs(n_jobs)) + refit
    return float(total * (1 - reserve) / n_rounds)


def _check(total: Any, n_fits: Any, refit: Any, reserve: Any) -> None:
    if not _is_number(total) or not total > 0:
        _refuse("total", "a number of seconds above 0", total)
    if not _is_number(n_fits) or not isinstance(n_fits, Integral) or n_fits < 1:
        _refuse("n_fits", "an int of at least 1", n_fits)
    if not isinstance(refit, bool):
        _refuse("refit", "True or False", refit)
    if not _is_number(reserve) or not 0 <= reserve < 1:
        _refuse("reserve", "a number from 0 to below 1", reserve)


def _is_number(value: Any) -> bool:
    return isinstance(value, Real) and not isinstance(value, bool)


def _refuse(name: str, accepted: str, value: Any) -> None:
    raise InvalidParameterError(
        f"The {name!r} parameter must be {accepted}. Got {value!r} instead."
    )
