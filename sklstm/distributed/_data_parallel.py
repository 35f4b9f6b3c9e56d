"""The context in which a fit is shared by several processes."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import partial
from numbers import Integral, Real
from typing import Any, Protocol

from sklstm._runtime._group import TIMEOUT
from sklstm._runtime._ranks import Launcher, reset_launcher, set_launcher
from sklstm.distributed._clusters import launcher_on_cluster
from sklstm.distributed._loky import LokyRanks
from sklstm.distributed._torchrun import TorchrunRanks

SHORTEST_TIMEOUT = 5


class ClosableLauncher(Launcher, Protocol):
    """A launcher that keeps something for the fits of a context."""

    def close(self) -> None:
        """End what it keeps."""


class data_parallel(AbstractContextManager[None]):
    """Context manager in which ``fit`` and ``partial_fit`` train on several processes.

    Training is data-parallel: each process, called a rank, computes the gradients of a share of
    each mini-batch, and all take the same step with their sum. ``batch_size`` is the size of the
    whole batch. The calling process is rank 0, which has progress bars, callbacks, scorers and
    checkpoints. On Dask and Ray all ranks are on workers, and the calling process gets the
    estimator of rank 0.

    Parameters
    ----------
    processes : int or distributed.Client, default=None
        Where to train.

        - an int is the number of processes on this machine, including the calling one. The others
          start with the first fit and end with the context. Use at most one per core: the cores are
          divided among them
        - None joins the processes that torchrun has started, all of which call ``fit`` with the
          same arguments and end with the same fitted estimator
        - a Dask client starts a rank on each worker, with all of its threads. The workers must be
          processes
    n_ranks : int, default=None
        Number of Dask workers to use. None means all that exist when the context begins.
    ray : int, default=None
        Number of ranks to start as Ray actors, in one placement group. Ray is initialised for the
        context if it is not yet.
    cpus_per_worker : int, default=1
        Number of CPUs, and threads, of each rank on Ray.
    gpus_per_worker : float, default=0
        Number of GPUs of each rank on Ray: 0, 1, or a fraction for ranks that share a GPU.
    timeout : float, default=30.0
        Seconds without a heartbeat, at least 5, after which a process counts as hanging. It does
        not limit the duration of a step.

    Raises
    ------
    RankError
        By ``fit``, if another process fails, dies or hangs. See `sklstm.exceptions.RankError`.

    Warns
    -----
    UserWarning
        If there are more processes than cores on this machine.

    See Also
    --------
    LSTMSequenceClassifier.fit : Train an estimator.

    Notes
    -----
    **Results.** Gradients are summed by torch.distributed's gloo, in one message per step. All
    ranks end with bitwise identical models, however they are started. Batch normalisation and mixup
    are computed, and dropout is drawn, within the share of each rank. With ``conv_filters``,
    ``mixup_alpha`` or ``dropout`` the result therefore depends on the number of processes, as on a
    seed. Without them it is that of a single process up to rounding.

    **Speed.** Summing gradients takes time: small networks and small batches are not faster on
    several processes.

    **Memory.** Each process holds all training sequences as float32, or two windows of them if they
    exceed 32 MiB. Arrays passed to ``fit`` are shared between processes of one machine by a file in
    the temporary folder. Views and memory maps are shared by their paths.

    **Callbacks.** Your callbacks run in rank 0 only, and see its share of a batch. What they set at
    the beginning or end of an epoch, such as a stop, a learning rate or weights, applies to all
    ranks. What they change within a step, such as gradients, does not, except for skorch's
    ``LRScheduler`` and ``GradientNormClipping``, which run in all ranks. On Dask and Ray, callbacks
    are copies on the worker of rank 0, and scikit-learn's callbacks do not see epochs. Fits in
    callbacks, and in other processes or threads, such as those of a search with ``n_jobs``, use a
    single process.

    **Ports.** The store of torch.distributed and each process listen on a free port, the processes
    at 127.0.0.1, the store at all addresses of the machine. Connections are not authenticated:
    anyone who can connect could disturb the fit or execute code. With torchrun the store is at
    ``MASTER_PORT``. On Dask and Ray the store is in the worker of rank 0, and the other ports are
    at the addresses by which the workers reach each other.

    **GPUs.** ``device="cuda"`` and "auto" refer to the GPUs of the ranks, each of which takes a
    different one as long as there are enough. NCCL sums the gradients if no GPU is shared.

    **Checkpoints.** On Dask and Ray the ``checkpoint`` must be in a folder that all workers can
    access.

    Examples
    --------
    >>> from sklstm import LSTMSequenceClassifier
    >>> from sklstm.datasets import make_trends
    >>> from sklstm.distributed import data_parallel
    >>> X, y = make_trends(40, random_state=0)
    >>> clf = LSTMSequenceClassifier(hidden_sizes=4, max_epochs=2, random_state=0)
    >>> with data_parallel(2):  # doctest: +SKIP
    ...     clf.fit(X, y)
    """

    def __init__(
        self,
        processes: Any = None,
        *,
        n_ranks: int | None = None,
        ray: int | None = None,
        cpus_per_worker: int = 1,
        gpus_per_worker: float = 0,
        timeout: float = TIMEOUT,
    ) -> None:
        _check_timeout(timeout)
        self._processes = processes
        self._on_cluster = partial(
            launcher_on_cluster,
            processes,
            n_ranks=n_ranks,
            ray=ray,
            cpus_per_worker=cpus_per_worker,
            gpus_per_worker=gpus_per_worker,
            timeout=timeout,
        )
        self._timeout = timeout
        self._launcher: ClosableLauncher | None = None
        self._token: Any = None

    def __enter__(self) -> None:
        if self._token is not None:
            raise RuntimeError(
                "This data_parallel context is open already.\n\nCall data_parallel(...) anew for"
                " each with statement."
            )
        self._launcher = self._on_cluster() or _launcher_of(self._processes, self._timeout)
        self._token = set_launcher(self._launcher)

    def __exit__(self, *error: object) -> None:
        token, self._token = self._token, None
        reset_launcher(token)
        if self._launcher is not None:
            self._launcher.close()


def _check_timeout(timeout: Any) -> None:
    is_number = isinstance(timeout, Real) and not isinstance(timeout, bool)
    # A few heartbeats may be late on a busy machine.
    if not (is_number and float(timeout) >= SHORTEST_TIMEOUT):
        raise ValueError(
            f"timeout must be a number of seconds, at least {SHORTEST_TIMEOUT}. Got {timeout!r}"
            " instead."
        )


def _launcher_of(processes: Any, timeout: float) -> ClosableLauncher | None:
    if processes is None:
        return TorchrunRanks(timeout)
    if isinstance(processes, bool) or not isinstance(processes, Integral) or processes < 1:
        is_short = isinstance(processes, (Real, str))
        got = repr(processes) if is_short else f"a {type(processes).__name__}"
        raise ValueError(
            "data_parallel takes a number of processes, at least 1, a client of Dask, ray=..., or"
            f" nothing within torchrun. Got {got} instead."
        )
    return None if processes == 1 else LokyRanks(int(processes), timeout)
