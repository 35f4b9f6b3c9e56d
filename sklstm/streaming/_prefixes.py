"""Predictions for all prefixes of whole sequences."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np

from sklstm._batching._loader import HostSequences
from sklstm._inference._prediction import compute_outputs, plain_batches
from sklstm._sequences import Array, IntArray, Sequences, all_finite, in_memory
from sklstm.streaming._models import Model, read_model
from sklstm.streaming._network import CausalNetwork

# Number of timesteps of the prefixes that are made at a time.
MAX_TIMESTEPS = 2**18


def prefix_probabilities(model: Any, X: Any) -> list[Array]:
    """Predict class probabilities after each timestep of each sequence.

    Parameters
    ----------
    model : LSTMSequenceClassifier or Pipeline
        Fitted classifier with any parameters. A pipeline may have `SequenceScaler` with
        ``per="dataset"`` before it.
    X : array-like
        Sequences in any of the forms that the model takes.

    Returns
    -------
    list of ndarray of shape (n_timesteps_i, n_classes), float64
        Row t of an array is ``predict_proba`` of the first t + 1 timesteps of the sequence.
        ``np.stack`` makes one array of sequences of equal length.

    Raises
    ------
    TypeError
        If the model is not one of the above. For a regressor, use `prefix_predictions`.
    ValueError
        If X is invalid for the model.

    See Also
    --------
    prefix_predictions : Predict labels, or numbers with a regressor.
    Stream : The same for sequences that are still being recorded.

    Notes
    -----
    A unidirectional model without convolutions, ``tfidf`` and standardisation per sequence reads
    each sequence once, in time linear in its length. On a CPU the results are bitwise identical to
    predictions for the prefixes, or equal up to rounding with ``pooling="attention"``. Any other
    model reads all prefixes, in time quadratic in the length.

    Examples
    --------
    >>> from sklstm import LSTMSequenceClassifier
    >>> from sklstm.datasets import make_trends
    >>> from sklstm.streaming import prefix_probabilities
    >>> X, y = make_trends(n_sequences=60, random_state=0)
    >>> classifier = LSTMSequenceClassifier(8, max_epochs=2, random_state=0).fit(X, y)
    >>> X[0].shape, prefix_probabilities(classifier, X[:2])[0].shape
    ((17, 1), (17, 2))
    """
    own = read_model(model, "prefix_probabilities")
    if own.task.predicts_numbers:
        raise TypeError(
            f"A {own.name} predicts no probabilities.\n\nUse"
            " sklstm.streaming.prefix_predictions(model, X)."
        )
    outputs, lengths = _outputs(own, X)
    return _split(own.predict(outputs), lengths)


def prefix_predictions(model: Any, X: Any) -> list[Array]:
    """Predict labels or numbers after each timestep of each sequence.

    Parameters
    ----------
    model : LSTMSequenceClassifier, LSTMSequenceRegressor or Pipeline
        Fitted model, as for `prefix_probabilities`.
    X : array-like
        Sequences in any of the forms that the model takes.

    Returns
    -------
    list of ndarray of shape (n_timesteps_i,) or (n_timesteps_i, n_outputs)
        Row t of an array is ``predict`` of the first t + 1 timesteps of the sequence.

    See Also
    --------
    prefix_probabilities : Predict class probabilities. Its Notes are about time.

    Examples
    --------
    >>> import numpy as np
    >>> from sklstm import LSTMSequenceRegressor
    >>> from sklstm.streaming import prefix_predictions
    >>> X = np.random.default_rng(0).normal(size=(40, 10, 2))
    >>> regressor = LSTMSequenceRegressor(8, max_epochs=2, random_state=0).fit(X, X.mean((1, 2)))
    >>> prefix_predictions(regressor, X[:2])[0].shape
    (10,)
    """
    own = read_model(model, "prefix_predictions")
    outputs, lengths = _outputs(own, X)
    return _split(own.task.predictor(outputs).predict(), lengths)


def _split(rows: Array, lengths: IntArray) -> list[Array]:
    return np.split(rows, np.cumsum(lengths)[:-1])


def _outputs(model: Model, X: Any) -> tuple[Array, IntArray]:
    """Outputs of the network for all prefixes, (n_timesteps, n_outputs), and all lengths."""

    def work() -> tuple[Array, IntArray]:
        inputs = model.schema.check_X(
            model.transform(X), mask_value=model.estimator.mask_value, estimator=model.name
        )
        sequences = in_memory(inputs.sequences)
        outputs = np.empty((len(sequences.values), model.task.n_outputs))
        network = model.causal_network(exactly=False)
        parts = (
            _by_prefix(model, sequences) if network is None else _once(model, network, sequences)
        )
        for rows, part in parts:
            outputs[rows] = part
        _check_finite(outputs, sequences)
        return outputs, sequences.lengths

    return model.compute(work)


def _once(
    model: Model, network: CausalNetwork, sequences: Sequences
) -> Iterator[tuple[slice, Array]]:
    """Rows of timesteps and the outputs there, by reading each sequence once."""
    source = HostSequences(sequences, model.scaling, model.device)
    encoder = model.network.static
    for indices in plain_batches(sequences.lengths, model.device):
        inputs = source.batch(indices)
        encoded_BS = None if encoder is None else encoder(inputs.static)
        logits_BTC, _ = network.read(network.begin(len(indices)), inputs.values, encoded_BS)
        outputs = logits_BTC.cpu().numpy()
        for own, index in zip(outputs, indices, strict=True):
            rows = slice(*sequences.offsets[index : index + 2])
            yield rows, own[: rows.stop - rows.start]


def _by_prefix(model: Model, sequences: Sequences) -> Iterator[tuple[slice, Array]]:
    """The same by reading each prefix."""
    # Row r of the values is the last one of prefix r.
    lengths = np.arange(len(sequences.values)) - np.repeat(
        sequences.offsets[:-1] - 1, sequences.lengths
    )
    for start, stop in pairwise(_bounds(lengths)):
        prefixes = _prefixes(sequences, np.arange(start, stop), lengths[start:stop])
        source = HostSequences(prefixes, model.scaling, model.device)
        yield slice(start, stop), compute_outputs(model.module, source)


def _bounds(lengths: IntArray) -> list[int]:
    """Bounds of blocks of at most MAX_TIMESTEPS, but of at least one prefix."""
    bounds, total = [0], 0
    for row, length in enumerate(lengths.tolist()):
        if total + length > MAX_TIMESTEPS and row > bounds[-1]:
            bounds.append(row)
            total = 0
        total += length
    return [*bounds, len(lengths)]


def _prefixes(sequences: Sequences, ends: IntArray, lengths: IntArray) -> Sequences:
    """The sequences of these lengths that end at these rows."""
    firsts = np.cumsum(lengths) - lengths
    rows = np.arange(lengths.sum()) - np.repeat(firsts - (ends - lengths + 1), lengths)
    prefixes = Sequences.from_lengths(sequences.values[rows], lengths)
    static = None
    if sequences.static is not None:
        owners = np.searchsorted(sequences.offsets, ends, side="right") - 1
        static = sequences.static[owners]
    codes = None if sequences.codes is None else sequences.codes[rows]
    return replace(prefixes, codes=codes, static=static)


def _check_finite(outputs: Array, sequences: Sequences) -> None:
    if not all_finite(outputs):
        row = int(np.flatnonzero(~np.isfinite(outputs).all(axis=1))[0])
        raise ValueError(
            f"X[{sequences.locate(row)[0]}] is too large for this network: its outputs overflow"
            " float32.\n\nScale X as the training sequences, or train with standardize=True."
        )
