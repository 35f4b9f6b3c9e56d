"""The package's own format: a folder of plain arrays.

``values.npy`` holds all timesteps, ``offsets.npy`` where each sequence begins and the last one
ends, other files a column each, and ``sequences.json`` what belongs to what.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sklstm._sequences import Array, ArrayRows
from sklstm._views._maps import map_file
from sklstm._views._source import Address, Column, Source, address_of

FORMAT = 1
DESCRIPTION, VALUES, OFFSETS = "sequences.json", "values.npy", "offsets.npy"


def is_folder(path: str) -> bool:
    """Whether there is a folder that `write_sequences` has written."""
    return (Path(path) / DESCRIPTION).is_file()


def address_of_folder(path: str, *, static: tuple[str, ...] | None = None) -> Address:
    """The address of a folder; with these static columns alone, if they are given."""
    files = [DESCRIPTION, VALUES, OFFSETS]
    return address_of(path, open_folder, files, static=static)


def open_folder(path: str, *, static: tuple[str, ...] | None = None) -> Source:
    """Open a folder."""
    described = json.loads((Path(path) / DESCRIPTION).read_text(encoding="utf-8"))
    if described.get("format") != FORMAT:
        raise ValueError(
            f"{path!r} has format {described.get('format')!r}, but this version of sklstm reads"
            f" format {FORMAT}."
        )
    values, offsets = _map(path, VALUES), _map(path, OFFSETS)
    n = len(offsets) - 1
    if values.shape[:1] != (offsets[-1],) or n != described["n_sequences"]:
        raise ValueError(f"{path!r} is not complete: {VALUES} and {OFFSETS} do not fit together.")
    kept = _kept(described["static"], static, path)
    sequences = described["sequences"]
    return Source(
        ArrayRows(values),
        offsets[:-1],
        _lengths(offsets),
        item_ndim=described["item_ndim"],
        names=None if described["features"] is None else tuple(described["features"]),
        holds_token_ids=described["holds_token_ids"],
        columns=_columns(path, described["columns"], n),
        static=_columns(path, kept, n),
        sequences=sequences,
        order=tuple(n for n in described["order"] if n in kept or n == sequences),
    )


def _kept(
    described: Mapping[str, Any], static: tuple[str, ...] | None, path: str
) -> Mapping[str, Any]:
    """The static columns that are asked for."""
    missing = [name for name in static or () if name not in described]
    if missing:
        raise ValueError(f"{path!r} has no static column {missing[0]!r}; it has {list(described)}.")
    return {n: own for n, own in described.items() if static is None or n in static}


def _lengths(offsets: Array) -> Array:
    """Lengths in 4 bytes each, if they fit."""
    longest = max((int(np.diff(part).max(initial=0)) for part in _pieces(offsets)), default=0)
    dtype = np.int32 if longest <= np.iinfo(np.int32).max else np.int64
    lengths = np.empty(len(offsets) - 1, dtype=dtype)
    first = 0
    for part in _pieces(offsets):
        own = np.diff(part)
        lengths[first : first + len(own)] = own
        first += len(own)
    return lengths


def _pieces(offsets: Array, size: int = 2**20) -> list[Array]:
    """Overlapping by one, so that the differences of all are those of the whole."""
    return [offsets[i : i + size + 1] for i in range(0, len(offsets) - 1, size)]


def _columns(path: str, described: Mapping[str, Mapping[str, Any]], n: int) -> dict[str, Column]:
    return {name: _column(path, own, n) for name, own in described.items()}


def _column(path: str, own: Mapping[str, Any], n: int) -> Column:
    """A column of ``n`` values."""
    values = _map(path, own["file"])
    if len(values) != n:
        raise ValueError(
            f"{path!r} is not complete: {own['file']} has {len(values)} rows for {n} sequences."
        )
    return Column(values, None if own.get("names") is None else _map(path, own["names"]))


def _map(path: str, name: str) -> Array:
    """An array in the folder."""
    try:
        return map_file(Path(path) / name)
    except FileNotFoundError:
        raise FileNotFoundError(f"{path!r} is not complete: it has no {name}.") from None
