"""What determines the bits of a training, by name, so that two of them can be compared."""

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
from sklstm._sequences import Array
from sklstm._training._net import Model

# Other versions may draw other numbers, or add up in another order.
PACKAGES = ("sklstm", "torch", "numpy")
# Of the configuration: compared in another form, or without effect on the result. Callbacks, which
# belong to the run, may have one, but are code that nobody can compare.
APART = OF_RUN | {"optimizer", "random_state", "embedding_weights", "mask_value", "warm_start"}
# Bytes hashed at a time: what is not in one piece is copied.
CHUNK_BYTES = 2**24


@dataclass(frozen=True)
class Fingerprint:
    """Parameters as texts, data as SHA-256 sums in hexadecimal digits."""

    parameters: Mapping[str, str]
    data: Mapping[str, str]

    @property
    def digest(self) -> str:
        """One sum of it all, 64 hexadecimal digits."""
        items = sorted({**self.parameters, **self.data}.items())
        return hashlib.sha256(repr(items).encode()).hexdigest()

    def differences(self, earlier: Fingerprint) -> list[str]:
        """A clause for each thing that differs; at most three, then how many more."""
        changed = _changed(earlier.data, self.data)
        clauses = [f"{name} is not the same" for name in changed]
        then, now = earlier.parameters, self.parameters
        changed = _changed(then, now)
        clauses += [f"{name!r} was {then.get(name)} and is {now.get(name)} now" for name in changed]
        return clauses[:3] + ([f"and {len(clauses) - 3} more"] if len(clauses) > 3 else [])


def _changed(then: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    return sorted(name for name in then.keys() | now.keys() if then.get(name) != now.get(name))


def fingerprint(
    configuration: Configuration,
    data: Labelled,
    held_out: Labelled | None,
    previous: Model | None,
    *,
    optimizer: str,
    seed: int | None,
) -> Fingerprint:
    """The fingerprint of a fit. ``optimizer`` describes one; ``seed`` None: one to be drawn."""
    names = [f.name for f in fields(configuration) if f.name not in APART]
    values = {name: getattr(configuration, name) for name in names}
    values |= {"device": configuration.device.type, "random_state": seed}
    texts = {name: as_text(value) for name, value in values.items()} | {"optimizer": optimizer}
    texts |= {name: repr(importlib.import_module(name).__version__) for name in PACKAGES}
    sums = digests_of(data, "")
    if held_out is not None:
        sums |= digests_of(held_out, "_val")
    if configuration.embedding_weights is not None:
        sums["embedding_weights"] = digest_of(configuration.embedding_weights)
    if previous is not None:
        sums["the model that the training goes on from"] = _digest_of_model(previous)
    return Fingerprint(texts, sums)


def as_text(value: Any) -> str:
    """The same text for values that mean the same: 1 and 1.0, True and numpy.True_, in any process.

    Of a function it has the name, of another object its class or what it says of itself.
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
    """A sum for each of the things that a user gives, by its name."""
    sequences = data.sequences
    sums = {
        "X": digest_of(sequences.values, sequences.offsets),
        "y": digest_of(*data.task.digest_of(data.targets)),
        "sample_weight": digest_of(data.sample_weight, np.array(data.is_weighted)),
    }
    if data.groups is not None:
        sums["groups"] = digest_of(data.groups)
    return {name + suffix: digest for name, digest in sums.items()}


def digest_of(*arrays: Array) -> str:
    """The SHA-256 sum of dtypes, shapes and values, whatever their order in memory."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype.str} {array.shape}".encode())
        n_rows = max(1, CHUNK_BYTES // max(1, array[:1].nbytes)) if array.ndim else 1
        for start in range(0, len(array) if array.ndim else 1, n_rows):
            chunk = array[start : start + n_rows] if array.ndim else array
            digest.update(np.ascontiguousarray(chunk).data.cast("B") if chunk.size else b"")
    return digest.hexdigest()


def _digest_of_model(model: Model) -> str:
    arrays = [tensor.cpu().numpy() for tensor in model.net.module_.state_dict().values()]
    if model.scaling is not None:
        arrays += [model.scaling.mean, model.scaling.scale]
    return digest_of(*arrays, np.array(len(model.net.history)))
