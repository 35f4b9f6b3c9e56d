"""What a file says of itself: metadata as JSON, beside the card of the model."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

from sklstm._files._atomic import write_atomically
from sklstm._persistence._card import build_card
from sklstm._persistence._model import CARD
from sklstm._tasks._regression import Regression
from sklstm.export._check import tolerance_of
from sklstm.export._model import Exported
from sklstm.preprocessing._tokens import TokenEncoder

ENCODER = ("analyzer", "lowercase", "max_length", "cut", "token_pattern")
INPUTS = (
    "x (batch, time, features) holds sequences that are padded at the end, float32, or x (batch,"
    " time) token ids, int64; lengths (batch,) their numbers of timesteps, at least 1, int64;"
    " static (batch, columns) their static columns, if there are any, float64. Padding may hold"
    " anything."
)
INPUTS_OF_STREAM = (
    "x (batch, time, features) holds the timesteps that follow of sequences that go on, float32, or"
    " x (batch, time) token ids, int64; static (batch, columns) their static columns, if there are"
    " any, float64. All other inputs are the state: zeros before the first timestep, and then the"
    " outputs of the same names after new_."
)


def metadata_of(exported: Exported, largest_difference: float | None) -> dict[str, Any]:
    """What the metadata of a file hold by key, beside the card: how to call the file."""
    schema, _, task = exported.fitted
    content: dict[str, Any] = {}
    if isinstance(task, Regression):
        content["quantiles"] = task.quantiles.tolist()
    else:
        content["classes"] = exported.estimator.classes_.tolist()
    if schema.vocabulary_size is None:
        content |= _features(exported)
    else:
        content["vocabulary_size"] = schema.vocabulary_size
        if exported.encoder is not None:
            content |= _texts(exported.encoder)
    if schema.static is not None and exported.fitted.network.has_static:
        content["static"] = _static(exported)
    content["largest_difference"] = largest_difference
    content["tolerance"] = tolerance_of(exported)
    return content


def _features(exported: Exported) -> dict[str, Any]:
    """Names of the columns of x, and the categories whose codes come last, from 1 on."""
    schema = exported.fitted.schema
    names = schema.names
    if exported.steps:
        names = getattr(exported.steps[0], "feature_names_in_", None)
    width = exported.n_features + len(schema.categories)
    content: dict[str, Any] = {"n_features": width}
    # Of a table of a sequence a row, names are those of timesteps.
    if names is not None and len(names) == width and schema.n_columns is None:
        numbers = [name for name in names if name not in schema.categories]
        content["feature_names"] = [*numbers, *schema.categories]
    if schema.categories:
        content["categories"] = {name: list(of) for name, of in schema.categories.items()}
    return content


def _static(exported: Exported) -> dict[str, Any]:
    """Names of the columns of static, and the categories of those that hold codes."""
    static = exported.fitted.schema.static
    assert static is not None
    return {
        "columns": [*static.numbers, *static.categories],
        "categories": {name: list(of) for name, of in static.categories.items()},
    }


def _texts(encoder: TokenEncoder) -> dict[str, Any]:
    """How texts become the ids that the file takes: 1 is an unknown token, 0 padding."""
    settings = {name: getattr(encoder, name) for name in ENCODER}
    if callable(encoder.analyzer):
        settings["analyzer"] = "callable"
    return {"encoder": settings, "vocabulary": encoder.vocabulary_}


def write_file(
    path: str | os.PathLike[str],
    proto: Any,
    model: Any,
    content: Mapping[str, Any],
    *,
    scores: Mapping[str, float] | None = None,
) -> None:
    """Write a graph with its metadata, each value as JSON, and the card of the model."""
    texts = {
        key: json.dumps(value, ensure_ascii=False, default=str) for key, value in content.items()
    }
    texts[CARD] = json.dumps(build_card(model, scores=scores))
    for key, text in texts.items():
        proto.metadata_props.add(key=key, value=text)
    write_atomically(path, [proto.SerializeToString()])
