import pytest

from sklstm._views._nested import from_arrow

pyarrow = pytest.importorskip("pyarrow")


def test_values_lengths_and_names():
    nested = from_arrow(pyarrow.array([[{"x": 1.0, "y": 2.0}], [{"x": 3.0, "y": 4.0}] * 2]), "X")
    assert nested.values.tolist() == [[1, 2], [3, 4], [3, 4]]
    assert nested.lengths.tolist() == [1, 2]
    assert nested.names.tolist() == ["x", "y"]
    assert from_arrow(pyarrow.array([1.0]), "X") is None
