"""Permutation importance of features and segments of sequences."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from numbers import Integral, Real
from typing import Any, Literal, NamedTuple

import numpy as np
from sklearn.metrics import check_scoring, get_scorer_names
from sklearn.utils import Bunch, check_random_state
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.random import sample_without_replacement

from sklstm._compat._sklearn import (
    Interval,
    RealNotInt,
    StrOptions,
    validate_parameter_constraints,
)
from sklstm._config._options import AT_LEAST_ONE
from sklstm._sequences import PADDING_ID, Array, IntArray
from sklstm._validation._frames import is_frame
from sklstm._warnings import warn_user
from sklstm.inspection._exchange import Exchangeable, read_exchangeable

PARAMETER_CONSTRAINTS: dict[str, list[Any]] = {
    "by": [StrOptions({"feature", "segment", "both"})],
    "scoring": [StrOptions(set(get_scorer_names())), callable, list, tuple, dict, None],
    "n_repeats": [AT_LEAST_ONE],
    "n_segments": [AT_LEAST_ONE],
    "n_jobs": [Integral, None],
    "random_state": ["random_state"],
    "max_samples": [AT_LEAST_ONE, Interval(RealNotInt, 0, 1, closed="right")],
    "mask_value": [Real, StrOptions({"auto"}), None],
}


def permutation_importance(
    estimator: Any,
    X: Any,
    y: Any,
    by: Literal["feature", "segment", "both"] = "feature",
    *,
    scoring: Any = None,
    n_repeats: int = 5,
    n_segments: int = 10,
    n_jobs: int | None = None,
    random_state: Any = None,
    sample_weight: Any = None,
    max_samples: float = 1.0,
    mask_value: float | Literal["auto"] | None = "auto",
) -> Any:
    """Permutation importance of features, of segments of time, or of both.

    The importance of a feature is the decrease of a score when its values are exchanged between
    sequences, as in `sklearn.inspection.permutation_importance`. What is exchanged is a feature
    over all timesteps, a segment of time of all features, or a segment of one feature.

    Parameters
    ----------
    estimator : object
        Fitted estimator or pipeline that takes X, of this package or another.
    X : array-like
        Sequences in any of the forms that `LSTMSequenceClassifier.fit` takes, preferably not those
        of the training.
    y : array-like
        Targets. None for a scorer that needs none.
    by : {"feature", "segment", "both"}, default="feature"
        What is exchanged between sequences.

        - "feature": one feature at all timesteps, or one static column
        - "segment": all features in one segment of time, without static columns
        - "both": one feature in one segment of time, without static columns
    scoring : str, callable, list, tuple or dict, default=None
        One or more scorers. None means the estimator's ``score``.
    n_repeats : int, default=5
        Number of permutations.
    n_segments : int, default=10
        Number of segments of time: equal fractions of the length of each sequence.
    n_jobs : int, default=None
        Number of processes. The results do not depend on it.
    random_state : int, RandomState instance or None, default=None
        Seed of the permutations, which are the same for all features and segments.
    sample_weight : array-like of shape (n_sequences,), default=None
        Sample weights for the score.
    max_samples : int or float, default=1.0
        Number or fraction of the sequences drawn for each permutation.
    mask_value : float, "auto" or None, default="auto"
        Padding value, as in ``fit``: padding is not exchanged. "auto" means that of the estimator,
        or of the last step of a pipeline. If it has none, 0 for token ids and otherwise NaN.

    Returns
    -------
    Bunch, or dict of Bunch if there are several scorers
        Dictionary-like object with the following attributes.

        - ``importances_mean``, ``importances_std``: ndarray of shape (n_features,), (n_segments,)
          or (n_features, n_segments), mean and standard deviation over the permutations
        - ``importances``: ndarray with an additional dimension, (..., n_repeats), the score of X
          minus that of X with exchanged values
        - ``baseline_score``: float, the score of X
        - ``feature_names``: list of str, feature names of X, or "x0", "x1" and so on
        - ``segment_bounds``: ndarray of shape (n_segments + 1,), bounds of the segments as
          fractions of the length
        - ``by``: str, as passed

    Raises
    ------
    ValueError
        If X is texts, which need to be encoded first. Other exceptions are the estimator's.

    Warns
    -----
    UserWarning
        If all sequences are shorter than ``n_segments``, which is then reduced.

    See Also
    --------
    sklearn.inspection.permutation_importance : The same for tables.

    Notes
    -----
    A sequence gets the values of another one at the same relative time: timestep t of n_i is at (t
    + 1/2) / n_i. A donor of another length is stretched or compressed by repeating or skipping
    timesteps, so that only existing values are used, as categories and token ids require. With
    equal lengths each timestep gets the value of the same timestep; with a single timestep the
    results are those of scikit-learn. A timestep belongs to the segment that contains its middle.
    Sequences keep their lengths: the importance of the length itself is not measured.

    Correlated features can replace each other, and each then seems unimportant. With a single
    feature, ``by="feature"`` compares with guessing.

    The estimator predicts once per permutation and feature or segment, and once for the baseline.
    Token ids are one feature. The estimator gets forms of X other than arrays, lists of arrays and
    data frames as lists of arrays, or as dicts of columns if the features have names.

    References
    ----------
    L. Breiman, "Random Forests", Machine Learning 45, 2001.

    Examples
    --------
    >>> from sklstm import LSTMSequenceClassifier
    >>> from sklstm.datasets import make_trends
    >>> from sklstm.inspection import permutation_importance
    >>> X, y = make_trends(60, random_state=0)
    >>> classifier = LSTMSequenceClassifier(8, max_epochs=3, n_kernels=0, random_state=0)
    >>> _ = classifier.fit(X, y)
    >>> result = permutation_importance(classifier, X, y, by="segment", n_segments=4,
    ...                                 random_state=0)
    >>> result.importances.shape
    (4, 5)
    """
    validate_parameter_constraints(
        PARAMETER_CONSTRAINTS,
        {
            "by": by,
            "scoring": scoring,
            "n_repeats": n_repeats,
            "n_segments": n_segments,
            "n_jobs": n_jobs,
            "random_state": random_state,
            "max_samples": max_samples,
            "mask_value": mask_value,
        },
        caller_name="permutation_importance",
    )
    scorer = Score(check_scoring(estimator, scoring=scoring), estimator)
    # First, so that an X which the estimator does not take gets the estimator's own error.
    baseline = scorer(X, y, sample_weight)
    mask = mask_value_of(estimator) if isinstance(mask_value, str) else mask_value
    exchangeable = read_exchangeable(X, mask)
    # The random numbers of scikit-learn's permutation_importance, in its order.
    seed = check_random_state(random_state).randint(np.iinfo(np.int32).max + 1)
    rng = np.random.RandomState(seed)
    n = len(exchangeable.lengths)
    n_drawn = _number_drawn(max_samples, n)
    if n_drawn < n:
        drawn = sample_without_replacement(n, n_drawn, random_state=rng)
        # In a form that has rows to take.
        X = exchangeable.exchanged(None, np.arange(exchangeable.n_rows))
        X, y, sample_weight = (_taken(part, drawn) for part in (X, y, sample_weight))
        exchangeable = read_exchangeable(X, mask)
    exchanges, bounds = _exchanges(by, exchangeable, n_segments)
    all_donors = _permutations(rng, n_drawn, n_repeats)
    scores = Parallel(n_jobs=n_jobs)(
        delayed(_score_exchanged)(scorer, exchangeable, exchange, donors, y, sample_weight)
        for row in exchanges
        for exchange in row
        for donors in all_donors
    )
    names = [*exchangeable.features, *(exchangeable.static if by == "feature" else ())]
    about = {"feature_names": names, "segment_bounds": bounds, "by": by}
    sizes = (len(exchanges), len(exchanges[0]), n_repeats)
    kept = {"feature": (0, 2), "segment": (1, 2), "both": (0, 1, 2)}[by]
    shape = tuple(sizes[axis] for axis in kept)
    if isinstance(baseline, Mapping):
        return {
            name: _as_bunch(score, [own[name] for own in scores], shape, about)
            for name, score in baseline.items()
        }
    return _as_bunch(baseline, scores, shape, about)


# What is exchanged --------------------------------------------------------------------------------


class Exchange(NamedTuple):
    """A feature at a place, or None for all, in one of some segments; or a static column."""

    place: int | None = None
    n_segments: int = 1
    segment: int = 0
    static: str | None = None

    def applied(self, exchangeable: Exchangeable, donors: IntArray) -> Any:
        """X after the exchange."""
        if self.static is not None:
            return exchangeable.exchanged_static(self.static, donors)
        return exchangeable.exchanged(
            self.place, exchangeable.order_of(donors, self.n_segments, self.segment)
        )


def _exchanges(
    by: str, exchangeable: Exchangeable, n_segments: int
) -> tuple[list[list[Exchange]], Array]:
    """All exchanges, one row a feature and one column a segment; bounds of the segments."""
    n_segments = 1 if by == "feature" else _check_segments(n_segments, exchangeable.lengths)
    places = [None] if by == "segment" else range(len(exchangeable.features))
    rows = [[Exchange(at, n_segments, i) for i in range(n_segments)] for at in places]
    if by == "feature":
        rows += [[Exchange(static=name)] for name in exchangeable.static]
    return rows, np.linspace(0, 1, n_segments + 1)


def _check_segments(n_segments: int, lengths: IntArray) -> int:
    longest = int(lengths.max())
    if n_segments <= longest:
        return n_segments
    warn_user(
        f"n_segments={n_segments} is more than the {longest} timesteps of the longest sequence;"
        f" there are {longest} segments instead."
    )
    return longest


def _permutations(rng: np.random.RandomState, n: int, n_repeats: int) -> list[IntArray]:
    """The donor of each sequence, for each repetition; each shuffles the order of the last."""
    shuffled, donors, found = np.arange(n), np.arange(n), []
    for _ in range(n_repeats):
        rng.shuffle(shuffled)
        donors = donors[shuffled]
        found.append(donors)
    return found


def mask_value_of(estimator: Any) -> float | None:
    """The value of padding of an estimator or of the last step of a pipeline."""
    steps = getattr(estimator, "steps", None)
    last = steps[-1][1] if steps else estimator
    if getattr(last, "mask_value", None) is not None:
        return float(last.mask_value)
    embeds = (
        getattr(last, name, None) is not None for name in ("embedding_dim", "embedding_weights")
    )
    return PADDING_ID if any(embeds) else float("nan")


def _number_drawn(max_samples: float, n: int) -> int:
    is_number = not isinstance(max_samples, float)
    n_drawn = int(max_samples if is_number else max_samples * n)
    if not 1 <= n_drawn <= n:
        raise ValueError(
            f"max_samples must draw from 1 to {n} sequences, all that X has. Got {max_samples}."
        )
    return n_drawn


def _taken(values: Any, rows: IntArray) -> Any:
    """Some rows of X, y or weights, in the form that they have."""
    if values is None:
        return None
    if hasattr(values, "iloc"):
        return values.iloc[rows]
    if is_frame(values) or hasattr(values, "shape"):
        return values[rows]
    taken = [values[row] for row in rows.tolist()]
    return type(values)(taken) if isinstance(values, list) else taken


# Scores -------------------------------------------------------------------------------------------


class Score(NamedTuple):
    """A scorer, or several, of a fitted estimator."""

    scorer: Callable[..., Any]
    estimator: Any

    def __call__(self, X: Any, y: Any, sample_weight: Any) -> Any:
        weights = {} if sample_weight is None else {"sample_weight": sample_weight}
        return self.scorer(self.estimator, X, y, **weights)


def _score_exchanged(
    score: Score,
    exchangeable: Exchangeable,
    exchange: Exchange,
    donors: IntArray,
    y: Any,
    sample_weight: Any,
) -> Any:
    return score(exchange.applied(exchangeable, donors), y, sample_weight)


def _as_bunch(
    baseline: float, scores: list[float], shape: tuple[int, ...], about: dict[str, Any]
) -> Bunch:
    importances = baseline - np.array(scores).reshape(shape)
    return Bunch(
        importances_mean=importances.mean(axis=-1),
        importances_std=importances.std(axis=-1),
        importances=importances,
        baseline_score=baseline,
        **about,
    )
