import numpy as np
import pandas as pd
import polars
import pyarrow
import pytest

from sklstm._validation._inputs import check_inputs

VALUES = [[[1.0, 2.0], [3.0, 4.0]], [[5.0, 6.0]]]
COLUMNS = [{"a": [1.0, 3.0], "b": [2.0, 4.0]}, {"a": [5.0], "b": [6.0]}]
FRAMES = [pd.DataFrame(columns) for columns in COLUMNS]
RECORDS = [frame.to_dict("records") for frame in FRAMES]


def check(X, **kwargs):
    return check_inputs(X, estimator="LSTMSequenceClassifier", **kwargs)


@pytest.mark.parametrize(
    "X",
    [
        FRAMES,
        tuple(FRAMES),
        pd.Series(FRAMES, index=[7, 8]),
        [polars.DataFrame(columns) for columns in COLUMNS],
        [pyarrow.table(columns) for columns in COLUMNS],
        COLUMNS,
        [{key: np.array(column) for key, column in columns.items()} for columns in COLUMNS],
        RECORDS,
        [tuple(records) for records in RECORDS],
        [np.array(records, dtype=object) for records in RECORDS],
        pyarrow.table({"x": RECORDS})["x"].to_pandas(),
        pyarrow.table({"x": COLUMNS})["x"].to_pandas(),
        [frame.to_records(index=False) for frame in FRAMES],
        [np.array(frame.to_records(index=False)) for frame in FRAMES],
    ],
)
def test_values_and_names_of_features(X):
    inputs = check(X)
    assert [x.tolist() for x in inputs.sequences] == VALUES
    assert inputs.column_names.tolist() == ["a", "b"]
    assert inputs.n_columns is None


def test_a_structured_array_of_equal_lengths():
    X = np.array([[(1.0, 2), (3.0, 4)], [(5.0, 6), (7.0, 8)]], dtype=[("a", "f8"), ("b", "i4")])
    inputs = check(X)
    assert [x.tolist() for x in inputs.sequences] == [VALUES[0], [[5, 6], [7, 8]]]
    assert inputs.column_names.tolist() == ["a", "b"]


def test_names_that_are_no_strings_are_none():
    frames = [pd.DataFrame(x) for x in VALUES]
    assert check(frames).column_names is None
    assert check([frames[0], np.array(VALUES[1])]).column_names is None
    assert check([{0: [1.0], 1: [2.0]}]).column_names is None


def test_names_of_which_only_some_are_strings_are_an_error_as_in_scikit_learn():
    with pytest.raises(TypeError, match=r"only supported if all .*X\[0\] has .* \['int', 'str'\]"):
        check([pd.DataFrame([[1.0, 2.0]], columns=["a", 1])])


def test_timesteps_may_have_their_keys_in_any_order():
    inputs = check([[{"a": 1.0, "b": 2.0}, {"b": 4.0, "a": 3.0}]])
    assert [x.tolist() for x in inputs.sequences] == [VALUES[0]]


def test_the_order_of_columns_must_be_the_same_in_all_sequences():
    X = [*FRAMES, FRAMES[0], FRAMES[1][["b", "a"]]]
    message = r"X\[3\] has its features in another order than X\[0\]: 'b' where it has 'a'"
    with pytest.raises(ValueError, match=message) as error:
        check(X)
    remedy = str(error.value).rpartition("X = ")[2].removesuffix(".")
    assert remedy == "[x[['a', 'b']] for x in X]"
    again = eval(remedy, {"X": X})  # noqa: S307
    assert [x.tolist() for x in check(again).sequences] == VALUES * 2


def test_the_order_of_many_columns_has_a_remedy_too():
    names = [f"c{i}" for i in range(20)]
    frame = pd.DataFrame(np.arange(40.0).reshape(2, 20), columns=names)
    X = [frame, frame[names[::-1]]]
    with pytest.raises(ValueError, match="'c19' where it has 'c0'") as error:
        check(X)
    remedy = str(error.value).rpartition("X = ")[2].removesuffix(".")
    assert len(remedy) < 60
    first, second = check(eval(remedy, {"X": X})).sequences  # noqa: S307
    assert first.tolist() == second.tolist()


@pytest.mark.parametrize("X", [COLUMNS, RECORDS], ids=["columns", "records"])
def test_the_order_of_keys_must_be_the_same_as_well(X):
    turned = pd.DataFrame(X[1])[["b", "a"]]
    other = turned.to_dict("list") if X is COLUMNS else turned.to_dict("records")
    with pytest.raises(ValueError, match=r"X\[1\] has its features in another order") as error:
        check([X[0], other])
    remedy = str(error.value).rpartition("X = ")[2].removesuffix(".")
    again = eval(remedy, {"X": [X[0], other], "pandas": pd})  # noqa: S307
    assert [x.tolist() for x in check(again).sequences] == VALUES


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (
            pd.DataFrame({"a": [1.0], "c": [2.0]}),
            r"X\[1\] lacks 'b' and has 'c', which X\[0\] has not",
        ),
        (pd.DataFrame({"a": [1.0]}), r"X\[1\] lacks 'b';"),
        (
            pd.DataFrame({"a": [1.0], "b": [2.0], "c": [3.0]}),
            r"X\[1\] has 'c', which X\[0\] has not",
        ),
        (
            np.ones((1, 2)),
            r"X\[1\] has no names of features, but X\[0\] has.*\n\nGive all as data f",
        ),
        (pd.DataFrame([[1.0, 2.0]]), r"X\[1\] has no names of features, but X\[0\] has"),
    ],
)
def test_other_columns_are_named(other, message):
    with pytest.raises(ValueError, match=message):
        check([FRAMES[0], other])


@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        (
            [{"x": [[1.0, 2.0]], "label": 0}],
            ValueError,
            r"X\[0\] is a dict, but X\[0\]\['x'\] has 2 .*\n\nIf .*: X = \[x\['x'\] for x in X\]",
        ),
        ([{"x": [[1.0], [1.0, 2.0]]}], ValueError, r"X\[0\]\['x'\] must be one number for each ti"),
        ([{"x": [1.0], "y": 0}], ValueError, r"X\[0\]\['y'\] has 0 dim.*\n\nIf .* \[x\['x'\] for"),
        (
            [{"a": 1.0}, {"a": 2.0}],
            ValueError,
            r"one timestep; .*\n\nGive \[X\] if .*DataFrame\(X\)",
        ),
        ([{"a": [1.0], "b": [1.0, 2.0]}], ValueError, r"different lengths, \{'a': 1, 'b': 2\}"),
        ([{"a": ["x"]}], TypeError, r"X\[0\]\['a'\] must hold real numbers. Got dtype <U1"),
        ([{}], ValueError, r"Found array with 0 feature\(s\)"),
        (
            [COLUMNS[0], [{"a": 1.0, "b": 2.0}, {"a": 1.0}]],
            ValueError,
            r"X\[1\]\[1\] must be a dict .* keys of X\[1\]\[0\], \['a', 'b'\], .* Got \['a'\]",
        ),
        ([[{"a": 1.0}, 2.0]], ValueError, r"X\[0\]\[1\] must be a dict .* Got float"),
        (
            [np.array([(1.0, "x")], dtype=[("a", "f8"), ("b", "U3")])],
            TypeError,
            r"X\[0\]\['b'\] must hold real numbers. Got dtype <U3",
        ),
        (
            np.array([(1.0, 2.0)], dtype=[("a", "f8"), ("b", "f8")]),
            ValueError,
            r"structured array of shape \(1,\).*\n\nReshape your data: \[X\]",
        ),
        (
            [np.array([(1.0, [2.0, 3.0])], dtype=[("a", "f8"), ("b", "f8", (2,))])],
            ValueError,
            r"X\[0\]\['b'\] must be one number for each timestep. Got 1 dimension\(s\) more",
        ),
    ],
)
def test_bad_ones_are_named(X, error, message):
    with pytest.raises(error, match=message):
        check(X)
