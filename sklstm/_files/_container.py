"""One file of JSON and arrays: safetensors, with a format number and a checksum of every bit.

The header of a safetensors file has room for texts. One of them, named "sklstm", is a JSON object:

    kind       what is in the file, such as "model"
    format     number of the layout of what follows
    sha256     of the whole file, these 64 digits themselves taken for zeros
    content    the value that was written, as `encode` puts it

Any reader of safetensors can show all of it.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.numpy import load, save

from sklstm._files._atomic import write_atomically
from sklstm._files._values import Decoder, encode
from sklstm._sequences import Array
from sklstm.exceptions import ModelFileError

NAME = "sklstm"
# Bytes of a header, and values in its JSON: no others are read or written, so that those who read
# take 150 MB for the JSON at most (a value costs up to 80 bytes). Where arrays go with the values,
# as with the words of a vocabulary, there may be one more for so many bytes of the file.
MAX_HEADER = 32_000_000
MAX_VALUES = 1_000_000
BYTES_PER_FURTHER_VALUE = 64
SIZE_OF_LENGTH = 8
NO_DIGEST = b"0" * 64
# In a text in a text, so its quotes are escaped. Those in the content are escaped twice and do not
# look like this.
BEFORE_DIGEST = rb"\"sha256\":\""
# What Python raises, in a parser or in `Decoder`, for values of another kind than is meant.
MALFORMED = (
    ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError,
    re.error,
)  # fmt: skip


@dataclass(frozen=True)
class Kind:
    """What a file holds, in a word, and the newest format of it that this version reads."""

    name: str
    format: int


@dataclass(frozen=True)
class Header:
    """What a file says of itself before its arrays, and the size in bytes that it should have."""

    kind: str
    format: int
    sha256: str
    content: Any
    size: int

    @classmethod
    def parse(cls, header: bytes, size: int) -> Header:
        """Raise one of MALFORMED for anything but the header of a file of ours, of that size."""
        entries = _parse_json(header.decode("ascii"), size)
        document = _parse_json(entries.pop("__metadata__")[NAME], size)
        end = max((int(entry["data_offsets"][1]) for entry in entries.values()), default=0)
        # A newer format may have more in it.
        stated = {name: document[name] for name in ("kind", "format", "sha256", "content")}
        if not stated["format"] >= 1:
            raise ValueError(stated["format"])
        return cls(**stated, size=SIZE_OF_LENGTH + len(header) + end)


def _parse_json(text: str, size: int) -> Any:
    """The value, unless it takes more memory than a file of that size may ask for."""
    n_values = _count_values(text)
    if n_values > _max_values(size):
        raise ValueError(f"{n_values:,} values")
    return json.loads(text)


def _count_values(text: str) -> int:
    """At least as many values as there are in the JSON: what stands before each but the first."""
    return sum(map(text.count, "[{,:"))


def _max_values(size: int) -> int:
    return MAX_VALUES + size // BYTES_PER_FURTHER_VALUE


def write_file(path: str | os.PathLike[str], kind: Kind, content: Any) -> None:
    """Write plain values and arrays, as a whole or not at all."""
    arrays: dict[str, Array] = {}
    document = {
        "kind": kind.name,
        "format": kind.format,
        "sha256": NO_DIGEST.decode(),
        "content": encode(content, arrays),
    }
    data = save(arrays, {NAME: json.dumps(document, allow_nan=False, separators=(",", ":"))})
    length = int.from_bytes(data[:SIZE_OF_LENGTH], "little")
    n_values = _count_values(data[SIZE_OF_LENGTH : SIZE_OF_LENGTH + length].decode())
    limits = (("bytes", length, MAX_HEADER), ("values", n_values, _max_values(len(data))))
    for what, number, most in limits:
        if number > most:
            raise ValueError(
                f"A {kind.name} file holds at most {most:,} {what} of JSON; labels, names and the"
                f" history of all epochs make {number:,} here.\n\nUse pickle or joblib instead."
            )
    before, after = _around_digest(data, length)
    write_atomically(path, [before, _digest(before, after), after])


def read_file(path: str | os.PathLike[str], kind: Kind) -> Any:
    """What was written; ModelFileError for anything but a whole file of this kind.

    Of a file that is not, no more than the header is read, and no memory is taken but for bytes
    that are there.
    """
    name = repr(os.fspath(path))
    if Path(path).exists() and not Path(path).is_file():
        raise ModelFileError(f"{name} is no file.")
    with Path(path).open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        length = int.from_bytes(file.read(SIZE_OF_LENGTH), "little")
        encoded = file.read(length) if length <= min(size, MAX_HEADER) else b""
        header = _check_header(encoded, size, kind, name)
        if header.size != size:
            raise ModelFileError(f"{name} is damaged: {size:,} bytes instead of {header.size:,}.")
        file.seek(0)
        data = file.read()
    if header.sha256 != _digest(*_around_digest(data, length)).decode():
        raise ModelFileError(f"{name} is damaged: it does not have the checksum that it states.")
    try:
        return Decoder(load(data)).decode(header.content)
    except (SafetensorError, *MALFORMED) as error:
        raise ModelFileError(f"{name} has content that makes no sense: {error!s:.200}") from error


def _check_header(encoded: bytes, size: int, kind: Kind, name: str) -> Header:
    """The header of a file of this kind, in a format that can be read."""
    try:
        header = Header.parse(encoded, size)
    except MALFORMED as error:
        raise ModelFileError(
            f"{name} is not a {kind.name} file of sklstm, or it is damaged."
        ) from error
    if header.kind != kind.name:
        raise ModelFileError(
            f"{name} is a {header.kind!s:.20} file of sklstm, not a {kind.name} file."
        )
    if header.format > kind.format:
        raise ModelFileError(
            f"{name} has format {header.format}; this version of sklstm reads formats up to"
            f" {kind.format}.\n\nInstall a newer one: pip install --upgrade sklstm"
        )
    return header


def _around_digest(data: bytes, length: int) -> tuple[memoryview, memoryview]:
    """What stands before and behind the 64 digits; all of it and nothing if there are none."""
    found = data.find(BEFORE_DIGEST, 0, SIZE_OF_LENGTH + length)
    start = len(data) if found < 0 else found + len(BEFORE_DIGEST)
    return memoryview(data)[:start], memoryview(data)[start + len(NO_DIGEST) :]


def _digest(before: memoryview, after: memoryview) -> bytes:
    """The checksum, in hexadecimal digits."""
    digest = hashlib.sha256(before)
    digest.update(NO_DIGEST)
    digest.update(after)
    return digest.hexdigest().encode()
