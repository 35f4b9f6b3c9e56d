import numpy as np
import pytest

from sklstm._views._open import as_stored
from sklstm.preprocessing import StoredSequences, open_sequences
from tests.views.stores import as_table, cube, folder, ragged
from tests.views.test_stored import assert_same


def test_nothing_at_the_path(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"There is no '.*X'"):
        open_sequences(tmp_path / "X")


def test_nothing_that_can_be_opened_at_the_path(tmp_path):
    (tmp_path / "X.txt").touch()
    for path in (tmp_path, tmp_path / "X.txt"):
        with pytest.raises(
            ValueError, match=r"holds no sequences that can be opened(.|\n)*write_sequences"
        ):
            open_sequences(path)


def test_options_without_meaning_are_errors(tmp_path):
    np.save(tmp_path / "X.npy", cube())
    with pytest.raises(
        ValueError, match=r"'key' has no meaning for '.*X.npy'; possible there: none"
    ):
        open_sequences(tmp_path / "X.npy", key="x")
    with pytest.raises(ValueError, match="'column' has no meaning for 'StoredSequences'"):
        open_sequences(open_sequences(tmp_path / "X.npy"), column="x")


@pytest.mark.parametrize("X", [cube(), ragged(), {"x": 1}, None])
def test_what_is_in_memory_is_not_opened(X):
    with pytest.raises(TypeError, match="What is in memory is given to estimators as it is"):
        open_sequences(X)


def test_an_opened_view_stays_what_it_is(tmp_path):
    view = folder(ragged(), tmp_path)
    assert open_sequences(view) is view


def test_what_an_estimator_takes_as_a_view(tmp_path):
    view = folder(ragged(), tmp_path)
    assert as_stored(view, "X") is view
    np.save(tmp_path / "X.npy", cube())
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    assert isinstance(as_stored(mapped, "X"), StoredSequences)
    for other in (
        cube(),
        ragged(),
        mapped + 1,
        mapped[0, 0],
        [mapped[0]],
        np.zeros((3, 2)),
        "text",
        None,
    ):
        assert as_stored(other, "X") is None


def test_maps_of_integers_are_views_of_token_ids_alone(tmp_path):
    np.save(tmp_path / "X.npy", np.ones((3, 2), dtype=np.uint8))
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    assert as_stored(mapped, "X") is None
    assert as_stored(mapped, "X", kinds="iu") is not None


def test_a_table_of_one_column_is_a_view_and_one_of_several_an_error():
    table = as_table(ragged())
    assert_same(as_stored(table.select(["signal"]), "X"), ragged())
    assert as_stored(table.select(["id"]), "X") is None
    with pytest.raises(
        ValueError, match=r"Give the sequences alone, X\['signal'\](.|\n)*column='signal'"
    ):
        as_stored(table, "X")


def test_large_chunked_arrays_are_views(monkeypatch):
    chunked = as_table(ragged())["signal"]
    assert as_stored(chunked, "X") is None
    monkeypatch.setattr("sklstm._views._open.BLOCK_VALUES", 10)
    assert_same(as_stored(chunked, "X"), ragged())


def test_a_single_name_of_static_columns_is_an_error(tmp_path):
    folder(ragged(), tmp_path)
    with pytest.raises(TypeError, match=r"Set static=\['age'\]"):
        open_sequences(next(tmp_path.iterdir()), static="age")


@pytest.mark.parametrize("name", ["X.npy", "X.h5", "X.parquet"])
def test_a_file_of_something_else_is_named(name, tmp_path):
    (tmp_path / name).write_text("something else")
    with pytest.raises((ValueError, OSError), match=f"{name}' (cannot|is no whole)"):
        open_sequences(tmp_path / name, **({"key": "X"} if name == "X.h5" else {}))


def test_an_array_of_objects_is_named(tmp_path):
    np.save(tmp_path / "X.npy", np.array([1, "a"], dtype=object))
    with pytest.raises(ValueError, match=r"X\.npy' is no whole file of NumPy's"):
        open_sequences(tmp_path / "X.npy")
