"""sklstm on two processes, from disk and on two Dask workers, by `benchmarks.scale`."""

from __future__ import annotations

import atexit
import tempfile
from functools import cache, partial
from pathlib import Path
from typing import Any

import torch

from benchmarks.data import Data
from benchmarks.scale import memory, prediction, ranks, search
from benchmarks.work import Settings, Work
from sklstm import BatchScorer
from sklstm.distributed._loky import LokyRanks
from sklstm.preprocessing import open_sequences

MEGABYTES = 200
N_ON_DASK = 1000
CANDIDATES = 5


@cache
def folder() -> Path:
    """A folder that goes with the process."""
    own = tempfile.TemporaryDirectory()
    atexit.register(own.cleanup)
    return Path(own.name)


# Ranks --------------------------------------------------------------------------------------------


@cache
def two_ranks() -> LokyRanks:
    """Two processes of one thread, this one included, that stay."""
    launcher = LokyRanks(2, timeout=60.0)
    atexit.register(launcher.close)
    return launcher


def epochs(settings: Settings, data: Data | None) -> Work:
    """Epochs of a network on so many processes of one thread."""
    torch.set_num_threads(1)
    (case,) = (case for case in ranks.CASES if case.name == settings.case)
    launcher = two_ranks() if settings.n_jobs == 2 else None
    return Work(
        lambda repeat: ranks.seconds_of(case, launcher),
        lambda seconds: {"s an epoch": seconds},
    )


def start(settings: Settings, data: Data | None) -> Work:
    """Start of two processes, beyond what their imports take."""
    return Work(
        lambda repeat: ranks.start() - ranks.imports(),
        lambda seconds: {"s beyond imports": seconds},
    )


# Data on disk -------------------------------------------------------------------------------------


@cache
def file() -> Path:
    """Sequences of `MEGABYTES` in a file of NumPy's."""
    path = folder() / "X.npy"
    memory.write_data(path, MEGABYTES)
    return path


def rise(settings: Settings, data: Data | None) -> Work:
    """Rise of memory in a fit, of a process of its own."""
    file()
    mib = MEGABYTES * 1e6 / 2**20
    return Work(
        lambda repeat: memory.rise_in_process(file(), settings.case),
        lambda risen: {"MiB": risen, "times the data": risen / mib},
    )


def epochs_of(settings: Settings, data: Data | None) -> Work:
    """Epochs of data that are a map, or in memory."""
    torch.set_num_threads(1)
    X = memory.load(file(), settings.case)
    return Work(lambda repeat: memory.seconds_per_epoch(X), lambda seconds: {"s an epoch": seconds})


# Dask ---------------------------------------------------------------------------------------------


@cache
def dask() -> Any:
    """A client of two workers of one thread."""
    from distributed import Client, LocalCluster

    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": ":0"}
    cluster = LocalCluster(**options)
    client = Client(cluster)
    atexit.register(cluster.close)
    atexit.register(client.close)
    client.wait_for_workers(2)
    return client


def search_on_dask(settings: Settings, data: Data | None) -> Work:
    """A search over a view: its overhead, beside the fits themselves."""
    dask()
    forms, y = search.make_forms(folder(), N_ON_DASK)
    run = partial(search.search, "dask", search.VIEW, forms[search.VIEW], y, CANDIDATES)
    return Work(lambda repeat: run()[0], lambda overhead: {"s overhead a task": overhead})


def predictions_on_dask(settings: Settings, data: Data | None) -> Work:
    """Predictions of parts of a view by two workers, and in this process, by processor time."""
    torch.set_num_threads(2)
    parameters, n_sequences = prediction.NETWORKS[settings.case]
    model = folder() / "model.safetensors"
    prediction.write_model(model, parameters)
    prediction.write_data(folder() / "P.npy", n_sequences)
    parts = prediction.parts_of(open_sequences(folder() / "P.npy"), 4)
    scorer, client = BatchScorer(model, method="predict_proba"), dask()
    idle = prediction.idle_rate(client)
    return Work(
        lambda repeat: prediction.compare_once(client, scorer, parts),
        lambda found: {"of in-process": found.ratio(), "without idling": found.ratio(idle)},
    )
