"""Validation and numbering of groups."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils import check_array

from sklstm._sequences import Array
from sklstm._validation._forms import as_host
from sklstm._validation._missing import reject_missing

# Number of names that are numbered at a time.
CHUNK_NAMES = 65_536


def check_groups(groups: Any, n_sequences: int) -> Array:
    """Validate groups: a 1-D array of one group per sequence, of any hashable type."""
    if np.ndim(groups) == 0:
        raise TypeError(f"groups must hold one entry for each sequence. Got {groups!r} instead.")
    reject_missing(groups, "groups", "group")
    names: Array = check_array(as_host(groups), input_name="groups", ensure_2d=False, dtype=None)
    if names.size != len(names):
        raise ValueError(
            "groups must hold one entry for each sequence. Got an array of shape"
            f" {names.shape} instead.\n\nMake one entry of several: f'{{subject}}-{{day}}'."
        )
    if len(names) != n_sequences:
        raise ValueError(
            f"Found input variables with inconsistent numbers of samples: X has {n_sequences}"
            f" sequences, groups has {len(names)} entries."
        )
    return names.ravel()


def number_groups(names: Array) -> Array:
    """Number the groups in order of first appearance."""
    numbers: dict[Any, int] = {}
    found = np.empty(len(names), dtype=np.int32)
    for start in range(0, len(names), CHUNK_NAMES):
        part = names[start : start + CHUNK_NAMES].tolist()
        found[start : start + len(part)] = [numbers.setdefault(n, len(numbers)) for n in part]
    return found
