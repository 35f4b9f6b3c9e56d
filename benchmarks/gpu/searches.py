"""How many small fits at once pay off on one GPU."""

from __future__ import annotations

import time
from typing import Any

import joblib
import numpy as np

from sklstm import LSTMSequenceClassifier

# Processes that share the GPU.
N_JOBS = (1, 2, 4, 8)


def fit_one(seed: int, device: str, n: int, n_epochs: int) -> int:
    """A small fit; the process that it ran in."""
    import os

    X = np.random.default_rng(0).normal(size=(n, 25, 12)).astype(np.float32)
    classifier = LSTMSequenceClassifier(
        32, n_kernels=0, max_epochs=n_epochs, batch_size=32, device=device, random_state=seed
    )
    classifier.fit(X, np.arange(n) % 9)
    return os.getpid()


def searches_table(device: str, *, small: bool, n_jobs: tuple[int, ...] = N_JOBS) -> list[Any]:
    """Fits a minute by number of processes, which have a context each before the clock starts."""
    n, n_epochs, n_fits = (18, 1, 1) if small else (270, 20, 4)
    rows = []
    for jobs in n_jobs:
        with joblib.Parallel(n_jobs=jobs) as parallel:
            # Each process gets some.
            parallel(joblib.delayed(fit_one)(i, device, n, 1) for i in range(2 * jobs))
            start = time.perf_counter()
            tasks = (joblib.delayed(fit_one)(i, device, n, n_epochs) for i in range(n_fits * jobs))
            homes = parallel(tasks)
            seconds = time.perf_counter() - start
        rows.append({
            "n_jobs": jobs, "processes that fitted": len(set(homes)),
            "fits a minute": 60 * n_fits * jobs / seconds,
        })  # fmt: skip
        print(rows[-1], flush=True)
    for row in rows:
        row["over one process"] = row["fits a minute"] / rows[0]["fits a minute"]
    return rows
