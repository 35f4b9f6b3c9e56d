"""Encoding of plain values and arrays as JSON, with the numeric arrays stored separately.

JSON has no tuple, no NaN, no dict with other keys than strings, and no array. Each of these becomes
an object with one key that begins with ``$``::

    (1, 2)              {"$tuple": [1, 2]}
    {0: 1.5}            {"$dict": [[0, 1.5]]}
    nan                 {"$float": "nan"}
    np.float32(1)       {"$number": ["float32", 1.0]}
    array of numbers    {"$array": name of the array among those stored separately}
    array of dates      {"$dates": ["datetime64[s]", name of an int64 array]}
    array of str        {"$text": name of a uint32 array: a row for each, a code point a column}
    array of objects    {"$objects": ["a", "b"]}
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable, Mapping
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
CODE_POINT = np.dtype(np.uint32)
FLOATS = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}
# Of nested lists: whoever walks through what was read may take a few frames of Python for each.
MAX_DEPTH = 300


class UnstorableError(TypeError):
    """A value that is neither plain nor an array of plain values."""

    def __init__(self, name: str, what: str) -> None:
        super().__init__(f"A file of sklstm cannot hold {name!r}, which is {what}.")


def encode(value: Any, arrays: dict[str, Array], name: str = "") -> Any:
    """The value as JSON; its numeric arrays go into ``arrays``, under names with this prefix."""
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
        return {"$array": _store(value, arrays, name)}
    if DATES.fullmatch(dtype.name):
        return {"$dates": [dtype.name, _store(value.astype(np.int64), arrays, name)]}
    if value.ndim == 1 and dtype.kind == "U" and dtype.itemsize:
        return {"$text": _store(_code_points(value), arrays, name)}
    if value.ndim == 1 and dtype.kind == "O":
        return {"$objects": encode(value.tolist(), arrays, name)}
    raise UnstorableError(name, f"an array of shape {value.shape} and dtype {dtype}")


def _code_points(texts: Array) -> Array:
    """Shape (n, width), 0 behind the end of a text: as NumPy holds them, which takes no more."""
    native = np.ascontiguousarray(texts, dtype=texts.dtype.newbyteorder("="))
    return native.view(CODE_POINT).reshape(len(texts), texts.dtype.itemsize // CODE_POINT.itemsize)


def _store(value: Array, arrays: dict[str, Array], name: str) -> str:
    """Store the array under a unique name in ASCII, and return that."""
    name = name.encode("ascii", "backslashreplace").decode()
    if name in arrays:
        name = f"{name} {len(arrays)}"
    # Native byte order and contiguous, as safetensors requires.
    arrays[name] = np.array(value, dtype=value.dtype.newbyteorder("="), order="C", copy=None)
    return name


class Decoder:
    """Decoder of what `encode` has made; it takes memory of the size of the JSON and the arrays.

    Other JSON gives a ValueError, TypeError, KeyError, IndexError or OverflowError, or some plain
    value. Nothing in it is called, or looked up outside this file. Lists and objects are decoded in
    place, and each array is returned once.
    """

    def __init__(self, arrays: Mapping[str, Array]) -> None:
        self._arrays = dict(arrays)
        self._depth = 0
        self._decoders: dict[str, Callable[[Any], Any]] = {
            "$tuple": lambda payload: tuple(self.decode(payload)),
            "$dict": lambda payload: dict(self.decode(payload)),
            "$float": lambda payload: FLOATS[payload],
            "$number": self._number,
            "$array": lambda payload: self._arrays.pop(payload),
            "$dates": self._dates,
            "$text": self._text,
            "$objects": self._objects,
        }

    def decode(self, value: Any) -> Any:
        """The value."""
        if not isinstance(value, (dict, list)):
            return value
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise ValueError(f"lists in lists, {MAX_DEPTH} deep")
        decoded = self._decode_list(value) if isinstance(value, list) else self._decode_dict(value)
        self._depth -= 1
        return decoded

    def _decode_list(self, value: list[Any]) -> list[Any]:
        value[:] = map(self.decode, value)
        return value

    def _decode_dict(self, value: dict[str, Any]) -> Any:
        tag, payload = next(iter(value.items()), ("", None))
        if tag in self._decoders:
            return self._decoders[tag](payload)
        for key, item in value.items():
            value[key] = self.decode(item)
        return value

    def _number(self, payload: Any) -> Any:
        name, encoded = payload
        number = self.decode(encoded)
        if not isinstance(number, (bool, int, float)):
            raise TypeError(f"{number!r:.60} is no number")
        return NUMBERS[name].type(number)

    def _dates(self, payload: Any) -> Array:
        dtype, name = payload
        if not DATES.fullmatch(dtype):
            raise ValueError(f"{dtype!r:.60} is no dtype of dates")
        return self._arrays.pop(name).astype(np.int64, casting="no", copy=False).view(dtype)

    def _text(self, payload: Any) -> Array:
        points = self._arrays.pop(payload)
        n_texts, width = points.shape
        if points.dtype != CODE_POINT or (points > sys.maxunicode).any():
            raise ValueError(f"An array of {points.dtype} holds no texts")
        return points.view(f"U{width:d}").reshape(n_texts)

    def _objects(self, payload: Any) -> Array:
        items = self.decode(payload)
        array = np.empty(len(items), dtype=object)
        # One by one: of a list of arrays NumPy would make an object of each number.
        for i, item in enumerate(items):
            array[i] = item
        return array
