"""Simple baselines beside the defaults: ``python -m benchmarks.baselines --data FOLDER``.

Models on summaries of each sequence (boosted trees, extra trees or logistic regression), MiniRocket
of aeon and, on texts, TF-IDF with logistic regression. Sets are those of aeon's wheel,
scikit-learn's digits read row by row, and two made ones; with a folder, its texts and C-MAPSS FD001
(`benchmarks.regression`), too. What a baseline leaves open is chosen by cross-validation on the
training part; the test part is read once. Seconds are processor time of one fit as chosen, on one
thread.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.ensemble import (
    ExtraTreesClassifier,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
)
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import root_mean_squared_error
from sklearn.model_selection import GridSearchCV, cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tabulate import tabulate
from threadpoolctl import threadpool_limits

from benchmarks.machine import processor
from benchmarks.regression import IN_WHEEL, of_engines, of_wheel
from benchmarks.results import write_down
from benchmarks.sets import IN_AEON, Set, find_sets
from sklstm import LSTMSequenceClassifier, LSTMSequenceRegressor
from sklstm.datasets import make_temporal_order, make_trends
from sklstm.preprocessing import TokenEncoder

RESULTS = Path(__file__).parent / "results" / "baselines"
TEXTS = ("atis", "mr", "sms_spam", "trec")
LINEAR = {"tfidfvectorizer__ngram_range": [(1, 1), (1, 2)], "logisticregression__C": [1, 10, 100]}

Fold = tuple[Any, np.ndarray, Any, np.ndarray]
Reading = Callable[[Any], Any]


def summarise(X: Iterable[np.ndarray]) -> np.ndarray:
    """Six summaries of each feature, and the length, in float32. Of order: first and last value.

    In float64 the last bits of the deviation depend on the order of the summands. Trees found it
    there and were right on every sequence of ``make_temporal_order``.
    """
    rows = [np.r_[x.mean(0), x.std(0), x.min(0), x.max(0), x[0], x[-1], len(x)] for x in X]
    return np.array(rows, dtype=np.float32)


def summaries(X: Any, y: np.ndarray) -> tuple[str, Any, Reading]:
    """The best of three models on summaries in cross-validation."""
    models = {
        "boosted trees": HistGradientBoostingClassifier(random_state=0),
        "extra trees": ExtraTreesClassifier(300, random_state=0),
        "linear": make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)),
    }
    table = summarise(X)
    scores = {name: cross_val_score(m, table, y, cv=3).mean() for name, m in models.items()}
    best = max(scores, key=lambda name: scores[name])
    return best, models[best], summarise


def linear(X: list[str], y: np.ndarray) -> tuple[str, Any, Reading]:
    """TF-IDF with logistic regression, settings by cross-validation."""
    pipeline = make_pipeline(TfidfVectorizer(sublinear_tf=True), LogisticRegression(max_iter=1000))
    best = GridSearchCV(pipeline, LINEAR, cv=3).fit(X, y).best_params_
    pairs = best["tfidfvectorizer__ngram_range"] == (1, 2)
    chosen = f"C={best['logisticregression__C']}" + (", pairs" if pairs else "")
    return chosen, pipeline.set_params(**best), lambda X: X


def rocket(X: Any, y: np.ndarray) -> tuple[str, Any, Reading]:
    """MiniRocket, which has nothing to choose. It needs equal lengths, and nine timesteps."""
    from aeon.classification.convolution_based import MiniRocketClassifier

    length = max(9, *map(len, X))

    def read(X: Any) -> np.ndarray:
        """Zeros behind each sequence; aeon's layout."""
        longer = [np.pad(x[:length], ((0, max(0, length - len(x))), (0, 0))).T for x in X]
        return np.array(longer)

    return "", MiniRocketClassifier(random_state=0), read


def network(is_text: bool, seed: int) -> Any:
    """The defaults; of texts, with words as tokens and vectors of 100."""
    if is_text:
        own = LSTMSequenceClassifier(embedding_dim=100, random_state=seed)
        return make_pipeline(TokenEncoder(), own)
    return LSTMSequenceClassifier(random_state=seed)


def made_sets() -> dict[str, Fold]:
    """Digits row by row, and two made sets: one that summaries tell, one that order tells."""
    digits = load_digits()
    split = train_test_split(
        digits.images, digits.target, test_size=0.5, stratify=digits.target, random_state=0
    )
    X, X_test, y, y_test = split
    made = {"digits, row by row": (X, y, X_test, y_test)}
    for name, make in (("made: trend", make_trends), ("made: order", make_temporal_order)):
        X, y = make(n_sequences=1000, random_state=0)
        made[name] = (X[:500], y[:500], X[500:], y[500:])
    return made


def both(source: Set) -> Fold:
    """Training and test part of a set."""
    return (*source.read("train"), *source.read("test"))


def fit(model: Any, data: Fold, read: Reading) -> tuple[np.ndarray, float]:
    """Predictions for the test part, and processor seconds of the fit."""
    X, y, X_test, _ = data
    start = time.process_time()
    model.fit(read(X), y)
    seconds = time.process_time() - start
    return model.predict(read(X_test)), seconds


def accuracy(y: np.ndarray, predicted: np.ndarray) -> float:
    """Share of the labels that are right."""
    return float(np.mean(y == predicted))


def rmse(y: np.ndarray, predicted: np.ndarray) -> float:
    """Root mean squared error."""
    return float(root_mean_squared_error(y, predicted))


def regression(X: Any, y: np.ndarray) -> tuple[str, Any, Reading]:
    """Boosted trees on summaries, for numbers."""
    return "", HistGradientBoostingRegressor(random_state=0), summarise


SERIES = {"summaries": summaries, "MiniRocket": rocket}
TEXT = {"TF-IDF": linear}
NUMBERS = {"boosted trees": regression}
COMPARED = {"series": SERIES, "text": TEXT, "numbers": NUMBERS}


def measure(
    name: str,
    data: Fold,
    baselines: dict[str, Callable[[Any, np.ndarray], tuple[str, Any, Reading]]],
    networks: list[Any],
    metric: Callable[[np.ndarray, np.ndarray], float],
) -> list[dict[str, Any]]:
    """One row for each fit of a set: model, what was chosen, score on the test part, seconds."""
    X, y, _, y_test = data
    models = [(own, *choose(X, y)) for own, choose in baselines.items()]
    models += [("sklstm", "", network, lambda X: X) for network in networks]
    rows = []
    for own, chosen, model, read in models:
        predicted, seconds = fit(model, data, read)
        row = {"set": name, "model": own, "chosen": chosen, "score": metric(y_test, predicted)}
        rows.append(row | {"seconds": seconds, "n_train": len(y), "processor": processor()})
        print(rows[-1], flush=True)
    return rows


def table(rows: list[dict[str, Any]], models: tuple[str, ...], form: str) -> str:
    """One row for each set: its size, score and seconds of each model, and what was chosen."""
    lines = []
    for name in dict.fromkeys(row["set"] for row in rows):
        own = [row for row in rows if row["set"] == name]
        line = [name, f"{own[0]['n_train']:,}"]
        for model in models:
            fits = [row for row in own if row["model"] == model]
            score, seconds = (mean(row[key] for row in fits) for key in ("score", "seconds"))
            shown = f"{score:.3g}" if score > 1 else f"{score:.3f}"
            line.append(f"{shown}, {seconds:.2g} s")
        line.append(" ".join(row["chosen"] for row in own if row["chosen"]))
        lines.append(line)
    headers = ["set", "sequences", *models, "chosen"]
    if not any(line[-1] for line in lines):
        headers, lines = headers[:-1], [line[:-1] for line in lines]
    return tabulate(lines, headers, tablefmt=form, disable_numparse=True)


def main() -> None:
    """Choose, fit, score and write down."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.baselines", description=__doc__)
    parser.add_argument(
        "--data", type=Path, help="folder with more sets, as in benchmarks.accuracy"
    )
    parser.add_argument("--sets", nargs="*", default=TEXTS, help="which of them")
    parser.add_argument("--seeds", type=int, default=3, help="default: %(default)s")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    # ATIS has classes of one text: its folds cannot all have one.
    warnings.filterwarnings("ignore", message="The least populated class")
    seeds, known = range(arguments.seeds), find_sets(arguments.data)
    asked = [name for name in arguments.sets if name in known]
    series = {name: both(known[name]) for name in (*IN_AEON, *asked) if not known[name].is_text}
    texts = {name: both(known[name]) for name in asked if known[name].is_text}
    numbers = {name: of_wheel(name) for name in IN_WHEEL}
    for path in sorted(arguments.data.glob("**/train_FD001.txt")) if arguments.data else ():
        numbers["FD001"] = of_engines(path.parent)
    groups = {
        "series": (series | made_sets(), SERIES, [network(False, s) for s in seeds], accuracy),
        "text": (texts, TEXT, [network(True, s) for s in seeds], accuracy),
        "numbers": (numbers, NUMBERS, [LSTMSequenceRegressor(random_state=s) for s in seeds], rmse),
    }
    with threadpool_limits(1):
        # Compiled by numba when they are first used, which is no part of a fit.
        for name in ("GunPoint", "BasicMotions"):
            _, model, read = rocket(*series[name][:2])
            fit(model, series[name], read)
        figures = {
            group: [row for name, data in sets.items() for row in measure(name, data, *models)]
            for group, (sets, *models) in groups.items()
            if sets
        }
    orders = {name: ("sklstm", *COMPARED[name]) for name in figures}
    written = {name: table(rows, orders[name], "rst") for name, rows in figures.items()}
    write_down(RESULTS, "fits", figures, written)
    for name, rows in figures.items():
        print(table(rows, orders[name], "simple"))


if __name__ == "__main__":
    main()
