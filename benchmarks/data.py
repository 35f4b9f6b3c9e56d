"""What the contestants are given: the same sequences and labels, in a file that each reads."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

N_CLASSES = 3


@dataclass(frozen=True, eq=False)
class Data:
    """Sequences to train on or to predict, and others to test on.

    Attributes
    ----------
    X, X_test : list of ndarray of shape (n_timesteps_i, n_features), float32
    y, y_test : ndarray of shape (n_sequences,), integers from 0
    """

    X: list[np.ndarray]
    y: np.ndarray
    X_test: list[np.ndarray]
    y_test: np.ndarray

    @property
    def n_features(self) -> int:
        """Number of columns of every sequence."""
        return self.X[0].shape[1]

    @property
    def n_classes(self) -> int:
        """Number of classes."""
        return int(max(self.y.max(), self.y_test.max(initial=0))) + 1

    @property
    def n_timesteps(self) -> int:
        """Number of all timesteps of the sequences to train on."""
        return sum(map(len, self.X))

    @property
    def longest(self) -> int:
        """Number of timesteps of the longest sequence of all."""
        return max(map(len, self.X + self.X_test))

    @property
    def is_rectangular(self) -> bool:
        """Whether the sequences have one length."""
        return len({len(x) for x in self.X + self.X_test}) == 1

    def first(self, n_sequences: int | None) -> Data:
        """The same with the first sequences only; None means all."""
        return replace(self, X=self.X[:n_sequences], y=self.y[:n_sequences])

    def padded(self, X: list[np.ndarray]) -> np.ndarray:
        """The sequences as (n_sequences, longest, n_features), with zeros behind each."""
        rectangle = np.zeros((len(X), self.longest, self.n_features), dtype=np.float32)
        for row, x in zip(rectangle, X, strict=True):
            row[: len(x)] = x
        return rectangle

    def save(self, path: Path) -> None:
        """Write a file that `load` reads."""
        X = self.X + self.X_test
        np.savez(
            path,
            values=np.concatenate(X),
            lengths=[len(x) for x in X],
            y=np.concatenate([self.y, self.y_test]),
            n_train=len(self.y),
        )


def load(path: str) -> Data:
    """What `Data.save` wrote."""
    file = np.load(path)
    X = np.split(file["values"], np.cumsum(file["lengths"])[:-1])
    y, n = file["y"], int(file["n_train"])
    return Data(X[:n], y[:n], X[n:], y[n:])


@dataclass(frozen=True)
class Generated:
    """Noise in which one feature is a little higher for each class.

    Attributes
    ----------
    lengths : {"equal", "log-normal", "uniform", "outlier"}
        "outlier" is one sequence of ``longest`` timesteps among others of 10 to 30.
    longest : int
        Timesteps of the longest sequence; a log-normal one has at least a 40th of that.
    """

    n_sequences: int
    longest: int
    lengths: str = "equal"
    n_features: int = 10
    n_test: int = 0

    def make(self) -> Data:
        """The sequences, the same ones each time."""
        rng = np.random.default_rng(0)
        n = self.n_sequences + self.n_test
        y = rng.integers(0, N_CLASSES, size=n)
        X = [rng.normal(size=(t, self.n_features)) for t in self._draw_lengths(rng, n)]
        for x, label in zip(X, y, strict=True):
            x[:, label] += 0.3
        X = [x.astype(np.float32) for x in X]
        split = self.n_sequences
        return Data(X[:split], y[:split], X[split:], y[split:])

    def _draw_lengths(self, rng: np.random.Generator, n: int) -> np.ndarray:
        if self.lengths == "log-normal":
            # The mean of the logarithm is 4.15 for a longest of 400: 85 timesteps in the mean.
            drawn = np.exp(rng.normal(np.log(self.longest) - 1.84, 0.8, size=n))
            return np.clip(drawn, self.longest / 40, self.longest).astype(int)
        if self.lengths == "uniform":
            return rng.integers(10, self.longest + 1, size=n)
        if self.lengths == "outlier":
            return np.append(rng.integers(10, 31, size=n - 1), self.longest)
        return np.full(n, self.longest)


@dataclass(frozen=True)
class Archive:
    """A data set that aeon brings with it."""

    name: str

    def make(self) -> Data:
        """The archive's own training and test parts, labels as integers."""
        from aeon.datasets import load_classification

        parts = (load_classification(self.name, split=split) for split in ("train", "test"))
        (X, y), (X_test, y_test) = parts
        _, codes = np.unique(np.concatenate([y, y_test]), return_inverse=True)
        X, X_test = ([np.float32(x.T) for x in part] for part in (X, X_test))
        return Data(X, codes[: len(y)], X_test, codes[len(y) :])


Recipe = Generated | Archive
