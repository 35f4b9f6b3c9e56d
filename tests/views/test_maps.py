import os
import pickle

import numpy as np
import pytest

from sklstm._views._blocked import BlockedRows
from sklstm._views._maps import is_mapped
from sklstm._views._stored import source_of
from sklstm.preprocessing import open_sequences
from tests.views.stores import cube
from tests.views.test_stored import assert_same


@pytest.fixture
def mapped(tmp_path):
    np.save(tmp_path / "X.npy", cube())
    return np.load(tmp_path / "X.npy", mmap_mode="r")


def test_a_part_of_a_map_is_pickled_as_its_place_in_the_file(mapped):
    view = open_sequences(mapped[3:][2:9])
    assert len(pickle.dumps(view)) < 1000
    assert_same(pickle.loads(pickle.dumps(view)), cube()[5:12])


def test_a_map_of_raw_values(tmp_path):
    cube(np.float32).tofile(tmp_path / "X.bin")
    raw = np.memmap(tmp_path / "X.bin", np.float32, "r", offset=4 * 10, shape=(22, 5, 2))
    view = pickle.loads(pickle.dumps(open_sequences(raw)))
    assert_same(view, cube(np.float32)[1:])


def test_what_only_descends_from_a_map_is_none(mapped):
    assert is_mapped(mapped)
    assert is_mapped(mapped[2:])
    # In memory, though NumPy calls them maps.
    assert not is_mapped(mapped.copy())
    assert not is_mapped(mapped + 1)
    assert not is_mapped(mapped[[1, 2]])
    assert not is_mapped(cube())
    # Reading these would go back and forth.
    assert not is_mapped(mapped[:, ::2])
    assert not is_mapped(mapped[0, 0])


def test_an_array_in_the_other_memory_order(tmp_path):
    np.save(tmp_path / "X.npy", np.asfortranarray(cube()))
    view = open_sequences(tmp_path / "X.npy")
    assert isinstance(source_of(view).rows, BlockedRows)
    assert_same(view[::-1], cube()[::-1])


@pytest.mark.parametrize("n", [0, 3, 500, 100_000])
def test_a_file_that_was_cut_off_is_named(n, tmp_path):
    np.save(tmp_path / "X.npy", np.zeros((1000, 20, 2)))
    os.truncate(tmp_path / "X.npy", n)
    with pytest.raises(ValueError, match=r"X.npy' is no whole file of NumPy's: "):
        open_sequences(tmp_path / "X.npy")


def test_an_array_of_one_dimension_in_a_file(tmp_path):
    np.save(tmp_path / "X.npy", np.arange(4))
    with pytest.raises(ValueError, match=r"holds an array of shape \(4,\); sequences are"):
        open_sequences(tmp_path / "X.npy")
