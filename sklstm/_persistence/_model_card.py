"""Reading the card of a saved model."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sklstm._files._container import MALFORMED, read_file, read_text
from sklstm._optional import require
from sklstm._persistence._card import card_of
from sklstm._persistence._model import CARD, MODEL
from sklstm._validation._numbers import reads_as_number
from sklstm.exceptions import ModelFileError

# Cards are a few lists deep; whoever prints them takes a frame of Python for each.
MAX_DEPTH = 20


class ModelCard(dict[str, Any]):
    """A dict of plain values that prints as text for people."""

    def __str__(self) -> str:
        return "\n".join(_lines(self))

    __repr__ = __str__


def model_card(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read the model card of a saved model, without loading the model.

    Parameters
    ----------
    path : str or path-like
        Path of a file written by `save_model`, or by `export.to_onnx` with the extension ``.onnx``.

    Returns
    -------
    dict
        Model card, which prints as readable text. Entries that do not apply are missing.

        - ``estimator``: name of the class; ``pipeline``: the steps before it
        - ``task``, ``n_classes`` and ``classes`` (the first 100), or ``n_outputs``, ``quantiles``
        - ``data``: features and their names, columns, vocabulary size, static columns,
          categories; ``training_sequences`` and ``training_lengths`` (shortest and longest)
        - ``parameters``: those that differ from the defaults; ``resolved``: values of "auto"
        - ``network``: ``n_weights``; ``training``: epochs, best epoch, its validation score if
          there is one, stop reason
        - ``scores`` passed to `save_model`, ``versions`` of packages, and ``date``

    Raises
    ------
    ModelFileError
        If the file is damaged, is not a model file, or has no card.
    OSError
        If the file cannot be read. FileNotFoundError if it does not exist.
    ImportError
        If the file is an ONNX model and ``onnx`` is not installed.

    See Also
    --------
    save_model : Save a model with its card.

    Notes
    -----
    The card is written by whoever wrote the file. The checksum detects damage, not a false card.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from sklstm import LSTMSequenceClassifier, model_card, save_model
    >>> from sklstm.datasets import make_trends
    >>> X, y = make_trends(n_sequences=40, random_state=0)
    >>> classifier = LSTMSequenceClassifier(8, max_epochs=3, random_state=0).fit(X, y)
    >>> with TemporaryDirectory() as folder:
    ...     save_model(classifier, f"{folder}/trends.safetensors", scores={"accuracy": 0.75})
    ...     card = model_card(f"{folder}/trends.safetensors")
    >>> card["scores"], card["data"]["training_sequences"]
    ({'accuracy': 0.75}, 40)
    """
    name = repr(os.fspath(path))
    if Path(path).suffix.lower() == ".onnx":
        return _parse(_text_of_onnx(path, name), name)
    text = read_text(path, MODEL, CARD)
    if text is not None:
        return _parse(text, name)
    return _card_of_earlier(read_file(path, MODEL), name)


def _parse(text: str, name: str) -> ModelCard:
    try:
        card = json.loads(text)
        if not isinstance(card, dict) or not isinstance(card["estimator"], str):
            raise ValueError("it is no object with an estimator")
        _check_depth(card)
    except MALFORMED as error:
        raise ModelFileError(f"{name} has no valid model card: {error!s:.200}") from error
    return ModelCard(card)


def _check_depth(value: Any, depth: int = 0) -> None:
    if depth > MAX_DEPTH:
        raise ValueError(f"lists in lists, {MAX_DEPTH} deep")
    if isinstance(value, (dict, list)):
        for item in value.values() if isinstance(value, dict) else value:
            _check_depth(item, depth + 1)


def _text_of_onnx(path: str | os.PathLike[str], name: str) -> str:
    """The card in the metadata of an ONNX model."""
    onnx = require("onnx", extra="onnx")
    data = Path(path).read_bytes()
    try:
        # Weights beside the file are not opened, wherever it says that they are.
        model = onnx.load_model_from_string(data)
        texts = {entry.key: entry.value for entry in model.metadata_props}
    except Exception as error:
        # protobuf's own DecodeError among others, which has no base but Exception.
        raise ModelFileError(f"{name} is not an ONNX model: {error!s:.200}") from error
    if CARD not in texts:
        raise ModelFileError(
            f"{name} has no model card: it was not written by sklstm, or by an earlier version."
        )
    return str(texts[CARD])


def _card_of_earlier(content: Any, name: str) -> ModelCard:
    """The card that a file without one would have had, as far as its content says."""
    try:
        # A file without a class is older than the regressor.
        steps = content.get("steps", [{"class": "LSTMSequenceClassifier", "name": "", **content}])
        return _parse(json.dumps(card_of(steps, versions=content["versions"])), name)
    except MALFORMED as error:
        raise ModelFileError(f"{name} does not describe a model: {error!s:.200}") from error


# Text ---------------------------------------------------------------------------------------------


def _lines(card: dict[str, Any], indent: str = "") -> Iterator[str]:
    """One line for each value, those of inner dicts indented."""
    for key, value in card.items():
        if isinstance(value, dict) and value:
            yield f"{indent}{_printable(key)}:"
            yield from _lines(value, f"{indent}  ")
        elif isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
            yield f"{indent}{_printable(key)}:"
            for item in value:
                first, *others = [*_lines(item)] or [""]
                yield f"{indent}- {first}"
                yield from (f"{indent}  {line}" for line in others)
        else:
            yield f"{indent}{_printable(key)}: {_inline(value)}"


def _inline(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_inline, value)) or "none"
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_printable(k)}: {_inline(v)}" for k, v in value.items()) + "}"
    # The label "1" is another one than 1.
    return repr(value) if reads_as_number(value) else _printable(str(value))


def _printable(text: str) -> str:
    """Control characters escaped: the text of a file moves no cursor and begins no line."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
