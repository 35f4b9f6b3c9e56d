"""Masked arrays of NumPy -> plain arrays, in which nothing that is masked counts as data."""

from __future__ import annotations

from typing import Any

import numpy as np

from sklstm._sequences import Array, IntArray


def without_masks(X: Any, *, gaps: bool = True) -> Any:
    """X as it is; of a masked array the array, or a list of arrays if timesteps are cut off.

    Timesteps at the end that are masked in all features are padding. What is masked elsewhere is
    NaN, or an error without ``gaps``.
    """
    if not isinstance(X, np.ma.MaskedArray):
        return X
    if X.ndim < 2 and X.dtype != object:
        return np.asarray(X)
    if X.ndim == 1:
        # Of arrays: each is there or not.
        mask = _mask_of(X)
        return [np.ma.masked if gone else x for x, gone in zip(X.data, mask, strict=True)]
    lengths = _real_lengths(X)
    if not gaps:
        _reject_gaps(X, lengths)
    values = _filled(X) if gaps else X.data
    if (lengths == X.shape[1]).all():
        return values
    return [row[:length] for row, length in zip(values, lengths, strict=True)]


def without_mask(item: Any, name: str, *, gaps: bool = True) -> Any:
    """The same for one sequence of shape (n_timesteps, n_features) or (n_timesteps,)."""
    if item is np.ma.masked:
        raise ValueError(
            f"{name} is masked, so it has no timesteps; every sequence needs at least one.\n\nDrop"
            " such sequences, with their labels."
        )
    if not isinstance(item, np.ma.MaskedArray) or item.ndim == 0:
        return item
    length = _real_lengths(item[None])
    if not gaps:
        _reject_gaps(item[None], length, name)
    return (_filled(item) if gaps else item.data)[: length[0]]


def _mask_of(X: Any) -> Array:
    """Where X is masked, of the shape of X."""
    mask: Array = np.ma.getmaskarray(X)  # type: ignore[no-untyped-call]
    return mask


def _real_lengths(X: Any) -> IntArray:
    """Timesteps of each sequence up to the last that is not masked in all features."""
    is_real = ~_mask_of(X).all(axis=tuple(range(2, X.ndim)))
    positions = np.arange(1, X.shape[1] + 1)
    lengths: IntArray = np.where(is_real, positions, 0).max(axis=1, initial=0)
    return lengths


def _filled(X: Any) -> Array:
    """The values as floats, NaN where masked."""
    if not np.ma.is_masked(X):
        return np.asarray(X)
    values: Array = (X if X.dtype.kind in "fc" else X.astype(np.float64)).filled(np.nan)
    return values


def _reject_gaps(X: Any, lengths: IntArray, name: str | None = None) -> None:
    """Raise if token ids are masked before the end of their sequence."""
    mask = _mask_of(X).any(axis=tuple(range(2, X.ndim)))
    gaps = np.argwhere(mask & (np.arange(X.shape[1]) < lengths[:, None]))
    if len(gaps):
        sequence, timestep = gaps[0]
        culprit = f"{name or f'X[{sequence}]'}[{timestep}]"
        raise ValueError(
            f"{culprit} is masked, but of a sequence of token ids only the end may be.\n\nGive 1,"
            f" the id of unknown tokens, where one is missing: {culprit} = 1."
        )
