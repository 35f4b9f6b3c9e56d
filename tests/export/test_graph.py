import numpy as np
import onnxruntime
import pytest

from sklstm.export import _graph
from sklstm.export._graph import Graph, Padded


def run(graph, **inputs):
    session = onnxruntime.InferenceSession(graph.build("").SerializeToString())
    return session.run(None, inputs)


def test_equal_constants_and_equal_nodes_are_stored_once():
    graph = Graph()
    x = graph.input("x", np.float64, ["n"])
    twice = [graph.add("Add", x, np.arange(3.0)) for _ in range(2)]
    graph.output("y", graph.add("Mul", *twice), np.float64, ["n"])
    model = graph.build("")
    assert len(model.graph.initializer) == 1
    assert [node.op_type for node in model.graph.node] == ["Add", "Mul", "Identity"]
    np.testing.assert_array_equal(run(graph, x=np.ones(3))[0], [1, 4, 9])


def test_constants_of_another_type_are_others():
    graph = Graph()
    assert graph.constant(np.zeros(2, np.float32)) != graph.constant(np.zeros(1, np.float64))
    assert graph.constant(np.array(["a"], object)) != graph.constant(np.array(["b"], object))


@pytest.mark.parametrize(
    ("order", "shape"),
    [("BT", (2, 3)), ("B1T", (2, 1, 3)), ("TB1", (3, 2, 1)), ("T1B1", (3, 1, 2, 1))],
)
def test_masks_are_true_where_real(order, shape):
    graph = Graph()
    x = graph.input("x", np.float64, ["batch", "time", 1])
    padded = Padded(graph, x, graph.input("lengths", np.int64, ["batch"]))
    for name, shift in (("mask", 0), ("shorter", 1)):
        graph.output(name, padded.mask(order, shift=shift), bool, [f"d{i}" for i in order])
    masks = run(graph, x=np.zeros((2, 3, 1)), lengths=np.array([3, 1]))
    expected = np.array([[[1, 1, 1], [1, 0, 0]], [[1, 1, 0], [0, 0, 0]]], dtype=bool)
    for mask, of_batch in zip(masks, expected, strict=True):
        of_batch = of_batch.T if order.startswith("T") else of_batch
        np.testing.assert_array_equal(mask, of_batch.reshape(shape))


def test_patches_of_a_length_that_is_no_multiple():
    graph = Graph()
    x = graph.input("x", np.float64, ["batch", "time", 1])
    padded = Padded(graph, x, graph.input("lengths", np.int64, ["batch"])).patches(2, 1)
    graph.output("patches", padded.values, np.float64, ["batch", "patches", 2])
    graph.output("n", padded.lengths, np.int64, ["batch"])
    patches, n = run(graph, x=np.arange(1.0, 7.0).reshape(2, 3, 1), lengths=np.array([3, 2]))
    np.testing.assert_array_equal(patches, [[[1, 2], [3, 0]], [[4, 5], [6, 0]]])
    np.testing.assert_array_equal(n, [2, 1])


def test_weights_of_more_than_a_file_can_hold_are_an_error(monkeypatch):
    monkeypatch.setattr(_graph, "MAX_BYTES", 1000)
    graph = Graph()
    x = graph.input("x", np.float64, ["n"])
    graph.output("y", graph.add("Add", x, np.zeros(1000)), np.float64, ["n"])
    with pytest.raises(ValueError, match=r"an ONNX file holds 2\.\n\nTrain with a smaller vocab"):
        graph.build("")
