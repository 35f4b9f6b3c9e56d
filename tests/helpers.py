"""Small real objects that many tests need."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from sklearn.base import clone

from sklstm import LSTMSequenceClassifier, load_model, save_model
from sklstm._batching._loader import LabelledSequences, to_device
from sklstm._batching._scaling import Scaling
from sklstm._config._configuration import Configuration
from sklstm._config._options import Options
from sklstm._sequences import Sequences
from sklstm._tasks._classification import Classification
from sklstm._training._configure import configure
from sklstm._training._net import SequenceReader
from sklstm._training._train import train

POOLINGS = ("attention", "last", "max", "mean")

TWO_CLASSES = Classification(np.array([0, 1]))

# Two float32 results of the same arithmetic in another order, on values around 1.
FLOAT32 = {"rtol": 1e-5, "atol": 1e-6}


def device() -> torch.device:
    """That of the estimators and tensors of the tests, as `pytest --device` says."""
    return torch.get_default_device()


@contextmanager
def torch_threads(n_threads: int) -> Iterator[None]:
    """Let torch have so many threads within the context."""
    before = torch.get_num_threads()
    torch.set_num_threads(n_threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def as_objects(items: Any) -> np.ndarray:
    """A 1-D array of the items, which np.array would stack if they have one length."""
    array = np.empty(len(items), dtype=object)
    array[:] = items
    return array


def assert_same_in_company(found: Any, expected: Any) -> None:
    """The same bits; on a GPU up to rounding, since its kernels follow from the size of a batch."""
    if device().type == "cpu":
        np.testing.assert_array_equal(found, expected)
    else:
        np.testing.assert_allclose(found, expected, **FLOAT32)


def short_sequences(n_features: int = 1, lengths: Any = (6,) * 24) -> Sequences:
    """Twenty-four of 6 timesteps, where nothing depends on their number or their values."""
    values = np.random.default_rng(0).normal(size=(sum(lengths), n_features))
    return Sequences.from_lengths(values, lengths)


def configuration(
    n_features: int = 2,
    *,
    n_outputs: int = 2,
    seed: int = 0,
    n_tokens: int | None = None,
    **parameters: Any,
) -> Configuration:
    """That of a classifier with these parameters, on `short_sequences`."""
    return configure(
        Options.of(LSTMSequenceClassifier(**parameters)),
        short_sequences(n_features),
        n_outputs=n_outputs,
        seed=seed,
        vocabulary_size=n_tokens,
    )


def train_net(configuration: Configuration, data: Any, **options: Any) -> Any:
    """What `train` gives for two classes: the net and the parts of the summary."""
    options = {"reader": SequenceReader(list, None), **options}
    net, summary = train(configuration, TWO_CLASSES, data, **options)
    return SimpleNamespace(net=net, **vars(summary))


def make_ragged(n: int = 24, *, n_features: int = 2, n_classes: int = 2, seed: int = 0) -> Any:
    """Separable sequences of 3 to 9 timesteps: the class is the level of all features."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % n_classes
    lengths = rng.integers(3, 10, size=n)
    X = [rng.normal(2.0 * c, 1.0, size=(t, n_features)) for c, t in zip(y, lengths, strict=True)]
    return X, y


def labelled(n: int) -> LabelledSequences:
    """Sequences of `make_ragged` on the device, as a net is trained on, with ascending weights."""
    X, y = make_ragged(n)
    sequences = Sequences.from_lengths(np.concatenate(X), [len(x) for x in X])
    return LabelledSequences(
        to_device(sequences, Scaling.identity(2), device()),
        torch.from_numpy(y).to(device()),
        torch.arange(1.0, n + 1.0),
    )


def make_tagged(n: int = 60, *, n_labels: int = 3, seed: int = 0) -> Any:
    """Sequences of 3 to 9 timesteps of as many features as labels: a label raises its feature.

    The first labels are frequent, the last is rare.
    """
    rng = np.random.default_rng(seed)
    y = (rng.random((n, n_labels)) < np.linspace(0.6, 0.15, n_labels)).astype(int)
    X = [rng.normal(2.0 * row, 1.0, size=(t, n_labels))
         for row, t in zip(y, rng.integers(3, 10, size=n), strict=True)]  # fmt: skip
    return X, y


def make_cube(n: int = 24, *, n_timesteps: int = 6, n_features: int = 2, **kwargs: Any) -> Any:
    """The same kind of sequences, all of one length."""
    rng = np.random.default_rng(kwargs.get("seed", 0))
    y = np.arange(n) % kwargs.get("n_classes", 2)
    X = rng.normal(2.0 * y[:, None, None], 1.0, size=(n, n_timesteps, n_features))
    return X, y


def make_documents(
    n: int = 60, *, n_classes: int = 2, lengths: tuple[int, int] = (3, 12), seed: int = 0
) -> Any:
    """Token ids below 30: the class says which of the first ids a document has somewhere."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % n_classes
    X = [rng.integers(2 + n_classes, 30, size=rng.integers(*lengths)) for _ in range(n)]
    for ids, label in zip(X, y, strict=True):
        ids[rng.integers(len(ids))] = 2 + label
    return X, y


def assert_same_bits_in_any_company(fitted: Any, X: Any) -> None:
    """Alone, in another order, and from the skorch net."""
    together = fitted.predict_proba(X)
    order = np.random.default_rng(0).permutation(len(X))
    assert_same_in_company(fitted.predict_proba([X[i] for i in order]), together[order])
    for i in (0, 7, 39):
        assert_same_in_company(fitted.predict_proba([X[i]]), together[[i]])
    assert_same_in_company(fitted.net_.predict_proba(X), together)


def assert_weight_zero_is_removal(classifier: Any, X: Any, y: Any, *, every: int) -> None:
    """To the bit, where the first of each ``every`` sequences has weight 0."""
    weights = np.ones(len(X))
    weights[::every] = 0
    kept = np.flatnonzero(weights)
    weighted = clone(classifier).fit(X, y, sample_weight=weights)
    without = clone(classifier).fit([X[i] for i in kept], y[kept])
    np.testing.assert_array_equal(weighted.predict_proba(X), without.predict_proba(X))


def through_copies(fitted: Any, X: Any, path: Any) -> Any:
    """The estimator read back from a file; it and a pickle predict the same bits."""
    return predictions_through_copies(fitted, lambda each: each.predict_proba(X), path)


def predictions_through_copies(fitted: Any, predict: Callable[[Any], Any], path: Any) -> Any:
    """The same of any estimator and its predictions."""
    expected = predict(fitted)
    copied = pickle.loads(pickle.dumps(fitted))
    np.testing.assert_array_equal(predict(copied), expected)
    save_model(fitted, path)
    loaded = load_model(path)
    np.testing.assert_array_equal(predict(loaded), expected)
    return loaded


def quick(**parameters: Any) -> LSTMSequenceClassifier:
    """A classifier that fits such sequences in a fraction of a second: LSTM layers, no mixup."""
    defaults = {"hidden_sizes": 8, "max_epochs": 5, "random_state": 0, "learning_rate": 0.02}
    return LSTMSequenceClassifier(
        **{"conv_filters": (), "mixup_alpha": 0.0, **defaults, **parameters}
    )


def pad(X: list[Any], *, filler: float = 0.0, extra: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Right-padded batch (B, T, F) and lengths (B,), float32."""
    lengths = torch.tensor([len(x) for x in X])
    batch = torch.full((len(X), int(lengths.max()) + extra, X[0].shape[1]), filler)
    for row, x in zip(batch, X, strict=True):
        row[: len(x)] = torch.as_tensor(x, dtype=torch.float32)
    return batch, lengths


def gradients(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    return {name: p.grad.clone() for name, p in network.named_parameters()}
