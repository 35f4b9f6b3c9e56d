"""faithfulness: whether the values that attributions call important matter to the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from sklstm._compat._sklearn import StrOptions, validate_parameter_constraints
from sklstm._config._options import AT_LEAST_ONE
from sklstm._inference._prediction import check_outputs, compute_outputs
from sklstm._runtime._randomness import draw_seed
from sklstm._sequences import Array, IntArray, Sequences
from sklstm._tasks._classification import Classification
from sklstm._tasks._task import Task
from sklstm.inspection._attributions import Attributions
from sklstm.inspection._baselines import Pair, pair_with_baseline
from sklstm.inspection._explained import Explained, read_model
from sklstm.inspection._mixtures import Mixtures
from sklstm.inspection._targets import Targets, read_targets

PARAMETER_CONSTRAINTS: dict[str, list[Any]] = {
    "response": [StrOptions({"auto", "output", "probability"})],
    "n_steps": [AT_LEAST_ONE],
    "n_random": [AT_LEAST_ONE],
    "random_state": ["random_state"],
}


@dataclass(frozen=True)
class Faithfulness:
    """Deletion and insertion curves, as returned by `faithfulness`.

    Attributes
    ----------
    fractions : ndarray of shape (n_steps + 1,)
        Fraction of the values that are deleted or inserted, from 0 to 1.
    deletion : ndarray of shape (n_sequences, n_steps + 1)
        Response when values are deleted in decreasing order of their attributions.
    insertion : ndarray of shape (n_sequences, n_steps + 1)
        Response when values are inserted into the baseline in the same order.
    random_deletion : ndarray of shape (n_sequences, n_steps + 1)
        Response to deletion in random order, mean over the orders.
    random_insertion : ndarray of shape (n_sequences, n_steps + 1)
        Response to insertion in random order, mean over the orders.
    response : str
        Kind of response: "probability" or "output".
    """

    fractions: Array
    deletion: Array
    insertion: Array
    random_deletion: Array
    random_insertion: Array
    response: str

    @property
    def areas(self) -> dict[str, Array]:
        """Areas under the curves of each sequence, by name, each of shape (n_sequences,).

        If attributions are faithful, the area is small for deletion and large for insertion.
        """
        names = ("deletion", "insertion", "random_deletion", "random_insertion")
        return {name: np.trapezoid(getattr(self, name), self.fractions, axis=1) for name in names}


def faithfulness(
    estimator: Any,
    X: Any,
    attributions: Sequence[Array],
    *,
    target: Any = None,
    baseline: Any = None,
    response: Literal["auto", "output", "probability"] = "auto",
    n_steps: int = 20,
    n_random: int = 5,
    random_state: Any = None,
) -> Faithfulness:
    """Compute deletion and insertion curves of attributions, and those of random orders.

    In decreasing order of their attributions, values are replaced by the baseline (deletion) or
    inserted into the baseline (insertion) [1]_. If attributions are faithful, the response falls
    earlier in a deletion, and rises earlier in an insertion, than in random order.

    Parameters
    ----------
    estimator : LSTMSequenceClassifier, LSTMSequenceRegressor or Pipeline
        Fitted model, as for `attributions`.
    X : array-like
        Sequences in any of the forms that the model takes.
    attributions : Attributions or list of ndarray
        Attributions of X, as returned by `attributions`, or arrays of the same shapes.
    target : object, default=None
        Output to explain, as for `attributions`. None means that of ``attributions`` if they are
        `Attributions`.
    baseline : float, array-like of shape (n_features,), sequences or int, default=None
        Baseline, as for `attributions`. None means that of ``attributions`` if they are
        `Attributions`.
    response : {"auto", "output", "probability"}, default="auto"
        Response shown by the curves.

        - "auto": "probability" for a classifier, "output" for a regressor
        - "output": logit of the target, or predicted number
        - "probability": probability of the target
    n_steps : int, default=20
        Number of steps from no values to all values.
    n_random : int, default=5
        Number of random orders to average.
    random_state : int, RandomState instance or None, default=None
        Seed of the random orders.

    Returns
    -------
    Faithfulness
        Curves of each sequence and the areas under them.

    Raises
    ------
    ValueError
        If the attributions are not finite or do not have the shapes of X, and as in `attributions`.

    See Also
    --------
    attributions : Compute attributions.
    FaithfulnessDisplay : Plot the curves.

    Notes
    -----
    A sequence with some values of the baseline is unlike the training sequences, and the curves
    show how the model reacts to it. Static columns are neither deleted nor inserted. The cost is 2
    (n_random + 1) n_steps predictions per sequence.

    References
    ----------
    .. [1] V. Petsiuk, A. Das, K. Saenko, "RISE: Randomized Input Sampling for Explanation of
       Black-box Models", BMVC 2018.

    Examples
    --------
    >>> from sklstm import LSTMSequenceClassifier
    >>> from sklstm.datasets import make_trends
    >>> from sklstm.inspection import attributions, faithfulness
    >>> X, y = make_trends(n_sequences=60, random_state=0)
    >>> classifier = LSTMSequenceClassifier(8, max_epochs=20, random_state=0).fit(X, y)
    >>> explained = attributions(classifier, X[:8])
    >>> areas = faithfulness(classifier, X[:8], explained, random_state=0).areas
    >>> bool(areas["insertion"].mean() > areas["random_insertion"].mean())
    True
    """
    given = {"response": response, "n_steps": n_steps, "n_random": n_random}
    given["random_state"] = random_state
    validate_parameter_constraints(PARAMETER_CONSTRAINTS, given, caller_name="faithfulness")
    explained = read_model(estimator, "faithfulness")
    sequences = explained.read(explained.transform(X))
    orders = _orders(explained, attributions, sequences)
    rng = np.random.default_rng(draw_seed(random_state))
    if isinstance(attributions, Attributions):
        target = attributions.target if target is None else target
        baseline = attributions.baseline if baseline is None else baseline

    def work() -> Faithfulness:
        pair = pair_with_baseline(explained, sequences, baseline)
        outputs = check_outputs(compute_outputs(explained.module, pair.given), sequences)
        task = explained.fitted.task
        kind = _kind_of(response, task)
        curves = _Curves(explained, read_targets(task, target, outputs), kind, n_steps)
        return curves.compute(pair, orders, n_random, rng)

    return explained.compute(work, sequences)


def _kind_of(response: str, task: Task) -> str:
    if response == "auto":
        return "output" if task.predicts_numbers else "probability"
    if response == "probability" and task.predicts_numbers:
        raise ValueError(
            "response='probability' is for classifiers: a regressor predicts none.\n\nSet"
            " response='output'."
        )
    return response


def _orders(
    explained: Explained, attributions: Sequence[Array], sequences: Sequences
) -> list[IntArray]:
    """Cells of each sequence, those of the largest attributions first."""
    orders, n_features = [], explained.n_features
    if len(attributions) != len(sequences):
        raise ValueError(
            f"attributions must have one array for each of the {len(sequences)} sequences of X. Got"
            f" {len(attributions)}."
        )
    for i, (values, length) in enumerate(zip(attributions, sequences.lengths, strict=True)):
        array = np.asarray(values, dtype=np.float64)
        if array.shape[1:] not in ((n_features,), (n_features,)[: n_features - 1]) or (
            len(array) < length
        ):
            raise ValueError(
                f"attributions[{i}] must have the shape of X[{i}], which has {length} timesteps of"
                f" {n_features} features. Got shape {array.shape}."
            )
        if not np.isfinite(array[:length]).all():
            raise ValueError(f"attributions[{i}] must be finite numbers; it has NaN or infinity.")
        orders.append(np.argsort(-array[:length].reshape(-1), kind="stable"))
    return orders


class _Curves:
    """Curves of one target and response."""

    def __init__(self, explained: Explained, targets: Targets, kind: str, n_steps: int) -> None:
        self.explained, self.targets, self.kind = explained, targets, kind
        self.fractions = np.linspace(0.0, 1.0, n_steps + 1)

    def compute(
        self, pair: Pair, orders: Sequence[IntArray], n_random: int, rng: np.random.Generator
    ) -> Faithfulness:
        """All curves."""
        shape = (4, len(orders), len(self.fractions))
        curves = np.zeros(shape)
        # Drawn in the order of X: results do not depend on how batches are made.
        shuffled = [[rng.permutation(order) for _ in range(n_random)] for order in orders]
        for indices in pair.batches():
            mixtures = Mixtures(self.explained, *pair.batch(indices))
            for place, index in enumerate(indices):
                curves[:2, index] = self._of_order(mixtures, place, index, orders[index])
                others = [self._of_order(mixtures, place, index, o) for o in shuffled[index]]
                curves[2:, index] = np.mean(others, axis=0)
        deletion, insertion, *random = curves
        return Faithfulness(self.fractions, deletion, insertion, random[0], random[1], self.kind)

    def _of_order(self, mixtures: Mixtures, place: int, index: int, order: IntArray) -> Array:
        """Deletion and insertion, (2, n_steps + 1)."""
        n_features = self.explained.n_features
        counts = np.rint(self.fractions * len(order)).astype(np.int64)
        ranks = np.empty_like(order)
        ranks[order] = np.arange(len(order))
        is_chosen = ranks < counts[:, None]
        masks = np.ones((2 * len(counts), mixtures.n_timesteps, n_features), dtype=bool)
        cells = np.concatenate([~is_chosen, is_chosen]).reshape(2 * len(counts), -1, n_features)
        masks[:, : cells.shape[1]] = cells
        outputs = mixtures.outputs(np.full(len(masks), place), masks)
        return self._respond(outputs, index).reshape(2, -1)

    def _respond(self, outputs: Array, index: int) -> Array:
        """Responses (R,) of outputs (R, C)."""
        if self.kind == "output":
            numbers: Array = outputs @ self.targets.weights[index]
            return np.asarray(numbers + self.targets.offsets[index])
        task = self.explained.fitted.task
        target = self.targets.names[index]
        place = task.classes.tolist().index(target) if isinstance(task, Classification) else target
        probabilities: Array = task.predictor(outputs).predict_proba()[:, place]
        return probabilities
