"""Fingerprint of a fit: everything that determines its result."""

from __future__ import annotations

import hashlib
import importlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from numbers import Integral, Real
from typing import Any

import numpy as np

from sklstm._config._configuration import Configuration
from sklstm._config._options import OF_RUN
from sklstm._data._labelled import Labelled
from sklstm._sequences import AnySequences, Array, offsets_of
from sklstm._training._net import SequenceNet

# Versions may differ in random numbers and in the order of summation.
PACKAGES = ("sklstm", "torch", "numpy")
# Fields that are compared in another form, or have no effect on the result. Callbacks may have an
# effect but are code, which cannot be compared.
EXCLUDED = OF_RUN | {"optimizer", "random_state", "embedding_weights", "mask_value", "warm_start"}
# Number of bytes copied and hashed at a time.
CHUNK_BYTES = 2**24


@dataclass(frozen=True)
class Fingerprint:
    """Parameters as text, data as hexadecimal SHA-256 digests."""

    parameters: Mapping[str, str]
    data: Mapping[str, str]

    @property
    def digest(self) -> str:
        """SHA-256 digest of parameters and data, 64 hexadecimal digits."""
        items = sorted({**self.parameters, **self.data}.items())
        return hashlib.sha256(repr(items).encode()).hexdigest()

    def without(self, name: str) -> Fingerprint:
        """The same without a parameter."""
        kept = {key: text for key, text in self.parameters.items() if key != name}
        return Fingerprint(kept, self.data)

    def differences(self, earlier: Fingerprint) -> list[str]:
        """Clauses for a message on what differs, at most three."""
        then, now = earlier.parameters, self.parameters
        clauses = [f"{name} is not the same" for name in _changed(earlier.data, self.data)]
        clauses += [
            f"{name!r} was {then.get(name)} and is {now.get(name)} now"
            for name in _changed(then, now)
        ]
        return clauses[:3] + ([f"and {len(clauses) - 3} more"] if len(clauses) > 3 else [])


def _changed(then: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    return sorted(name for name in then.keys() | now.keys() if then.get(name) != now.get(name))


def fingerprint(
    configuration: Configuration,
    data: Labelled,
    held_out: Labelled | None,
    previous: SequenceNet | None,
    *,
    optimizer: str,
    seed: int | None,
) -> Fingerprint:
    """Fingerprint of a fit. ``optimizer`` is a description; ``seed`` is None if it was drawn."""
    names = [f.name for f in fields(configuration) if f.name not in EXCLUDED]
    texts = {name: as_text(getattr(configuration, name)) for name in names}
    texts |= {"device": as_text(configuration.device.type), "random_state": as_text(seed)}
    texts["optimizer"] = optimizer
    if isinstance(configuration.scoring, Mapping):
        # In its order: the first decides.
        texts["scoring"] = as_text(list(configuration.scoring.items()))
    texts |= {name: repr(importlib.import_module(name).__version__) for name in PACKAGES}
    digests = digests_of(data, "")
    if held_out is not None:
        digests |= digests_of(held_out, "_val")
    if configuration.embedding_weights is not None:
        digests["embedding_weights"] = digest_of(configuration.embedding_weights)
    if previous is not None:
        digests["the model that the training goes on from"] = _digest_of_net(previous)
    return Fingerprint(texts, digests)


def as_text(value: Any) -> str:
    """Text that is equal for equal values, such as 1 and 1.0, in any process.

    Objects are represented by their repr, without addresses.
    """
    if isinstance(value, (bool, np.bool_)):
        return str(bool(value))
    if isinstance(value, Integral):
        return str(int(value))
    if isinstance(value, Real):
        number = float(value)
        return str(int(number)) if number.is_integer() else repr(number)
    if isinstance(value, (str, bytes)) or value is None:
        return repr(value)
    if isinstance(value, (list, tuple)):
        return f"({', '.join(map(as_text, value))})"
    if isinstance(value, Mapping):
        return f"{{{', '.join(sorted(f'{as_text(k)}: {as_text(v)}' for k, v in value.items()))}}}"
    return re.sub(r" at 0x[0-9a-fA-F]+", "", repr(value))


def digests_of(data: Labelled, suffix: str) -> dict[str, str]:
    """Digests of the arguments of `fit`, by name."""
    digests = {
        "X": _digest_of_sequences(data.sequences),
        "y": digest_of(*data.task.digest_of(data.targets)),
        "sample_weight": digest_of(data.sample_weight, np.array(data.is_weighted)),
    }
    if data.groups is not None:
        digests["groups"] = digest_of(data.groups)
    return {name + suffix: digest for name, digest in digests.items()}


def digest_of(*arrays: Array) -> str:
    """SHA-256 digest of dtypes, shapes and values, independent of memory layout."""
    digest = hashlib.sha256()
    for array in arrays:
        _add(digest, array)
    return digest.hexdigest()


def _add(digest: Any, array: Array) -> None:
    digest.update(f"{array.dtype.str} {array.shape}".encode())
    rows = np.atleast_1d(array)
    n_rows = max(1, CHUNK_BYTES // max(1, rows[:1].nbytes))
    for start in range(0, len(rows), n_rows):
        digest.update(rows[start : start + n_rows].tobytes())


def _digest_of_sequences(sequences: AnySequences) -> str:
    """The same of values, offsets, codes and static columns, wherever they lie."""
    digest = hashlib.sha256()
    # Token ids may be stored in fewer bytes.
    dtype = np.dtype(np.int64) if sequences.dtype.kind in "iu" else sequences.dtype
    shape = (sequences.n_timesteps, sequences.n_features)
    digest.update(f"{dtype.str} {shape}".encode())
    for _, block in sequences.blocks():
        digest.update(block.values.astype(dtype, copy=False).tobytes())
    _add(digest, offsets_of(sequences.lengths))
    if sequences.codes is not None:
        shape = (sequences.n_timesteps, sequences.codes.shape[1])
        digest.update(f"{sequences.codes.dtype.str} {shape}".encode())
        for _, block in sequences.blocks():
            assert block.codes is not None
            digest.update(block.codes.tobytes())
    if sequences.static is not None:
        _add(digest, sequences.static)
    return digest.hexdigest()


def _digest_of_net(net: SequenceNet) -> str:
    arrays = [tensor.cpu().numpy() for tensor in net.module_.state_dict().values()]
    if net.reader.scaling is not None:
        arrays += [net.reader.scaling.mean, net.reader.scaling.scale]
    return digest_of(*arrays, np.array(len(net.history)))
