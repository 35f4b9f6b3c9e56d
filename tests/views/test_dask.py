import threading

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


# Where Dask, which pickles what it calls, finds it.
CALLS = []


def call():
    return CALLS[-1]()


def test_a_task_keeps_its_thread():
    """Another task on it would wait for this one's turn to fit, and this one for the thread."""
    distributed = pytest.importorskip("distributed")
    threads = []

    def remember(block):
        threads.append(threading.get_ident())
        return block

    def read(lazy):
        found = source_of_dask(lazy, "X").rows.read(52, 58)
        return threading.get_ident(), found

    lazy = array.from_array(cube(), chunks=(10, 5, 2)).map_blocks(
        remember, dtype=float, meta=cube()[:0]
    )
    options = {"processes": False, "n_workers": 1, "dashboard_address": ":0"}
    with (
        distributed.LocalCluster(threads_per_worker=1, **options) as cluster,
        distributed.Client(cluster) as client,
    ):
        CALLS.append(lambda: read(lazy))
        thread, found = client.submit(call, pure=False).result(timeout=30)
        assert threads == [thread]
        np.testing.assert_array_equal(found, cube().reshape(-1, 2)[52:58])
        # What workers hold can only come from them.
        persisted = lazy.persist()
        CALLS.append(lambda: read(persisted))
        _, found = client.submit(call, pure=False).result(timeout=30)
        np.testing.assert_array_equal(found, cube().reshape(-1, 2)[52:58])


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
