"""describe: what X and y hold, before a fit."""

from __future__ import annotations

from numbers import Real
from typing import Any, Literal

import numpy as np

from sklstm._compat._sklearn import StrOptions, validate_parameter_constraints
from sklstm._config._options import Options
from sklstm._data._auto import resolve_auto
from sklstm._sequences import UNKNOWN_ID, Array, Sequences
from sklstm.datasets._checked import Checked, read
from sklstm.datasets._columns import (
    FeatureStatistics,
    features_table,
    static_table,
    statistics_of,
)
from sklstm.datasets._hints import hints_of
from sklstm.datasets._report import SequenceDataReport
from sklstm.preprocessing import SequenceImputer

PARAMETER_CONSTRAINTS: dict[str, list[Any]] = {
    "mask_value": [Real, None],
    "token_ids": ["boolean"],
    "task": [StrOptions({"auto", "classification", "regression"})],
}
# Any dimension: what "auto" becomes does not depend on it.
EMBEDDING_DIM = 32
# Examples that a report keeps to draw them.
N_EXAMPLES, N_TOKENS = 4, 20


def describe(
    X: Any,
    y: Any = None,
    *,
    groups: Any = None,
    mask_value: float | None = None,
    token_ids: bool = False,
    task: Literal["auto", "classification", "regression"] = "auto",
) -> SequenceDataReport:
    """Report on sequences and their targets before a fit.

    The report covers the number and lengths of the sequences, features and static columns, the
    distribution of the target, hints at leakage, and the values of "auto" in a fit of the default
    estimator.

    Parameters
    ----------
    X : array-like
        Sequences in any of the forms that `LSTMSequenceClassifier.fit` takes, or texts. Values may
        be missing (NaN) or infinite.
    y : array-like, default=None
        Class labels, an indicator matrix of several labels, or numbers.
    groups : array-like of shape (n_sequences,), default=None
        Group of each sequence, such as a person.
    mask_value : float, default=None
        Padding value, as in ``fit``: timesteps at the end are padding if all features equal it.
    token_ids : bool, default=False
        Whether integers are token ids instead of measurements. Texts and the output of
        `TokenEncoder` are recognised.
    task : {"auto", "classification", "regression"}, default="auto"
        What y is for.

        - "auto": "regression" if y has fractions, several columns of numbers, or so many different
          integers that a class would have fewer than two sequences on average
        - "classification": y has class labels
        - "regression": y has numbers

    Returns
    -------
    SequenceDataReport
        The report. ``print`` shows it as text, a notebook as tables, and its ``plot`` as a figure.

    Raises
    ------
    ValueError, TypeError
        As in a fit with the same X, y and groups, except that NaN and infinity are accepted.

    See Also
    --------
    SequenceDataReport : The contents of a report.

    Notes
    -----
    Texts are encoded by ``TokenEncoder()``. If values are missing, "auto" is resolved after
    ``SequenceImputer()``; if values are infinite, it is not resolved. The warnings of a fit about
    an X that looks misread are among the hints. The values are read twice: for the moments, and for
    duplicates.

    Examples
    --------
    >>> from sklstm.datasets import describe, make_trends
    >>> X, y = make_trends(40, random_state=0)
    >>> report = describe(X, y)
    >>> report.n_sequences, report.target["classes"], report.hints
    (40, ['falling', 'rising'], ())
    """
    parameters: dict[str, Any] = {"mask_value": mask_value, "token_ids": token_ids, "task": task}
    validate_parameter_constraints(PARAMETER_CONSTRAINTS, parameters, caller_name="describe")
    checked = read(X, y, groups, **parameters)
    statistics = statistics_of(checked.sequences)
    features = features_table(
        checked.sequences,
        statistics,
        checked.names,
        checked.schema.categories,
        kind="token id" if checked.takes_tokens else "number",
    )
    return SequenceDataReport(
        kind=checked.kind,
        lengths=checked.sequences.lengths,
        features=features,
        static=static_table(checked.sequences.static, checked.schema.static),
        tokens=_tokens(checked),
        target=_target(checked),
        groups=_groups(checked),
        hints=tuple(hints_of(checked, statistics, features)),
        estimator=checked.estimator,
        resolved_params=_resolved(checked, statistics),
        examples=_examples(checked),
    )


# Parts of the report ------------------------------------------------------------------------------


def _tokens(checked: Checked) -> dict[str, Any] | None:
    """Size of the vocabulary, share of unknown tokens, and the most frequent ones."""
    if not checked.takes_tokens:
        return None
    ids = checked.sequences.values[:, 0]
    counts = np.bincount(ids)
    frequent = np.argsort(-counts, kind="stable")[:N_TOKENS]
    frequent = frequent[counts[frequent] > 0]
    words = (
        {} if checked.encoder is None else {i: t for t, i in checked.encoder.vocabulary_.items()}
    )
    return {
        "vocabulary_size": checked.inputs.vocabulary_size,
        "n_distinct": int((counts > 0).sum()),
        "unknown": float((ids == UNKNOWN_ID).mean()),
        "frequent": {str(words.get(i, i)): int(counts[i]) for i in frequent.tolist()},
    }


def _target(checked: Checked) -> dict[str, Any] | None:
    """How the target is distributed."""
    targets = checked.targets
    if targets is None:
        return None
    if checked.predicts_numbers:
        columns = targets.reshape(len(targets), -1)
        quartiles = np.quantile(columns, [0, 0.25, 0.5, 0.75, 1], axis=0)
        return {
            "kind": "numbers",
            "mean": columns.mean(axis=0).tolist(),
            "std": columns.std(axis=0).tolist(),
            "quartiles": quartiles.T.tolist(),
            "values": columns,
        }
    if targets.ndim > 1:
        counts = targets.sum(axis=0).astype(int).tolist()
        without = int((targets.sum(axis=1) == 0).sum())
        return {"kind": "several labels", "classes": [*range(len(counts))], "counts": counts} | {
            "n_without": without,
            "mean_number": float(targets.sum(axis=1).mean()),
        }
    classes, of_classes = np.unique(targets, return_counts=True)
    return {
        "kind": "classes",
        "classes": classes.tolist(),
        "counts": of_classes.tolist(),
        "imbalance": float(of_classes.max() / of_classes.min()),
    }


def _groups(checked: Checked) -> dict[str, Any] | None:
    """Number and sizes of the groups."""
    groups, targets = checked.groups, checked.targets
    if groups is None:
        return None
    _, numbers, counts = np.unique(groups.astype(str), return_inverse=True, return_counts=True)
    found = {
        "n_groups": len(counts),
        "smallest": int(counts.min()),
        "largest": int(counts.max()),
    }
    if targets is not None and targets.ndim == 1 and not checked.predicts_numbers:
        pairs = np.unique(np.stack([numbers, np.unique(targets, return_inverse=True)[1]]), axis=1)
        found["n_of_one_class"] = int((np.bincount(pairs[0]) == 1).sum())
    return found


def _resolved(checked: Checked, statistics: FeatureStatistics) -> dict[str, Any] | None:
    """What "auto" becomes in a fit of the default estimator; None if it would refuse X."""
    sequences = checked.sequences
    if statistics.n_infinite.any():
        return None
    if statistics.n_missing.any():
        filled = SequenceImputer().fit_transform(list(sequences))
        sequences = Sequences(np.concatenate(filled), sequences.offsets, sequences.codes)
    options = Options(embedding_dim=EMBEDDING_DIM if checked.takes_tokens else None)
    return resolve_auto(options, sequences, predicts_numbers=checked.predicts_numbers)


def _examples(checked: Checked) -> list[tuple[Any, Array]]:
    """Some sequences and their targets: of the first classes, or from small to large numbers."""
    sequences = checked.sequences
    rows = _rows_of_examples(checked.targets, len(sequences), checked.predicts_numbers)
    values, offsets = sequences.values, sequences.offsets
    return [
        (_target_of(row, checked), values[offsets[row] : offsets[row + 1]].copy()) for row in rows
    ]


def _rows_of_examples(targets: Array | None, n: int, predicts_numbers: bool) -> list[int]:
    if targets is None:
        return [*range(min(N_EXAMPLES, n))]
    if predicts_numbers:
        order = np.argsort(targets.reshape(n, -1)[:, 0], kind="stable")
        places = np.linspace(0, n - 1, min(N_EXAMPLES, n)).round().astype(int)
        return [int(row) for row in order[places]]
    if targets.ndim > 1:
        of_labels = (int(column.argmax()) for column in targets.T if column.any())
        return [*dict.fromkeys(of_labels)][:N_EXAMPLES] or [0]
    return [int(row) for row in np.unique(targets, return_index=True)[1][:N_EXAMPLES]]


def _target_of(row: int, checked: Checked) -> Any:
    """The label or number of a sequence, or a list of several."""
    if checked.targets is None:
        return None
    target = checked.targets[row]
    # Of an array of objects it is none of NumPy's.
    if np.ndim(target) == 0:
        return target.item() if hasattr(target, "item") else target
    return target.tolist() if checked.predicts_numbers else np.flatnonzero(target).tolist()
