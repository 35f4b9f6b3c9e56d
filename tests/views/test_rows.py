import numpy as np

from sklstm._sequences import ArrayRows
from sklstm._views._rows import cast


def test_values_are_cast_as_they_are_read():
    rows = ArrayRows(np.arange(6, dtype=np.uint8).reshape(3, 2))
    as_float = cast(rows, np.float64)
    assert (as_float.dtype, as_float.shape) == (np.float64, (3, 2))
    assert as_float.read(1, 3).dtype == np.float64
    assert as_float.gather(np.array([2, 0]), np.array([1, 1])).tolist() == [[4.0, 5.0], [0.0, 1.0]]
    assert cast(rows, np.uint8) is rows
