"""Whether two checkouts train the same networks: ``python -m benchmarks.same_bits OTHER_CHECKOUT``.

48 fits: each pooling, in one and both directions, on sequences of equal and of unequal length, of
the defaults, of stacked layers with dropout, and of token ids. Weights and predictions
of this checkout and of the other one, each with one thread and with two, are compared to the bit.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).resolve().parents[1]
POOLINGS = ("attention", "last", "max", "mean")
KINDS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "layers": {
        "hidden_sizes": (8, 6), "dense_sizes": (5,), "dropout": 0.2, "conv_filters": (),
        "early_stopping": True, "l1": 1e-4,
    },
    "tokens": {"embedding_dim": 6, "conv_filters": (6, 4), "hidden_sizes": 7, "l2": 1e-4},
}  # fmt: skip


def make(kind: str, *, equal: bool) -> tuple[list[np.ndarray], np.ndarray]:
    """60 sequences of three classes; of unequal length, one in twenty is ten times as long."""
    rng = np.random.default_rng(0)
    y = np.arange(60) % 3
    lengths = np.where(np.arange(60) % 20 == 7, 150, rng.integers(3, 16, size=60))
    lengths = np.full(60, 12) if equal else lengths
    if kind == "tokens":
        X = [rng.integers(2, 8, size=n) + 3 * label for n, label in zip(lengths, y, strict=True)]
    else:
        X = [rng.normal(label, 2.0, size=(n, 3)) for n, label in zip(lengths, y, strict=True)]
    return X, y


def digest_of_fit(kind: str, pooling: str, *, bidirectional: bool, equal: bool) -> str:
    """One digest of all weights, whatever their names and order, and of the probabilities."""
    from sklstm import LSTMSequenceClassifier

    X, y = make(kind, equal=equal)
    options = {"pooling": pooling, "bidirectional": bidirectional, **KINDS[kind]}
    classifier = LSTMSequenceClassifier(**options, max_epochs=4, random_state=0).fit(X, y)
    weights = classifier.net_.module_.state_dict().values()
    digests = sorted(hashlib.sha256(w.contiguous().numpy().tobytes()).hexdigest() for w in weights)
    digests.append(hashlib.sha256(classifier.predict_proba(X).tobytes()).hexdigest())
    return hashlib.sha256("".join(digests).encode()).hexdigest()[:16]


def digests() -> dict[str, str]:
    """The digest of each fit of this process's package, by what was fitted."""
    cases = itertools.product(KINDS, POOLINGS, (True, False), (True, False))
    return {
        f"{kind}, {pooling}, {'both directions' if both else 'one direction'},"
        f" {'equal' if equal else 'unequal'} lengths": digest_of_fit(
            kind, pooling, bidirectional=both, equal=equal
        )
        for kind, pooling, both, equal in cases
    }


def digests_of(checkout: Path, n_threads: int) -> dict[str, str]:
    """The same, of another checkout's package, in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(checkout), "OMP_NUM_THREADS": str(n_threads)}
    command = [sys.executable, str(HERE / "benchmarks" / "same_bits.py"), "--print"]
    result = subprocess.run(
        command, env=environment, cwd=checkout, check=True, capture_output=True, text=True
    )
    found: dict[str, str] = json.loads(result.stdout)
    return found


def main() -> None:
    """Compare, and end with 1 if anything differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("other", type=Path, nargs="?", help="folder of the other checkout")
    parser.add_argument("--print", action="store_true", help="only print this package's digests")
    arguments = parser.parse_args()
    if arguments.print:
        print(json.dumps(digests()))
        return
    if arguments.other is None:
        parser.error("the folder of the other checkout is missing")
    runs = {
        f"{name}, {n_threads} thread(s)": digests_of(checkout, n_threads)
        for name, checkout in (("other", arguments.other.resolve()), ("this", HERE))
        for n_threads in (1, 2)
    }
    first = next(iter(runs.values()))
    different = [case for case in first if len({run[case] for run in runs.values()}) > 1]
    for case in different:
        print(case, *(f"  {name}: {run[case]}" for name, run in runs.items()), sep="\n")
    print(
        f"{len(first) - len(different)} of {len(first)} fits are the same bits in {len(runs)} runs"
    )
    sys.exit(bool(different))


if __name__ == "__main__":
    main()
