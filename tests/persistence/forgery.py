"""Files that say what they like, checksum included."""

from __future__ import annotations

import copy
import json
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save

from sklstm import load_model
from sklstm._files._container import NAME, NO_DIGEST, SIZE_OF_LENGTH, _around_digest, _digest
from sklstm.exceptions import ModelFileError


def parts_of(path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The JSON object and the arrays of a file."""
    with safe_open(path, "np") as file:
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return json.loads(file.metadata()[NAME]), arrays


def forge(
    path: Path,
    document: dict[str, Any],
    arrays: dict[str, Any],
    *,
    content: str | None = None,
    card: str | None = None,
) -> None:
    """A whole file with this JSON and these arrays, and the checksum that belongs to them.

    ``content`` is JSON that takes the place of the document's own content; ``card`` is any text.
    """
    document = document | {"sha256": NO_DIGEST.decode()}
    if content is not None:
        document["content"] = "HERE"
    text = json.dumps(document, separators=(",", ":")).replace('"HERE"', content or '"HERE"')
    data = save(arrays, {NAME: text} | ({} if card is None else {"card": card}))
    length = int.from_bytes(data[:SIZE_OF_LENGTH], "little")
    before, after = _around_digest(data, length)
    path.write_bytes(b"".join([before, _digest(before, after), after]))


# Forgery: JSON edited by someone who then puts the right checksum on it ---------------------------

VALUES = [
    None, True, False, 0, 1, 2, -1, 10**9, 10**30, 0.5, -0.0, 1e308, "", "a", "cuda", "__class__",
    "os.system", [], {}, [1], {"a": 1}, {"$tuple": [8]}, {"$tuple": []}, {"$tuple": [10**6]},
    {"$float": "nan"}, {"$float": "inf"}, {"$number": ["int64", 3]}, {"$text": "state/classes_"},
    {"$text": [10**8, ["a", "b"]]}, {"$objects": ["a", None]}, {"$dict": [[0, 1]]},
    {"$array": "net/torch_rng/tensor"}, {"tensor": {"$array": "net/torch_rng/tensor"}},
    {"$array": "state/_scaling/mean"}, {"$array": "state/net_/weights/head.1.weight"},
    {"$dates": ["datetime64[s]", "state/history_/epoch"]}, {"class": "Adam", "options": {"a": 1}},
]  # fmt: skip


def places(value, place=()):
    """The way to each value inside a JSON value."""
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in items:
        yield (*place, key)
        if isinstance(item, (dict, list)):
            yield from places(item, (*place, key))


def edit(document, arrays, rng):
    """Change up to three statements, or some arrays, or both, in place."""
    n_statements = rng.choice([0, 1, 1, 2, 3])
    for _ in range(n_statements):
        *way, last = rng.choice(list(places(document["content"])))
        inner = document["content"]
        for key in way:
            inner = inner[key]
        change = rng.choice(["set", "set", "set", "delete", "add"])
        value = copy.deepcopy(rng.choice(VALUES))
        if change == "delete":
            del inner[last]
        elif change == "add" and isinstance(inner, dict):
            inner[rng.choice(["a", "$tuple", "__init__", "fit", "net_"])] = value
        else:
            inner[last] = value
    if n_statements == 0 or rng.random() < 0.2:
        # All that have one name, now and then, as the moments of an optimizer have.
        name = rng.choice(sorted(arrays))
        ending = name.rpartition("/")[2] if rng.random() < 0.3 else name
        change = rng.choice(CHANGES)
        for other in arrays:
            if other.endswith(ending):
                arrays[other] = np.array(change(arrays[other]), order="C")


def one_value(array):
    return np.full(1, array.ravel()[0] if array.size else 0, dtype=array.dtype)


def filled(value):
    return lambda array: np.full_like(array, value if array.dtype.kind == "f" else 1)


def with_flipped_bits(array):
    flipped = np.array(array, copy=True, order="C")
    flipped.reshape(-1).view(np.uint8)[-3::-7] ^= 64
    return flipped


CHANGES = [
    np.ravel, one_value, with_flipped_bits, np.transpose, lambda array: array.ravel()[:0],
    lambda array: array[None], lambda array: array.astype(np.float64), lambda array: -array - 1,
    lambda array: array.astype(np.float16).astype(array.dtype), lambda array: array.astype("int8"),
    lambda array: np.concatenate([array.ravel()] * 2), lambda array: np.zeros((3, 2, 1), "uint16"),
    *map(filled, (np.nan, np.inf, -1.0, 0.0, 1e30, 1e-30)),
]  # fmt: skip


def peak() -> int:
    """Most bytes of memory that this process has had."""
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Kilobytes but on macOS.
    return most * (1 if sys.platform == "darwin" else 1024)


def run_elsewhere(function: str, *arguments: Any) -> Any:
    """What a function of a test file gives as JSON, in a process of its own that has to live."""
    module = function.rpartition(".")[0]
    program = f"import json, {module}\nprint(json.dumps({function}(*{list(map(str, arguments))})))"
    process = subprocess.run(  # noqa: S603
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert process.returncode == 0, process.stderr
    return json.loads(process.stdout.splitlines()[-1])


def load_all(*paths: str) -> tuple[list[str], int]:
    """What becomes of the files, and how many bytes that takes at most."""
    before, outcomes = peak(), []
    for path in paths:
        try:
            load_model(path)
            outcomes.append("loaded")
        except ModelFileError:
            outcomes.append("refused")
    return outcomes, peak() - before
