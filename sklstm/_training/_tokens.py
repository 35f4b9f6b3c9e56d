"""What is fitted to token ids without gradients: TF-IDF, linear model, rare tokens, shares."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy.sparse import csr_array

from sklstm._batching._loader import LabelledSequences
from sklstm._batching._sources import TrainingSequences
from sklstm._inference._prediction import plain_batches
from sklstm._sequences import PADDING_ID, Array, IntArray, offsets_of
from sklstm._tasks._task import Task
from sklstm._training._closed_form import fit_shares, with_static
from sklstm.nn._ensemble import TokenEnsemble
from sklstm.nn._tfidf import TfidfLinear

# Factor of the inverse document frequency of a pair of tokens.
PAIR_FACTOR = 0.5
# From this number of sequences on, tokens of fewer than MIN_DF are rare.
ENOUGH_SEQUENCES, MIN_DF = 500, 2


@dataclass(frozen=True, eq=False)
class Calibration:
    """Sequences held out from training for the shares of an ensemble, and how to get all."""

    held_out: LabelledSequences
    load_all: Callable[[], LabelledSequences]


def fit_tokens(
    ensemble: TokenEnsemble, training: LabelledSequences, task: Task | None, *, finds_rare: bool
) -> LabelledSequences:
    """Fit all but the network to the training sequences; return what the network reads.

    The linear model is not fitted if ``task`` is None.
    """
    if finds_rare or task is not None:
        counts = count_terms(ensemble.linear, training.sequences)
    if finds_rare and len(training) >= ENOUGH_SEQUENCES:
        is_rare = document_frequencies(counts)[: len(ensemble.is_rare)] < MIN_DF
        is_rare[PADDING_ID] = False
        ensemble.is_rare.copy_(torch.from_numpy(is_rare))
    if task is not None:
        fit_tfidf(ensemble, counts, training, task)
        ensemble.set_shares(*task.shares)
    return replace(training, sequences=training.sequences.map_ids(ensemble.read))


def calibrate(ensemble: TokenEnsemble, calibration: Calibration, task: Task) -> None:
    """Fit the shares to the held-out sequences, and then the linear model to all."""
    fit_shares(ensemble, calibration.held_out, task)
    everything = calibration.load_all()
    fit_tfidf(ensemble, count_terms(ensemble.linear, everything.sequences), everything, task)


def fit_tfidf(
    ensemble: TokenEnsemble, counts: csr_array, labelled: LabelledSequences, task: Task
) -> None:
    """Fit the linear model to counts of terms, and static columns, of labelled sequences."""
    linear = ensemble.linear
    idf = np.log((1 + len(labelled)) / (1 + document_frequencies(counts))) + 1
    idf[linear.vocabulary_size :] *= PAIR_FACTOR
    features = with_static(ensemble, labelled.sequences, weigh_terms(counts, idf))
    weight, bias = task.fit_sparse(features, *labelled.on_host())
    of_terms, of_static = weight[:, : len(idf)], weight[:, len(idf) :]
    linear.set(*map(torch.from_numpy, (idf, of_terms, bias)))
    ensemble.set_linear_static(torch.from_numpy(of_static))


def count_terms(linear: TfidfLinear, sequences: TrainingSequences) -> csr_array:
    """Number of occurrences of each term in each sequence, shape (n_sequences, n_terms)."""
    # Each token and each pair, and 0 where a token is padding in the middle.
    starts = offsets_of(2 * sequences.host_lengths)
    columns = np.zeros(starts[-1], dtype=np.int32)
    for run, piece in sequences.pieces():
        for indices in plain_batches(piece.host_lengths, piece.device):
            batch = piece.batch(indices)
            terms = linear.terms(batch.values, batch.lengths).cpu().numpy()
            for row, start in zip(terms, starts[run.start + indices], strict=True):
                present = row[row != PADDING_ID]
                columns[start : start + len(present)] = present
    counts = csr_array((np.ones(len(columns)), columns, starts), (len(sequences), linear.n_terms))
    counts.data[columns == PADDING_ID] = 0
    counts.sum_duplicates()
    counts.eliminate_zeros()
    return counts


def weigh_terms(counts: csr_array, idf: Array) -> csr_array:
    """The features of `TfidfLinear`."""
    norms = np.repeat(np.sqrt(counts @ np.square(idf)), np.diff(counts.indptr))
    values = counts.data * idf[counts.indices] / norms
    return csr_array((values, counts.indices, counts.indptr), counts.shape)


def document_frequencies(counts: csr_array) -> IntArray:
    """Number of sequences that each term occurs in."""
    return np.bincount(counts.indices, minlength=counts.shape[1])
