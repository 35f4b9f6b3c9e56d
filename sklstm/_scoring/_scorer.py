"""Scoring block by block: alone, and inside engines that cut their data into blocks."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache, partial
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.pipeline import Pipeline

from sklstm._optional import require
from sklstm._persistence._model import load_model
from sklstm._scoring._blocks import read_blocks
from sklstm._scoring._columns import (
    EXTRA,
    check_columns,
    choose,
    is_arrow_table,
    is_table,
    n_rows_of,
    names_of,
    nested_of,
    reject_lists_as_texts,
    take,
    warn_of_rows_as_sequences,
)
from sklstm._sequences import Array

METHODS = (
    "predict", "predict_proba", "predict_log_proba", "decision_function", "predict_quantiles",
    "transform",
)  # fmt: skip
# Indices of sequences in messages: X[17], X['trip'][17, 3], at row 17.
INDEX = re.compile(r"(\bX(?:\['[^']*'\])?\[)(\d+)(?=[\],])")
ROWS = re.compile(r"(?<=\bat row )\d+(?:, \d+)*")


def predict_batches(
    model: Any,
    X: Any,
    *,
    method: str = "predict",
    batch_size: int = 8192,
    column: str | Sequence[str] | None = None,
) -> Iterator[Array]:
    """Predict in blocks, with memory for one block at a time.

    Parameters
    ----------
    model : estimator, Pipeline, str or path-like
        Fitted estimator, or path of a file written by `save_model`.
    X : path, table, array or iterable
        Sequences in one of these forms:

        - path of a ``.parquet``, ``.arrow`` or ``.feather`` file, or of a folder of such files,
          which are read in the order of their paths
        - pyarrow Table, RecordBatch, Array, RecordBatchReader, Dataset or Scanner
        - anything that the model takes: arrays, memory maps, data frames, lists
        - iterable of blocks, each a table or anything that the model takes, with one result per
          block and without regard to ``batch_size``
    method : str, default="predict"
        Method of the model: "predict", "predict_proba", "predict_log_proba", "decision_function",
        "predict_quantiles" or "transform".
    batch_size : int, default=8192
        Number of sequences per block. The last block of a file may have fewer.
    column : str or sequence of str, default=None
        Column of a table with the sequences as lists of timesteps, or one column per feature with
        lists of numbers. None means the columns that the model was fitted with if the table has
        all of them, otherwise the only column of lists, or all columns of a table without lists,
        each row a sequence. Other columns are not read.

    Returns
    -------
    iterator of ndarray
        Result of the method for each block, in the order of X. Empty if X has no rows.

    Raises
    ------
    ValueError, TypeError
        As raised by the method. Indices such as "X[1234567]" count from the beginning of X, and a
        note names the block. Later blocks are not read.
    ImportError
        If files or tables are given and ``pyarrow`` is not installed.

    Warns
    -----
    UserWarning
        If columns of a table without lists are read as timesteps, and neither ``column`` nor the
        model has their names.

    See Also
    --------
    BatchScorer : The same as a function of a block, for Dask, Ray and others.

    Notes
    -----
    The memory needed is that of a block and its prediction. A ``pyarrow.dataset.Dataset`` is read
    in larger pieces than a path: in row groups.

    Examples
    --------
    >>> import numpy as np
    >>> from sklstm import LSTMSequenceClassifier, predict_batches
    >>> from sklstm.datasets import make_trends
    >>> X, y = make_trends(n_sequences=40, random_state=0)
    >>> classifier = LSTMSequenceClassifier(8, max_epochs=3, random_state=0).fit(X, y)
    >>> blocks = [len(labels) for labels in predict_batches(classifier, X, batch_size=16)]
    >>> blocks
    [16, 16, 8]
    """
    _check_batch_size(batch_size)
    scorer = BatchScorer(model, method=method, column=column)
    blocks = read_blocks(X, int(batch_size), scorer.columns_of)
    return _score_all(scorer, blocks)


def _check_batch_size(size: Any) -> None:
    if isinstance(size, bool) or not isinstance(size, Integral) or size < 1:
        raise ValueError(f"batch_size must be an int of at least 1. Got {size!r} instead.")


def _score_all(scorer: BatchScorer, blocks: Iterator[Any]) -> Iterator[Array]:
    start = 0
    for number, block in enumerate(blocks):
        n_rows = n_rows_of(block)
        try:
            scores = scorer.score(block)
        except Exception as error:
            _name_place(error, start)
            error.add_note(f"In block {number} of X, rows {start} to {start + n_rows - 1}.")
            raise
        yield scores
        start += n_rows


def _name_place(error: Exception, start: int) -> None:
    """Make the indices in a message those of the whole X, whose row ``start`` is the block's 0."""
    if len(error.args) == 1 and isinstance(error.args[0], str):
        message = INDEX.sub(lambda m: f"{m[1]}{int(m[2]) + start}", error.args[0])
        error.args = (ROWS.sub(partial(_add_to_each, start), message),)


def _add_to_each(start: int, rows: re.Match[str]) -> str:
    return re.sub(r"\d+", lambda row: str(int(row[0]) + start), rows[0])


class BatchScorer:
    """Model as a function of one block of a table.

    Pass it to Dask's ``map_partitions``, Ray Data's ``map_batches`` or Spark's ``mapInPandas``. A
    scorer of a path is pickled as the path, and each process loads the file once.

    Parameters
    ----------
    model : estimator, Pipeline, str or path-like
        Fitted estimator, which is pickled with the scorer, or path of a file written by
        `save_model` that all workers can read.
    method : str, default="predict"
        Method of the model, as for `predict_batches`.
    column : str or sequence of str, default=None
        Column or columns of sequences, as for `predict_batches`.
    keep : sequence of str, default=()
        Columns to keep in the result, such as ids. They are not read as timesteps of a table
        without lists, unless ``column`` or the model names them.

    See Also
    --------
    predict_batches : Predict for whole files, tables and arrays.

    Notes
    -----
    A call with a pandas or polars data frame, a pyarrow table or a dict of arrays returns the same
    kind of table, with the columns to ``keep`` and the predictions. Their column is named after the
    method, such as "predict", or with class or number if there are several, such as
    "predict_proba_yes". pandas indices are preserved. For any other input that the model takes, the
    result is an array. A block without rows gives a result without rows.

    Examples
    --------
    >>> import pandas as pd
    >>> from sklstm import BatchScorer, LSTMSequenceClassifier
    >>> from sklstm.datasets import make_trends
    >>> X, y = make_trends(n_sequences=40, random_state=0)
    >>> classifier = LSTMSequenceClassifier(8, max_epochs=3, random_state=0).fit(X, y)
    >>> frame = pd.DataFrame({"id": range(40), "trend": X})
    >>> scorer = BatchScorer(classifier, method="predict_proba", keep=["id"])
    >>> list(scorer(frame[:2]))
    ['id', 'predict_proba_falling', 'predict_proba_rising']
    """

    def __init__(
        self,
        model: Any,
        *,
        method: str = "predict",
        column: str | Sequence[str] | None = None,
        keep: Sequence[str] = (),
    ) -> None:
        is_path = isinstance(model, (str, os.PathLike))
        # Whoever loads it may work in another folder.
        self._source = Path(model).absolute() if is_path else model
        self._method, self._column, self._keep = method, column, tuple(keep)
        self._loaded: Any = None
        if method not in METHODS or not hasattr(self.model, method):
            own = [name for name in METHODS if hasattr(self.model, name)]
            kind = type(self.model).__name__
            raise ValueError(
                f"method must be one of {kind}'s methods {own}. Got {method!r} instead."
            )

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_loaded": None}

    def __repr__(self) -> str:
        source = str(self._source) if isinstance(self._source, Path) else self._source
        return f"BatchScorer({source!r}, method={self._method!r})"

    @property
    def model(self) -> Any:
        """The fitted estimator, loaded once in each process."""
        if not isinstance(self._source, Path):
            return self._source
        # Kept here, so that a file that is replaced meanwhile does not change the model.
        if self._loaded is None:
            status = self._source.stat()
            # The threads of a worker wait for the first of them to load it.
            with _lock:
                self._loaded = _load(self._source, status.st_mtime_ns, status.st_size)
        return self._loaded

    def __call__(self, block: Any) -> Any:
        """Predict for a block. The result is a table of the same kind, or an array."""
        scores = self.score(block)
        if not is_table(block):
            return scores
        check_columns(names_of(block), self._keep)
        new = _named(scores, self._method, getattr(self.model, "classes_", ()))
        twice = [name for name in self._keep if name in new]
        if twice:
            raise ValueError(f"The column {twice[0]!r} to keep has the name of a column of scores.")
        return _beside(block, self._keep, new)

    def score(self, block: Any) -> Array:
        """Predict as an array of shape (n_sequences,) or (n_sequences, n_scores)."""
        if n_rows_of(block) == 0:
            return _no_scores(self.model, self._method)
        if is_table(block):
            nested, is_named = nested_of(block), self._known_names is not None
            if not any(nested.values()):
                reject_lists_as_texts(block)
            columns = self._choose(nested)
            if self._guesses_timesteps(columns):
                warn_of_rows_as_sequences(columns)
            block = take(block, columns, named=is_named)
        scores: Array = np.asarray(getattr(self.model, self._method)(block))
        return scores

    def columns_of(self, nested: Mapping[Any, bool]) -> list[Any]:
        """The columns that are needed of those of a table, given whether each holds sequences."""
        chosen = self._choose(nested)
        return chosen if isinstance(chosen, list) else [chosen]

    def _choose(self, nested: Mapping[Any, bool]) -> list[Any] | Any:
        return choose(nested, self._column, self._known_names, keep=self._keep)

    def _guesses_timesteps(self, columns: list[Any] | Any) -> bool:
        """Whether columns are read as timesteps that neither the user nor the model has named."""
        if self._column is not None or self._known_names is not None:
            return False
        # A model that was fitted on rows of a table counts columns, and rejects another number.
        return isinstance(columns, list) and getattr(self.model, "n_features_in_", None) == 1

    @property
    def _known_names(self) -> Any:
        return getattr(self.model, "feature_names_in_", None)


def _begin_in_child() -> None:
    """A lock that another thread held when a child was forked would be held there for ever."""
    global _lock
    _lock = threading.Lock()


_lock = threading.Lock()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_in_child)


@lru_cache(maxsize=4)
def _load(path: Path, modified: int, size: int) -> Any:
    """The model of a file; again when it was replaced, which time and size tell."""
    return load_model(path)


# Results ------------------------------------------------------------------------------------------


def _named(scores: Array, method: str, classes: Any) -> dict[str, Array]:
    """Scores as columns with names."""
    if scores.ndim == 1:
        return {method: scores}
    columns = scores.reshape(len(scores), int(np.prod(scores.shape[1:])))
    width = columns.shape[1]
    if width == 1:
        return {method: columns[:, 0]}
    names = classes if len(classes) == width else range(width)
    return {f"{method}_{name}": columns[:, i] for i, name in enumerate(names)}


def _beside(block: Any, keep: Sequence[str], scores: dict[str, Array]) -> Any:
    """A table of the kind of a block: some of its columns, and beside them the scores."""
    if hasattr(block, "iloc"):
        return block[[*keep]].assign(**scores)
    if is_arrow_table(block):
        pyarrow = require("pyarrow", extra=EXTRA)
        # Spark's mapInArrow asks for batches, as it gives them.
        build = pyarrow.table if hasattr(block, "to_batches") else pyarrow.record_batch
        return build({name: block.column(name) for name in keep} | scores)
    columns = {name: block[name] for name in keep} | scores
    return columns if isinstance(block, Mapping) else type(block)(columns)


def _no_scores(model: Any, method: str) -> Array:
    """What the method would return for no sequences."""
    last = model.steps[-1][1] if isinstance(model, Pipeline) else model
    several = bool(getattr(last, "multilabel_", False))
    classes = getattr(last, "classes_", None)
    if method == "transform":
        return np.empty((0, len(last.get_feature_names_out())), dtype=np.float32)
    if method == "predict_quantiles":
        return np.empty((0, len(last.target_mean_) * len(last.quantiles_)))
    if classes is None:
        n_outputs = len(getattr(last, "target_mean_", [0]))
        return np.empty((0, n_outputs) if n_outputs > 1 else 0)
    if method == "predict":
        return np.empty((0, len(classes)), np.int64) if several else np.asarray(classes)[:0]
    if method == "decision_function" and len(classes) == 2 and not several:
        return np.empty(0)
    return np.empty((0, len(classes)))
