import pickle

import numpy as np
import pytest

from sklstm._views._open import as_stored
from sklstm._views._stored import view_of_stored
from sklstm.preprocessing import open_sequences
from tests.views.stores import OF_FILES, cube


@pytest.mark.parametrize("store", OF_FILES, ids=lambda s: s.__name__)
def test_the_timesteps_of_files_are_pickled_as_their_address(store, tmp_path):
    view = view_of_stored(store(cube(), tmp_path))
    pickled = pickle.dumps(view.rows)
    assert len(pickled) < 1000
    rows = pickle.loads(pickled)
    assert (rows.shape, rows.dtype) == (view.rows.shape, view.rows.dtype)
    np.testing.assert_array_equal(rows.read(3, 9), view.rows.read(3, 9))
    some = view.starts[[7, 1, 2]], view.lengths[[7, 1, 2]]
    np.testing.assert_array_equal(rows.gather(*some), view.rows.gather(*some))


def test_a_private_map_is_not_its_file(tmp_path):
    np.save(tmp_path / "X.npy", cube())
    assert as_stored(np.load(tmp_path / "X.npy", mmap_mode="r"), "X") is not None
    private = np.load(tmp_path / "X.npy", mmap_mode="c")
    assert as_stored(private, "X") is None
    with pytest.raises(TypeError, match="What is in memory is given to estimators as it is"):
        open_sequences(private)
