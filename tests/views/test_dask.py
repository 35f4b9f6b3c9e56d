import numpy as np
import pytest

from sklstm._views._dask import source_of_dask
from tests.views.stores import cube

array = pytest.importorskip("dask.array")


def test_computes_chunk_by_chunk():
    computed = []

    def remember(block):
        computed.append(len(block))
        return block

    lazy = array.from_array(cube(), chunks=(10, 5, 2)).map_blocks(
        remember, dtype=float, meta=cube()[:0]
    )
    rows = source_of_dask(lazy, "X").rows
    assert computed == []
    np.testing.assert_array_equal(rows.read(52, 58), cube().reshape(-1, 2)[52:58])
    assert computed == [10]


def test_unknown_chunks_are_an_error_with_the_remedy():
    lazy = array.from_array(cube(), chunks=(10, 5, 2))
    unknown = lazy[lazy[:, 0, 0] > 0]
    with pytest.raises(ValueError, match=r"chunks of unknown size(.|\n)*X.compute_chunk_sizes\(\)"):
        source_of_dask(unknown, "X")
    known = source_of_dask(unknown.compute_chunk_sizes(), "X")
    assert len(known.lengths) == (cube()[:, 0, 0] > 0).sum()


def test_one_dimension_is_an_error():
    with pytest.raises(ValueError, match=r"has the shape \(6,\); sequences are an array of shape"):
        source_of_dask(array.ones(6), "X")
