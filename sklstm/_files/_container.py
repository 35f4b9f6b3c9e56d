"""Files of JSON and arrays: safetensors, with a format number and a checksum of every bit.

The metadata of the file, which any reader of safetensors shows, have an entry "sklstm". It is a
JSON object:

    kind       such as "model"
    format     number of the layout of the content
    sha256     of the whole file, with zeros for these 64 digits
    content    the value that was written, as `encode` puts it

Other entries are texts for people, which the checksum covers.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
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
# Bytes of a header, and values in its JSON, in whatever is read or written: a value takes up to 80
# bytes, so reading takes 150 MB for the JSON at most. Where arrays go with the values, as with the
# words of a vocabulary, one more is allowed for so many bytes of the file.
MAX_HEADER = 32_000_000
MAX_VALUES = 1_000_000
BYTES_PER_FURTHER_VALUE = 64
SIZE_OF_LENGTH = 8
# How a header of safetensors begins, and what its length is a multiple of.
BEFORE_ENTRIES = b'{"__metadata__":{'
ALIGNMENT = 8
NO_DIGEST = b"0" * 64
# JSON within a JSON string, so its quotes are escaped. Those in the content are escaped twice and
# do not match.
BEFORE_DIGEST = rb"\"sha256\":\""
# What Python raises, in a parser or in `Decoder`, for values of the wrong kind.
MALFORMED = (
    ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError,
    re.error,
)  # fmt: skip
REMEDY_ONNX = "\n\nOnnxruntime runs ONNX files: onnxruntime.InferenceSession(path)."


@dataclass(frozen=True)
class Kind:
    """The kind of a file, and the newest format of it that this version reads."""

    name: str
    format: int


def write_file(
    path: str | os.PathLike[str],
    kind: Kind,
    content: Any,
    *,
    texts: Mapping[str, str] | None = None,
) -> None:
    """Write plain values and arrays atomically, with texts as further entries of the metadata.

    The texts have no half of a surrogate pair, which other readers refuse, and not the characters
    ``"sha256":"`` in a row: JSON in ASCII with a space behind its colons has neither.
    """
    arrays: dict[str, Array] = {}
    document = {
        "kind": kind.name,
        "format": kind.format,
        "sha256": NO_DIGEST.decode(),
        "content": encode(content, arrays),
    }
    data = save(arrays, {NAME: json.dumps(document, allow_nan=False, separators=(",", ":"))})
    data = _with_entries(data, texts or {})
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
    """What was written; ModelFileError for anything but an intact file of this kind.

    Invalid files are rejected from the header; allocation never exceeds the file size.
    """
    _, document, data = _read_whole(path, kind)
    try:
        return Decoder(load(data)).decode(document["content"])
    except (SafetensorError, *MALFORMED) as error:
        name = repr(os.fspath(path))
        raise ModelFileError(f"{name} has invalid content: {error!s:.200}") from error


def read_text(path: str | os.PathLike[str], kind: Kind, entry: str) -> str | None:
    """A further entry of the metadata, None if there is none; ModelFileError as by `read_file`."""
    text = _read_whole(path, kind)[0].get(entry)
    if text is None or isinstance(text, str):
        return text
    raise ModelFileError(f"{os.fspath(path)!r} has an entry {entry!r} that is no text.")


def _read_whole(
    path: str | os.PathLike[str], kind: Kind
) -> tuple[dict[str, Any], dict[str, Any], bytes]:
    """All entries of the metadata, ours as JSON, and the bytes of an intact file of this kind."""
    name = repr(os.fspath(path))
    if Path(path).exists() and not Path(path).is_file():
        raise ModelFileError(f"{name} is not a file.")
    with Path(path).open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        length = int.from_bytes(file.read(SIZE_OF_LENGTH), "little")
        header = file.read(length) if length <= min(size, MAX_HEADER) else b""
        try:
            entries, document, expected = _parse_header(header, size)
        except MALFORMED as error:
            is_onnx = Path(path).suffix.lower() == ".onnx"
            raise ModelFileError(
                f"{name} is not a {kind.name} file of sklstm, or it is damaged."
                f"{REMEDY_ONNX if is_onnx else ''}"
            ) from error
        _check_kind(document, kind, name)
        if expected != size:
            raise ModelFileError(f"{name} is damaged: {size:,} bytes instead of {expected:,}.")
        file.seek(0)
        data = file.read()
    if document["sha256"] != _digest(*_around_digest(data, length)).decode():
        raise ModelFileError(f"{name} is damaged: its checksum does not match.")
    return entries, document, data


def _with_entries(data: bytes, texts: Mapping[str, str]) -> bytes:
    """The file with further entries at the head of its metadata, in their order.

    `save` would put several entries into any order, and a content should give one file.
    """
    if not texts:
        return data
    length = int.from_bytes(data[:SIZE_OF_LENGTH], "little")
    header = data[SIZE_OF_LENGTH : SIZE_OF_LENGTH + length].removeprefix(BEFORE_ENTRIES).rstrip()
    entries = "".join(f"{json.dumps(name)}:{json.dumps(text)}," for name, text in texts.items())
    header = BEFORE_ENTRIES + entries.encode("ascii") + header
    header += b" " * (-len(header) % ALIGNMENT)
    new_length = len(header).to_bytes(SIZE_OF_LENGTH, "little")
    return b"".join([new_length, header, memoryview(data)[SIZE_OF_LENGTH + length :]])


def _parse_header(header: bytes, size: int) -> tuple[dict[str, Any], dict[str, Any], int]:
    """All entries of the metadata, ours as JSON, and the size that the file should have.

    One of MALFORMED without them.
    """
    entries = _parse_json(header.decode("ascii"), size)
    metadata = entries.pop("__metadata__")
    document = _parse_json(metadata[NAME], size)
    end = max((int(entry["data_offsets"][1]) for entry in entries.values()), default=0)
    # A newer format may have more parts.
    if not (document["format"] >= 1 and {"kind", "sha256", "content"} <= document.keys()):
        raise ValueError("parts are missing")
    return metadata, document, SIZE_OF_LENGTH + len(header) + end


def _parse_json(text: str, size: int) -> Any:
    """The value, unless it takes more memory than a file of that size may ask for."""
    if _count_values(text) > _max_values(size):
        raise ValueError("too many values")
    return json.loads(text)


def _count_values(text: str) -> int:
    """Upper bound of the values in the JSON: what stands before each but the first."""
    return sum(map(text.count, "[{,:"))


def _max_values(size: int) -> int:
    return MAX_VALUES + size // BYTES_PER_FURTHER_VALUE


def _check_kind(document: dict[str, Any], kind: Kind, name: str) -> None:
    if document["kind"] != kind.name:
        raise ModelFileError(
            f"{name} is a {document['kind']!s:.20} file of sklstm, not a {kind.name} file."
        )
    if document["format"] > kind.format:
        raise ModelFileError(
            f"{name} has format {document['format']}; this version of sklstm reads formats up to"
            f" {kind.format}.\n\nInstall a newer one: pip install --upgrade sklstm"
        )


def _around_digest(data: bytes, length: int) -> tuple[memoryview, memoryview]:
    """The bytes before and after the 64 digits; all and none if there are no digits."""
    found = data.find(BEFORE_DIGEST, 0, SIZE_OF_LENGTH + length)
    start = len(data) if found < 0 else found + len(BEFORE_DIGEST)
    return memoryview(data)[:start], memoryview(data)[start + len(NO_DIGEST) :]


def _digest(before: memoryview, after: memoryview) -> bytes:
    """The checksum, in hexadecimal digits."""
    digest = hashlib.sha256()
    for part in (before, NO_DIGEST, after):
        digest.update(part)
    return digest.hexdigest().encode()
