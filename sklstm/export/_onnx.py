"""to_onnx: a fitted model as a file that runs without Python."""

from __future__ import annotations

import os
from typing import Any

from sklearn.pipeline import Pipeline

from sklstm._base import BaseSequenceEstimator
from sklstm._files._atomic import write_atomically
from sklstm.export._check import check_file
from sklstm.export._metadata import INPUTS, as_texts, metadata_of
from sklstm.export._model import read_model, write_graph


def to_onnx(
    model: BaseSequenceEstimator | Pipeline, path: str | os.PathLike[str], *, X: Any = None
) -> float:
    """Write a fitted model as an ONNX file."""
    exported = read_model(model)
    proto = write_graph(exported).build(INPUTS)
    difference = check_file(proto.SerializeToString(), exported, X)
    for key, text in as_texts(metadata_of(exported, difference)).items():
        proto.metadata_props.add(key=key, value=text)
    write_atomically(path, [proto.SerializeToString()])
    return difference
