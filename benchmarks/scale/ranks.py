"""One fit on two processes of one thread beside one process of one thread.

``python -m benchmarks.scale.ranks`` prints how many times faster the epochs are, in turns, and how
long two processes take to start beyond their imports. On a busy machine nothing of it says much:
two processes need two free cores.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from sklstm import LSTMSequenceClassifier
from sklstm._runtime._ranks import reset_launcher, set_launcher
from sklstm.distributed import data_parallel
from sklstm.distributed._loky import LokyRanks

LSTM = {"n_kernels": 0, "conv_filters": (), "bidirectional": False, "mixup_alpha": 0.0}
N_EPOCHS, N_BATCHES = 3, 6
IMPORTS = "import sklstm.distributed; from sklstm import LSTMSequenceClassifier"


@dataclass(frozen=True)
class Case:
    """A network, its data and what was aimed at."""

    name: str
    options: dict[str, Any]
    batch_size: int
    n_timesteps: int
    n_features: int
    target: float


CASES = (
    Case("LSTM B256 T100 H128", LSTM | {"hidden_sizes": 128}, 256, 100, 6, 1.8),
    Case("LSTM B64 T100 H128", LSTM | {"hidden_sizes": 128}, 64, 100, 6, 1.5),
    Case("default network B128 T128", {}, 128, 128, 3, 1.5),
)


def seconds_of(case: Case, launcher: LokyRanks | None) -> float:
    """Least time of an epoch but the first, which compiles kernels."""
    n = case.batch_size * N_BATCHES
    X = np.random.default_rng(0).normal(size=(n, case.n_timesteps, case.n_features))
    clf = LSTMSequenceClassifier(
        **case.options, batch_size=case.batch_size, max_epochs=N_EPOCHS, random_state=0
    )
    token = set_launcher(launcher)
    try:
        fitted = clf.fit(X.astype(np.float32), np.arange(n) % 4)
    finally:
        reset_launcher(token)
    return float(fitted.history_["dur"][1:].min())


def ratios(case: Case, launcher: LokyRanks, n_turns: int) -> list[float]:
    """Time of one process over that of two, in turns."""
    found = []
    for turn in range(n_turns + 1):
        order = (None, launcher) if turn % 2 else (launcher, None)
        seconds = {who: seconds_of(case, who) for who in order}
        found.append(seconds[None] / seconds[launcher])
    # The first turn is warmer for whoever is second.
    return found[1:]


def imports() -> float:
    """Seconds of a process that only imports."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", IMPORTS], check=True)
    return time.perf_counter() - began


def start() -> float:
    """Seconds that a first fit on two processes takes longer than a second one."""
    X, y = np.random.default_rng(0).normal(size=(32, 5, 1)), np.arange(32) % 2
    clf = LSTMSequenceClassifier(**LSTM, hidden_sizes=4, max_epochs=1, random_state=0).fit(X, y)
    seconds = []
    with data_parallel(2):
        for _ in range(2):
            began = time.perf_counter()
            clf.fit(X, y)
            seconds.append(time.perf_counter() - began)
    return seconds[0] - seconds[1]


def line(name: str, figures: Sequence[float], target: str) -> str:
    """Median, quartiles and target."""
    low, median, high = np.percentile(figures, [25, 50, 75])
    return f"{name}: {median:.2f} ({low:.2f} to {high:.2f}), target {target}"


def main(argv: Sequence[str] | None = None) -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=7, help="pairs of fits of each case")
    parser.add_argument("--starts", type=int, default=3, help="starts of two processes")
    options = parser.parse_args(argv)
    os.environ["OMP_NUM_THREADS"] = "1"
    torch.set_num_threads(1)
    launcher = LokyRanks(2, timeout=60.0)
    try:
        for case in CASES:
            found = ratios(case, launcher, options.turns)
            print(line(f"times as fast, {case.name}", found, f">= {case.target}"), flush=True)
    finally:
        launcher.close()
    beyond = [start() - imports() for _ in range(options.starts)]
    print(line("seconds of a start beyond imports", beyond, "<= 5"))


if __name__ == "__main__":
    main()
