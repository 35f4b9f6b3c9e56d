"""Warnings and errors for an X that is valid, but probably not meant as it is read."""

from __future__ import annotations

from typing import Any

import numpy as np

from sklstm._sequences import UNKNOWN_ID, Array, IntArray, in_memory
from sklstm._validation._forms import as_host
from sklstm._validation._frames import find_long_table
from sklstm._validation._inputs import Inputs
from sklstm._validation._tokens import TokenIds
from sklstm._views._stored import StoredSequences, source_of
from sklstm._warnings import warn_user

# Most data sets of aeon's archive have at most so many channels; nearly all have at least so many
# timesteps, and so many timesteps per channel.
MOST_CHANNELS, FEWEST_TIMESTEPS, FEWEST_PER_CHANNEL = 12, 20, 5
# So many sequences, and at least half of them, have to begin or end with padding.
FEWEST_PADDED = 6
# Mean size of the values beside padding, at least this fraction of that of all; sums begin small.
LEAST_BESIDE = 0.5
NO_SEQUENCES = np.empty(0, dtype=np.intp), np.empty(0, dtype=np.intp)


def reject_token_ids(X: Any, *, estimator: str) -> None:
    """Raise if X is the output of TokenEncoder, which is no measurement."""
    is_stored = isinstance(X, StoredSequences) and source_of(X).holds_token_ids
    if isinstance(X, TokenIds) or is_stored:
        raise ValueError(
            f"X is token ids, as TokenEncoder gives them, which {estimator} would take for"
            " measurements.\n\nGive them to an embedding, with no step in between:"
            " make_pipeline(TokenEncoder(), LSTMSequenceClassifier(embedding_dim=32))."
        )


def warn_of_misreading(X: Any, inputs: Inputs, mask_value: float | None, name: str = "X") -> None:
    """Warn of what looks like token ids, padding, channels before timesteps or a long table."""
    ids_or_padding = _integers(X, inputs, name) or _unmasked(inputs, mask_value, name)
    for message in (ids_or_padding, _channels_first(inputs), find_long_table(X)):
        if message is not None:
            warn_user(message)


def warn_of_front_padding(inputs: Inputs, mask_value: float | None, name: str = "X") -> None:
    """Warn of sequences of one length of which many begin with padding, as Keras pads them.

    Token ids are padded with 0.
    """
    value = 0 if inputs.vocabulary_size is not None else mask_value
    values = _as_rectangle(inputs)
    if value is None or values is None:
        return
    value = values.dtype.type(value)
    begin, _ = _begin_with(values, value)
    if len(begin):
        warn_user(
            f"X looks padded at the front: sequences such as {name}[{begin[0]}] begin with {value},"
            f" and all have {values.shape[1]} timesteps. Only padding at the end is removed; this"
            f" is read as data.\n\nRemove it: {_without(value, values, name)}; this also removes"
            f" such timesteps in the middle. {_silenced('front')}"
        )


def _as_rectangle(inputs: Inputs) -> Array | None:
    """Values of shape (n_sequences, n_timesteps, n_features), if lengths are equal."""
    sequences = in_memory(inputs.sequences)
    n, timesteps = len(sequences), int(sequences.lengths[0])
    if not sequences.n_features or (sequences.lengths != timesteps).any():
        return None
    return sequences.values.reshape(n, timesteps, sequences.n_features)


def _begin_with(values: Array, value: Any) -> tuple[IntArray, IntArray]:
    """Sequences that begin with padding, if many do, and the number of its timesteps in each."""
    begin = np.flatnonzero((values[:, 0] == value).all(axis=1))
    if len(begin) < max(FEWEST_PADDED, len(values) / 2):
        return NO_SEQUENCES
    # 0 where there is nothing else.
    n_padded = (values[begin] == value).all(axis=2).argmin(axis=1)
    # What all sequences begin with, such as the 0 of sums, is no padding.
    return NO_SEQUENCES if (n_padded == n_padded[0]).all() else (begin, n_padded)


def _unmasked(inputs: Inputs, mask_value: float | None, name: str) -> str | None:
    """The warning for zeros at one end that are read, as if there were no padding."""
    values = _as_rectangle(inputs)
    if mask_value is not None or values is None:
        return None
    for end, ordered in (("end", values[:, ::-1]), ("front", values)):
        padded, n_padded = _begin_with(ordered, 0)
        if len(padded) and _is_only_padding(ordered, padded, n_padded):
            return _of_zeros(end, int(padded[0]), values, name)
    return None


def _of_zeros(end: str, first: int, values: Array, name: str) -> str:
    """The warning for zeros at the front or the end, of this sequence among others."""
    is_ids = values.shape[2] == 1 and values.max() > UNKNOWN_ID and _are_counts(values)
    if end == "end":
        remedy = "Set mask_value=0" + is_ids * ", or embedding_dim=32 if X is token ids"
    else:
        tokens = is_ids * "; if X is token ids, set embedding_dim=32 as well"
        remedy = f"Remove it: {_without(0, values, name)}{tokens}"
    verb = "end" if end == "end" else "begin"
    return (
        f"X looks padded at the {end}: sequences such as {name}[{first}] {verb} with zeros, and all"
        f" have {values.shape[1]} timesteps. No value is padding without mask_value; this is read"
        f" as data.\n\n{remedy}. {_silenced(end)}"
    )


def _is_only_padding(values: Array, padded: IntArray, n_padded: IntArray) -> bool:
    """Whether zeros of all features are only at the front, and what follows them is not small.

    Events and silence leave zeros in the middle, too. What has been counted up begins small.
    """
    n_zeros = int((values == 0).all(axis=2).sum())
    if n_zeros != n_padded.sum():
        return False
    with np.errstate(all="ignore"):
        beside = np.abs(values[padded, n_padded]).mean()
        mean = np.abs(values).sum() / (values.size - n_zeros * values.shape[2])
    return bool(beside >= LEAST_BESIDE * mean)


def _are_counts(values: Array) -> bool:
    """Whether all values are integers that are not negative."""
    return bool(values.min() >= 0 and (values == np.floor(values)).all())


def _without(value: Any, values: Array, name: str) -> str:
    """Code that removes timesteps of this value from the rows of X, which holds these values."""
    # Univariate sequences may be 1-D.
    row = f"x != {value}" if values.shape[2] == 1 else f"(x != {value}).any(axis=-1)"
    return f"{name} = [x[{row}] for x in np.asarray({name})]"


def _silenced(end: str) -> str:
    """How to silence the warning of padding at this end."""
    return (
        "If it is data, silence this warning:"
        f" warnings.filterwarnings('ignore', 'X looks padded at the {end}')."
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
    is_ids = values.max() > UNKNOWN_ID and _are_counts(values)
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
