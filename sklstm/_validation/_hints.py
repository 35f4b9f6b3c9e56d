"""Warnings and errors for an X that is valid, but probably not meant as it is read."""

from __future__ import annotations

from typing import Any

import numpy as np

from sklstm._sequences import UNKNOWN_ID, Array, in_memory
from sklstm._validation._forms import as_host
from sklstm._validation._frames import find_long_table
from sklstm._validation._inputs import Inputs
from sklstm._validation._tokens import TokenIds
from sklstm._views._stored import StoredSequences, source_of
from sklstm._warnings import warn_user

# Most data sets of aeon's archive have at most so many channels; nearly all have at least so many
# timesteps, and so many timesteps per channel.
MOST_CHANNELS, FEWEST_TIMESTEPS, FEWEST_PER_CHANNEL = 12, 20, 5
# So many sequences, and at least half of them, have to begin with padding.
FEWEST_PADDED = 6


def reject_token_ids(X: Any, *, estimator: str) -> None:
    """Raise if X is the output of TokenEncoder, which is no measurement."""
    is_stored = isinstance(X, StoredSequences) and source_of(X).holds_token_ids
    if isinstance(X, TokenIds) or is_stored:
        raise ValueError(
            f"X is token ids, as TokenEncoder gives them, which {estimator} would take for"
            " measurements.\n\nGive them to an embedding, with no step in between:"
            " make_pipeline(TokenEncoder(), LSTMSequenceClassifier(embedding_dim=32))."
        )


def warn_of_misreading(X: Any, inputs: Inputs, name: str = "X") -> None:
    """Warn of measurements that look like token ids, channels before timesteps or a long table."""
    for message in (_integers(X, inputs, name), _channels_first(inputs), find_long_table(X)):
        if message is not None:
            warn_user(message)


def warn_of_front_padding(inputs: Inputs, mask_value: float | None, name: str = "X") -> None:
    """Warn of sequences of one length of which many begin with padding, as Keras pads them.

    Token ids are padded with 0.
    """
    value = 0 if inputs.vocabulary_size is not None else mask_value
    sequences = in_memory(inputs.sequences)
    n, timesteps = len(sequences), int(sequences.lengths[0])
    if value is None or not sequences.n_features or (sequences.lengths != timesteps).any():
        return
    values = sequences.values.reshape(n, timesteps, sequences.n_features)
    value = values.dtype.type(value)
    begin = np.flatnonzero((values[:, 0] == value).all(axis=1))
    if len(begin) < max(FEWEST_PADDED, n / 2):
        return
    # The last timestep is none of padding, which would have been removed.
    n_padded = (values[begin] == value).all(axis=2).argmin(axis=1)
    # What all sequences begin with, such as the 0 of sums, is no padding.
    if (n_padded == n_padded[0]).all():
        return
    is_univariate = inputs.n_columns is not None or inputs.vocabulary_size is not None
    row = f"x != {value}" if is_univariate else f"(x != {value}).any(axis=-1)"
    warn_user(
        f"X looks padded at the front: sequences such as {name}[{begin[0]}] begin with {value}, and"
        f" all have {timesteps} timesteps. Only padding at the end is removed; this is read as"
        f" data.\n\nRemove it: {name} = [x[{row}] for x in np.asarray({name})]; this also removes"
        " such timesteps in the middle. If it is data, silence this warning:"
        " warnings.filterwarnings('ignore', 'X looks padded at the front')."
    )


def _integers(X: Any, inputs: Inputs, name: str) -> str | None:
    """The warning for lists of 1-D integer sequences, which may be token ids."""
    values = in_memory(inputs.sequences).values
    # Arrays are left alone: integers in equal rows are often counts.
    is_array = inputs.n_columns is not None or len(getattr(X, "shape", ())) > 1
    if is_array or values.shape[1] != 1:
        return None
    first = next(iter(X))
    # A list of pyarrow is no array.
    first = np.asarray(as_host(first.as_py() if hasattr(first, "as_py") else first))
    # Token ids are not negative, and 0 and 1 are reserved.
    is_ids = values.min() >= 0 and values.max() > UNKNOWN_ID and (values == np.floor(values)).all()
    if first.ndim != 1 or first.dtype.kind not in "iu" or not is_ids:
        return None
    begins = ", ".join(map(str, first[:3].tolist()))
    return (
        f"{name} is read as measurements of one feature, but it is lists of integers: {name}[0]"
        f" begins with {begins}.\n\nIf they are token ids, set embedding_dim=32. If they are counts"
        f" or other measurements, give them as such: [np.asarray(x, dtype=float) for x in {name}]."
    )


def _channels_first(inputs: Inputs) -> str | None:
    """The warning for short and wide sequences of one length, which may be channels first."""
    sequences = in_memory(inputs.sequences)
    timesteps, n_features = int(sequences.lengths[0]), sequences.n_features
    is_wide = n_features >= max(FEWEST_TIMESTEPS, FEWEST_PER_CHANNEL * timesteps)
    if timesteps > MOST_CHANNELS or not is_wide or (sequences.lengths != timesteps).any():
        return None
    if _is_smooth(sequences.values, timesteps):
        return None
    return (
        f"X is read as few timesteps ({timesteps}) of many features ({n_features}); arrays of aeon"
        " and sktime, which are channels first, have such a shape.\n\nIf X is channels first,"
        " convert it: X = sklstm.preprocessing.from_channel_first(X). If not, silence this warning:"
        " warnings.filterwarnings('ignore', 'X is read as few timesteps'). It comes where at most"
        f" {MOST_CHANNELS} timesteps have at least {FEWEST_TIMESTEPS} features, and"
        f" {FEWEST_PER_CHANNEL} times as many features as there are timesteps, unless neighbouring"
        " timesteps differ less than half as much as neighbouring features."
    )


def _is_smooth(values: Array, timesteps: int) -> bool:
    """Whether neighbouring timesteps differ less than half as much as neighbouring features.

    The ratio is 1.4 to 16 in channels-first data sets of aeon, 1 in noise, and 0.02 to 0.2 in
    levels and random walks of features with different units.
    """
    if timesteps == 1:
        return False
    # A hundred sequences are enough to tell.
    cube = values[: 100 * timesteps].reshape(-1, timesteps, values.shape[1])
    with np.errstate(all="ignore"):
        over_time, across = (np.abs(np.diff(cube, axis=axis)).mean() for axis in (1, 2))
    return bool(2 * over_time < across)
