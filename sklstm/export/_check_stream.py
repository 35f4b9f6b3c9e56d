"""The check of a file with a state against its model, in onnxruntime."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from sklstm._base import predictor_of
from sklstm._sequences import Array, Sequences
from sklstm.export._check import accept, draw, open_session, rounded, shortened, transform
from sklstm.export._model import Exported
from sklstm.export._stream_graph import NEW, state_of

# Streams, and timesteps of each call, the first of which are a few.
N_STREAMS, CHUNKS = 3, (1, 5, 2, 22)


def check_stream_file(content: bytes, exported: Exported) -> float:
    """The largest difference after a timestep to the model's predictions for the sequence so far.

    RuntimeError if too large.
    """
    given = rounded(draw(exported, [sum(CHUNKS)] * N_STREAMS))
    with warnings.catch_warnings():
        # Of feature names, which sequences that are drawn lack.
        warnings.simplefilter("ignore", UserWarning)
        so_far = transform(exported, prefixes(given))
    return accept(exported, run(content, exported, given), predictor_of(exported.estimator, so_far))


def prefixes(sequences: Sequences) -> Sequences:
    """The first timestep of the first sequence, its first two, and so on, of each sequence."""
    lengths = np.concatenate([np.arange(1, n + 1) for n in sequences.lengths])
    owners = np.repeat(np.arange(len(sequences)), sequences.lengths)
    return shortened(sequences.take(owners), lengths)


def run(content: bytes, exported: Exported, sequences: Sequences) -> dict[str, Array]:
    """Predictions after each timestep of sequences of one length, as rows."""
    session = open_session(content)
    names = [output.name for output in session.get_outputs()]
    n, x = len(sequences), _inputs(exported, sequences)
    fixed = {} if sequences.static is None else {"static": sequences.static}
    parts = state_of(exported.estimator.net_.module_)
    state: dict[str, Any] = {k: np.zeros((n, *part.shape), part.dtype) for k, part in parts.items()}
    pieces = []
    for chunk in np.split(x, np.cumsum(CHUNKS)[:-1], axis=1):
        results = session.run(names, {"x": chunk, **fixed, **state})
        found = dict(zip(names, results, strict=True))
        state = {name: found.pop(NEW + name) for name in state}
        pieces.append(found)
    whole = {name: np.concatenate([piece[name] for piece in pieces], axis=1) for name in pieces[0]}
    return {name: array.reshape(-1, *array.shape[2:]) for name, array in whole.items()}


def _inputs(exported: Exported, sequences: Sequences) -> Array:
    """Sequences of one length as the file takes them."""
    values, n = sequences.values, len(sequences)
    if exported.fitted.schema.vocabulary_size is not None:
        return values.reshape(n, -1).astype(np.int64)
    if sequences.codes is not None:
        values = np.concatenate([values, sequences.codes], axis=1)
    return values.reshape(n, -1, values.shape[1]).astype(np.float32)
