import numpy as np
import pandas as pd

from sklstm._views._frame import StoredFrame, as_frame
from sklstm.preprocessing import write_sequences
from tests.views.stores import N, ragged


def test_stored_sequences_with_static_columns_look_like_a_frame(tmp_path):
    X = pd.DataFrame({"age": np.arange(N), "signal": ragged(), "sex": ["f", "m"] * 11 + [None]})
    stored = write_sequences(tmp_path / "X", X)
    frame = as_frame(stored[3:])
    assert isinstance(frame, StoredFrame)
    assert len(frame) == N - 3
    assert (frame.columns, frame.sequences) == (("age", "signal", "sex"), "signal")
    assert frame.dtypes == ["float64", "float64", "category"]
    assert frame["sex"].to_list()[-2:] == ["m", None]
    assert frame["age"].to_numpy()[0] == 3
    np.testing.assert_array_equal(frame["signal"][0], ragged()[3])


def test_anything_else_stays_what_it_is(tmp_path):
    stored = write_sequences(tmp_path / "X", ragged())
    assert as_frame(stored) is stored
