"""Files that say what they like, checksum included."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors import safe_open
from safetensors.numpy import save

from sklstm._files._container import NAME, NO_DIGEST, SIZE_OF_LENGTH, _around_digest, _digest


def parts_of(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The JSON object and the arrays of a file."""
    with safe_open(path, "np") as file:
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return json.loads(file.metadata()[NAME]), arrays


def forge(
    path: Path, document: dict[str, Any], arrays: dict[str, Any], *, content: str | None = None
) -> None:
    """A whole file with this JSON and these arrays, and the checksum that belongs to them.

    ``content`` is JSON that takes the place of the document's own content.
    """
    document = document | {"sha256": NO_DIGEST.decode()}
    if content is not None:
        document["content"] = "HERE"
    text = json.dumps(document, separators=(",", ":")).replace('"HERE"', content or '"HERE"')
    data = save(arrays, {NAME: text})
    length = int.from_bytes(data[:SIZE_OF_LENGTH], "little")
    before, after = _around_digest(data, length)
    path.write_bytes(b"".join([before, _digest(before, after), after]))
