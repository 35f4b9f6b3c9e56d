"""Importances with donors fitted in two ways: python -m benchmarks.exchange."""

from __future__ import annotations

import numpy as np
from aeon.datasets import load_classification
from scipy.stats import spearmanr
from sklearn.metrics import get_scorer
from sklearn.model_selection import train_test_split

from sklstm import LSTMSequenceClassifier
from sklstm._sequences import Array
from sklstm.inspection import permutation_importance
from sklstm.preprocessing import from_channel_first

N_REPEATS, SCORING = 5, "neg_log_loss"


def interpolated(donor: Array, n_timesteps: int) -> Array:
    """One feature of a donor at the middles of so many timesteps."""
    return np.interp(middles(n_timesteps), middles(len(donor)), donor)


def middles(n: int) -> Array:
    """Shares of the time at the middles of timesteps."""
    return (np.arange(n) + 0.5) / n


def importances_by_interpolation(model: LSTMSequenceClassifier, X: list[Array], y: Array) -> Array:
    """Mean importance of each feature."""
    rng, scorer = np.random.default_rng(0), get_scorer(SCORING)
    baseline, drops = scorer(model, X, y), []
    for _ in range(N_REPEATS):
        donors = rng.permutation(len(X))
        for place in range(X[0].shape[1]):
            changed = [x.copy() for x in X]
            for x, donor in zip(changed, donors, strict=True):
                x[:, place] = interpolated(X[donor][:, place], len(x))
            drops.append(baseline - scorer(model, changed, y))
    return np.reshape(drops, (N_REPEATS, -1)).mean(axis=0)


def main() -> None:
    """Print rank correlation, ratio of sums, and the importance of a feature of noise."""
    arrays, y = load_classification("JapaneseVowels")
    rng = np.random.default_rng(0)
    X = [np.column_stack([x, rng.normal(size=len(x))]) for x in from_channel_first(arrays)]
    for seed in range(3):
        X_train, X_test, y_train, y_test = train_test_split(
            X, y, stratify=y, random_state=seed, train_size=270
        )
        model = LSTMSequenceClassifier(32, max_epochs=20, n_kernels=0, random_state=seed)
        model.fit(X_train, y_train)
        repeated = permutation_importance(
            model, X_test, y_test, scoring=SCORING, n_repeats=N_REPEATS, random_state=seed
        ).importances_mean
        linear = importances_by_interpolation(model, X_test, y_test)
        print(
            f"rank correlation {spearmanr(repeated, linear)[0]:.3f},"
            f" ratio of sums {linear.sum() / repeated.sum():.3f},"
            f" noise {repeated[-1]:.3f} and {linear[-1]:.3f} of {repeated.max():.2f}"
        )


if __name__ == "__main__":
    main()
