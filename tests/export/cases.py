"""Models to export, and what a file of theirs predicts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from sklstm import LSTMSequenceClassifier, LSTMSequenceRegressor
from sklstm.export import to_onnx

# That of ONNX files, whose arithmetic is the same in another order.
TOLERANCE = 1e-5


def small(**parameters: Any) -> LSTMSequenceClassifier:
    """A classifier that fits in some hundredths of a second."""
    return LSTMSequenceClassifier(
        **{"hidden_sizes": 4, "max_epochs": 1, "random_state": 0, "n_kernels": 0, **parameters}
    )


def small_regressor(**parameters: Any) -> LSTMSequenceRegressor:
    """The same for numbers."""
    return LSTMSequenceRegressor(
        **{"hidden_sizes": 4, "max_epochs": 1, "random_state": 0, "n_kernels": 0, **parameters}
    )


def measurements(n: int = 12, *, n_features: int = 2, lengths: Any = (5, 11), seed: int = 0) -> Any:
    """Random walks around 50, of numbers that float32 has, and labels of text."""
    rng = np.random.default_rng(seed)
    X = [
        50 + 9 * rng.normal(size=(t, n_features)).cumsum(axis=0)
        for t in rng.integers(*lengths, size=n)
    ]
    return rounded(X), np.array(["no", "yes", "maybe"])[np.arange(n) % 3]


def rounded(X: Any) -> list[Any]:
    """The numbers of float32 that are next to these, as a file reads them."""
    return [np.asarray(x).astype(np.float32).astype(np.float64) for x in X]


def documents(n: int = 12, *, n_tokens: int = 20, lengths: Any = (5, 11), seed: int = 0) -> Any:
    """Token ids, and labels."""
    rng = np.random.default_rng(seed)
    X = [rng.integers(1, n_tokens, size=t) for t in rng.integers(*lengths, size=n)]
    return X, np.arange(n) % 3 - 1


def new_sequences(X: Any) -> list[Any]:
    """Ten sequences of 1 to 3 times the length of the longest one in X."""
    pieces = np.concatenate(X)
    longest = max(map(len, X))
    lengths = np.linspace(1, 3 * longest, 10).round().astype(int)
    rng = np.random.default_rng(1)
    return [pieces[rng.integers(len(pieces), size=t)] for t in lengths]


def open_file(path: Any) -> Any:
    """A session of onnxruntime."""
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def run(file: Any, X: list[Any], static: Any = None) -> dict[str, Any]:
    """Outputs of a file for one batch, whose padding is NaN, or an id that does not exist."""
    lengths = np.array([len(x) for x in X])
    is_padding = np.arange(lengths.max() + 2) >= lengths[:, None]
    are_ids = np.ndim(X[0]) == 1
    shape = is_padding.shape if are_ids else (*is_padding.shape, X[0].shape[1])
    x = np.full(shape, 10**9 if are_ids else np.nan, dtype=np.int64 if are_ids else np.float32)
    x[~is_padding] = np.concatenate(X)
    feeds = {"x": x, "lengths": lengths} | ({} if static is None else {"static": static})
    session = open_file(file) if isinstance(file, Path) else file
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, feeds), strict=True))


def assert_file_agrees(model: Any, path: Any, X: list[Any]) -> None:
    """Exported, it predicts as the model does, in batches of 1, 2 and 7."""
    assert to_onnx(model, path) <= TOLERANCE
    session = open_file(path)
    for batch in (X[:1], X[1:3], X[3:]):
        assert_same_predictions(run(session, batch), model, batch)


def assert_same_predictions(found: dict[str, Any], model: Any, X: Any) -> None:
    """Labels and probabilities, or numbers in standard deviations of y."""
    if "value" in found:
        estimator = getattr(model, "steps", [(None, model)])[-1][1]
        difference = np.abs(found["value"] - model.predict(X)) / estimator.target_scale_
        assert difference.max() <= TOLERANCE
        return
    np.testing.assert_array_equal(found["label"], model.predict(X))
    np.testing.assert_allclose(
        found["probabilities"], model.predict_proba(X), rtol=0, atol=TOLERANCE
    )
