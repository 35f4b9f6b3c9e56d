"""Coverage of conformal sets and intervals: ``python -m benchmarks.prediction_sets``.

Sets of classes by crepes around `LSTMSequenceClassifier`, at 90 %. JapaneseVowels is split a
hundred times at random, both of its parts together: 27 sequences to train, three of each speaker,
half of the others to calibrate, half to test. Each split has a classifier of its own; beside it the
same with one classifier for all splits, whose sequences lie in no other part. ItalyPowerDemand and
ArrowHead have the latter alone: their training parts to train, halves of their test parts.

Intervals of Covid3Month, 20 splits in halves, quarter and quarter: `predict_quantiles` of .05 and
.95 by itself, which needs no calibration part and is fitted to both, crepes around the predicted
mean, and crepes around the quantiles.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np
from crepes import ConformalClassifier, ConformalRegressor, WrapRegressor
from crepes.extras import hinge
from joblib import Parallel, delayed
from sklearn.model_selection import train_test_split
from tabulate import tabulate

from benchmarks.regression import of_wheel
from benchmarks.results import write_down
from benchmarks.sets import both_parts, find_sets, take
from sklstm import LSTMSequenceClassifier, LSTMSequenceRegressor

RESULTS = Path(__file__).parent / "results" / "prediction_sets"
CONFIDENCE = 0.9
SPEAKERS = "JapaneseVowels"
N_TRAINED = 27  # of JapaneseVowels: few, so that the classifier errs

Row = dict[str, Any]


def halves(rows: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Two random halves of some rows, exchangeable: not stratified."""
    shuffled = np.random.default_rng(seed).permutation(rows)
    return shuffled[: len(rows) // 2], shuffled[len(rows) // 2 :]


def judge(classifier: Any, X: Any, y: np.ndarray, splits: Sequence[int]) -> list[Row]:
    """Accuracy, and coverage and size of sets, of halves of the sequences."""
    probabilities, classes = classifier.predict_proba(X), classifier.classes_
    predicted = classes[probabilities.argmax(axis=1)]
    rows = []
    for seed in splits:
        calibration, test = halves(np.arange(len(X)), seed)
        row: Row = {"accuracy": float(np.mean(predicted[test] == y[test]))}
        for form in ("all", "by class"):
            of_true_class = hinge(probabilities[calibration], classes, y[calibration])
            bins = y[calibration] if form == "by class" else np.full(len(calibration), "all")
            conformal = ConformalClassifier().fit(of_true_class, bins=bins, seed=seed)
            # One class after the other, which is what crepes' wrapper does.
            p_values = [
                conformal.predict_p(
                    hinge(probabilities[test, c]),
                    bins=np.full(len(test), label if form == "by class" else "all"),
                )
                for c, label in enumerate(classes)
            ]
            row[form] = count(np.array(p_values).T >= 1 - CONFIDENCE, classes, y[test])
        rows.append(row)
    return rows


def count(sets: np.ndarray, classes: np.ndarray, y: np.ndarray) -> Row:
    """Coverage of all and of each class, classes in a set, and share of empty sets."""
    inside = sets[np.arange(len(y)), np.searchsorted(classes, y)]
    return {
        "coverage": float(inside.mean()),
        "size": float(sets.sum(axis=1).mean()),
        "empty": float(np.mean(~sets.any(axis=1))),
        "classes": [float(inside[y == c].mean()) if (y == c).any() else None for c in classes],
    }


def of_speakers(seed: int, splits: Sequence[int]) -> list[Row]:
    """JapaneseVowels: a classifier of few sequences, and splits of the others."""
    X, y = both_parts(SPEAKERS)
    train, rest = train_test_split(
        np.arange(len(X)), train_size=N_TRAINED, stratify=y, random_state=seed
    )
    classifier = LSTMSequenceClassifier(random_state=seed).fit(take(X, train), y[train])
    return judge(classifier, take(X, rest), y[rest], splits)


def of_archive(name: str, splits: Sequence[int]) -> list[Row]:
    """A classifier of a training part, and splits of the test part."""
    source = find_sets(None)[name]
    classifier = LSTMSequenceClassifier(random_state=0).fit(*source.read("train"))
    return judge(classifier, *source.read("test"), splits)


def intervals(name: str, seed: int) -> list[Row]:
    """Coverage and width of intervals of one split of a set, in the unit of y."""
    X, y, X_test, y_test = of_wheel(name)
    X, y = np.concatenate([X, X_test]), np.concatenate([y, y_test])
    half, other = halves(np.arange(len(X)), seed)
    calibration, test = halves(other, seed)
    both = np.concatenate([half, calibration])
    options: Row = {"loss": "quantile", "random_state": seed}
    own = LSTMSequenceRegressor(**options).fit(X[both], y[both]).predict_quantiles(X[test])
    around_mean = WrapRegressor(LSTMSequenceRegressor(random_state=seed).fit(X[half], y[half]))
    around_mean.calibrate(X[calibration], y[calibration])
    quantiles = LSTMSequenceRegressor(**options).fit(X[half], y[half])
    ways = {
        "predict_quantiles": own[:, [0, -1]],
        "crepes, mean": around_mean.predict_int(X[test], confidence=CONFIDENCE),
        "crepes, quantiles": around_quantiles(quantiles, X[calibration], y[calibration], X[test]),
    }
    rows = []
    for way, found in ways.items():
        low, high = found.T
        inside = float(np.mean((low <= y[test]) & (y[test] <= high)))
        width = float(np.mean(high - low))
        rows.append({"set": name, "way": way, "coverage": inside, "width": width})
    return rows


def around_quantiles(regressor: Any, X: Any, y: np.ndarray, X_test: Any) -> np.ndarray:
    """Intervals whose width is that of the quantiles times one factor, which calibration says."""

    def middle_and_half(X: Any) -> tuple[np.ndarray, np.ndarray]:
        low, *_, high = regressor.predict_quantiles(X).T
        return (low + high) / 2, (high - low) / 2

    middle, half = middle_and_half(X)
    conformal = ConformalRegressor().fit(residuals=y - middle, sigmas=half)
    middle, half = middle_and_half(X_test)
    return conformal.predict_int(middle, sigmas=half, confidence=CONFIDENCE)


def summary(values: Sequence[float], digits: int = 3) -> str:
    """Mean and standard deviation over splits."""
    return f"{mean(values):.{digits}f} ± {stdev(values):.{digits}f}"


def table_of_sets(rows: Sequence[Row], form: str) -> str:
    """One line for each set and each way to calibrate."""
    lines = []
    for name, fits in dict.fromkeys((row["set"], row["fits"]) for row in rows):
        own = [row for row in rows if (row["set"], row["fits"]) == (name, fits)]
        for calibration in ("all", "by class"):
            found = [row[calibration] for row in own]
            by_class = zip(*(one["classes"] for one in found), strict=True)
            worst = min(mean(c for c in column if c is not None) for column in by_class)
            sizes, empty = (mean(one[key] for one in found) for key in ("size", "empty"))
            coverage = summary([one["coverage"] for one in found])
            lines.append(
                (name, fits, len(own), f"{mean(row['accuracy'] for row in own):.3f}", calibration,
                 coverage, f"{worst:.3f}", f"{sizes:.2f}", f"{empty:.3f}")
            )  # fmt: skip
    headers = ("set", "fits", "splits", "accuracy", "calibrated", "coverage", "worst class",
               "classes in a set", "empty")  # fmt: skip
    return tabulate(lines, headers, tablefmt=form, disable_numparse=True)


def table_of_intervals(rows: Sequence[Row], form: str) -> str:
    """One line for each way."""
    lines = []
    for name, way in dict.fromkeys((row["set"], row["way"]) for row in rows):
        own = [row for row in rows if (row["set"], row["way"]) == (name, way)]
        coverage = summary([row["coverage"] for row in own])
        width = summary([row["width"] for row in own])
        lines.append((name, way, len(own), coverage, width))
    headers = ("set", "intervals", "splits", "coverage", "width")
    return tabulate(lines, headers, tablefmt=form, disable_numparse=True)


def main() -> None:
    """Split, judge and write down."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.prediction_sets",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--splits", type=int, default=100, help="default: %(default)s")
    parser.add_argument("--jobs", type=int, default=1, help="processes, default: %(default)s")
    arguments = parser.parse_args()
    splits = range(arguments.splits)
    run = Parallel(n_jobs=arguments.jobs, verbose=5)
    refits = run(delayed(of_speakers)(seed, [seed]) for seed in splits)
    sets = [{"set": SPEAKERS, "fits": "one a split", **row} for rows in refits for row in rows]
    sets += [{"set": SPEAKERS, "fits": "one", **row} for row in of_speakers(0, splits)]
    for name in ("ItalyPowerDemand", "ArrowHead"):
        sets += [{"set": name, "fits": "one", **row} for row in of_archive(name, splits)]
    n_refits = max(2, arguments.splits // 5)
    of_numbers = run(delayed(intervals)("Covid3Month", seed) for seed in range(n_refits))
    found = [row for rows in of_numbers for row in rows]
    tables = {"sets": (table_of_sets, sets), "intervals": (table_of_intervals, found)}
    rst = {name: table(rows, "rst") for name, (table, rows) in tables.items()}
    write_down(RESULTS, "splits", {"sets": sets, "intervals": found}, rst, indent=None)
    for table, rows in tables.values():
        print(table(rows, "simple"))


if __name__ == "__main__":
    main()
