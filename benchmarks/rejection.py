"""What rules of "I don't know" reject: ``python -m benchmarks.rejection``.

JapaneseVowels without one of its nine speakers, each in turn. A third of the training recordings of
the other eight says where the thresholds lie: 5 % of them are rejected. The rules are those of
``docs/examples/decisions/plot_dont_know.py``.

With ``--data FOLDER``, the texts of ATIS and TREC in that folder, each without two of its classes;
its form is that of ``benchmarks.text``. A fifth of the training texts, drawn by the seed, says
where the thresholds lie. "TF-IDF" is the probability of a logistic regression of such features.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from tabulate import tabulate

from benchmarks.results import write_down
from benchmarks.sets import find_sets, take
from sklstm import LSTMSequenceClassifier
from sklstm.preprocessing import TokenEncoder

RESULTS = Path(__file__).parent / "results" / "rejection"
N_NEIGHBOURS = 5
REJECTED = 0.05
SPEAKERS = "123456789"
# Classes of texts that the classifiers are not trained on.
UNKNOWN = {"atis": ("atis_abbreviation", "atis_ground_service"), "trec": ("ABBR", "LOC")}
SEEDS = (0, 1, 2)


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
    found: dict[str, Any] = {"speaker": speaker}
    found["accuracy"] = classifier.score(known, y_test[heard_test])
    found["groups"] = rejected(familiarity(classifier, X_fit), X_rule, groups)
    return found


def without_classes(folder: Path, name: str, seed: int) -> dict[str, Any]:
    """Shares rejected by the rules of classifiers that were not trained on two classes of texts."""
    source = find_sets(folder)[name]
    (X, y), (X_test, y_test) = source.read("train"), source.read("test")
    seen = np.flatnonzero(~np.isin(y, UNKNOWN[name]))
    is_known = ~np.isin(y_test, UNKNOWN[name])
    fit, rule = train_test_split(seen, test_size=1 / 5, random_state=seed)
    X_fit, y_fit, X_rule = take(X, fit), y[fit], take(X, rule)
    network = make_pipeline(
        TokenEncoder(), LSTMSequenceClassifier(embedding_dim=100, random_state=seed)
    ).fit(X_fit, y_fit)
    linear = make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True),
        LogisticRegression(C=10, max_iter=1000),
    ).fit(X_fit, y_fit)
    known = take(X_test, np.flatnonzero(is_known))
    groups = {"known": known, "unknown": take(X_test, np.flatnonzero(~is_known))}
    found: dict[str, Any] = {"set": name, "seed": seed}
    found["accuracy"] = network.score(known, y_test[is_known])
    found["groups"] = rejected(familiarity(network, X_fit), X_rule, groups)
    of_linear = {"TF-IDF": lambda X: linear.predict_proba(X).max(axis=1)}
    for group, shares in rejected(of_linear, X_rule, groups).items():
        found["groups"][group] |= shares
    return found


def rejected(
    scores: dict[str, Callable[[Any], np.ndarray]], X_rule: Any, groups: dict[str, Any]
) -> dict[str, dict[str, float]]:
    """The share of each group that each rule rejects, and either of two rules."""
    thresholds = {rule: np.quantile(score(X_rule), REJECTED) for rule, score in scores.items()}
    shares = {}
    for name, sequences in groups.items():
        rows = {rule: score(sequences) < thresholds[rule] for rule, score in scores.items()}
        if len(rows) == 2:
            rows["either"] = np.any(list(rows.values()), axis=0)
        shares[name] = {rule: float(is_out.mean()) for rule, is_out in rows.items()}
    return shares


def table(found: Sequence[dict[str, Any]], form: str) -> str:
    """One line for each group: mean and range of the speakers."""
    return _table(
        ("rejected of",), [((group,), found, group) for group in found[0]["groups"]], form
    )


def table_of_texts(found: Sequence[dict[str, Any]], form: str) -> str:
    """One line for each set and group: mean and range of the seeds."""
    lines = []
    for name in dict.fromkeys(one["set"] for one in found):
        own = [one for one in found if one["set"] == name]
        lines += [((name.upper(), group), own, group) for group in own[0]["groups"]]
    return _table(("set", "rejected of"), lines, form)


def _table(titles: Sequence[str], lines: Sequence[Any], form: str) -> str:
    """Mean and range of what each rule rejects of a group."""
    rows = []
    for heads, found, group in lines:
        shares = [one["groups"][group] for one in found]
        cells = []
        for rule in shares[0]:
            own = [share[rule] for share in shares]
            cells.append(f"{np.mean(own):.2f} ({min(own):.2f} to {max(own):.2f})")
        rows.append((*heads, *cells))
    headers = (*titles, *lines[0][1][0]["groups"][lines[0][2]])
    return tabulate(rows, headers, tablefmt=form, disable_numparse=True)


def main() -> None:
    """Leave out each speaker, or two classes of texts, and write down what is rejected."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.rejection", description=__doc__)
    parser.add_argument("--data", type=Path, help="measure on the texts of this folder alone")
    folder = parser.parse_args().data
    if folder is None:
        found = [_shown(without(speaker)) for speaker in SPEAKERS]
        write_down(RESULTS, "speakers", found, {"test": table(found, "rst")})
        print(table(found, "simple"))
    else:
        found = [_shown(without_classes(folder, name, seed)) for name in UNKNOWN for seed in SEEDS]
        write_down(RESULTS, "texts", found, {"texts": table_of_texts(found, "rst")})
        print(table_of_texts(found, "simple"))


def _shown(one: dict[str, Any]) -> dict[str, Any]:
    print(one, flush=True)
    return one


if __name__ == "__main__":
    main()
