"""What a Dask worker says of a task: its share of the threads, and the way to the user."""

from __future__ import annotations

import os

from sklstm._compat._dask import dask_worker
from sklstm._warnings import warn_user


def share_of_threads(n_threads: int) -> int:
    """At most so many threads that all tasks of a Dask worker together use no more than it has.

    A nanny sets OMP_NUM_THREADS, as joblib and Ray do. A worker without one does not, so that torch
    would use all cores of the machine in each task. Who sets the variable is obeyed.
    """
    # The cheap question first: it is asked in each fit and prediction.
    worker = None if "OMP_NUM_THREADS" in os.environ else dask_worker()
    if worker is None:
        return n_threads
    share: int = worker.state.nthreads // max(1, worker.state.executing_count)
    return max(1, min(n_threads, share))


def warn_user_or_client(message: str) -> None:
    """Warn as `warn_user`; in a task of Dask where the clients are, not in the worker's log."""
    worker = dask_worker()
    if worker is None:
        warn_user(message)
    else:
        # Clients raise what they find under this topic as a warning.
        worker.log_event("warn", message)
