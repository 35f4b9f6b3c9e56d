"""Plain values and arrays <-> what JSON can say, with the numeric arrays aside.

JSON has no tuple, no NaN, no dict with other keys than strings, and no array. Each of these becomes
an object with one key that begins with ``$``::

    (1, 2)              {"$tuple": [1, 2]}
    {0: 1.5}            {"$dict": [[0, 1.5]]}
    nan                 {"$float": "nan"}
    np.float32(1)       {"$number": ["float32", 1.0]}
    array of numbers    {"$array": name of the array among those aside}
    array of dates      {"$dates": ["datetime64[s]", name of an int64 array]}
    array of str        {"$text": [width in characters, ["a", "b"]]}
    array of objects    {"$objects": ["a", "b"]}
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from numbers import Integral
from typing import Any

import numpy as np

from sklstm._sequences import Array

# What safetensors can hold.
NUMBERS = {
    name: np.dtype(name)
    for name in (
        *("bool", "float16", "float32", "float64"),
        *(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)),
    )
}
DATES = re.compile(r"(datetime64|timedelta64)\[(Y|M|W|D|h|m|s|ms|us|ns|ps|fs|as)\]")
# Most bytes of arrays of str, whose width is stated and not shown by the texts.
MAX_TEXT = 2**28


class UnstorableError(TypeError):
    """A value that is neither plain nor an array of plain values."""

    def __init__(self, name: str, what: str) -> None:
        super().__init__(f"A file of sklstm cannot hold {name!r}, which is {what}.")


def encode(value: Any, arrays: dict[str, Array], name: str = "") -> Any:
    """The value as JSON; its numeric arrays go into ``arrays``, under names that begin so."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str(value)
    if isinstance(value, np.generic):
        return _encode_number(value, name)
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else {"$float": repr(float(value))}
    if isinstance(value, np.ndarray):
        return _encode_array(value, arrays, name)
    if isinstance(value, Mapping):
        return _encode_mapping(value, arrays, name)
    if isinstance(value, (list, tuple)):
        items = [encode(item, arrays, _join(name, i)) for i, item in enumerate(value)]
        return items if isinstance(value, list) else {"$tuple": items}
    raise UnstorableError(name, f"of type {type(value).__name__}")


def _join(name: str, part: Any) -> str:
    return f"{name}/{part}" if name else str(part)


def _encode_number(value: Any, name: str) -> Any:
    if value.dtype.name not in NUMBERS:
        raise UnstorableError(name, f"a number of type {value.dtype}")
    return {"$number": [value.dtype.name, encode(value.item(), {})]}


def _encode_mapping(value: Mapping[Any, Any], arrays: dict[str, Array], name: str) -> Any:
    if all(isinstance(key, str) and not key.startswith("$") for key in value):
        return {str(key): encode(item, arrays, _join(name, key)) for key, item in value.items()}
    return {"$dict": encode([[key, item] for key, item in value.items()], arrays, name)}


def _encode_array(value: Array, arrays: dict[str, Array], name: str) -> Any:
    dtype = value.dtype
    if dtype.name in NUMBERS:
        return {"$array": _put_aside(value, arrays, name)}
    if DATES.fullmatch(dtype.name):
        return {"$dates": [dtype.name, _put_aside(value.astype(np.int64), arrays, name)]}
    if value.ndim == 1 and dtype.kind == "U" and value.nbytes <= MAX_TEXT:
        return {"$text": [dtype.itemsize // 4, value.tolist()]}
    if value.ndim == 1 and dtype.kind == "O":
        return {"$objects": encode(value.tolist(), arrays, name)}
    raise UnstorableError(name, f"an array of shape {value.shape} and dtype {dtype}")


def _put_aside(value: Array, arrays: dict[str, Array], name: str) -> str:
    """The name under which the array is kept, different from all others."""
    if name in arrays:
        name = f"{name} {len(arrays)}"
    # Of the machine's byte order and in one piece, as safetensors wants it.
    arrays[name] = np.array(value, dtype=value.dtype.newbyteorder("="), order="C", copy=None)
    return name


class Decoder:
    """Gives back what was encoded.

    JSON that `encode` does not make gives a ValueError, TypeError, KeyError, IndexError or
    OverflowError, or some other plain value. Nothing in it is called, or looked up outside this
    file.
    """

    def __init__(self, arrays: Mapping[str, Array]) -> None:
        self.arrays = arrays
        self._text_left = MAX_TEXT
        self._of_tag = {
            "$tuple": self._tuple,
            "$dict": self._dict,
            "$float": self._float,
            "$number": self._number,
            "$array": self._array,
            "$dates": self._dates,
            "$text": self._text,
            "$objects": self._objects,
        }

    def decode(self, value: Any) -> Any:
        """The value."""
        if isinstance(value, list):
            return [self.decode(item) for item in value]
        if not isinstance(value, dict):
            return value
        tag, payload = next(iter(value.items()), ("", None))
        if tag in self._of_tag:
            return self._of_tag[tag](payload)
        return {key: self.decode(item) for key, item in value.items()}

    def _tuple(self, payload: Any) -> tuple[Any, ...]:
        return tuple(self.decode(payload))

    def _dict(self, payload: Any) -> dict[Any, Any]:
        return dict(self.decode(payload))

    def _float(self, payload: Any) -> float:
        return {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}[payload]

    def _number(self, payload: Any) -> Any:
        name, number = payload
        return NUMBERS[name].type(self.decode(number))

    def _array(self, payload: Any) -> Array:
        return self.arrays[payload]

    def _dates(self, payload: Any) -> Array:
        dtype, name = payload
        if not DATES.fullmatch(dtype):
            raise ValueError(f"{dtype!r:.60} is no dtype of dates")
        return self.arrays[name].astype(np.int64, casting="no", copy=False).view(dtype)

    def _text(self, payload: Any) -> Array:
        width, texts = payload
        # All of them together: a few characters of JSON can ask for any amount of memory.
        self._text_left -= 4 * width * len(texts)
        if width < 1 or self._text_left < 0:
            raise ValueError(f"{len(texts)} texts of width {width}")
        return np.array(texts, dtype=f"U{width:d}")

    def _objects(self, payload: Any) -> Array:
        items = self.decode(payload)
        array = np.empty(len(items), dtype=object)
        array[:] = items
        return array
