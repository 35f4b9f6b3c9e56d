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
    """Let several processes share each ``fit`` and ``partial_fit`` within the context.

    Each process, called a rank, computes the gradients of a share of each mini-batch, and all take
    the same step with their sum. ``batch_size`` remains the size of the whole batch. The calling
    process is rank 0: progress, callbacks, scorers and checkpoints are its own. On Dask and Ray all
    ranks are on workers, and the calling process takes over what rank 0 has fitted.

    Parameters
    ----------
    processes : int or distributed.Client, default=None
        Number of processes, this one included; 1 changes nothing. The others are started with the
        first fit and end with the context. Best is at most one for each core: cores are divided
        among them. None joins the processes that torchrun has started, all of which call ``fit``
        with the same arguments and end with the same fitted estimator. A client of Dask starts one
        rank on each worker, with all of its threads; the workers must be processes.
    n_ranks : int, default=None
        Number of Dask workers to use; None: all that there are when the context begins.
    ray : int, default=None
        Number of ranks to start as actors of Ray, in one placement group. If the caller has not
        initialised Ray, it is initialised for the context.
    cpus_per_worker : int, default=1
        CPUs, hence threads, of each rank on Ray.
    gpus_per_worker : float, default=0
        GPUs of each rank on Ray: 0, 1, or a fraction for ranks that share one.
    timeout : float, default=30.0
        Seconds without a sign of life after which a process counts as hanging, at least 5. It is no
        limit on the time of a step.

    Raises
    ------
    RankError
        By ``fit``, if another process fails, dies or hangs: `sklstm.exceptions.RankError`.

    Warns
    -----
    UserWarning
        If there are more processes than cores of this machine.

    See Also
    --------
    LSTMSequenceClassifier.fit : What is shared.

    Notes
    -----
    Gradients are summed by torch.distributed's gloo, in one message per step. The processes end
    with the same bits, whoever starts them. Two processes give the bits of one that computes the
    two halves of each batch one after the other. Beside a fit without this context, there is
    rounding, if nothing depends on how a batch is cut. These do: batch normalisation and mixup are
    computed within each share, as in the parts of a batch of very unequal lengths, and dropout is
    drawn for each share. So ``conv_filters`` and ``mixup_alpha`` make the result depend on the
    number of processes, as on a seed.

    The sum of the gradients takes time as well: a small network, or a small batch, is not faster on
    several processes. ``benchmarks/LOG.md`` has figures.

    Every process keeps all training sequences in memory, as float32; of more than 32 MiB of them
    two windows, which it reads as without this context. Arrays given to ``fit`` are shared between
    processes of one machine by a file in the temporary folder. Of a view or a memory map the path
    is shared.

    The user's callbacks are called in rank 0 only, and see its share of a batch. What they set at
    the beginning or the end of an epoch (a stop, another learning rate, other or frozen weights) is
    told to all. What they change in a step, such as gradients, is not: of these, skorch's
    ``LRScheduler`` and ``GradientNormClipping`` run everywhere. A fit that a callback makes starts
    no processes. Neither does one in another process or thread, such as those of a search with
    ``n_jobs``.

    Ports: a store at a free port, and a free port of each process, at 127.0.0.1. The store listens
    at all addresses of the machine, as always with torch.distributed, and nothing is
    authenticated: whoever can connect could disturb the fit, or let it run code. With torchrun the
    store is at ``MASTER_PORT``. On Dask and Ray the store is in the worker of rank 0, and the other
    ports are at the addresses by which workers reach each other.

    GPUs: ``device="cuda"`` and "auto" mean those of the ranks. Each rank takes one of its own while
    there is one. If no two share one, NCCL sums the gradients.

    On Dask and Ray callbacks are copies, on the worker of rank 0; scikit-learn's are told of a fit
    but not of its epochs. A ``checkpoint`` must be in a folder that all workers reach.

    References
    ----------
    ADR 68, ADR 69.

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
