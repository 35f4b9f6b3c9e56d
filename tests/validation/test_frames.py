import datetime

import numpy as np
import pandas as pd
import polars
import pytest

from sklstm._validation._inputs import check_inputs
from sklstm.preprocessing import from_channel_first, sequences_from_frame

DAYS = pd.date_range("2024-01-01", periods=4)
LONG = pd.DataFrame({"id": list("aabb"), "when": DAYS, "speed": [1.0, 2.0, 3.0, 4.0]})
SERIES = [pd.Series([1.0, 2.0]), pd.Series([3.0, 4.0, 5.0])]


def check(X):
    return check_inputs(X, estimator="LSTMSequenceClassifier")


@pytest.mark.parametrize(
    "times",
    [
        DAYS,
        DAYS.tz_localize("UTC"),
        DAYS - DAYS[0],
        DAYS.to_period("D"),
        pd.array(DAYS, dtype="timestamp[ns][pyarrow]"),
    ],
    ids=lambda times: str(times.dtype),
)
@pytest.mark.parametrize("others", [{}, {"speed": np.ones(4)}], ids=["alone", "beside a number"])
def test_a_column_of_times_is_named(times, others):
    frame = pd.DataFrame({"when": times} | others)
    with pytest.raises(
        TypeError, match=r"(?s)^Column 'when' of X holds times.*time='when'"
    ) as raised:
        check(frame)
    assert "sklstm.preprocessing.sequences_from_frame(X, sequence=..., " in str(raised.value)
    assert str(raised.value).endswith("X.drop(columns=['when']).")


def test_a_column_of_times_is_named_in_polars_too():
    with pytest.raises(TypeError, match=r"(?s)^Column 'when' of X holds.*X.drop\(\['when'\]\)"):
        check(polars.from_pandas(LONG[["when", "speed"]]))


def test_the_remedies_for_times_work():
    read = sequences_from_frame(LONG, sequence="id", time="when")
    assert [x.tolist() for x in check(read.X).sequences] == [[[1], [2]], [[3], [4]]]
    assert check(LONG[["when", "speed"]].drop(columns=["when"])).n_columns == 1


def test_dates_that_are_objects_are_named_by_their_cell():
    frame = pd.DataFrame({"speed": [1.0, 2.0], "day": [None, datetime.date(2024, 1, 2)]})
    message = r"X\[1, 1\] is datetime.date\(2024, 1, 2\), in column 'day'; a data frame is read as"
    with pytest.raises(TypeError, match=message):
        check(frame)


@pytest.mark.parametrize("dtype", ["object", "str", "category"])
def test_a_column_of_text_is_named(dtype):
    message = r"(?s)^X\[0, 0\] is text \('a'\), in column 'id'; .*sequences_from_frame\(X, sequ"
    with pytest.raises(ValueError, match=message) as raised:
        check(LONG[["id", "speed"]].astype({"id": dtype}))
    assert "give X['id'] to make_pipeline(sklstm.preprocessing.TokenEncoder()" in str(raised.value)


@pytest.mark.parametrize("package", [pd.DataFrame, polars.DataFrame])
def test_columns_of_a_frame_in_a_list_are_named(package):
    texts = [package({"v": [1.0]}), package({"v": [1.0, 2.0], "note": ["3", "ok"]})]
    drop = r"\[x.drop\((columns=)?\['note'\]\) for x in X\]"
    with pytest.raises(ValueError, match=rf"(?s)X\[1\]\[0, 1\] is text.*column 'note';.*{drop}"):
        check(texts)
    times = [package({"v": [1.0] * 4, "when": DAYS.to_numpy()})]
    with pytest.raises(TypeError, match=r"Column 'when' of X\[0\] holds times .*one row per times"):
        check(times)


def test_one_column_of_sequences_is_to_be_given_itself():
    for frame in (pd.DataFrame({"x": SERIES}), pd.DataFrame({"n": [1, 2], "x": SERIES})):
        with pytest.raises(ValueError, match=r"(?s)column 'x' holds sequences.*column: X\['x'\]"):
            check(frame)
        assert check(frame["x"]).sequences.lengths.tolist() == [2, 3]
    frame = polars.DataFrame({"x": [[1.0, 2.0], [3.0]]})
    with pytest.raises(ValueError, match=r"(?s)column 'x' holds sequences.*column: X\['x'\]"):
        check(frame)
    assert check(frame["x"]).sequences.lengths.tolist() == [2, 1]


def test_several_columns_of_sequences_are_for_from_channel_first():
    frame = pd.DataFrame({"x": SERIES, "y": SERIES, "n": [1, 2]})
    message = r"(?s)columns 'x', 'y' hold sequences.*from_channel_first\(X\[\['x', 'y'\]\]\)"
    with pytest.raises(ValueError, match=message):
        check(frame)
    with pytest.raises(ValueError, match=r"from_channel_first\(X\)"):
        check(frame[["x", "y"]])
    sequences = check(from_channel_first(frame[["x", "y"]])).sequences
    assert [x.tolist() for x in sequences] == [[[1, 1], [2, 2]], [[3, 3], [4, 4], [5, 5]]]


def test_several_columns_of_sequences_in_polars_go_through_pandas():
    frame = polars.DataFrame({"x": [[1.0, 2.0], [3.0]], "y": [[1.0, 2.0], [3.0]]})
    with pytest.raises(ValueError, match=r"from_channel_first\(X.to_pandas\(\)\)"):
        check(frame)
    assert check(from_channel_first(frame.to_pandas())).sequences.lengths.tolist() == [2, 1]


def test_numbers_of_any_kind_are_left_alone():
    frame = pd.DataFrame(
        {"int": pd.array([1, 2], dtype="Int64"), "text of a number": ["3", "4"], "bool": [True] * 2}
    )
    assert check(frame).sequences.values.ravel().tolist() == [1, 3, 1, 2, 4, 1]
    twice = pd.DataFrame([[1.0, "b"]], columns=["a", "a"])
    with pytest.raises(ValueError, match=r"X\[0, 1\] is text \('b'\), in column 'a'"):
        check(twice)
