import json

import numpy as np
import pytest

from sklstm.preprocessing import open_sequences, write_sequences
from tests.views.stores import N, ragged


@pytest.fixture
def path(tmp_path):
    static = {"age": np.arange(N), "sex": ["f", "m"] * 11 + ["f"]}
    write_sequences(tmp_path / "X", {"X": ragged(), "y": np.arange(N), "static": static})
    return tmp_path / "X"


def test_numpy_alone_reads_the_folder(path):
    values, offsets = np.load(path / "values.npy"), np.load(path / "offsets.npy")
    np.testing.assert_array_equal(values, np.concatenate(ragged()))
    assert offsets.tolist() == np.cumsum([0, *map(len, ragged())]).tolist()
    assert np.load(path / "y.npy").tolist() == list(range(N))


def test_another_format_is_an_error(path):
    described = json.loads((path / "sequences.json").read_text())
    (path / "sequences.json").write_text(json.dumps({**described, "format": 2}))
    with pytest.raises(ValueError, match="has format 2, but this version of sklstm reads format 1"):
        open_sequences(path)


def test_a_missing_file_is_named(path):
    (path / "offsets.npy").unlink()
    with pytest.raises(FileNotFoundError, match=r"X' is not complete: it has no offsets.npy"):
        open_sequences(path)


def test_files_that_do_not_fit_together(path):
    np.save(path / "values.npy", np.zeros((3, 2)))
    with pytest.raises(ValueError, match=r"is not complete: values.npy and offsets.npy do not fit"):
        open_sequences(path)


def test_a_column_of_other_sequences(path):
    np.save(path / "y.npy", np.arange(N - 1))
    with pytest.raises(ValueError, match=r"is not complete: y.npy has 22 rows for 23 sequences"):
        open_sequences(path)


def test_static_columns_can_be_chosen(path):
    assert list(open_sequences(path).static) == ["age", "sex"]
    assert list(open_sequences(path, static=["sex"]).static) == ["sex"]
    assert open_sequences(path, static=[]).static == {}
    with pytest.raises(ValueError, match=r"has no static column 'x'; it has \['age', 'sex'\]"):
        open_sequences(path, static=["x"])
