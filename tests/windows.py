"""Windows of a few sequences, and sequences that lie in a memory map."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from sklstm import _base
from sklstm._batching import _sizes, _windows
from sklstm._data._labelled import label
from sklstm._sequences import ArrayRows, Sequences, SequenceView

SMALL = {
    "WHOLE_BYTES": 1200,
    "WINDOW_BYTES": 1200,
    "BLOCK_BYTES": 400,
    "READ_BYTES": 300,
    "PIECE_BYTES": 700,
    "CHUNK_SEQUENCES": 7,
}


def make_small(monkeypatch: Any, **constants: int) -> None:
    """Let data of a kilobyte be large."""
    for name, value in (SMALL | constants).items():
        monkeypatch.setattr(_sizes if name == "WHOLE_BYTES" else _windows, name, value)


def as_map(sequences: Sequences, path: Path) -> SequenceView:
    """The same sequences in a memory map, in reverse order, with a gap after each."""
    lengths = sequences.lengths
    starts, place = np.empty(len(lengths), dtype=np.int64), 0
    values = np.lib.format.open_memmap(
        path, mode="w+", dtype=sequences.dtype,
        shape=(sequences.n_timesteps + len(lengths), sequences.n_features),
    )  # fmt: skip
    for i in range(len(lengths))[::-1]:
        starts[i] = place
        values[place : place + lengths[i]] = sequences.take([i]).values
        place += int(lengths[i]) + 1
    values.flush()
    rows = ArrayRows(np.load(path, mmap_mode="r"))
    return SequenceView(rows, starts, lengths.astype(np.int32), static=sequences.static)


def fit_from_maps(monkeypatch: Any, folder: Path) -> None:
    """Let later fits read what they are given from memory maps."""
    numbers = iter(range(100))

    def label_map(sequences: Sequences, *arguments: Any, **options: Any) -> Any:
        view = as_map(sequences, folder / f"{next(numbers)}.npy")
        return label(view, *arguments, **options)

    monkeypatch.setattr(_base, "label", label_map)
