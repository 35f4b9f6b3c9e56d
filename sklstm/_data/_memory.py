"""Out-of-memory errors that name the sizes which the user has set."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from sklstm._config._configuration import Configuration, NetworkConfiguration
from sklstm._sequences import AnySequences
from sklstm._validation._messages import counted

# Wordings of the RuntimeErrors of torch, its allocators, cuBLAS and oneDNN.
OUT_OF_MEMORY = (
    "allocate memory",
    "not enough memory",
    "out of memory",
    "bad_alloc",
    "ALLOC_FAILED",
    "could not create a memory",
    # oneDNN's wording for lack of scratch memory; all our shapes are supported.
    "could not create a primitive",
    "could not execute a primitive",
)


@contextmanager
def training_memory(configuration: Configuration, sequences: AnySequences) -> Iterator[None]:
    """Convert out-of-memory errors to a MemoryError with the sizes of a training step."""
    network, batch_size = configuration.network, min(configuration.batch_size, len(sequences))

    def describe() -> str:
        return (
            f"Training ran out of memory on device {str(configuration.device)!r}. A step holds"
            f" {batch_size} sequences of up to {_describe_timesteps(network, sequences)} and their"
            f" activations, with {_describe_widths(network)}; X has {sequences.n_timesteps}"
            " timesteps in total.\n\nReduce batch_size or hidden_sizes, or truncate or downsample"
            " the longest sequences."
        )

    with _raised_as_memory_error(describe):
        yield


@contextmanager
def prediction_memory(
    network: NetworkConfiguration, sequences: AnySequences, device: str
) -> Iterator[None]:
    """Convert out-of-memory errors to a MemoryError with the sizes of X and the network."""

    def describe() -> str:
        return (
            f"Prediction ran out of memory on device {device!r}. X has {len(sequences)} sequences"
            f" of up to {_describe_timesteps(network, sequences)}, {sequences.n_timesteps}"
            f" timesteps in total; the network has {_describe_widths(network)}.\n\nPredict fewer"
            " sequences at a time, or truncate or downsample the longest of them."
        )

    with _raised_as_memory_error(describe):
        yield


@contextmanager
def _raised_as_memory_error(describe: Callable[[], str]) -> Iterator[None]:
    # Described only if needed: it takes as long as a check of X.
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise MemoryError(describe()) from error


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error of torch or Python means that memory is exhausted."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return any(sign in str(error) for sign in OUT_OF_MEMORY)


def _describe_timesteps(network: NetworkConfiguration, sequences: AnySequences) -> str:
    longest = f"{sequences.lengths.max()} timesteps"
    if network.vocabulary_size is not None:
        return longest
    return f"{longest} of {counted(network.n_features, 'feature')}"


def _describe_widths(network: NetworkConfiguration) -> str:
    widths = f"hidden_sizes={network.hidden_sizes}{', bidirectional=True' * network.bidirectional}"
    if network.vocabulary_size is None:
        return widths
    embedding = f"vocabulary_size={network.vocabulary_size}, embedding_dim={network.n_features}"
    return f"{embedding}, {widths}"
