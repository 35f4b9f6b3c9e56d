"""Bytes per sequence that a fit holds beyond its values: ``python -m benchmarks.scale.bytes``.

Many sequences of 3 timesteps and 1 feature, in a network of two units; the fit is ended in its
third training step, when everything that it holds is there. Memory of NumPy and Python is counted
where it was allocated, by tracemalloc; the data of the caller are not counted. With OTHER_CHECKOUT
the same is measured of its package: ``python -m benchmarks.scale.bytes OTHER_CHECKOUT``.
"""

from __future__ import annotations

import argparse
import json
import linecache
import os
import subprocess
import sys
import tracemalloc
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
from skorch.callbacks import Callback

HERE = Path(__file__).resolve().parents[2]
KINDS = ("labels", "weights", "numbers", "groups")
# Lines of fewer bytes per sequence are summed up.
SMALLEST = 0.4
# From NumPy's functions to the line that calls them.
N_FRAMES = 6


class Enough(BaseException):
    """The end of the fit."""


class AtThirdStep(Callback):
    """Takes a snapshot of the memory, and ends the fit."""

    n_steps = 0
    snapshot: tracemalloc.Snapshot
    peak = 0

    def on_batch_begin(self, net: Any, training: bool = False, **kwargs: Any) -> None:
        self.n_steps += 1
        if self.n_steps == 3:
            self.peak = tracemalloc.get_traced_memory()[1]
            self.snapshot = tracemalloc.take_snapshot()
            raise Enough


def begin_fit(kind: str, n: int, callback: Any) -> None:
    """Begin a fit of so many sequences, whatever ends it."""
    from sklstm import LSTMSequenceClassifier, LSTMSequenceRegressor

    X = np.random.default_rng(0).normal(size=(n, 3, 1)).astype(np.float32)
    y: Any = np.arange(n) % 3
    options: dict[str, Any] = {"max_epochs": 1, "batch_size": 128, "random_state": 0}
    options |= {"hidden_sizes": 2, "conv_filters": (), "n_kernels": 0, "callbacks": [callback]}
    estimator, given = LSTMSequenceClassifier, {}
    if kind == "weights":
        options["class_weight"] = "balanced"
        given["sample_weight"] = np.arange(n) % 7 + 1.0
    elif kind == "groups":
        options["early_stopping"] = True
        given["groups"] = np.arange(n) // 4
    elif kind == "numbers":
        estimator, y = LSTMSequenceRegressor, y / 2
    # The data of the caller are there already.
    tracemalloc.start(N_FRAMES)
    with suppress(Enough):
        estimator(**options).fit(X, y, **given)
    tracemalloc.stop()


def measure(kind: str, n: int) -> dict[str, Any]:
    """Bytes per sequence, by the line of the package that allocated them, the most first."""
    # What is imported and compiled by a first fit is not of the data.
    begin_fit(kind, 2000, AtThirdStep())
    callback = AtThirdStep()
    begin_fit(kind, n, callback)
    lines: dict[str, float] = {}
    for trace in callback.snapshot.statistics("traceback"):
        own = [frame for frame in trace.traceback if "/sklstm/" in frame.filename]
        if own:
            name = own[-1].filename.rpartition("/sklstm/")[2]
            text = linecache.getline(own[-1].filename, own[-1].lineno).strip()
            where = f"{name}: {text}"
            lines[where] = lines.get(where, 0.0) + trace.size / n
    held = dict(sorted(lines.items(), key=lambda item: -item[1]))
    of_values = sum(size for where, size in held.items() if is_of_values(where))
    return {
        "values": of_values,
        "beyond": sum(held.values()) - of_values,
        "peak beyond": callback.peak / n - of_values,
        "lines": {where: size for where, size in held.items() if size >= SMALLEST},
    }


def is_of_values(where: str) -> bool:
    """Whether a line allocates values of sequences: scaled ones, or those of a part."""
    return where.startswith("_batching/_scaling.py") or "self.values[" in where


def measured_in(checkout: Path, kind: str, n: int) -> dict[str, Any]:
    """The same of a checkout's package, in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    command = [sys.executable, str(Path(__file__).resolve()), "--print", kind, "--number", str(n)]
    result = subprocess.run(
        command, env=environment, cwd=checkout, check=True, capture_output=True, text=True
    )
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def main(argv: Sequence[str] | None = None) -> None:
    """Print a table for each kind of fit and each checkout."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("other", type=Path, nargs="?", help="folder of another checkout")
    parser.add_argument("--number", type=int, default=1_000_000, help="number of sequences")
    parser.add_argument("--print", choices=KINDS, help="only print this package's figures as JSON")
    arguments = parser.parse_args(argv)
    if arguments.print:
        print(json.dumps(measure(arguments.print, arguments.number)))
        return
    checkouts = {"this": HERE}
    if arguments.other is not None:
        checkouts = {"other": arguments.other.resolve(), **checkouts}
    print(f"bytes per sequence, {arguments.number:,} sequences of 3 timesteps and 1 feature")
    for kind in KINDS:
        for name, checkout in checkouts.items():
            found = measured_in(checkout, kind, arguments.number)
            figures = ", ".join(f"{found[n]:.1f} {n}" for n in ("values", "beyond", "peak beyond"))
            print(f"{kind}, {name} checkout: {figures}")
            for where, size in found["lines"].items():
                print(f"  {size:6.1f}  {where[:110]}")


if __name__ == "__main__":
    main()
