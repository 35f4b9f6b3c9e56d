"""What it takes until ranks on Dask and Ray are at work.

``python -m benchmarks.scale.launch`` starts a local cluster of two workers of each kind and prints
the seconds of a first fit, for which the workers import PyTorch, and of later ones, beside a fit
without ranks.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from sklstm import LSTMSequenceClassifier
from sklstm.distributed import data_parallel

OPTIONS = {"hidden_sizes": 4, "n_kernels": 0, "conv_filters": (), "max_epochs": 1}


@contextmanager
def dask() -> Iterator[None]:
    """Ranks on two local workers."""
    from distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0") as cluster,
        Client(cluster) as client,
        data_parallel(client),
    ):
        yield


@contextmanager
def ray() -> Iterator[None]:
    """Ranks as two local actors."""
    import ray

    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    try:
        with data_parallel(ray=2):
            yield
    finally:
        ray.shutdown()


def seconds_of(fit: Callable[[], Any]) -> float:
    """Seconds of a call."""
    began = time.perf_counter()
    fit()
    return time.perf_counter() - began


def report(name: str, first: float, later: Sequence[float], alone: float) -> None:
    """Print one line."""
    low, high = min(later), max(later)
    print(
        f"{name}: first fit {first:.1f} s, later fits median {statistics.median(later):.2f} s"
        f" ({low:.2f} to {high:.2f}), without ranks {alone:.2f} s"
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--fits", type=int, default=5)
    parser.add_argument("--kind", choices=["dask", "ray"], action="append")
    arguments = parser.parse_args(argv)
    X = np.random.default_rng(0).normal(size=(400, 20, 50)).astype(np.float32)
    clf = LSTMSequenceClassifier(**OPTIONS, random_state=0)
    y = np.arange(len(X)) % 2

    def fit() -> Any:
        return clf.fit(X, y)

    fit()
    alone = statistics.median(seconds_of(fit) for _ in range(arguments.fits))
    for kind in arguments.kind or ["dask", "ray"]:
        with dask() if kind == "dask" else ray():
            first = seconds_of(fit)
            report(kind, first, [seconds_of(fit) for _ in range(arguments.fits)], alone)


if __name__ == "__main__":
    main()
