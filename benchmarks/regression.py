"""Default regressors beside published figures: ``python -m benchmarks.regression --data FOLDER``.

Sets are those of aeon's wheel and, with a folder, C-MAPSS FD001 [1]_: windows of 30 cycles of 100
engines that run to failure; the target is the remaining cycles, at most 125. The last window of 100
other engines is the test. Intervals are judged by cross-validation over engines alone.

References
----------
.. [1] A. Saxena, K. Goebel, D. Simon, N. Eklund, "Damage Propagation Modeling for Aircraft Engine
   Run-to-Failure Simulation", PHM 2008.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
from sklearn.metrics import root_mean_squared_error
from sklearn.model_selection import GroupKFold
from tabulate import tabulate

from benchmarks import published
from benchmarks.machine import processor
from benchmarks.results import write_down
from sklstm import LSTMSequenceRegressor

RESULTS = Path(__file__).parent / "results" / "regression"
IN_WHEEL = ("Covid3Month", "CardanoSentiment")
WINDOW, CAP = 30, 125.0
# What the default is to reach.
TARGETS = {"FD001": 13.5, "Covid3Month": 0.041, "CardanoSentiment": 0.295}


def of_wheel(name: str) -> tuple[Any, ...]:
    """X and y to train and to test."""
    from aeon.datasets import load_regression

    parts = [load_regression(name, split=split) for split in ("train", "test")]
    return tuple(value for X, y in parts for value in (X.transpose(0, 2, 1), y))


def engines(path: Path) -> list[np.ndarray]:
    """Settings and sensors of each engine, shape (n_cycles, 24)."""
    table = np.loadtxt(path)
    return [table[table[:, 0] == unit, 2:] for unit in np.unique(table[:, 0])]


def windows(runs: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All windows of runs to failure, their remaining cycles, and the number of the engine."""
    X, y, groups = [], [], []
    for engine, run in enumerate(runs):
        for end in range(WINDOW, len(run) + 1):
            X.append(run[end - WINDOW : end])
            y.append(min(CAP, len(run) - end))
            groups.append(engine)
    return np.array(X), np.array(y, dtype=float), np.array(groups)


def of_engines(folder: Path) -> tuple[Any, ...]:
    """The windows of all training engines, and the last one of each test engine."""
    X, y, _ = windows(engines(folder / "train_FD001.txt"))
    # The remaining cycles of a test engine are those after its last cycle.
    X_test = np.array([run[-WINDOW:] for run in engines(folder / "test_FD001.txt")])
    y_test = np.minimum(CAP, np.loadtxt(folder / "RUL_FD001.txt"))
    return X, y, X_test, y_test


def fit(name: str, data: tuple[Any, ...], seed: int) -> dict[str, Any]:
    """One fit of the defaults, scored on the test part."""
    X, y, X_test, y_test = data
    start = time.process_time()
    regressor = LSTMSequenceRegressor(random_state=seed).fit(X, y)
    seconds = time.process_time() - start
    error = float(root_mean_squared_error(y_test, regressor.predict(X_test)))
    return {"set": name, "seed": seed, "rmse": error, "seconds": seconds, "processor": processor()}


def intervals(folder: Path, n_folds: int = 5) -> list[dict[str, Any]]:
    """Share of the windows of engines left out that lie between their quantiles .05 and .95."""
    X, y, groups = windows(engines(folder / "train_FD001.txt"))
    found = []
    folds = GroupKFold(n_folds, shuffle=True, random_state=0).split(X, y, groups)
    for seed, (rows, left_out) in enumerate(folds):
        regressor = LSTMSequenceRegressor(loss="quantile", random_state=seed)
        quantiles = regressor.fit(X[rows], y[rows]).predict_quantiles(X[left_out])
        inside = (y[left_out] >= quantiles[:, 0]) & (y[left_out] <= quantiles[:, -1])
        width = float(np.mean(quantiles[:, -1] - quantiles[:, 0]))
        found.append({"fold": seed, "coverage": float(inside.mean()), "width": width})
        print(found[-1], flush=True)
    return found


def table(fits: Sequence[dict[str, Any]], form: str) -> str:
    """One row for each set: mean and range of the errors, target and published figures."""
    known = published.read()
    rows = []
    for name in dict.fromkeys(fit["set"] for fit in fits):
        errors = [fit["rmse"] for fit in fits if fit["set"] == name]
        seconds = mean(fit["seconds"] for fit in fits if fit["set"] == name)
        found = f"{mean(errors):.4g} ({min(errors):.4g} to {max(errors):.4g})"
        is_met = "yes" if mean(errors) <= TARGETS[name] else "no"
        rows.append(
            (
                name,
                found,
                TARGETS[name],
                is_met,
                published.with_sources(known, name),
                f"{seconds:.1f}",
            )
        )
    headers = ("set", "RMSE, default", "target", "met", "published", "seconds")
    return tabulate(rows, headers, tablefmt=form, disable_numparse=True)


def main() -> None:
    """Fit, score and write down."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.regression", description=__doc__)
    parser.add_argument("--data", type=Path, help="folder with train_FD001.txt and its companions")
    parser.add_argument("--seeds", type=int, default=5, help="default: %(default)s")
    arguments = parser.parse_args()
    sets = {name: of_wheel(name) for name in IN_WHEEL}
    if arguments.data is not None:
        sets["FD001"] = of_engines(arguments.data)
    fits = []
    for name, data in sets.items():
        for seed in range(arguments.seeds):
            fits.append(fit(name, data, seed))
            print(fits[-1], flush=True)
    figures: dict[str, Any] = {"fits": fits}
    if arguments.data is not None:
        figures["intervals"] = intervals(arguments.data)
    write_down(RESULTS, "fits", figures, {"test": table(fits, "rst")})
    print(table(fits, "simple"))


if __name__ == "__main__":
    main()
