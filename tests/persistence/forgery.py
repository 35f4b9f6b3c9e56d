"""Files that say what they like, checksum included."""

from __future__ import annotations

import json
import subprocess
import sys
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


LOAD = """
import resource, sys
from sklstm import load_model
from sklstm.exceptions import ModelFileError

def peak():
    # Kilobytes; bytes on macOS.
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most * (1 if sys.platform == "darwin" else 1024)

before = peak()
for path in sys.argv[1:]:
    try:
        load_model(path)
    except ModelFileError:
        print("refused")
    else:
        print("loaded")
print(peak() - before)
"""


def load_elsewhere(*paths: Path) -> tuple[list[str], int]:
    """What becomes of the files in a process of its own, and how many bytes that takes at most."""
    program = [sys.executable, "-c", LOAD, *map(str, paths)]
    *outcomes, peak = subprocess.run(  # noqa: S603
        program, capture_output=True, text=True, check=True
    ).stdout.split()
    return outcomes, int(peak)
