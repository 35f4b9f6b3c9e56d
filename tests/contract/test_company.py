"""What a sequence is predicted with makes no difference, to the last bit, for any network.

Many networks are drawn and hardly trained; `test_invariants.py` has the small examples.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from sklstm import LSTMSequenceClassifier
from sklstm._inference import _prediction
from tests.helpers import POOLINGS

# As many sequences as thirty classes need, of which the first are predicted.
N_NETWORKS, N_SEQUENCES, N_PREDICTED = 80, 64, 24


def width(rng: np.random.Generator, most: int) -> int:
    """From 1 to the most; small ones, multiples of 8 and their neighbours more often."""
    drawn = (
        rng.integers(1, 10),
        8 * rng.integers(1, 17) + rng.integers(-1, 2),
        rng.integers(1, most + 1),
    )
    return int(min(rng.choice(drawn), most))


def draw_network(rng: np.random.Generator, n_inputs: int) -> dict[str, Any]:
    """Parameters of a network; every third has an LSTM layer as wide as what it reads."""
    hidden = [width(rng, 100) for _ in range(rng.choice([1, 1, 2, 3]))]
    bidirectional = bool(rng.integers(2))
    patch_size = int(rng.choice([1, 1, 2, 4]))
    if rng.integers(3) == 0:
        hidden[0] = min(n_inputs * patch_size, 100)
        hidden[1:] = [hidden[0] for _ in hidden[1:]]
    parameters = {
        "hidden_sizes": tuple(hidden),
        "bidirectional": bidirectional,
        "patch_size": patch_size,
        "pooling": str(rng.choice(POOLINGS)),
        "dense_sizes": tuple(width(rng, 100) for _ in range(rng.choice([0, 0, 1, 2]))),
        "conv_filters": (),
    }
    n_filters = rng.choice([0, 1, 2, 3])
    if n_filters:
        parameters["conv_filters"] = tuple(width(rng, 128) for _ in range(n_filters))
    return parameters


def draw_fit(rng: np.random.Generator) -> tuple[LSTMSequenceClassifier, list[Any]]:
    """A classifier that has seen its sequences once, and those to predict."""
    n_classes = int(rng.choice([2, 3, int(rng.integers(2, 31))]))
    longest = int(rng.choice([8, 25, 60]))
    lengths = rng.integers(1, longest + 1, size=N_SEQUENCES)
    if rng.integers(3) == 0:
        lengths[:] = longest
    if rng.integers(4) == 0:
        n_inputs = width(rng, 130)
        X = [rng.integers(1, 40, size=n) for n in lengths]
        parameters = {"embedding_dim": n_inputs}
    else:
        n_features = width(rng, 130)
        X = [rng.normal(size=(n, n_features)) for n in lengths]
        standardize = rng.choice(np.array([True, False, "sequence", "both"], dtype=object))
        parameters = {"standardize": standardize, "n_kernels": int(rng.choice([0, 0, 300]))}
        n_inputs = n_features * (2 if standardize == "both" else 1)
    parameters |= draw_network(rng, n_inputs)
    y = np.arange(N_SEQUENCES) % n_classes
    classifier = LSTMSequenceClassifier(
        **parameters, max_epochs=1, batch_size=N_SEQUENCES, random_state=int(rng.integers(1000))
    )
    return classifier.fit(X, y), X[:N_PREDICTED]


def outputs(classifier: LSTMSequenceClassifier, X: list[Any]) -> np.ndarray:
    """Pooled vectors and logits side by side, in float64: both in all their bits."""
    logits = classifier.decision_function(X).reshape(len(X), -1)
    return np.hstack([classifier.transform(X).astype(np.float64), logits])


def apart(classifier: LSTMSequenceClassifier, X: list[Any], size: int) -> np.ndarray:
    """The outputs, predicted in companies of that size."""
    return np.vstack([outputs(classifier, X[i : i + size]) for i in range(0, len(X), size)])


def differences(
    classifier: LSTMSequenceClassifier,
    X: list[Any],
    rng: np.random.Generator,
    monkeypatch: pytest.MonkeyPatch,
) -> dict[str, float]:
    """By the name of a company, the largest difference from all together, if any."""
    expected = outputs(classifier, X)
    order = rng.permutation(len(X))
    longer = np.concatenate([X[int(np.argmax([len(x) for x in X]))]] * int(rng.integers(2, 5)))
    found = {f"of {size}": apart(classifier, X, size) for size in (1, 2, int(rng.integers(3, 41)))}
    found["in another order"] = outputs(classifier, [X[i] for i in order])[np.argsort(order)]
    found["with a longer one"] = outputs(classifier, [*X, longer])[:-1]
    found["with many others"] = outputs(classifier, X * 12)[: len(X)]
    n_threads = torch.get_num_threads()
    for n in (1, 2):
        torch.set_num_threads(n)
        with monkeypatch.context() as patch:
            for limits in (_prediction.MAX_BATCH, _prediction.MAX_CONVOLVED):
                patch.setitem(limits, "cpu", (limits["cpu"][0], 7))
            found[f"in batches on {n} threads"] = outputs(classifier, X)
        found[f"on {n} threads"] = outputs(classifier, X)
    torch.set_num_threads(n_threads)
    largest = {name: float(np.abs(of - expected).max()) for name, of in found.items()}
    return {name: difference for name, difference in largest.items() if difference}


@pytest.mark.filterwarnings("ignore:X is read as few timesteps")
@pytest.mark.slow
def test_company_changes_no_bit_of_any_network(say, monkeypatch):
    different, largest = [], 0.0
    for seed in range(N_NETWORKS):
        rng = np.random.default_rng(seed)
        classifier, X = draw_fit(rng)
        found = differences(classifier, X, rng, monkeypatch)
        if found:
            different.append(f"{seed}: {found}, {classifier}")
            largest = max(largest, *found.values())
    say(
        f"{len(different)} of {N_NETWORKS} networks give other bits in other company,"
        f" up to {largest:.0e}"
    )
    # The kernels for other processors promise the rounding of float32 only (ADR 17).
    has_avx2 = torch.backends.cpu.get_cpu_capability() == "AVX2"
    assert largest <= (0.0 if has_avx2 else 1e-5), "\n".join(different)
