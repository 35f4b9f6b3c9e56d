"""attributions: what each value of a sequence contributes to a prediction."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import numpy as np

from sklstm._compat._sklearn import StrOptions, validate_parameter_constraints
from sklstm._config._options import AT_LEAST_ONE, POSITIVE
from sklstm._inference._prediction import check_outputs, compute_outputs
from sklstm._sequences import Array
from sklstm._warnings import warn_user
from sklstm.inspection._baselines import Pair, pair_with_baseline
from sklstm.inspection._explained import Explained, as_given, read_model
from sklstm.inspection._integrated import integrated_gradients
from sklstm.inspection._mixtures import Mixtures
from sklstm.inspection._occlusion import occlude
from sklstm.inspection._targets import Targets, read_targets

# Part of the tolerance that integrals may take; rounding takes some of the rest.
OF_INTEGRAL = 0.5
# Maximum number of gradients along a path.
MAX_NODES = 2048
PARAMETER_CONSTRAINTS: dict[str, list[Any]] = {
    "method": [StrOptions({"integrated_gradients", "occlusion"})],
    "window": [AT_LEAST_ONE, None],
    "stride": [AT_LEAST_ONE, None],
    "by_feature": ["boolean"],
    "tol": [POSITIVE],
}


class Attributions(list[Array]):
    """List of the attributions of each sequence, as returned by `attributions`.

    Parameters
    ----------
    values : iterable of ndarray
        Attributions of each sequence, of shape (n_timesteps_i, n_features), or (n_tokens_i,) for
        texts and token ids.
    target : ndarray of shape (n_sequences,)
        Explained class of each sequence, or the index of the label or output.
    output : ndarray of shape (n_sequences,)
        Explained output: the logit of the target as in ``decision_function``, or the predicted
        number.
    baseline_output : ndarray of shape (n_sequences,)
        The same output for the baseline.
    static : ndarray of shape (n_sequences, n_columns), default=None
        Attributions of the static columns. None if there are none.
    feature_names : list of str, default=None
        Feature names. None if there are none.
    static_names : list of str, default=None
        Names of the static columns, with those of numbers first.
    words : list of list of str, default=None
        Tokens of each text, for a pipeline that begins with a `TokenEncoder`. Those that it does
        not know are given as written.
    baseline : object, default=None
        The baseline as passed.

    Attributes
    ----------
    completeness_error : ndarray of shape (n_sequences,)
        Absolute difference between the sum of all attributions of a sequence and
        ``output - baseline_output``.
    """

    def __init__(
        self,
        values: Iterable[Array],
        target: Array,
        output: Array,
        baseline_output: Array,
        static: Array | None = None,
        feature_names: list[str] | None = None,
        static_names: list[str] | None = None,
        words: list[list[str]] | None = None,
        baseline: Any = None,
    ) -> None:
        super().__init__(values)
        self.target = target
        self.output = output
        self.baseline_output = baseline_output
        self.static = static
        self.feature_names = feature_names
        self.static_names = static_names
        self.words = words
        self.baseline = baseline

    @property
    def completeness_error(self) -> Array:
        """Error of the sums of attributions, shape (n_sequences,)."""
        totals = np.array([values.sum() for values in self])
        if self.static is not None:
            totals = totals + self.static.sum(axis=1)
        errors: Array = np.abs(totals - (self.output - self.baseline_output))
        return errors


def attributions(
    estimator: Any,
    X: Any,
    method: Literal["integrated_gradients", "occlusion"] = "integrated_gradients",
    target: Any = None,
    *,
    baseline: Any = None,
    window: int | None = None,
    stride: int | None = None,
    by_feature: bool = True,
    tol: float = 1e-3,
) -> Attributions:
    r"""Attribute a prediction to each value of each sequence.

    The attributions of a sequence sum to the difference between the explained output for the
    sequence and for a baseline, a sequence of the same length without information.

    Parameters
    ----------
    estimator : LSTMSequenceClassifier, LSTMSequenceRegressor or Pipeline
        Fitted model. A pipeline may have `SequenceScaler`, `SequenceImputer` and, as the first
        step, a `TokenEncoder`.
    X : array-like
        Sequences in any of the forms that the model takes.
    method : {"integrated_gradients", "occlusion"}, default="integrated_gradients"
        Attribution method.

        - "integrated_gradients": gradients integrated along the straight path from the baseline to
          the sequence [1]_. Parts without a gradient, the fixed convolutions and TF-IDF, are
          integrated exactly or in steps, see Notes
        - "occlusion": windows are replaced by the baseline one after the other, from first to last
          and from last to first. A window gets the mean of its effects in both orders, divided
          equally among its values
    target : object, default=None
        Output to explain.

        - for classes, a label or an array of one label per sequence. None means the predicted one
        - for several labels per sequence, the index of a label or an array. None means the one with
          the largest logit
        - for a regressor, the index of an output. None means the only one, or with
          ``loss="quantile"`` that of ``predict``. Quantile j of number i is output
          i * n_quantiles + j, after sorting as in ``predict_quantiles``
    baseline : float, array-like of shape (n_features,), sequences or int, default=None
        Value of each feature for all timesteps, or sequences in the form and with the lengths of X.
        None means the mean of the training timesteps, or 0 with ``standardize=False``; categories
        are missing and static numbers at their training mean. For token ids, an id; None means no
        token, with a vector of 0.
    window : int, default=None
        Number of timesteps per window of "occlusion". None means one token, or a twentieth of the
        sequence, rounded up.
    stride : int, default=None
        Number of timesteps between the starts of overlapping windows of "occlusion", at most
        ``window``. Results of overlapping windows are averaged. None means no overlap.
    by_feature : bool, default=True
        Whether "occlusion" replaces the features of a window one at a time instead of together.
    tol : float, default=1e-3
        Tolerance of the sum of "integrated_gradients", in logits, or in standard deviations of the
        training targets. The number of points on the path is increased until it is met.

    Returns
    -------
    Attributions
        List of one array per sequence, of shape (n_timesteps_i, n_features), or (n_tokens_i,) for
        tokens, float64. The arrays have the lengths of the sequences in X and are 0 at padding.
        Attributes of the list hold target, outputs, static columns and words.

    Raises
    ------
    TypeError
        If the estimator is not one of the above.
    ValueError
        If X is invalid for the model, if the target does not exist, if the baseline does not match
        X, or if a step of the pipeline mixes timesteps or features.

    Warns
    -----
    UserWarning
        If ``tol`` is not met with 2048 gradients, or because the output jumps.

    See Also
    --------
    faithfulness : Test whether values with large attributions matter to the model.
    AttributionDisplay : Plot attributions.

    Notes
    -----
    For two classes, the logit of a class is its log-odds: ``decision_function`` or its negative.

    A word that the encoder does not know is read as the unknown token, and its value is that of any
    unknown word in its place. With ``baseline=1`` unknown words get 0.

    The path is that of the network's inputs: standardised values, token vectors and one-hot vectors
    of categories. Attributions of several inputs from one value are summed. With
    ``standardize="sequence"`` or "both" the level and scale of a sequence count as known, and the
    attributions are those of the standardised values. The attribution of an imputed value is at the
    place of the missing one.

    The response of a fixed convolution is linear in the inputs, so that it crosses a threshold at
    most once along the path. The effect is divided among the inputs that move the response in that
    direction, in proportion to their contributions. Competitions of convolutions are followed in 16
    steps. TF-IDF is integrated along the counts of its terms, and pairs are divided equally between
    their tokens.

    Results for a sequence depend on the others in X by rounding only, which may change the points
    of a path: by a fraction of ``tol``. With ``precision="bfloat16"`` the gradients are computed in
    float32, and the sums have the rounding error of bfloat16.

    "integrated_gradients" takes 17 to some hundred gradients per sequence, at most 2048.
    "occlusion" takes two predictions per window. Both run on the estimator's ``device``.

    References
    ----------
    .. [1] M. Sundararajan, A. Taly, Q. Yan, "Axiomatic Attribution for Deep Networks", ICML 2017.

    Examples
    --------
    >>> import numpy as np
    >>> from sklstm import LSTMSequenceClassifier
    >>> from sklstm.datasets import make_trends
    >>> from sklstm.inspection import attributions
    >>> X, y = make_trends(n_sequences=60, random_state=0)
    >>> classifier = LSTMSequenceClassifier(8, max_epochs=20, random_state=0).fit(X, y)
    >>> explained = attributions(classifier, X[:2])
    >>> [values.shape for values in explained], explained.target.tolist()
    ([(17, 1), (14, 1)], ['falling', 'falling'])
    >>> bool((explained.completeness_error < 1e-3).all())
    True
    """
    given = {"method": method, "window": window, "stride": stride, "by_feature": by_feature}
    validate_parameter_constraints(
        PARAMETER_CONSTRAINTS, {**given, "tol": tol}, caller_name="attributions"
    )
    _check_stride(window, stride)
    explained = read_model(estimator, "attributions")
    sequences = explained.read(explained.transform(X))

    def work() -> Attributions:
        pair = pair_with_baseline(explained, sequences, baseline)
        outputs = check_outputs(compute_outputs(explained.module, pair.given), sequences)
        targets = read_targets(explained.fitted.task, target, outputs)
        if method == "occlusion":
            cells, static = occlude(
                explained,
                pair,
                targets.weights,
                window=window,
                stride=stride,
                by_feature=by_feature,
            )
        else:
            cells, static = _integrate(explained, pair, targets, tol)
        return Attributions(
            as_given(explained, [_in_the_shape_of_X(explained, own) for own in cells], X),
            targets.names,
            targets.of(outputs),
            targets.of(baseline_outputs(explained, pair)),
            static,
            explained.feature_names,
            explained.static_names,
            explained.words(X),
            baseline,
        )

    return explained.compute(work, sequences)


def _check_stride(window: int | None, stride: int | None) -> None:
    if stride is not None and (window is None or stride > window):
        raise ValueError(
            f"stride must be at most window. Got stride={stride} and window={window}.\n\nSet a"
            " window of at least as many timesteps."
        )


def _integrate(
    explained: Explained, pair: Pair, targets: Targets, tol: float
) -> tuple[list[Array], Array | None]:
    """Integrated gradients, with a warning where a sum misses the tolerance."""
    scale = 1.0
    if explained.fitted.task.predicts_numbers:
        scale = float(np.abs(targets.weights).sum(axis=1).max())
    cells, static, errors = integrated_gradients(
        explained, pair, targets.weights, tol=OF_INTEGRAL * tol * scale, max_nodes=MAX_NODES
    )
    n_missed = int((np.abs(errors) > OF_INTEGRAL * tol * scale).sum())
    if n_missed:
        warn_user(
            f"The sums of {n_missed} of {len(cells)} sequences miss the difference of the outputs"
            f" by up to {np.abs(errors).max():.3g}, more than tol={tol:g} allows, with up to"
            f" {MAX_NODES} gradients. Raise tol, or give method='occlusion'."
        )
    return cells, static


def _in_the_shape_of_X(explained: Explained, values: Array) -> Array:
    return values[:, 0] if explained.takes_tokens else values


def baseline_outputs(explained: Explained, pair: Pair) -> Array:
    """Outputs of the baselines, (n, C), float64."""
    outputs = np.empty((len(pair.lengths), explained.module.n_classes))
    for indices in pair.batches():
        mixtures = Mixtures(explained, *pair.batch(indices))
        shape = (len(indices), mixtures.n_timesteps, explained.n_features)
        names = explained.static_names
        static = None if names is None else np.zeros((len(indices), len(names)), dtype=bool)
        rows = np.arange(len(indices))
        outputs[indices] = mixtures.outputs(rows, np.zeros(shape, dtype=bool), static)
    return outputs
