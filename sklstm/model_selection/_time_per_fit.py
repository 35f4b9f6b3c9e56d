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
    parameters = {"total": total, "n_fits": n_fits, "refit": refit, "reserve": reserve}
    validate_parameter_constraints(PARAMETER_CONSTRAINTS, parameters, caller_name="time_per_fit")
    n_rounds = -(-n_fits // effective_n_jobs(n_jobs)) + refit
    return float(total * (1 - reserve) / n_rounds)
