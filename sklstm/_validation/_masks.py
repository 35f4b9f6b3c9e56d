"""Conversion of masked arrays: masked timesteps are padding, other masked values NaN."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from sklstm._sequences import Array


def without_masks(X: Any, name: str, *, allow_gaps: bool = True) -> Any:
    """Convert a masked array to an array, or to a list of arrays if timesteps are cut off.

    Timesteps at the end that are masked in all features are padding. What is masked elsewhere is
    NaN, or an error unless ``allow_gaps``.
    """
    if not isinstance(X, np.ma.MaskedArray):
        return X
    if X.ndim < 2 and X.dtype != object:
        return np.asarray(X)
    if X.ndim == 1:
        # Of arrays: each is there or not.
        mask = _mask_of(X)
        return [np.ma.masked if gone else x for x, gone in zip(X.data, mask, strict=True)]
    return _without_padding(X, lambda i: f"{name}[{i}]", allow_gaps)


def without_mask(item: Any, name: str, *, allow_gaps: bool = True) -> Any:
    """The same for one sequence of shape (n_timesteps, n_features) or (n_timesteps,)."""
    if item is np.ma.masked:
        raise ValueError(
            f"{name} is masked, so it has no timesteps; every sequence needs at least one.\n\nDrop"
            " such sequences, with their labels."
        )
    if not isinstance(item, np.ma.MaskedArray) or item.ndim == 0:
        return item
    return _without_padding(item[None], lambda _: name, allow_gaps)[0]


def _mask_of(X: Any) -> Array:
    """The mask of X, in the shape of X."""
    mask: Array = np.ma.getmaskarray(X)  # type: ignore[no-untyped-call]
    return mask


def _without_padding(
    X: Any, name_of: Callable[[int], str], allow_gaps: bool
) -> Array | list[Array]:
    """A masked array of two or three dimensions, cut after the last unmasked timesteps."""
    features, timesteps = tuple(range(2, X.ndim)), np.arange(X.shape[1])
    mask = _mask_of(X)
    lengths = np.where(mask.all(axis=features), 0, timesteps + 1).max(axis=1, initial=0)
    values: Array = X.data
    if allow_gaps and np.ma.is_masked(X):
        values = (X if X.dtype.kind in "fc" else X.astype(np.float64)).filled(np.nan)
    gaps = np.argwhere(mask.any(axis=features) & (timesteps < lengths[:, None]))
    if len(gaps) and not allow_gaps:
        culprit = f"{name_of(gaps[0][0])}[{gaps[0][1]}]"
        raise ValueError(
            f"{culprit} is masked, but of a sequence of token ids only the end may be.\n\nGive 1,"
            f" the id of unknown tokens, where one is missing: {culprit} = 1."
        )
    if (lengths == X.shape[1]).all():
        return values
    return [row[:length] for row, length in zip(values, lengths, strict=True)]
