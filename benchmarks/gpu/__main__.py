"""Measure, write down, and print what was aimed at: ``python -m benchmarks.gpu``.

Times are milliseconds, of a step or of what the row says; each is the median of the later epochs of
a fit. Themes that have not begun after ``--limit`` seconds are left out. Results are written after
each theme.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from tabulate import tabulate

from benchmarks.gpu.by_hand import loop, packed_loop, plain_skorch
from benchmarks.gpu.limits import bare_kernels, limits_table
from benchmarks.gpu.ours import LooksAtBatches, captures, epoch_of, one_by_one, ours
from benchmarks.gpu.searches import searches_table
from benchmarks.gpu.targets import DEFAULT, RAGGED, WHOLE, targets_table
from benchmarks.gpu.with_keras import keras_steps
from benchmarks.gpu.work import N_CLASSES, N_EPOCHS, SMALL, STEPS, Work, ragged, seconds_of
from benchmarks.machine import environment
from sklstm import LSTMSequenceClassifier

RESULTS = Path(__file__).parents[1] / "results" / "gpu.json"
# Seconds.
LIMIT = 70


def steps_table(works: tuple[Work, ...], device: str) -> list[dict[str, Any]]:
    """Steps of LSTM layers: milliseconds of each contestant."""
    rows = []
    for work in works:
        row: dict[str, Any] = {"work": str(work), "sklstm": 1e3 * ours(work, device)}
        row["loop by hand"] = 1e3 * loop(work, device)
        if device != "cpu":
            row["loop captured by hand"] = 1e3 * loop(work, device, captures=True)
        if work.precision == "float32":
            row["skorch"] = 1e3 * plain_skorch(work, device)
        row["kernels alone"] = 1e3 * bare_kernels(work, device)
        rows.append(row | {"loop / sklstm": row["loop by hand"] / row["sklstm"]})
        print(rows[-1], flush=True)
    return rows


def fits_table(n: int, device: str) -> list[dict[str, Any]]:
    """Epochs and whole fits: milliseconds with graphs, without, on the CPU, and packed."""
    rng = np.random.default_rng(0)
    long = rng.normal(size=(n, 150, 6)).astype(np.float32), np.arange(n) % N_CLASSES
    vowels = rng.normal(size=(min(n, 270), 25, 12)).astype(np.float32)
    vowels = vowels, np.arange(len(vowels)) % 9
    rows = [epoch_row(DEFAULT, long, {}, device)]
    rows.append(epoch_row(RAGGED, ragged(n), {"conv_filters": (), "n_kernels": 0}, device))
    rows[-1]["packed loop"] = 1e3 * packed_loop(*ragged(n), device)
    for name, data in {"270 x 25 x 12": vowels, "log-normal lengths": ragged(min(n, 500))}.items():
        short = {"max_epochs": 10, "n_kernels": 0}
        rows.append(fit_row(f"fit of 10 epochs, {name}", data, short, device))
    rows.append(fit_row(WHOLE, vowels, {}, device))
    fit = LSTMSequenceClassifier(random_state=0, device=device).fit
    each = captures(partial(fit, *vowels))
    if each:
        rows[-1] |= {"capture": 1e3 * median(each), "captures": len(each)}
    for row in rows:
        print(row, flush=True)
    return rows


def epoch_row(name: str, data: Any, changes: dict[str, Any], device: str) -> dict[str, Any]:
    """Milliseconds of an epoch."""
    options = {"max_epochs": N_EPOCHS, "random_state": 0, "batch_size": 32} | changes
    build = partial(LSTMSequenceClassifier, **options)
    plain, on_cpu = build(device=device, callbacks=[LooksAtBatches()]), build(max_epochs=3)
    contestants = {"sklstm": build(device=device), "without graphs": plain, "on the CPU": on_cpu}
    return {"work": name} | {
        who: 1e3 * epoch_of(classifier, *data) for who, classifier in contestants.items()
    }


def fit_row(name: str, data: Any, changes: dict[str, Any], device: str) -> dict[str, Any]:
    """Milliseconds of a whole fit, the second of two."""
    contestants = {
        "sklstm": {"device": device},
        "without graphs": {"device": device, "callbacks": [LooksAtBatches()]},
        "on the CPU": {},
    }
    row: dict[str, Any] = {"work": name}
    for who, given in contestants.items():
        fit = partial(LSTMSequenceClassifier(random_state=0, **changes, **given).fit, *data)
        row[who] = 1e3 * seconds_of(fit, 2)
    return row


def predictions_table(device: str) -> list[dict[str, Any]]:
    """Predictions of one sequence beside the bare network."""
    X, y = Work(32, 100, 10, 64, n_batches=2).data()
    rows = []
    for name, changes in {"LSTM": {"conv_filters": (), "n_kernels": 0}, "default": {}}.items():
        options = {"max_epochs": 1, "device": device, "random_state": 0} | changes
        classifier = LSTMSequenceClassifier(64, **options).fit(X, y)
        rows.append({"work": f"one sequence, {name}"} | one_by_one(classifier, X))
    return rows


def keras_table(works: tuple[Work, ...], device: str) -> list[dict[str, Any]]:
    """Keras on torch: milliseconds of a step, or why there are none."""
    found = keras_steps(works, device)
    return [
        {"work": str(work), "Keras on torch": each if isinstance(each, str) else 1e3 * each}
        for work, each in zip(works, found, strict=True)
    ]


def measure(
    figures: dict[str, Any], device: str, results: Path, *, small: bool, limit: float
) -> None:
    """All themes, the most important first, as long as there is time; written after each."""
    counts = device != "cpu" and not small
    works, n = (SMALL, 40) if small else (STEPS, 2000)
    figures["card"] = "none" if device == "cpu" else torch.cuda.get_device_name()
    figures["environment"] = environment()
    themes: dict[str, Callable[[], list[Any]]] = {
        "steps": lambda: steps_table(works, device),
        "fits": lambda: fits_table(n, device),
        "predictions": lambda: predictions_table(device),
        "limits": lambda: limits_table(figures["steps"], works, device),
        "keras": lambda: keras_table(works, device),
        "searches": lambda: searches_table(device, small=small),
    }
    start = time.perf_counter()
    seconds = figures["seconds"] = {}
    for name, theme in themes.items():
        before = time.perf_counter()
        if before - start < limit:
            figures[name] = theme()
            seconds[name] = round(time.perf_counter() - before, 1)
            # Taken out first, so that it is the last to be printed.
            figures.pop("targets", None)
            figures["targets"] = targets_table(figures, counts=counts)
            results.write_text(json.dumps(figures, indent=1) + "\n")


def say(figures: dict[str, Any]) -> None:
    """Print what there is."""
    for name, table in figures.items():
        if isinstance(table, list):
            print(f"\n{name}:", tabulate(table, headers="keys", floatfmt=".3g"), sep="\n")
    print(f"\n{figures.get('card')}; seconds of each theme: {figures.get('seconds')}", flush=True)


def main() -> None:
    """Measure, write down and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--small", action="store_true", help="to see that all of it runs")
    parser.add_argument("--limit", type=float, default=LIMIT, help="no theme begins after seconds")
    parser.add_argument("--results", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    figures: dict[str, Any] = {}
    # Ended by `timeout`, it still prints what it has found.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("out of time"))
    try:
        where = arguments.device, arguments.results
        measure(figures, *where, small=arguments.small, limit=arguments.limit)
    finally:
        say(figures)


if __name__ == "__main__":
    main()
