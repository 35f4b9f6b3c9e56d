"""The check before a file is put in its place."""

import sys

import numpy as np
import pytest
import torch

from sklstm._sequences import Sequences
from sklstm.export import _onnx, to_onnx
from sklstm.export._check import draw, ragged
from sklstm.export._model import read_model, write_graph
from tests.export.cases import TOLERANCE, documents, measurements, rounded, run, small


@pytest.fixture(scope="module")
def fitted():
    return small(conv_filters=()).fit(*measurements())


def broken_graph(monkeypatch):
    """Graphs of other weights than the model's."""

    def write(exported):
        head = exported.estimator.net_.module_.head
        kept = {name: p.detach().clone() for name, p in head.named_parameters()}
        with torch.no_grad():
            head[-1].bias.copy_(torch.tensor([0.0, 0.0, 1.0]))
        graph = write_graph(exported)
        head.load_state_dict(kept)
        return graph

    monkeypatch.setattr(_onnx, "write_graph", write)


@pytest.mark.parametrize("X", [None, measurements()[0]], ids=["drawn", "given"])
def test_a_file_that_predicts_otherwise_is_not_written(X, fitted, tmp_path, monkeypatch):
    path = tmp_path / "model.onnx"
    path.write_text("earlier")
    broken_graph(monkeypatch)
    with pytest.raises(RuntimeError, match=r"^The predictions of the file differ .* by up to \S+"):
        to_onnx(fitted, path, X=X)
    assert path.read_text() == "earlier"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("package", ["onnx", "onnxruntime"])
def test_a_missing_package_is_named_before_anything_is_written(
    package, fitted, tmp_path, monkeypatch
):
    monkeypatch.setitem(sys.modules, package, None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ImportError, match=rf"'{package}'.*\n\npip install 'sklstm\[onnx\]'"):
        to_onnx(fitted, tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []


def test_both_sides_of_the_check_read_numbers_of_float32(tmp_path):
    """Otherwise a time in seconds differs by its distance to a multiple of 128."""
    X, y = measurements()
    X = [x / 9 + 1.7e9 for x in X]
    model = small(conv_filters=()).fit(X, y)
    assert to_onnx(model, tmp_path / "model.onnx", X=X) <= TOLERANCE
    found = run(tmp_path / "model.onnx", X)["probabilities"]
    np.testing.assert_allclose(found, model.predict_proba(rounded(X)), rtol=0, atol=TOLERANCE)
    assert np.abs(found - model.predict_proba(X)).max() > TOLERANCE


def test_an_x_that_the_model_does_not_take_is_its_own_error(fitted, tmp_path):
    with pytest.raises(ValueError, match="X has 3 features, but LSTMSequenceClassifier"):
        to_onnx(fitted, tmp_path / "model.onnx", X=[np.zeros((4, 3))])


def test_a_path_that_cannot_be_written(fitted, tmp_path):
    with pytest.raises(FileNotFoundError):
        to_onnx(fitted, tmp_path / "nowhere" / "model.onnx")


def test_sequences_of_one_length_are_cut():
    values = np.arange(12.0).reshape(12, 1)
    static = np.arange(3.0).reshape(3, 1)
    given = Sequences(values, np.array([0, 4, 8, 12]), codes=values.astype(int), static=static)
    cut = ragged(given)
    assert cut.lengths.tolist() == [4, 2, 4]
    assert cut.values.ravel().tolist() == cut.codes.ravel().tolist()
    assert cut.values.ravel().tolist() == [0, 1, 2, 3, 4, 5, 8, 9, 10, 11]
    assert cut.static is static
    assert ragged(cut) is cut


def test_sequences_are_drawn_like_those_of_training(fitted):
    X, _ = measurements()
    drawn = draw(read_model(fitted))
    longest = max(map(len, X))
    assert drawn.lengths.min() == 1
    assert 2 * longest < drawn.lengths.max() <= 3 * longest
    pieces = np.concatenate(X)
    assert (np.abs(drawn.values.mean(axis=0) - pieces.mean(axis=0)) < pieces.std(axis=0)).all()


def test_ids_are_drawn_from_the_vocabulary():
    X, y = documents()
    drawn = draw(read_model(small(embedding_dim=2).fit(X, y)))
    assert 1 <= drawn.values.min() < drawn.values.max() <= 19
