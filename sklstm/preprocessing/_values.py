"""Values that the caller gives for each timestep."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from sklstm._sequences import Array, IntArray


def concatenate_values(
    values: Iterable[npt.ArrayLike], lengths: Sequence[int] | IntArray, owner: str
) -> Array:
    """Values of all timesteps in one array; each owner, a "sequence" say, has one array of them."""
    arrays = [np.asarray(own) for own in values]
    if len(arrays) != len(lengths):
        raise ValueError(
            f"values must be {len(lengths)} arrays, one for each {owner}. Got {len(arrays)}."
        )
    for index, (own, length) in enumerate(zip(arrays, lengths, strict=True)):
        if own.ndim == 0 or len(own) != length:
            raise ValueError(
                f"values[{index}] must have {length} values, one for each timestep of X[{index}]."
                f" Got shape {own.shape} instead."
            )
    return np.concatenate(arrays)
