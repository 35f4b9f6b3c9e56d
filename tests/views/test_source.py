import os
import pickle
import shutil

import numpy as np
import pytest
from sklearn.model_selection import LeaveOneOut, cross_val_score

from sklstm import LSTMSequenceClassifier
from sklstm._views._source import OPENED, Column, as_key, column_of, places_of_rectangle
from sklstm.preprocessing import open_sequences, write_sequences
from tests.views.stores import cube, folder, parquet_folder, ragged


@pytest.mark.parametrize(
    "indices",
    [range(5), range(1, 4), range(4, -1, -1), range(8, 2, -3), range(3, 3), range(0)[::-1]],
)
def test_a_range_is_a_key(indices):
    assert np.arange(10)[as_key(indices)].tolist() == list(indices)


def test_a_column_of_texts_gives_none_for_missing_ones():
    column = Column(np.array([1, -1, 0]), np.array(["a", "b"]))
    assert column.take(np.array([1, 0])).tolist() == [None, "b"]
    assert column.take(range(2, 3)).tolist() == ["a"]
    assert column_of(np.array(["b", "a", "b"])).take(range(3)).tolist() == ["b", "a", "b"]


def test_places_of_a_rectangle():
    starts, lengths = places_of_rectangle(3, 5)
    assert starts.tolist() == [0, 5, 10]
    assert lengths.tolist() == [5, 5, 5]


def test_a_path_that_is_not_there_is_one_clear_error(tmp_path):
    pickled = pickle.dumps(write_sequences(tmp_path / "X", ragged()))
    shutil.rmtree(tmp_path / "X")
    with pytest.raises(
        FileNotFoundError, match=r"There is no '.*X' on this machine(.|\n)*shared folder"
    ):
        pickle.loads(pickled)[0]


def changed_size(path):
    with path.open("ab") as file:
        file.write(b"more")


def changed_time(path):
    status = path.stat()
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))


@pytest.mark.parametrize("change", [changed_size, changed_time, os.remove])
def test_a_file_that_has_changed_is_named(tmp_path, change):
    pickled = pickle.dumps(write_sequences(tmp_path / "X", ragged()))
    change(tmp_path / "X" / "values.npy")
    with pytest.raises(
        ValueError, match=r"X/values.npy' is not what the sequences were opened from"
    ):
        pickle.loads(pickled)[0]


def test_so_is_a_folder_of_files_with_one_more(tmp_path):
    pickled = pickle.dumps(parquet_folder(ragged(), tmp_path))
    shutil.copy(tmp_path / "part-000.parquet", tmp_path / "part-100.parquet")
    with pytest.raises(ValueError, match=r"\*.parquet' is not what"):
        pickle.loads(pickled)[0]


def test_a_process_opens_a_file_once_while_it_is_in_use(tmp_path):
    before = len(OPENED)
    np.save(tmp_path / "X.npy", cube())
    view = open_sequences(tmp_path / "X.npy")
    others = [pickle.loads(pickle.dumps(view[i:])) for i in range(5)]
    assert len(OPENED) == before + 1
    del view, others
    assert len(OPENED) == before


def test_what_is_gone_is_an_error_of_its_use_and_not_of_its_pickle(tmp_path):
    """An error while joblib unpickles a task is not given to the caller."""
    view = folder(ragged(), tmp_path)
    content = pickle.dumps(view[2:4])
    shutil.rmtree(view.path)
    sent = pickle.loads(content)
    assert (len(sent), len(sent[:1]), len(pickle.loads(pickle.dumps(sent)))) == (2, 1, 2)
    with pytest.raises(FileNotFoundError, match=r"There is no .* on this machine"):
        sent[[0]]
    with pytest.raises(FileNotFoundError, match=r"There is no .* on this machine"):
        cross_val_score(LSTMSequenceClassifier(), sent, [0, 1], cv=LeaveOneOut(), n_jobs=2)
