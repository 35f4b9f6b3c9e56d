"""Generators of synthetic sequences, for tests, examples and benchmarks."""

from __future__ import annotations

import numpy as np
from sklearn.utils import check_random_state

from sklstm._sequences import Array


def make_trends(
    n_sequences: int = 100,
    *,
    min_timesteps: int = 10,
    max_timesteps: int = 20,
    slope: float = 0.5,
    noise: float = 1.0,
    imbalance: float = 0.5,
    random_state: int | np.random.RandomState | None = None,
) -> tuple[list[Array], Array]:
    r"""Generate univariate sequences of unequal length with a linear trend and noise.

    Timestep t of a sequence is ``level + s * slope * t + noise * e_t`` with s = +1 or -1, the level
    and all e_t standard normal.

    Parameters
    ----------
    n_sequences : int, default=100
        Number of sequences.
    min_timesteps, max_timesteps : int, default=10, 20
        Smallest and largest sequence length. Lengths are drawn uniformly between them, inclusive.
    slope : float, default=0.5
        Absolute slope of the trend, per timestep.
    noise : float, default=1.0
        Standard deviation of the Gaussian noise.
    imbalance : float, default=0.5
        Expected fraction of "rising" sequences.
    random_state : int, RandomState instance or None, default=None
        Seed. Pass an int for reproducible sequences.

    Returns
    -------
    X : list of ndarray of shape (n_timesteps_i, 1), float64
        The sequences.
    y : ndarray of shape (n_sequences,)
        Labels "falling" and "rising".

    Notes
    -----
    For balanced classes the best possible accuracy at length T is that of the sign of the
    least-squares slope, with the defaults above 0.9999 at every length:

    .. math:: \Phi\left(\frac{\mathrm{slope}}{\mathrm{noise}} \sqrt{\frac{T (T^2 - 1)}{12}}\right)

    Examples
    --------
    >>> from sklstm.datasets import make_trends
    >>> X, y = make_trends(random_state=0)
    >>> len(X), X[0].shape
    (100, (12, 1))
    """
    rng = check_random_state(random_state)
    rises = rng.uniform(size=n_sequences) < imbalance
    X = []
    for sign in np.where(rises, 1.0, -1.0):
        n_timesteps = rng.randint(min_timesteps, max_timesteps + 1)
        line = rng.normal() + sign * slope * np.arange(n_timesteps)
        X.append((line + noise * rng.normal(size=n_timesteps)).reshape(-1, 1))
    return X, np.where(rises, "rising", "falling")


def make_temporal_order(
    n_sequences: int = 100,
    *,
    n_timesteps: int = 50,
    random_state: int | np.random.RandomState | None = None,
) -> tuple[Array, Array]:
    """Generate sequences whose class is the order of two events far apart.

    Six symbols are one-hot encoded: a, b, c and d are distractors, X and Y are events. One event is
    in the first fifth of the sequence, the other in its second half. The class is the two events in
    their order. A model that ignores order cannot tell "XY" from "YX".

    Parameters
    ----------
    n_sequences : int, default=100
        Number of sequences.
    n_timesteps : int, default=50
        Length of every sequence, at least 10.
    random_state : int, RandomState instance or None, default=None
        Seed. Pass an int for reproducible sequences.

    Returns
    -------
    X : ndarray of shape (n_sequences, n_timesteps, 6), float64
        One-hot symbols.
    y : ndarray of shape (n_sequences,)
        Labels "XX", "XY", "YX" and "YY".

    Notes
    -----
    The best possible accuracy is 1.0, or 0.75 without order. The task is experiment 6a of [1]_.

    References
    ----------
    .. [1] S. Hochreiter, J. Schmidhuber, "Long Short-Term Memory", Neural Computation 9(8), 1997.

    Examples
    --------
    >>> from sklstm.datasets import make_temporal_order
    >>> X, y = make_temporal_order(random_state=0)
    >>> X.shape
    (100, 50, 6)
    """
    if n_timesteps < 10:
        raise ValueError(f"n_timesteps must be at least 10. Got {n_timesteps} instead.")
    rng = check_random_state(random_state)
    symbols = rng.randint(0, 4, size=(n_sequences, n_timesteps))
    events = rng.randint(0, 2, size=(n_sequences, 2))
    fifth, half = n_timesteps // 5, n_timesteps // 2
    positions = np.stack(
        [rng.randint(0, fifth, n_sequences), rng.randint(half, half + fifth, n_sequences)], axis=1
    )
    np.put_along_axis(symbols, positions, 4 + events, axis=1)
    names = np.array(["X", "Y"])
    return np.eye(6)[symbols], np.char.add(names[events[:, 0]], names[events[:, 1]])
