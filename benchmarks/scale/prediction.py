"""Prediction on two Dask workers beside this process, by CPU time.

    python -m benchmarks.scale.prediction

Sequences lie in a file, of which each process reads its parts; the model is shipped as a path. The
figure is what one CPU second predicts on the workers, over what it predicts in this process: above
1 the workers need less. Runs alternate, so that whatever else the machine does meets both.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

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


def cpu_seconds(work: Callable[[], Any], clock: Callable[[], float]) -> tuple[Any, float]:
    """What the work gives, and by how much a clock of CPU time went on meanwhile."""
    before = clock()
    result = work()
    return result, clock() - before


def compare(client: Any, scorer: BatchScorer, view: Any, n_parts: int, n_rounds: int) -> list[Any]:
    """CPU seconds (in this process, on the workers) of each round, one of which is not counted."""

    def of_workers() -> float:
        return float(sum(client.run(time.process_time).values()))

    def on_workers() -> Any:
        futures = client.map(scorer, parts_of(view, n_parts), pure=False)
        return np.concatenate(client.gather(futures))

    rounds = []
    for _ in range(n_rounds + 1):
        here, seconds_here = cpu_seconds(lambda: scorer(view), time.process_time)
        there, seconds_there = cpu_seconds(on_workers, of_workers)
        np.testing.assert_array_equal(here, there)
        rounds.append((seconds_here, seconds_there))
    return rounds[1:]


def measure(n_parts: int, n_rounds: int) -> dict[str, list[Any]]:
    """The rounds of each network."""
    from distributed import Client, LocalCluster

    # As many threads as there are workers: both keep two cores busy.
    torch.set_num_threads(2)
    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": ":0"}
    with TemporaryDirectory() as name, LocalCluster(**options) as two, Client(two) as client:
        data, found = Path(name) / "X.npy", {}
        rng = np.random.default_rng(0)
        shape = (max(n for _, n in NETWORKS.values()), N_TIMESTEPS, N_FEATURES)
        np.save(data, rng.standard_normal(shape, dtype=np.float32))
        for number, (network, (parameters, n)) in enumerate(NETWORKS.items()):
            model = Path(name) / f"{number}.safetensors"
            write_model(model, parameters)
            scorer = BatchScorer(model, method="predict_proba")
            found[network] = compare(client, scorer, open_sequences(data)[:n], n_parts, n_rounds)
    return found


def table(found: dict[str, list[Any]]) -> str:
    """Per CPU second, on the workers over here, as reStructuredText."""
    rows = []
    for network, rounds in found.items():
        ratios = spread([here / there for here, there in rounds])
        rows.append(f"   * - {network}\n     - {ratios}")
    head = "   * - Network\n     - Per CPU second, 2 Dask workers / this process"
    return "\n".join([".. list-table::", "   :header-rows: 1", "", head, *rows])


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, write the figures down, print them."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--parts", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--results", type=Path, default=RESULTS)
    given = parser.parse_args(argv)
    found = measure(given.parts, given.rounds)
    write_down(given.results, "prediction", {**vars(given), "results": None, "rounds": found},
               {"prediction": table(found)})  # fmt: skip
    print(table(found))


if __name__ == "__main__":
    main(sys.argv[1:])
