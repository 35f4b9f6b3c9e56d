"""Which cluster the arguments of data_parallel ask for."""

from __future__ import annotations

import sys
from numbers import Integral, Real
from typing import Any

from sklstm.distributed._dask import DaskRanks
from sklstm.distributed._ray import RayRanks


def is_dask_client(value: Any) -> bool:
    """Whether it is a client of Dask, which its owner has imported."""
    distributed = sys.modules.get("distributed")
    return distributed is not None and isinstance(value, distributed.Client)


def launcher_on_cluster(
    processes: Any,
    *,
    n_ranks: Any,
    ray: Any,
    cpus_per_worker: Any,
    gpus_per_worker: Any,
    timeout: float,
) -> DaskRanks | RayRanks | None:
    """Launcher for Dask or Ray; None if neither is asked for."""
    for name, value in (("n_ranks", n_ranks), ("ray", ray)):
        if value is not None:
            _check_count(name, value)
    is_dask = is_dask_client(processes)
    if n_ranks is not None and not is_dask:
        raise ValueError(
            f"n_ranks={n_ranks} is for Dask: data_parallel(client, n_ranks={n_ranks}).\n\nElsewhere"
            f" the number of processes comes first: data_parallel({n_ranks})."
        )
    if ray is None and (cpus_per_worker != 1 or gpus_per_worker != 0):
        raise ValueError(
            "cpus_per_worker and gpus_per_worker are for Ray: data_parallel(ray=2,"
            f" cpus_per_worker={cpus_per_worker!r}, gpus_per_worker={gpus_per_worker!r}).\n\nA Dask"
            " worker has the threads and GPUs with which it was started."
        )
    if is_dask and ray is None:
        return DaskRanks(processes, n_ranks, timeout)
    if ray is None:
        return None
    if processes is not None:
        raise ValueError(
            f"data_parallel takes processes or ray, not both. Got {processes!r} and ray={ray}."
        )
    _check_count("cpus_per_worker", cpus_per_worker)
    is_number = isinstance(gpus_per_worker, Real) and not isinstance(gpus_per_worker, bool)
    if not (is_number and 0.0 <= float(gpus_per_worker) <= 1.0):
        raise ValueError(
            f"gpus_per_worker must be 0, 1 or a fraction, which lets ranks share a GPU. Got"
            f" {gpus_per_worker!r} instead.\n\nA rank uses one GPU: start a rank for each."
        )
    return RayRanks(int(ray), int(cpus_per_worker), float(gpus_per_worker), timeout)


def _check_count(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, Integral) or value < 1:
        raise ValueError(f"{name} must be an integer of at least 1. Got {value!r} instead.")
