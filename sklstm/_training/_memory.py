"""Running out of memory, said in sizes that the user has set."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from sklstm._sequences import Sequences
from sklstm._training._specification import NetworkSpecification, Specification

# How torch, its allocators, cuBLAS and oneDNN say it, each in a RuntimeError of its own wording.
SIGNS = (
    "allocate memory",
    "not enough memory",
    "out of memory",
    "bad_alloc",
    "ALLOC_FAILED",
    "could not create a memory",
)


@contextmanager
def training_memory(specification: Specification, sequences: Sequences) -> Iterator[None]:
    """Out of memory inside is a MemoryError that says what a training step holds."""
    batch_size = min(specification.batch_size, len(sequences))
    with _said_in_users_sizes(
        f"Training ran out of memory on device {str(specification.device)!r}. A step holds"
        f" {batch_size} sequences of up to {_describe(sequences)}, and what"
        f" {_widths(specification.network)} make of them.\n\nReduce batch_size or hidden_sizes, or"
        " cut or downsample the longest sequences."
    ):
        yield


@contextmanager
def prediction_memory(
    network: NetworkSpecification, sequences: Sequences, device: str
) -> Iterator[None]:
    """Out of memory inside is a MemoryError that says what was to be predicted."""
    n = len(sequences)
    parts = f"Predict in parts, such as X[:{n // 2}]" if n > 1 else "Cut or downsample the sequence"
    with _said_in_users_sizes(
        f"Prediction ran out of memory on device {device!r}. X has {n} sequences of up to"
        f" {_describe(sequences)}, for {_widths(network)}.\n\n{parts}."
    ):
        yield


@contextmanager
def _said_in_users_sizes(message: str) -> Iterator[None]:
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not _is_out_of_memory(error):
            raise
        raise MemoryError(message) from error


def _is_out_of_memory(error: BaseException) -> bool:
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return any(sign in str(error) for sign in SIGNS)


def _describe(sequences: Sequences) -> str:
    longest, n_features = int(sequences.lengths.max()), sequences.n_features
    features = "feature" if n_features == 1 else "features"
    return f"{longest} timesteps of {n_features} {features} ({len(sequences.values)} in all)"


def _widths(network: NetworkSpecification) -> str:
    directions = ", bidirectional=True" if network.bidirectional else ""
    embedding = ""
    if network.vocabulary_size is not None:
        embedding = (
            f", vocabulary_size={network.vocabulary_size}, embedding_dim={network.n_features}"
        )
    return f"hidden_sizes={network.hidden_sizes}{directions}{embedding}"
