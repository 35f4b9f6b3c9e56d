"""Memory and time of fits of large data, from a memory map and in memory.

``python -m benchmarks.scale.memory --megabytes 200 1000`` prints by how much a fit raises the
memory of a process (its own pages, not those of the file), and the time of an epoch from the map as
a ratio to that in memory, of fits in turns: median, least and largest. Each rise is of a new
process.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from sklstm import LSTMSequenceClassifier

N_TIMESTEPS, N_FEATURES, N_CLASSES = 100, 25, 3
# One layer, and no convolutions: the network whose steps take the least time for what they read.
NETWORK: dict[str, Any] = {
    "hidden_sizes": 32,
    "conv_filters": (),
    "n_kernels": 0,
    "bidirectional": False,
    "patch_size": 5,
    "batch_size": 128,
    "standardize": True,
    "random_state": 0,
}
SECONDS_BETWEEN_LOOKS = 0.004


def write_data(path: Path, megabytes: float) -> None:
    """Noise around the level of the class, in float32, in a file of NumPy's."""
    n = max(N_CLASSES, int(megabytes * 1e6 / (4 * N_TIMESTEPS * N_FEATURES)))
    shape = (n, N_TIMESTEPS, N_FEATURES)
    values = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=shape)
    rng = np.random.default_rng(0)
    for start in range(0, n, 1000):
        block = rng.normal(size=values[start : start + 1000].shape)
        values[start : start + 1000] = block + 0.1 * targets(n)[start : start + 1000, None, None]
    values.flush()


def targets(n: int) -> Any:
    """Class of each sequence."""
    return np.arange(n) % N_CLASSES


def load(path: Path, kind: str) -> Any:
    """The data: a map, an array in memory, or a list of arrays."""
    if kind == "map":
        return np.load(path, mmap_mode="r")
    X = np.load(path)
    return list(X) if kind == "list" else X


def anonymous_mib() -> float:
    """Memory of this process that no file holds, in MiB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1024


def rise(path: Path, kind: str, n_epochs: int, **parameters: Any) -> float:
    """Largest rise of this process's memory during a fit, in MiB."""
    small = np.random.default_rng(0).normal(size=(300, N_TIMESTEPS, N_FEATURES))
    network = NETWORK | parameters
    LSTMSequenceClassifier(**network, max_epochs=2).fit(small.astype(np.float32), targets(300))
    X = load(path, kind)
    base, peak, stop = anonymous_mib(), [0.0], threading.Event()

    def watch() -> None:
        while not stop.wait(SECONDS_BETWEEN_LOOKS):
            peak[0] = max(peak[0], anonymous_mib())

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    LSTMSequenceClassifier(**network, max_epochs=n_epochs).fit(X, targets(len(X)))
    stop.set()
    watcher.join()
    return peak[0] - base


def rise_in_process(path: Path, kind: str) -> float:
    """The same of a new process."""
    command = [sys.executable, "-m", "benchmarks.scale.memory", "--rise-of", str(path), kind]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def seconds_per_epoch(X: Any) -> float:
    """Median over the epochs after the first."""
    classifier = LSTMSequenceClassifier(**NETWORK, max_epochs=4).fit(X, targets(len(X)))
    return float(np.median(classifier.history_["dur"][1:]))


def measure(megabytes: float, rounds: int, folder: Path) -> dict[str, Any]:
    """Rises in MiB by kind, and ratios of the time of an epoch from the map to that in memory."""
    path = folder / "X.npy"
    write_data(path, megabytes)
    rises = {kind: rise_in_process(path, kind) for kind in ("map", "memory", "list")}
    mapped, in_memory = load(path, "map"), load(path, "memory")
    ratios = []
    for _ in range(rounds):
        from_map = seconds_per_epoch(mapped)
        ratios.append(from_map / seconds_per_epoch(in_memory))
    return {"megabytes": megabytes, "rises": rises, "ratios": ratios}


def main(argv: Sequence[str] | None = None) -> list[dict[str, Any]]:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=float, nargs="+", default=[200])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rise-of", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args(argv)
    if arguments.rise_of:
        path, kind = arguments.rise_of
        print(rise(Path(path), kind, n_epochs=2))
        return []
    results = []
    for megabytes in arguments.megabytes:
        start = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            result = measure(megabytes, arguments.rounds, Path(folder))
        results.append(result)
        mib = megabytes * 1e6 / 2**20
        for kind, risen in result["rises"].items():
            print(f"{megabytes:g} MB, {kind}: rises by {risen:.0f} MiB, {risen / mib:.2f} times")
        if ratios := result["ratios"]:
            low, median, high = min(ratios), statistics.median(ratios), max(ratios)
            print(f"  an epoch from the map takes {median:.2f} ({low:.2f} to {high:.2f}) of one in"
                  f" memory; {time.perf_counter() - start:.0f} s in all")  # fmt: skip
    return results


if __name__ == "__main__":
    main()
