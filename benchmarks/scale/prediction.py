"""Prediction on two Dask workers beside this process, by CPU time.

    python -m benchmarks.scale.prediction

Sequences lie in a file, of which each process reads its parts; the model is shipped as a path. The
figure is what one CPU second predicts on the workers, over what it predicts in this process: above
1 the workers need less. Runs alternate, so that whatever else the machine does meets both. But for
one thing: workers take time even while they wait (heartbeats, a profiler), which counts the more,
the longer a run waits for the cores. So the figure is given a second time without what the workers
take in as long a time when they have nothing to do.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
import torch

from benchmarks.machine import environment
from benchmarks.results import spread, write_down
from sklstm import BatchScorer, LSTMSequenceClassifier, save_model
from sklstm.preprocessing import open_sequences

RESULTS = Path(__file__).parents[1] / "results" / "scale"
N_TIMESTEPS, N_FEATURES = 100, 10
SMALL = {"bidirectional": False, "conv_filters": (), "n_kernels": 0, "patch_size": 1}
# Parameters of each network, and the number of sequences, which take seconds.
NETWORKS: dict[str, tuple[dict[str, Any], int]] = {
    "LSTM, 64 units, one direction": (SMALL, 49_152),
    "default network": ({}, 4096),
}


def write_model(path: Path, parameters: dict[str, Any]) -> None:
    """A model that was hardly trained, which takes the same time."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(64, N_TIMESTEPS, N_FEATURES)).astype(np.float32)
    model = LSTMSequenceClassifier(**parameters, max_epochs=1, random_state=0)
    save_model(model.fit(X, X.mean(axis=(1, 2)) > 0), path)


def parts_of(view: Any, n_parts: int) -> list[Any]:
    """The sequences in parts of about the same number, none of which is read."""
    bounds = np.linspace(0, len(view), n_parts + 1).astype(int)
    return [view[start:stop] for start, stop in pairwise(bounds)]


class Round(NamedTuple):
    """CPU seconds of the same predictions; the second ones also by the clock on the wall."""

    here: float
    on_workers: float
    wall: float

    def ratio(self, idle: float = 0.0) -> float:
        """Per CPU second, the workers over this process; ``idle`` is what they take by waiting."""
        return self.here / (self.on_workers - idle * self.wall)


def cpu_of(client: Any) -> float:
    """CPU seconds that the workers have taken."""
    return float(sum(client.run(time.process_time).values()))


def idle_rate(client: Any, seconds: float = 10.0) -> float:
    """CPU seconds per second of workers that have nothing to do."""
    before, begin = cpu_of(client), time.perf_counter()
    time.sleep(seconds)
    return (cpu_of(client) - before) / (time.perf_counter() - begin)


def compare(client: Any, scorer: BatchScorer, parts: list[Any], n_rounds: int) -> list[Round]:
    """The rounds after a first one, in which models are loaded."""
    return [compare_once(client, scorer, parts) for _ in range(n_rounds + 1)][1:]


def compare_once(client: Any, scorer: BatchScorer, parts: list[Any]) -> Round:
    """One round."""
    before = time.process_time()
    here = [scorer(part) for part in parts]
    seconds_here = time.process_time() - before
    before, begin = cpu_of(client), time.perf_counter()
    there = client.gather(client.map(scorer, parts, pure=False))
    seconds_there = cpu_of(client) - before
    np.testing.assert_array_equal(np.concatenate(here), np.concatenate(there))
    return Round(seconds_here, seconds_there, time.perf_counter() - begin)


def write_data(path: Path, n_sequences: int) -> None:
    """Noise, in a file of NumPy's."""
    shape = (n_sequences, N_TIMESTEPS, N_FEATURES)
    np.save(path, np.random.default_rng(0).standard_normal(shape, dtype=np.float32))


def measure(n_parts: int, n_rounds: int) -> tuple[dict[str, list[Round]], float]:
    """The rounds of each network, and the rate of idle workers."""
    from distributed import Client, LocalCluster

    # As many threads as there are workers: both keep two cores busy.
    torch.set_num_threads(2)
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": ":0"}
    with TemporaryDirectory() as name, LocalCluster(**options) as two, Client(two) as client:
        data, found = Path(name) / "X.npy", {}
        write_data(data, max(n for _, n in NETWORKS.values()))
        for number, (network, (parameters, n)) in enumerate(NETWORKS.items()):
            model = Path(name) / f"{number}.safetensors"
            write_model(model, parameters)
            scorer = BatchScorer(model, method="predict_proba")
            parts = parts_of(open_sequences(data)[:n], n_parts)
            found[network] = compare(client, scorer, parts, n_rounds)
        return found, idle_rate(client)


def table(found: dict[str, list[Round]], idle: float) -> str:
    """Per CPU second, on the workers over here, as reStructuredText."""
    lines = [
        ".. list-table::",
        "   :header-rows: 1",
        "",
        "   * - Per CPU second, 2 Dask workers / this process",
        "     - all",
        "     - without what idle workers take",
    ]
    for network, rounds in found.items():
        lines += [f"   * - {network}", f"     - {spread([each.ratio() for each in rounds])}"]
        lines.append(f"     - {spread([each.ratio(idle) for each in rounds])}")
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, write the figures down, print them."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--parts", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--results", type=Path, default=RESULTS)
    given = parser.parse_args(argv)
    found, idle = measure(given.parts, given.rounds)
    figures = {"machine": environment(), "parts": given.parts, "idle": idle, "rounds": found}
    text = table(found, idle)
    write_down(given.results, "prediction", figures, {"prediction": text})
    print(text)


if __name__ == "__main__":
    main(sys.argv[1:])
