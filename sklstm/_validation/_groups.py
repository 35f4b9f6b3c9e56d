"""groups -> the position of each sequence's group."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.utils import check_array, column_or_1d

from sklstm._sequences import IntArray


def check_groups(groups: Any, n_sequences: int) -> IntArray:
    """Groups, of any type that can be told apart, numbered as they first occur."""
    if np.ndim(groups) == 0:
        raise TypeError(f"groups must hold one entry for each sequence. Got {groups!r} instead.")
    names = column_or_1d(check_array(groups, input_name="groups", ensure_2d=False, dtype=None))
    if len(names) != n_sequences:
        raise ValueError(
            f"Found input variables with inconsistent numbers of samples: X has {n_sequences}"
            f" sequences, groups has {len(names)} entries."
        )
    numbers: dict[Any, int] = {}
    return np.array([numbers.setdefault(name, len(numbers)) for name in names.tolist()], np.int64)
