"""Conversion from and to the layouts of aeon and sktime, which are channels first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sklstm._sequences import Array, in_memory
from sklstm._validation._inputs import check_loaded


def from_channel_first(X: Any) -> Any:
    """Convert sequences from the channels-first layouts of aeon and sktime to timesteps first.

    aeon and sktime need not be installed. In a pipeline, use
    ``FunctionTransformer(from_channel_first)``.

    Parameters
    ----------
    X : array, list or pandas.DataFrame
        Sequences in one of these layouts, as aeon and sktime call them:

        - "numpy3D": array of shape ``(n_sequences, n_channels, n_timesteps)``
        - "np-list": list or object array of arrays of shape ``(n_channels, n_timesteps_i)``
        - "numpy2D", "numpyflat": array of shape ``(n_sequences, n_timesteps)``, univariate
        - "nested_univ": data frame with one row per sequence, one column per channel, and a series
          in each cell
        - "pd-multiindex": data frame with one row per timestep, one column per channel, and an
          index of two levels, sequence and time

    Returns
    -------
    ndarray of shape (n_sequences, n_timesteps, n_channels) or list
        An array for "numpy3D", the array itself for "numpy2D", otherwise a list of arrays of shape
        ``(n_timesteps_i, n_channels)``. Arrays are views of X where possible.

    Raises
    ------
    TypeError
        If X is neither an array nor a list nor a data frame.
    ValueError
        If X has none of these layouts. The message names the offending element by its index.

    See Also
    --------
    to_channel_first : The inverse.
    sequences_from_frame : Convert any other long table.

    Examples
    --------
    >>> import numpy as np
    >>> from sklstm.preprocessing import from_channel_first
    >>> from_channel_first(np.zeros((10, 3, 50))).shape  # 3 channels
    (10, 50, 3)
    >>> [x.shape for x in from_channel_first([np.zeros((3, 50)), np.zeros((3, 40))])]
    [(50, 3), (40, 3)]
    """
    if hasattr(X, "iloc") and hasattr(X, "columns"):
        return _from_long(X) if getattr(X.index, "nlevels", 1) > 1 else _from_nested(X)
    is_array_of_objects = isinstance(X, np.ndarray) and X.dtype.kind == "O"
    if isinstance(X, (list, tuple)) or is_array_of_objects:
        return _from_list(list(X))
    if not hasattr(X, "ndim") or not hasattr(X, "shape"):
        raise TypeError(
            "X must be an array, a list of arrays or a pandas data frame. Got a"
            f" {type(X).__name__} instead."
        )
    if X.ndim == 2:
        return X
    if X.ndim == 3:
        return X.swapaxes(1, 2)
    raise ValueError(
        "X must be of shape (n_sequences, n_channels, n_timesteps), or (n_sequences, n_timesteps)"
        f" if univariate. Got shape {tuple(X.shape)} instead."
    )


def to_channel_first(X: Any) -> Any:
    """Convert sequences to the channels-first layout of aeon and sktime.

    Parameters
    ----------
    X : array-like
        Sequences in any form that `sklstm.LSTMSequenceClassifier` takes. NaN is allowed.

    Returns
    -------
    ndarray of shape (n_sequences, n_features, n_timesteps) or list
        An array ("numpy3D") if X is rectangular, otherwise a list of arrays of shape
        ``(n_features, n_timesteps_i)`` ("np-list"), float32 or float64. A 2-D array, with one
        univariate sequence per row, becomes ``(n_sequences, 1, n_timesteps)``.

    Raises
    ------
    TypeError, ValueError
        If X has none of these forms. The message names the offending element by its index.

    See Also
    --------
    from_channel_first : The inverse.

    Examples
    --------
    >>> import numpy as np
    >>> from sklstm.preprocessing import to_channel_first
    >>> to_channel_first(np.zeros((10, 50, 3))).shape
    (10, 3, 50)
    >>> [x.shape for x in to_channel_first([np.zeros((50, 3)), np.zeros((40, 3))])]
    [(3, 50), (3, 40)]
    """
    sequences = in_memory(check_loaded(X, estimator="to_channel_first").sequences)
    # ndim alone does not say that X is rectangular: a jagged array of awkward has it too.
    if getattr(X, "ndim", 1) > 1 and len(set(sequences.lengths.tolist())) == 1:
        shape = (len(sequences), int(sequences.lengths[0]), sequences.n_features)
        return sequences.values.reshape(shape).swapaxes(1, 2)
    return [sequence.T for sequence in sequences]


def _from_list(X: Sequence[Any]) -> list[Array]:
    # Masked arrays stay masked.
    arrays = [np.asanyarray(item) for item in X]
    for index, array in enumerate(arrays):
        if array.ndim != 2:
            raise ValueError(
                f"X[{index}] must be of shape (n_channels, n_timesteps). Got shape {array.shape}"
                " instead.\n\nA univariate sequence x is x.reshape(1, -1)."
            )
        if array.shape[0] != arrays[0].shape[0]:
            raise ValueError(
                f"X[{index}] has {array.shape[0]} channels but X[0] has {arrays[0].shape[0]}; all"
                " sequences need the same.\n\nIf the first dimension is the timesteps, X needs"
                " no conversion."
            )
    return [array.T for array in arrays]


# Data frames of pandas --------------------------------------------------------------------------


def _from_nested(X: Any) -> list[Array]:
    """From "nested_univ"; the channels of one sequence have one length."""
    sequences = []
    for index, cells in enumerate(zip(*(X[name] for name in X.columns), strict=True)):
        channels = [np.asarray(cell) for cell in cells]
        for name, channel in zip(X.columns, channels, strict=True):
            if channel.ndim != 1:
                raise ValueError(
                    f"X.iloc[{index}][{name!r}] must be a series of the channel's values. Got shape"
                    f" {channel.shape} instead.\n\nA table of numbers with one univariate sequence"
                    " a row needs no conversion."
                )
            if len(channel) != len(channels[0]):
                raise ValueError(
                    f"X.iloc[{index}][{name!r}] has {len(channel)} timesteps but"
                    f" X.iloc[{index}][{X.columns[0]!r}] has {len(channels[0])}; all channels of a"
                    " sequence need the same."
                )
        sequences.append(np.column_stack(channels))
    return sequences


def _from_long(X: Any) -> list[Array]:
    """From "pd-multiindex", whose rows must be sorted by sequence and time."""
    if len(X) == 0:
        raise ValueError("X has no rows.")
    if X.index.nlevels != 2:
        raise ValueError(
            f"The index of X must have two levels, sequence and time. Got {X.index.nlevels} levels"
            f" instead: {list(X.index.names)}.\n\nUse sequences_from_frame(X.reset_index(),"
            " sequence=[...], time=...), which takes any number of columns for the sequence."
        )
    ids, times = X.index.get_level_values(0), X.index.get_level_values(1).to_numpy()
    codes = ids.factorize()[0]
    starts = np.flatnonzero(np.diff(codes)) + 1
    same_sequence = np.ones(len(X) - 1, dtype=bool)
    same_sequence[starts - 1] = False
    # A sequence that reappears after another one, or a time that does not increase.
    back = (np.diff(codes) < 0) | (same_sequence & ~(times[1:] > times[:-1]))
    if back.any():
        culprit = ids[[int(np.argmax(back)) + 1]].tolist()[0]
        raise ValueError(
            f"The times of sequence {culprit!r} must increase, in adjacent rows.\n\n"
            "X = X.sort_index()"
        )
    return np.split(X.to_numpy(), starts)
