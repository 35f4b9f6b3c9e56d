"""What a search on Dask, loky or Ray costs beside its fits, and what it ships.

    python -m benchmarks.scale.search

Two workers of one thread. The overhead of a task is the time of both workers less that of all fits
and scores, over the number of tasks: (wall time x 2 - sum of fits) / tasks. What is idle at the end
of a search is part of it. Forms of X take turns, after one search that nobody counts.
"""

from __future__ import annotations

import argparse
import os
import pickle
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import joblib
import numpy as np
from sklearn.model_selection import GridSearchCV
from tabulate import tabulate

from benchmarks.results import Target, spread, write_down
from sklstm import LSTMSequenceClassifier
from sklstm.preprocessing import StoredSequences, write_sequences

RESULTS = Path(__file__).parents[1] / "results" / "scale"
N_WORKERS, N_FOLDS = 2, 2
MOST_OVERHEAD = 0.3
LIST, SCATTERED, OBJECTS, CUBE, VIEW = (
    "list", "list, scattered", "object array", "3-D array", "view of a file",
)  # fmt: skip
# Of an array loky and Ray have no counter: they map it, or put it into shared memory.
FORMS = {
    "dask": (LIST, SCATTERED, OBJECTS, CUBE, VIEW),
    "loky": (LIST, CUBE, VIEW),
    "ray": (LIST, CUBE, VIEW),
}


class Counted(list):
    """A list that counts how often it is pickled in this process."""

    n_pickles = 0

    def __reduce__(self) -> Any:
        Counted.n_pickles += 1
        return list, (list(self),)


@dataclass
class Row:
    """Searches with one form of X on one backend.

    Attributes
    ----------
    overhead : list of float
        Seconds a task of each search.
    shipped : list of float
        How often the bytes of X were sent in each search, whole, for all workers together.
    """

    backend: str
    form: str
    overhead: list[float] = field(default_factory=list)
    shipped: list[float] = field(default_factory=list)
    n_tasks: int = 0


def make_forms(folder: Path, n_sequences: int) -> tuple[dict[str, Any], np.ndarray]:
    """X in each form, and y; 4 kB a sequence."""
    rng = np.random.default_rng(0)
    cube = rng.normal(size=(n_sequences, 50, 10))
    ragged = [x[: 50 - i % 10] for i, x in enumerate(cube)]
    objects = np.empty(n_sequences, dtype=object)
    objects[:] = ragged
    view = write_sequences(folder / "view", {"X": ragged})
    forms = {SCATTERED: ragged, OBJECTS: objects, CUBE: cube, VIEW: view}
    return {LIST: list(ragged), **forms}, np.arange(n_sequences) % 2


# Backends -----------------------------------------------------------------------------------------

# Gives how many bytes have been sent so far for X; None where that is not known.
Counter = Callable[[Any], float | None]


@contextmanager
def on_dask() -> Iterator[Counter]:
    """Counts what client and scheduler send, which are this process, and workers to each other."""
    from distributed import Client, LocalCluster
    from distributed.comm.tcp import TCP

    write, sent = TCP.write, []

    async def counted(self: Any, *arguments: Any, **options: Any) -> Any:
        sent.append(await write(self, *arguments, **options))
        return sent[-1]

    options = {"n_workers": N_WORKERS, "threads_per_worker": 1, "dashboard_address": ":0"}
    TCP.write = counted
    try:
        with LocalCluster(**options) as cluster, Client(cluster) as client:

            def count(X: Any) -> float:
                # By Dask's estimate, which of an object array is that of the pointers alone.
                own = client.run(lambda dask_worker: dask_worker.transfer_outgoing_bytes_total)
                return float(sum(sent) + sum(own.values()))

            client.wait_for_workers(N_WORKERS)
            yield count
    finally:
        TCP.write = write


@contextmanager
def on_loky() -> Iterator[Counter]:
    """Counts pickles."""
    yield count_pickles


@contextmanager
def on_ray() -> Iterator[Counter]:
    """Counts pickles."""
    import ray
    from ray.util.joblib import register_ray

    ray.init(num_cpus=N_WORKERS, include_dashboard=False, logging_level="ERROR")
    register_ray()
    try:
        yield count_pickles
    finally:
        ray.shutdown()


def count_pickles(X: Any) -> float | None:
    """Bytes of all pickles of X in this process so far."""
    if isinstance(X, np.ndarray):
        return None
    n_pickles = Counted.n_pickles
    n_bytes = n_pickles * len(pickle.dumps(X))
    # Less the one that was made to know its size.
    Counted.n_pickles = n_pickles
    return float(n_bytes)


@contextmanager
def views_are_counted() -> Iterator[None]:
    """Pickles of views count as those of lists do."""
    reduce = StoredSequences.__reduce__

    def counted(self: StoredSequences) -> Any:
        Counted.n_pickles += 1
        return reduce(self)

    StoredSequences.__reduce__ = counted  # type: ignore[method-assign]
    try:
        yield
    finally:
        StoredSequences.__reduce__ = reduce  # type: ignore[method-assign]


BACKENDS = {"dask": on_dask, "loky": on_loky, "ray": on_ray}


# Measuring ----------------------------------------------------------------------------------------


def search(backend: str, form: str, X: Any, y: Any, n_candidates: int) -> tuple[float, list[Any]]:
    """Overhead of a task in seconds, and the scores."""
    classifier = LSTMSequenceClassifier(hidden_sizes=8, n_kernels=0, max_epochs=2, random_state=0)
    grid = {"learning_rate": np.geomspace(0.001, 0.1, n_candidates).tolist()}
    found = GridSearchCV(classifier, grid, cv=N_FOLDS, refit=False, error_score="raise")
    options = {"scatter": [X]} if form == SCATTERED else {}
    began = time.perf_counter()
    with joblib.parallel_config(backend, n_jobs=N_WORKERS, **options):
        found.fit(X, y)
    wall = time.perf_counter() - began
    results = found.cv_results_
    fits = N_FOLDS * (results["mean_fit_time"] + results["mean_score_time"]).sum()
    overhead = (wall * N_WORKERS - fits) / (N_FOLDS * n_candidates)
    return float(overhead), results["mean_test_score"].tolist()


def measure(backend: str, forms: dict[str, Any], y: Any, options: Any) -> list[Row]:
    """One row for each form of X."""
    rows = {form: Row(backend, form) for form in FORMS[backend]}
    n_bytes = sum(x.nbytes for x in forms[LIST])
    scores: dict[int, list[Any]] = {}
    with views_are_counted(), BACKENDS[backend]() as count:
        search(backend, VIEW, forms[VIEW], y, options.candidates)
        for _ in range(options.rounds):
            for form, row in rows.items():
                counts = backend != "dask" and form == LIST
                X = Counted(forms[form]) if counts else forms[form]
                before = count(X)
                overhead, found = search(backend, form, X, y, options.candidates)
                after = count(X)
                assert scores.setdefault(form == CUBE, found) == found, "other scores"
                row.n_tasks = N_FOLDS * options.candidates
                row.overhead.append(overhead)
                if before is not None and after is not None:
                    row.shipped.append((after - before) / n_bytes)
    return list(rows.values())


def table(rows: Sequence[Row], form: str = "github") -> str:
    """One line for each backend and form."""
    cells = [
        (
            row.backend,
            row.form,
            str(spread(row.overhead)),
            str(spread(row.shipped)) if row.shipped else "not counted",
            f"{np.median(row.shipped) / row.n_tasks:.4f}" if row.shipped else "not counted",
        )
        for row in rows
    ]
    headers = ("backend", "X", "overhead, s a task", "X sent, times in all", "times a task")
    return tabulate(cells, headers, tablefmt=form, disable_numparse=True)


def targets(rows: Sequence[Row]) -> list[Target]:
    """The target of views on Dask, and that they are not sent."""
    (row,) = (row for row in rows if (row.backend, row.form) == ("dask", VIEW))
    overhead, shipped = spread(row.overhead), spread(row.shipped)
    return [
        Target(
            "search on Dask",
            f"<= {MOST_OVERHEAD} s overhead a task",
            f"{overhead} s",
            overhead.median <= MOST_OVERHEAD,
        ),
        # Up to a hundredth a task: the fold's indices, the estimator, the scores, heartbeats.
        Target(
            "search on Dask",
            "a view is sent 0 times",
            f"{shipped} of its bytes, all else included",
            shipped.median < 0.01 * row.n_tasks,
        ),
    ]


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print and write down."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--backends", nargs="+", choices=list(BACKENDS), default=["dask", "loky"])
    parser.add_argument("--sequences", type=int, default=1000)
    parser.add_argument("--candidates", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args(argv)
    # Processes of Ray do not inherit where Python looks for modules.
    os.environ["PYTHONPATH"] = os.pathsep.join([str(Path.cwd()), os.environ.get("PYTHONPATH", "")])
    rows: list[Row] = []
    with TemporaryDirectory() as folder:
        forms, y = make_forms(Path(folder), options.sequences)
        for backend in options.backends:
            rows += measure(backend, forms, y, options)
    print(table(rows))
    if "dask" in options.backends:
        for target in targets(rows):
            print(f"{target.theme}, {target.target}: {target.measured}, met: {target.met}")
    figures = [asdict(row) for row in rows]
    write_down(options.output, "search", figures, {"search": table(rows, "rst")})
    return 0


if __name__ == "__main__":
    sys.exit(main())
