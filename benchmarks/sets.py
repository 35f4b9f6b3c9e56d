"""Real labelled sequences: those that aeon ships in its wheel, and those of a folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from sklstm.preprocessing import from_channel_first

IN_AEON = (
    "ACSF1",
    "ArrowHead",
    "BasicMotions",
    "GunPoint",
    "ItalyPowerDemand",
    "JapaneseVowels",
    "OSULeaf",
    "PickupGestureWiimoteZ",
)

Part = tuple[Any, np.ndarray]


@dataclass(frozen=True)
class Set:
    """Sequences in two parts, read when asked for.

    Attributes
    ----------
    name : str
        As its archive has it.
    is_text : bool
        Whether the sequences are texts rather than arrays.
    read : callable
        From "train" or "test" to X and y of that part.
    """

    name: str
    is_text: bool
    read: Callable[[str], Part]


def find_sets(folder: Path | None) -> dict[str, Set]:
    """All sets by name: of one that both have, the folder's."""
    sets = {name: Set(name, False, partial(_read_from_aeon, name)) for name in IN_AEON}
    if folder is not None:
        for path in sorted(folder.glob("**/*_TRAIN.ts")):
            name = path.name.removesuffix("_TRAIN.ts")
            sets[name] = Set(name, False, partial(_read_ts, path.parent / name))
        for path in sorted(folder.glob("**/train.tsv")):
            sets[path.parent.name] = Set(path.parent.name, True, partial(read_tsv, path.parent))
    return sets


def both_parts(name: str) -> tuple[list[np.ndarray], np.ndarray]:
    """Sequences and labels of the training part and of the test part of a set in one."""
    source = find_sets(None)[name]
    (X, y), (X_test, y_test) = source.read("train"), source.read("test")
    return [*X, *X_test], np.concatenate([y, y_test])


def _read_from_aeon(name: str, part: str) -> Part:
    from aeon.datasets import load_classification

    X, y = load_classification(name, split=part)
    return from_channel_first(X), y


def _read_ts(path: Path, part: str) -> Part:
    from aeon.datasets import load_from_ts_file

    X, y = load_from_ts_file(f"{path}_{part.upper()}.ts")[:2]
    return from_channel_first(X), y


def read_tsv(folder: Path, part: str) -> Part:
    """Texts and labels of a file of ``label<TAB>text`` lines."""
    lines = (folder / f"{part}.tsv").read_text(encoding="utf-8").splitlines()
    labels, texts = zip(*(line.split("\t", 1) for line in lines), strict=True)
    return list(texts), np.array(labels)


def take(X: Any, rows: np.ndarray) -> Any:
    """The sequences at those rows."""
    return [X[row] for row in rows] if isinstance(X, list) else X[rows]
