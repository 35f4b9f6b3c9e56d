"""The check before a file with a state is put in its place."""

import numpy as np
import pytest

from sklstm._sequences import Sequences
from sklstm.export import _stream_graph, to_onnx_stream
from sklstm.export._check_stream import prefixes
from sklstm.export._graph import Graph
from tests.streaming.fitted import classifier


class Forgetful(Graph):
    """Gives back the state of a layer as it was."""

    def output(self, name, value, dtype, shape):
        super().output(name, "hidden_0" if name == "new_hidden_0" else value, dtype, shape)


def test_a_file_that_predicts_otherwise_is_not_written(tmp_path, monkeypatch):
    path = tmp_path / "model.onnx"
    path.write_text("earlier")
    monkeypatch.setattr(_stream_graph, "Graph", Forgetful)
    with pytest.raises(RuntimeError, match=r"^The predictions of the file differ .* by up to \S+"):
        to_onnx_stream(classifier(), path)
    assert path.read_text() == "earlier"
    assert list(tmp_path.iterdir()) == [path]


def test_prefixes():
    values = np.arange(5.0).reshape(5, 1)
    static = np.arange(2.0).reshape(2, 1)
    given = Sequences(values, np.array([0, 3, 5]), codes=values.astype(int), static=static)
    cut = prefixes(given)
    assert cut.lengths.tolist() == [1, 2, 3, 1, 2]
    assert cut.values.ravel().tolist() == [0, 0, 1, 0, 1, 2, 3, 3, 4]
    assert cut.codes.ravel().tolist() == [0, 0, 1, 0, 1, 2, 3, 3, 4]
    assert cut.static.ravel().tolist() == [0, 0, 0, 1, 1]
