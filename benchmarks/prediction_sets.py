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
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import numpy as np
from crepes import ConformalRegressor, WrapClassifier, WrapRegressor
from sklearn.model_selection import train_test_split
from tabulate import tabulate

from benchmarks.regression import of_wheel
from benchmarks.sets import find_sets
from sklstm import LSTMSequenceClassifier, LSTMSequenceRegressor

RESULTS = Path(__file__).parent / "results" / "prediction_sets"
CONFIDENCE = 0.9
SPEAKERS = "JapaneseVowels"
N_TRAINED = 27  # of JapaneseVowels: few, so that the classifier errs

Row = dict[str, Any]


def both_parts(name: str) -> tuple[list[np.ndarray], np.ndarray]:
    """Sequences and labels of the training part and of the test part in one."""
    source = find_sets(None)[name]
    (X, y), (X_test, y_test) = source.read("train"), source.read("test")
    return [*X, *X_test], np.concatenate([y, y_test])


def take(X: Sequence[np.ndarray], rows: np.ndarray) -> list[np.ndarray]:
    """The sequences of these rows."""
    return [X[row] for row in rows]


def halves(rows: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Two random halves of some rows, exchangeable: not stratified."""
    shuffled = np.random.default_rng(seed).permutation(rows)
    return shuffled[: len(rows) // 2], shuffled[len(rows) // 2 :]


def judge(classifier: Any, X: Any, y: np.ndarray, parts: Sequence[np.ndarray], seed: int) -> Row:
    """Coverage and size of the sets of one split, over all and by class."""
    calibration, test = parts
    found: Row = {"accuracy": float(np.mean(classifier.predict(take(X, test)) == y[test]))}
    for form in ("all", "by class"):
        wrapped = WrapClassifier(classifier)
        wrapped.calibrate(
            take(X, calibration), y[calibration], class_cond=form == "by class", seed=seed
        )
        sets = wrapped.predict_set(take(X, test), labels=False, confidence=CONFIDENCE)
        columns = np.searchsorted(classifier.classes_, y[test])
        inside = sets[np.arange(len(test)), columns].astype(bool)
        found[form] = {
            "coverage": float(inside.mean()),
            "size": float(sets.sum(axis=1).mean()),
            "empty": float(np.mean(sets.sum(axis=1) == 0)),
            "classes": [
                float(inside[columns == c].mean()) if (columns == c).any() else None
                for c in range(len(classifier.classes_))
            ],
        }
    return found


def refitted(n_splits: int) -> Iterator[Row]:
    """JapaneseVowels: another classifier for each split."""
    X, y = both_parts(SPEAKERS)
    for seed in range(n_splits):
        train, rest = train_test_split(
            np.arange(len(X)), train_size=N_TRAINED, stratify=y, random_state=seed
        )
        classifier = LSTMSequenceClassifier(random_state=seed).fit(take(X, train), y[train])
        yield {
            "set": SPEAKERS,
            "fits": "one a split",
            **judge(classifier, X, y, halves(rest, seed), seed),
        }


def frozen(name: str, n_splits: int) -> Iterator[Row]:
    """One classifier, and splits of what it was not trained on."""
    if name == SPEAKERS:
        X, y = both_parts(name)
        train, rest = train_test_split(
            np.arange(len(X)), train_size=N_TRAINED, stratify=y, random_state=0
        )
        X_train, y_train = take(X, train), y[train]
    else:
        source = find_sets(None)[name]
        (X_train, y_train), (X, y) = source.read("train"), source.read("test")
        rest = np.arange(len(X))
    classifier = LSTMSequenceClassifier(random_state=0).fit(X_train, y_train)
    for seed in range(n_splits):
        parts = halves(rest, seed)
        yield {"set": name, "fits": "one", **judge(classifier, X, y, parts, seed)}


def intervals(name: str, n_splits: int) -> Iterator[Row]:
    """Coverage and width of intervals of one set, in the unit of y."""
    X, y, X_test, y_test = of_wheel(name)
    X, y = np.concatenate([X, X_test]), np.concatenate([y, y_test])
    for seed in range(n_splits):
        half, other = halves(np.arange(len(X)), seed)
        calibration, test = halves(other, seed)
        both = np.concatenate([half, calibration])
        options: Row = {"loss": "quantile", "random_state": seed}
        own = LSTMSequenceRegressor(**options).fit(X[both], y[both]).predict_quantiles(X[test])
        mean_of = LSTMSequenceRegressor(random_state=seed).fit(X[half], y[half])
        around_mean = WrapRegressor(mean_of)
        around_mean.calibrate(X[calibration], y[calibration])
        quantiles = LSTMSequenceRegressor(**options).fit(X[half], y[half])
        ways = {
            "predict_quantiles": own[:, [0, -1]],
            "crepes, mean": around_mean.predict_int(X[test], confidence=CONFIDENCE),
            "crepes, quantiles": around_quantiles(
                quantiles, X[calibration], y[calibration], X[test]
            ),
        }
        for way, (low, high) in ((way, found.T) for way, found in ways.items()):
            inside = float(np.mean((low <= y[test]) & (y[test] <= high)))
            yield {
                "set": name,
                "way": way,
                "coverage": inside,
                "width": float(np.mean(high - low)),
            }


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
    n_splits = parser.parse_args().splits
    sets = [*refitted(n_splits)]
    for name in (SPEAKERS, "ItalyPowerDemand", "ArrowHead"):
        sets += frozen(name, n_splits)
    found = [*intervals("Covid3Month", max(2, n_splits // 5))]
    RESULTS.mkdir(parents=True, exist_ok=True)
    figures = {"sets": sets, "intervals": found}
    (RESULTS / "splits.json").write_text(json.dumps(figures, indent=1) + "\n")
    for path, table, rows in (
        ("sets", table_of_sets, sets),
        ("intervals", table_of_intervals, found),
    ):
        (RESULTS / f"{path}.rst").write_text(table(rows, "rst") + "\n")
        print(table(rows, "simple"))


if __name__ == "__main__":
    main()
