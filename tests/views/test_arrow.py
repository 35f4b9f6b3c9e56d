import numpy as np
import pytest

from sklstm._views._arrow import files_of
from sklstm.preprocessing import open_sequences
from tests.views.stores import as_table, ragged
from tests.views.test_stored import assert_same

pyarrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")


def in_parquet(path, **columns):
    parquet.write_table(pyarrow.table(columns), path / "X.parquet", row_group_size=2)
    return path / "X.parquet"


def test_columns_beside_it(tmp_path):
    path = in_parquet(
        tmp_path,
        age=[1.5, None, 3.0],
        signal=[[1.0], [2.0, 3.0], [4.0]],
        sex=["f", None, "m"],
        label=["b", "a", "b"],
        weight=[1, 2, 3],
    )
    view = open_sequences(path, y="label", sample_weight="weight", static=["age", "sex"])[[2, 1]]
    assert view.y.tolist() == ["b", "a"]
    assert view.sample_weight.tolist() == [3, 2]
    np.testing.assert_array_equal(view.static["age"], [3.0, np.nan])
    assert view.static["sex"].tolist() == ["m", None]


def test_categories_that_are_numbers_stay_such():
    wards = pyarrow.array([7, None, 5]).dictionary_encode()
    view = open_sequences(pyarrow.table({"x": [[1.0]] * 3, "ward": wards}), static=["ward"])
    assert view.static["ward"].tolist() == [7, None, 5]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, r"has 2 columns of sequences, \['a', 'b'\](.|\n)*column='...'"),
        ({"column": "c"}, r"has no column 'c'; it has \['a', 'b', 'n'\]"),
        ({"column": "n"}, "Column 'n' of .* holds no sequences. Got a column of int64"),
        ({"column": "a", "y": "c"}, "has no column 'c'"),
        ({"column": "a", "y": "b"}, "Column 'b' must hold numbers or texts"),
        (
            {"column": "a", "key": "b"},
            "'key' has no meaning for .*X.parquet'; possible there: column",
        ),
    ],
)
def test_columns_that_are_not_there(tmp_path, options, message):
    path = in_parquet(tmp_path, a=[[1.0]], b=[[2.0]], n=[1])
    with pytest.raises((ValueError, TypeError), match=message):
        open_sequences(path, **options)


def test_structs_name_the_features(tmp_path):
    steps = [[{"x": 1.0, "y": 2}], [{"x": 3.0, "y": 4}, {"x": 5.0, "y": 6}]]
    view = open_sequences(in_parquet(tmp_path, signal=steps))
    assert_same(view, [np.array([[1.0, 2.0]]), np.array([[3.0, 4.0], [5.0, 6.0]])])


def test_integers_of_one_row_group_with_nulls_in_another_are_floats(tmp_path):
    view = open_sequences(in_parquet(tmp_path, signal=[[1], [2], [3, None]]))
    assert_same(view, [np.array([1.0]), np.array([2.0]), np.array([3.0, np.nan])])


def test_a_sequence_that_is_null_is_an_error(tmp_path):
    path = in_parquet(tmp_path, signal=[[1], [2], None])
    with pytest.raises(ValueError, match=r"has 1 null sequence\(s\)"):
        open_sequences(path)


def test_timesteps_of_other_widths_are_an_error(tmp_path):
    path = in_parquet(tmp_path, signal=[[[1.0]], [[2.0]], [[3.0, 4.0]]])
    with pytest.raises(ValueError, match="has timesteps of 1 to 2 features"):
        open_sequences(path)


def test_a_file_without_rows_is_an_error(tmp_path):
    parquet.write_table(as_table(ragged()).slice(0, 0), tmp_path / "X.parquet")
    with pytest.raises(ValueError, match="has no sequences"):
        open_sequences(tmp_path / "X.parquet")


def test_a_stream_of_arrow_is_an_error_with_the_remedy(tmp_path):
    table = as_table(ragged())
    with pyarrow.ipc.new_stream(tmp_path / "X.arrow", table.schema) as stream:
        stream.write_table(table)
    with pytest.raises(ValueError, match=r"pyarrow.feather.write_feather"):
        open_sequences(tmp_path / "X.arrow")


def test_files_of_a_folder_are_in_the_order_of_their_names(tmp_path):
    for name in ("b.parquet", "a.parquet", "c.txt"):
        (tmp_path / name).touch()
    assert files_of(str(tmp_path)) == [str(tmp_path / "a.parquet"), str(tmp_path / "b.parquet")]
    assert files_of(str(tmp_path / "c.txt")) == []
