"""What two rules of "I don't know" reject: ``python -m benchmarks.rejection``.

JapaneseVowels without one of its nine speakers, each in turn. A third of the training recordings of
the other eight says where the thresholds lie: 5 % of them are rejected. The rules are those of
``docs/examples/decisions/plot_dont_know.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import train_test_split
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tabulate import tabulate

from benchmarks.results import write_down
from benchmarks.sets import find_sets, take
from sklstm import LSTMSequenceClassifier

RESULTS = Path(__file__).parent / "results" / "rejection"
N_NEIGHBOURS = 5
REJECTED = 0.05


def familiarity(classifier: Any, X: Any) -> dict[str, Callable[[Any], np.ndarray]]:
    """From sequences to how familiar they are, by rule."""
    embed = make_pipeline(FrozenEstimator(classifier), StandardScaler()).fit(X)
    neighbours = NearestNeighbors(n_neighbors=N_NEIGHBOURS).fit(embed.transform(X))
    return {
        "probability": lambda X: classifier.predict_proba(X).max(axis=1),
        "distance": lambda X: -neighbours.kneighbors(embed.transform(X))[0].mean(axis=1),
    }


def without(speaker: str, seed: int = 0) -> dict[str, Any]:
    """Shares rejected by the rules of a classifier that has never heard one speaker."""
    source = find_sets(None)["JapaneseVowels"]
    (X, y), (X_test, y_test) = source.read("train"), source.read("test")
    heard, heard_test = np.flatnonzero(y != speaker), np.flatnonzero(y_test != speaker)
    fit, rule = train_test_split(heard, test_size=1 / 3, stratify=y[heard], random_state=seed)
    X_fit, X_rule = take(X, fit), take(X, rule)
    classifier = LSTMSequenceClassifier(random_state=seed).fit(X_fit, y[fit])
    level, spread = np.concatenate(X_fit).mean(axis=0), np.concatenate(X_fit).std(axis=0)
    rng = np.random.default_rng(seed)
    known = take(X_test, heard_test)
    groups = {
        "known": known,
        "unknown": take(X_test, np.flatnonzero(y_test == speaker)),
        "noise": [rng.normal(level, spread, size=x.shape) for x in known],
        "backwards": [x[::-1] for x in known],
    }
    found: dict[str, Any] = {"speaker": speaker, "groups": {}}
    found["accuracy"] = classifier.score(known, y_test[heard_test])
    scores = familiarity(classifier, X_fit)
    for name, sequences in groups.items():
        rows = {
            rule: score(sequences) < np.quantile(score(X_rule), REJECTED)
            for rule, score in scores.items()
        }
        rows["either"] = rows["probability"] | rows["distance"]
        found["groups"][name] = {rule: float(is_out.mean()) for rule, is_out in rows.items()}
    return found


def table(found: Sequence[dict[str, Any]], form: str) -> str:
    """One line for each group: mean and range of the speakers."""
    lines = []
    for group in found[0]["groups"]:
        shares = [one["groups"][group] for one in found]
        cells = []
        for rule in shares[0]:
            own = [share[rule] for share in shares]
            cells.append(f"{np.mean(own):.2f} ({min(own):.2f} to {max(own):.2f})")
        lines.append((group, *cells))
    headers = ("rejected of", "probability", "distance", "either")
    return tabulate(lines, headers, tablefmt=form, disable_numparse=True)


def main() -> None:
    """Leave out each speaker in turn, and write down what is rejected."""
    found = []
    for speaker in "123456789":
        found.append(without(speaker))
        print(found[-1], flush=True)
    write_down(RESULTS, "speakers", found, {"test": table(found, "rst")})
    print(table(found, "simple"))


if __name__ == "__main__":
    main()
