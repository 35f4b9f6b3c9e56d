"""onnxruntime with what `sklstm.export.to_onnx` writes, for speed alone: the same model."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime

from benchmarks.contestants import ours
from benchmarks.data import Data
from benchmarks.work import Settings, Work
from sklstm.export import to_onnx

# Sequences of one call, of similar lengths.
BATCH_SIZE = 128


def load(settings: Settings, data: Data, n_threads: int) -> Callable[..., np.ndarray]:
    """The exported model: probabilities of padded sequences and their lengths."""
    options = onnxruntime.SessionOptions()
    # 0: as many as there are cores.
    options.intra_op_num_threads = n_threads
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        to_onnx(ours.fitted(settings, data), path)
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names = [given.name for given in session.get_inputs()]

    def predict(*values: np.ndarray) -> np.ndarray:
        return session.run(["probabilities"], dict(zip(names, values, strict=True)))[0]

    return predict


def pad(X: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """The sequences with zeros behind each, and their lengths."""
    lengths = np.array([len(x) for x in X])
    padded = np.zeros((len(X), lengths.max(), X[0].shape[1]), dtype=np.float32)
    for row, x in zip(padded, X, strict=True):
        row[: len(x)] = x
    return padded, lengths


def predict_one_by_one(settings: Settings, data: Data) -> Work:
    """``calls`` calls, each of few sequences, as a service makes them."""
    # Threads cost more than they save for one sequence.
    predict = load(settings, data, n_threads=1 if settings.n_together == 1 else 0)
    requests = [pad(X) for X in ours.requests_of(settings, data)]

    def run(repeat: int) -> list[np.ndarray]:
        return [predict(*request) for request in requests]

    return Work(run, lambda rows: {"rows": len(rows)})


def predict(settings: Settings, data: Data) -> Work:
    """All sequences in batches of similar lengths, padded within the time measured."""
    predict_batch = load(settings, data, n_threads=0)

    def run(repeat: int) -> np.ndarray:
        order = np.argsort([len(x) for x in data.X], kind="stable")
        batches = [order[i : i + BATCH_SIZE] for i in range(0, len(order), BATCH_SIZE)]
        parts = [predict_batch(*pad([data.X[i] for i in batch])) for batch in batches]
        return np.concatenate(parts)[np.argsort(order)]

    return Work(run, lambda rows: {"rows": len(rows)})
