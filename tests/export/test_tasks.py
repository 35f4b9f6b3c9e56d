import numpy as np
import onnx
import pytest

from sklstm.export import to_onnx
from tests.export.cases import TOLERANCE, assert_file_agrees, measurements, run, small
from tests.helpers import make_tagged


@pytest.mark.parametrize(
    "classes",
    [["a", "ö", "日"], [-1, 5, 7], [True, False, True], np.array([3, 1, 2], dtype=np.int8),
     np.array(["x", "y", "z"], dtype=object)],
    ids=str,
)  # fmt: skip
def test_labels_of_each_type(classes, tmp_path):
    X, _ = measurements()
    model = small(conv_filters=()).fit(X, np.asarray(classes)[np.arange(12) % 3])
    assert_file_agrees(model, tmp_path / "model.onnx", X)


@pytest.mark.parametrize("n_kernels", [0, 300])
def test_several_labels(n_kernels, tmp_path):
    X, y = make_tagged(24)
    model = small(n_kernels=n_kernels).fit(X, y)
    assert_file_agrees(model, tmp_path / "model.onnx", X)
    assert run(tmp_path / "model.onnx", X)["label"].shape == (24, 3)


def test_names_and_shapes_are_declared(tmp_path):
    X, y = measurements()
    assert to_onnx(small(conv_filters=()).fit(X, y), tmp_path / "model.onnx") <= TOLERANCE
    graph = onnx.load(tmp_path / "model.onnx").graph
    shapes = {
        value.name: [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]
        for value in (*graph.input, *graph.output)
    }
    assert list(shapes.items()) == [
        ("x", ["batch", "time", 2]), ("lengths", ["batch"]),
        ("label", ["batch"]), ("probabilities", ["batch", 3]),
    ]  # fmt: skip
