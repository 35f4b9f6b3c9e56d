import numpy as np
import pandas as pd
import polars
import pyarrow
import pytest

from sklstm._scoring._columns import choose, n_rows_of, names_of, nested_of, take
from sklstm._validation._inputs import check_inputs

LISTS = [[1.0, 2.0, 3.0], [4.0]]
OTHERS = [[5.0, 6.0, 7.0], [8.0]]
COLUMNS = {"id": [7, 8], "x": LISTS, "z": OTHERS, "note": ["a", "b"]}


def of_arrays(columns):
    """As Ray gives a batch: ragged lists as arrays in an array of objects."""
    batch = {name: np.empty(len(values), dtype=object) for name, values in columns.items()}
    for name, values in columns.items():
        for i, value in enumerate(values):
            batch[name][i] = np.array(value) if isinstance(value, list) else value
    return batch


TABLES = {
    "pandas": pd.DataFrame,
    "pandas of pyarrow": lambda c: pyarrow.table(c).to_pandas(types_mapper=pd.ArrowDtype),
    "polars": polars.DataFrame,
    "pyarrow": pyarrow.table,
    "pyarrow batch": pyarrow.RecordBatch.from_pydict,
    "dict": of_arrays,
}
every_table = pytest.mark.parametrize("build", TABLES.values(), ids=TABLES)


def read(X):
    return [x.tolist() for x in check_inputs(X, estimator="LSTMSequenceClassifier").sequences]


@every_table
def test_the_columns_of_any_table(build):
    table = build(COLUMNS)
    assert n_rows_of(table) == 2
    assert names_of(table) == ["id", "x", "z", "note"]
    assert nested_of(table) == {"id": False, "x": True, "z": True, "note": False}


@every_table
def test_a_column_of_sequences(build):
    assert read(take(build(COLUMNS), "x")) == [[[v] for v in x] for x in LISTS]


@every_table
def test_columns_that_are_a_feature_each(build):
    expected = [np.column_stack(pair).tolist() for pair in zip(LISTS, OTHERS, strict=True)]
    assert read(take(build(COLUMNS), ["x", "z"])) == expected
    swapped = [np.column_stack(pair).tolist() for pair in zip(OTHERS, LISTS, strict=True)]
    assert read(take(build(COLUMNS), ["z", "x"])) == swapped


@pytest.mark.parametrize("named", [True, False])
def test_features_have_the_names_of_their_columns_or_none(named):
    X = take(pyarrow.table(COLUMNS), ["x", "z"], named=named)
    inputs = check_inputs(X, estimator="LSTMSequenceClassifier")
    assert inputs.sequences.values.tolist() == [[1, 5], [2, 6], [3, 7], [4, 8]]
    assert inputs.sequences.lengths.tolist() == [3, 1]
    assert (inputs.column_names is None) != named


@every_table
def test_a_column_of_texts(build):
    assert list(take(build(COLUMNS), "note")) == ["a", "b"]


@every_table
def test_static_columns_are_a_frame(build):
    frame = take(build(COLUMNS), ["id", "x"])
    assert list(frame.columns) == ["id", "x"]
    assert list(frame["id"]) == [7, 8]
    assert [list(x) for x in frame["x"]] == LISTS


def test_records_of_a_single_feature_with_the_name_of_their_column():
    table = pyarrow.table({"x": [[{"x": 1.0}, {"x": 2.0}], [{"x": 3.0}]]})
    assert read(take(table, ["x"])) == [[[1.0], [2.0]], [[3.0]]]


def test_arrays_of_one_length_in_a_dict():
    batch = {"x": np.array([[1.0, 2.0], [3.0, 4.0]]), "z": np.array([[5.0, 6.0], [7.0, 8.0]])}
    assert nested_of(batch) == {"x": True, "z": True}
    assert read(take(batch, ["x", "z"])) == [[[1, 5], [2, 6]], [[3, 7], [4, 8]]]


NESTED = {"id": False, "x": True, "note": False}


@pytest.mark.parametrize(
    ("nested", "column", "known", "expected"),
    [
        (NESTED, None, None, "x"),
        (NESTED, "note", None, "note"),
        (NESTED, ["id", "x"], None, ["id", "x"]),
        (NESTED, None, ["x", "id"], ["x", "id"]),
        # Names of the features inside the column, which the table does not have.
        (NESTED, None, ["speed"], "x"),
        ({"a": False, "b": False}, None, None, ["a", "b"]),
        ({"text": False}, None, None, "text"),
        ({0: True, 1: False}, None, None, 0),
        ({"x": True, "z": True}, None, np.array(["z", "x"], dtype=object), ["z", "x"]),
    ],
)
def test_what_is_chosen(nested, column, known, expected):
    assert choose(nested, column, known) == expected


def test_columns_to_keep_are_chosen_only_where_they_hold_sequences_or_are_named():
    plain = {"id": False, "a": False, "b": False}
    assert choose(plain, None, None, keep=["id"]) == ["a", "b"]
    assert choose({"id": False, "text": False}, None, None, keep=["id"]) == "text"
    assert choose({"text": False}, None, None, keep=["text"]) == "text"
    assert choose(plain, ["id", "a"], None, keep=["id"]) == ["id", "a"]
    assert choose(plain, None, ["id", "a"], keep=["id"]) == ["id", "a"]
    assert choose(NESTED, None, None, keep=["id", "x"]) == "x"
    with pytest.raises(ValueError, match=r"of which 0 hold sequences.\n\nSay which"):
        choose(plain, None, None, keep=["id", "a", "b"])


def test_what_cannot_be_chosen():
    with pytest.raises(ValueError, match=r"columns 'x', 'z', of which 2 hold .*\n\nSay which"):
        choose({"x": True, "z": True}, None, None)
    with pytest.raises(ValueError, match=r"no column 'y'; its columns are 'id', 'x', 'note'\.$"):
        choose(NESTED, "y", None)
    with pytest.raises(ValueError, match="no column 'y'"):
        choose(NESTED, ["x", "y"], None)
