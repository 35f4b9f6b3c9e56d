"""What calibration does to probabilities: ``python -m benchmarks.calibration``.

So many sequences have labels, of both parts of a set together; the others are the test. Without
calibration all labels serve to train. A calibration part takes a quarter of them away from the
training; cross-validation takes nothing, and costs fits.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import brier_score_loss, log_loss
from sklearn.model_selection import train_test_split
from tabulate import tabulate

from benchmarks.results import write_down
from benchmarks.sets import both_parts, take
from sklstm import LSTMSequenceClassifier

RESULTS = Path(__file__).parent / "results" / "calibration"
EIGHT_HOURS = "ItalyPowerDemand, 8 hours"  # the first ones of a day, which leaves room for doubt
LABELLED = {EIGHT_HOURS: 160, "ItalyPowerDemand": 160, "ArrowHead": 105, "OSULeaf": 220}
CLASSIFIER = LSTMSequenceClassifier()


def read(name: str) -> tuple[Any, np.ndarray]:
    """All sequences of a set, and their labels."""
    X, y = both_parts(name.partition(",")[0])
    return ([x[:8] for x in X] if name == EIGHT_HOURS else X), y


def fit(X: Any, y: np.ndarray, seed: int) -> dict[str, Any]:
    """What each way makes of the same labels."""
    X_fit, X_calibration, y_fit, y_calibration = train_test_split(
        X, y, test_size=0.25, stratify=y, random_state=seed
    )
    classifier = clone(CLASSIFIER).set_params(random_state=seed)
    part = FrozenEstimator(clone(classifier).fit(X_fit, y_fit))
    ways = {"no calibration": clone(classifier).fit(X, y), "three quarters, no calibration": part}
    for method in ("temperature", "isotonic"):
        calibrated = CalibratedClassifierCV(part, method=method)
        ways[f"three quarters, {method}"] = calibrated.fit(X_calibration, y_calibration)
    for ensemble, name in ((False, "one model"), (True, "ensemble")):
        calibrated = CalibratedClassifierCV(
            clone(classifier), method="temperature", cv=3, ensemble=ensemble
        )
        ways[f"cv=3, temperature, {name}"] = calibrated.fit(X, y)
    return ways


def score(classifier: Any, X: Any, y: np.ndarray) -> dict[str, float]:
    """What is expected of probabilities, and how sure they are."""
    probabilities = classifier.predict_proba(X)
    return {
        "accuracy": float(np.mean(classifier.predict(X) == y)),
        "confidence": float(probabilities.max(axis=1).mean()),
        "log-loss": float(log_loss(y, probabilities, labels=classifier.classes_)),
        "brier": float(
            brier_score_loss(y, probabilities, labels=classifier.classes_, scale_by_half=False)
        ),
    }


def table(rows: Sequence[dict[str, Any]], form: str) -> str:
    """One line for each set and way: means over the seeds, and the range of the log-loss."""
    lines = []
    for name, way in dict.fromkeys((row["set"], row["way"]) for row in rows):
        own = [row for row in rows if (row["set"], row["way"]) == (name, way)]
        losses = [row["log-loss"] for row in own]
        figures = [f"{mean(row[key] for row in own):.3f}" for key in ("accuracy", "confidence")]
        loss = f"{mean(losses):.3f} ({min(losses):.3f} to {max(losses):.3f})"
        lines.append((name, way, *figures, loss, f"{mean(row['brier'] for row in own):.3f}"))
    headers = ("set", "calibration", "accuracy", "confidence", "log-loss", "Brier score")
    return tabulate(lines, headers, tablefmt=form, disable_numparse=True)


def main() -> None:
    """Fit, score and write down."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.calibration", description=__doc__)
    parser.add_argument("--seeds", type=int, default=3, help="default: %(default)s")
    seeds = range(parser.parse_args().seeds)
    rows = []
    for name, n_labelled in LABELLED.items():
        X, y = read(name)
        for seed in seeds:
            labelled, test = train_test_split(
                np.arange(len(X)), train_size=n_labelled, stratify=y, random_state=seed
            )
            for way, fitted in fit(take(X, labelled), y[labelled], seed).items():
                scores = score(fitted, take(X, test), y[test])
                rows.append({"set": name, "seed": seed, "way": way, **scores})
                print(rows[-1], flush=True)
    write_down(RESULTS, "fits", rows, {"test": table(rows, "rst")})
    print(table(rows, "simple"))


if __name__ == "__main__":
    main()
