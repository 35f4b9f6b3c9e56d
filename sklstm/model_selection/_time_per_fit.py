"""Time limits of the fits of a search, from that of the search."""

from __future__ import annotations

from typing import Any

from joblib import effective_n_jobs

from sklstm._compat._sklearn import validate_parameter_constraints
from sklstm._config._options import AT_LEAST_ONE, FRACTION, POSITIVE

PARAMETER_CONSTRAINTS: dict[str, list[Any]] = {
    "total": [POSITIVE],
    "n_fits": [AT_LEAST_ONE],
    "refit": ["boolean"],
    "reserve": [FRACTION],
}


def time_per_fit(
    total: float,
    n_fits: int,
    *,
    n_jobs: int | None = None,
    refit: bool = True,
    reserve: float = 0.1,
) -> float:
    """Compute the ``max_time`` of each fit for a total time of a search.

    Parameters
    ----------
    total : float
        Total time of the search, in seconds.
    n_fits : int
        Number of fits: the number of candidates times the number of folds.
    n_jobs : int, default=None
        Number of parallel fits, as in the search. None means 1, -1 means one per core.
    refit : bool, default=True
        Whether the search refits the best candidate.
    reserve : float, default=0.1
        Fraction of the total, in [0, 1), reserved for everything else, such as predictions, scores
        and the start of processes.

    Returns
    -------
    float
        Value for ``max_time``, in seconds.

    Raises
    ------
    InvalidParameterError
        If a parameter has an invalid type or value.

    Notes
    -----
    Fits run in rounds of ``n_jobs``, the refit in a round by itself. With r rounds the result is
    ``total * (1 - reserve) / r``. A fit takes at least one training step, after the linear model is
    fitted in closed form: a search exceeds a total that is too short for that. Processes take
    seconds to start. For a total of less than a minute with ``n_jobs``, use a larger ``reserve``.

    Examples
    --------
    One hour for 20 candidates and 5 folds, 4 in parallel: 25 rounds and the refit.

    >>> from sklstm.model_selection import time_per_fit
    >>> round(time_per_fit(3600, 20 * 5, n_jobs=4), 1)
    124.6
    """
    parameters = {"total": total, "n_fits": n_fits, "refit": refit, "reserve": reserve}
    validate_parameter_constraints(PARAMETER_CONSTRAINTS, parameters, caller_name="time_per_fit")
    n_rounds = -(-n_fits // effective_n_jobs(n_jobs)) + refit
    return float(total * (1 - reserve) / n_rounds)
