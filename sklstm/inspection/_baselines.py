"""Baselines: sequences in which nothing is told, to compare others with."""

from __future__ import annotations

from dataclasses import replace
from numbers import Integral
from typing import Any, NamedTuple

import numpy as np

from sklstm._batching._buckets import prediction_batches
from sklstm._batching._loader import HostSequences, PaddedInputs
from sklstm._sequences import PADDING_ID, Array, IntArray, Sequences
from sklstm.inspection._explained import Explained
from sklstm.nn import StaticEncoder

# Timesteps, padding included, and sequences of a batch.
MAX_TIMESTEPS, MAX_SEQUENCES = 4096, 32


class Pair(NamedTuple):
    """Sequences and their baselines, of the same lengths."""

    given: HostSequences
    baseline: HostSequences

    @property
    def lengths(self) -> IntArray:
        """Number of timesteps of each sequence."""
        return self.given.host_lengths

    def batches(self) -> list[IntArray]:
        """Indices of the sequences of each batch."""
        return prediction_batches(self.lengths, MAX_TIMESTEPS, MAX_SEQUENCES)

    def batch(self, indices: IntArray) -> tuple[PaddedInputs, PaddedInputs]:
        """Both, as the network reads them."""
        return self.given.batch(indices), self.baseline.batch(indices)


def pair_with_baseline(explained: Explained, sequences: Sequences, baseline: Any) -> Pair:
    """The sequences and their baselines; ValueError for a baseline that does not fit."""
    if explained.takes_tokens:
        other = _of_tokens(explained, sequences, baseline)
    else:
        other = _of_measurements(explained, sequences, baseline)
    return Pair(explained.source(sequences), explained.source(other))


def _of_tokens(explained: Explained, sequences: Sequences, baseline: Any) -> Sequences:
    size = explained.fitted.schema.vocabulary_size
    token = PADDING_ID if baseline is None else baseline
    assert size is not None
    if not isinstance(token, Integral) or not 0 <= int(token) < size:
        raise ValueError(
            f"baseline must be a token id from 0 to {size - 1}, or None for no token at all. Got"
            f" {baseline!r:.60}."
        )
    return _like(explained, sequences, np.full_like(sequences.values, int(token)))


def _of_measurements(explained: Explained, sequences: Sequences, baseline: Any) -> Sequences:
    vector = _as_vector(baseline)
    if baseline is None:
        scaling = explained.estimator.net_.reader.scaling
        assert scaling is not None
        vector = scaling.mean
    elif vector is None:
        return _in_the_form_of_X(explained, sequences, baseline)
    else:
        vector = _transformed(explained, vector)
    values = np.tile(vector, (len(sequences.values), 1))
    return _like(explained, sequences, values)


def _as_vector(baseline: Any) -> Array | None:
    """A number, or one for each feature; None for anything else."""
    try:
        array = np.asarray(baseline, dtype=np.float64)
    except (TypeError, ValueError):
        return None
    return np.atleast_1d(array) if array.ndim <= 1 and baseline is not None else None


def _transformed(explained: Explained, vector: Array) -> Array:
    """A timestep of the user's features as the estimator takes it."""
    n_categories = len(explained.fitted.schema.categories)
    n = explained.n_features - n_categories
    if len(vector) not in (1, n) or not np.isfinite(vector).all():
        raise ValueError(
            f"baseline must be a finite number, {n} of them, one for each feature of numbers, or"
            f" sequences in the form of X. Got an array of shape {vector.shape}."
        )
    vector = np.broadcast_to(vector, (n,))
    if not explained.steps:
        return vector
    if hasattr(explained.steps[0], "feature_names_in_"):
        raise ValueError(
            "baseline must be sequences in the form of X, or None, where the features of a"
            " pipeline have names. Got an array."
        )
    transformed: Array = np.asarray(explained.transform([np.tile(vector, (2, 1))])[0])[0]
    return transformed


def _in_the_form_of_X(explained: Explained, sequences: Sequences, baseline: Any) -> Sequences:
    other = explained.read(explained.transform(baseline), input_name="baseline")
    if not np.array_equal(other.lengths, sequences.lengths):
        raise ValueError(
            "baseline must have the sequences of X, each of the same number of timesteps. Got"
            f" {len(other)} of lengths {other.lengths[:5].tolist()}, and X has {len(sequences)} of"
            f" lengths {sequences.lengths[:5].tolist()}.\n\nGive one number for each feature."
        )
    return other


def _like(explained: Explained, sequences: Sequences, values: Array) -> Sequences:
    """Sequences of these values, without categories, and with mean static columns."""
    codes = None if sequences.codes is None else np.zeros_like(sequences.codes)
    static = None
    encoder = explained.network.static
    if sequences.static is not None and encoder is not None:
        static = np.tile(_mean_static(encoder), (len(sequences), 1))
    return replace(sequences, values=values, codes=codes, static=static)


def _mean_static(encoder: StaticEncoder) -> Array:
    """Numbers of the training mean, and no categories."""
    numbers = encoder.mean.double().sum(dim=0).cpu().numpy()
    return np.concatenate([numbers, np.zeros(len(encoder.one_hot.n_categories))])
