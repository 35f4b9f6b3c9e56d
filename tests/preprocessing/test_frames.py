import datetime
import sys

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from sklstm._compat._sklearn import InvalidParameterError
from sklstm.preprocessing import make_windows, sequences_from_frame

LIBRARIES = {"pandas": pd.DataFrame, "polars": pl.DataFrame, "pyarrow": pa.table}

in_every_library = pytest.mark.parametrize("as_frame", LIBRARIES.values(), ids=LIBRARIES)

TABLE = {
    "id": ["b", "a", "b", "a", "b", "c"],
    "time": [3, 1, 1, 2, 2, 7],
    "x": [0.3, 1.1, 0.1, 1.2, 0.2, 2.7],
    "up": [True, False, False, False, True, True],
    "label": ["run", "sit", "run", "sit", "run", "sit"],
    "person": [5, 4, 5, 4, 5, 5],
}
COLUMNS = {"sequence": "id", "time": "time", "label": "label", "group": "person"}


def changed(**columns):
    return {**TABLE, **columns}


@in_every_library
def test_named_texts_are_categories(as_frame):
    table = changed(gear=["n", "d", None, "d", "r", "n"], x=[0.3, None, 0.1, 1.2, 0.2, 2.7])
    result = sequences_from_frame(as_frame(table), **COLUMNS, features=["gear", "x"])
    assert result.features == ["gear", "x"]
    first, second, _ = result.X
    assert first["x"].to_list() == [0.1, 0.2, 0.3]
    assert first["gear"].to_list()[1:] == ["r", "n"]
    assert np.isnan(second["x"].to_numpy()[0])
    assert [len(x) for x in result.X] == [3, 2, 1]
    assert result.to_rows([np.arange(len(x)) for x in result.X]).tolist() == [2, 0, 0, 1, 1, 0]
    texts = sequences_from_frame(as_frame(table), **COLUMNS, features=["gear"])
    assert texts.X[2]["gear"].to_list() == ["n"]


@in_every_library
def test_the_representation_is_one_line(as_frame):
    table = as_frame(changed(gear=list("ndndnn")))
    assert repr(sequences_from_frame(table, **COLUMNS, features=["gear", "x"])) == (
        "FrameSequences(3 sequences of 1 to 3 timesteps, 2 features, labels per sequence, 2 groups)"
    )
    by_timestep = sequences_from_frame(
        table, sequence="person", label="label", label_per="timestep", features=["x"]
    )
    assert repr(by_timestep) == (
        "FrameSequences(2 sequences of 2 to 4 timesteps, 1 feature, labels per timestep)"
    )
    whole = sequences_from_frame(as_frame({"id": [1], "x": [0.5]}), sequence="id")
    assert repr(whole) == "FrameSequences(1 sequence of 1 timestep, 1 feature)"


@in_every_library
def test_sequences_labels_and_groups(as_frame):
    result = sequences_from_frame(as_frame(TABLE), **COLUMNS)
    assert [x.tolist() for x in result.X] == [
        [[0.1, 0.0], [0.2, 1.0], [0.3, 1.0]],
        [[1.1, 0.0], [1.2, 0.0]],
        [[2.7, 1.0]],
    ]
    assert result.y.tolist() == ["run", "sit", "sit"]
    assert result.groups.tolist() == [5, 4, 5]
    assert result.ids.tolist() == ["b", "a", "c"]
    assert result.features == ["x", "up"]
    assert result.rows.tolist() == [2, 4, 0, 1, 3, 5]
    assert result.ids.dtype.kind == result.y.dtype.kind == "U"


@in_every_library
def test_any_order_of_rows_gives_the_same_as_a_group_by(as_frame):
    rng = np.random.default_rng(0)
    table = pd.DataFrame(
        {
            "id": np.repeat([30, 10, 20], [50, 1, 70]),
            "time": np.concatenate([rng.permutation(n) for n in (50, 1, 70)]),
            "x": rng.normal(size=121),
            "z": rng.normal(size=121),
        }
    ).sample(frac=1, random_state=0)
    result = sequences_from_frame(
        as_frame(table.to_dict("list")), sequence="id", time="time", features=["z", "x"]
    )
    expected = dict(list(table.groupby("id", sort=False)))
    assert result.ids.tolist() == list(expected)
    for x, part in zip(result.X, expected.values(), strict=True):
        np.testing.assert_array_equal(x, part.sort_values("time")[["z", "x"]])


def test_windows_have_the_dates_of_a_table():
    result = sequences_from_frame(pd.DataFrame(TABLE), **COLUMNS)
    windows = make_windows(result.X, size=2, step=1, short="drop")
    ends = windows.from_recordings(result.times)
    assert ends.tolist() == [own[i] for own in result.times for i in range(1, len(own))]
    assert sequences_from_frame(pd.DataFrame(TABLE), sequence="id", features=["x"]).times is None


def test_without_times_rows_keep_their_order():
    result = sequences_from_frame(pd.DataFrame(TABLE), sequence="id", features=["x"])
    assert [x.ravel().tolist() for x in result.X] == [[0.3, 0.1, 0.2], [1.1, 1.2], [2.7]]
    assert result.y is None
    assert result.groups is None


@in_every_library
def test_several_columns_may_identify_a_sequence(as_frame):
    result = sequences_from_frame(
        as_frame(changed(person=[5, 4, 4, 4, 5, 5])), sequence=["person", "id"], features=["x"]
    )
    assert result.ids.tolist() == [(5, "b"), (4, "a"), (4, "b"), (5, "c")]
    assert [x.ravel().tolist() for x in result.X] == [[0.3, 0.2], [1.1, 1.2], [0.1], [2.7]]


@in_every_library
def test_labels_per_timestep_may_change(as_frame):
    frame = as_frame(changed(label=list("abcdef")))
    result = sequences_from_frame(frame, **COLUMNS, label_per="timestep")
    assert [y.tolist() for y in result.y] == [list("cea"), list("bd"), list("f")]


@in_every_library
@pytest.mark.parametrize("unit", ["seconds", "days", "date", "float"])
def test_times_of_any_kind(as_frame, unit):
    kinds = {
        "seconds": [datetime.datetime(2020, 1, 1, second=t) for t in TABLE["time"]],
        "days": [datetime.timedelta(t) for t in TABLE["time"]],
        "date": [datetime.date(2020, 1, t) for t in TABLE["time"]],
        "float": [t / 10 for t in TABLE["time"]],
    }
    times = kinds[unit]
    if unit == "date" and as_frame is pd.DataFrame:
        times = pd.to_datetime(times)
    result = sequences_from_frame(as_frame(changed(time=times)), **COLUMNS)
    assert result.rows.tolist() == [2, 4, 0, 1, 3, 5]
    assert [len(own) for own in result.times] == [3, 2, 1]
    expected = pd.to_datetime(times) if unit == "date" else times
    found = np.concatenate(result.times)
    assert (
        found.tolist() == np.asarray(pd.Series(expected))[result.rows].astype(found.dtype).tolist()
    )


def test_times_of_a_time_zone_keep_their_order_where_the_clock_goes_back():
    times = pd.date_range("2024-10-26 23:30", periods=3, freq="1h", tz="UTC")
    frame = pd.DataFrame({"id": 1, "time": times.tz_convert("Europe/Berlin"), "x": [1, 2, 3]})
    result = sequences_from_frame(frame[::-1], sequence="id", time="time")
    assert result.X[0].ravel().tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    "ids",
    [
        pd.Categorical(TABLE["id"]),
        pd.Categorical(TABLE["person"]),
        pd.array(TABLE["person"], dtype="Int64"),
        pd.to_datetime(TABLE["person"]),
        np.array(TABLE["id"], dtype=object),
        [False, True, False, True, False, False],
    ],
    ids=["category", "category of numbers", "nullable", "dates", "objects", "booleans"],
)
def test_ids_and_labels_of_any_dtype(ids):
    frame = pd.DataFrame(changed(id=ids, label=ids))
    result = sequences_from_frame(frame, sequence="id", label="label", features=["x"])
    assert result.ids.tolist() == list(dict.fromkeys(np.asarray(ids).tolist()))
    assert result.y.tolist() == result.ids.tolist()


def test_categories_of_polars_and_dictionaries_of_pyarrow():
    frame = pl.DataFrame(TABLE).with_columns(pl.col("id", "label").cast(pl.Categorical))
    for categorical in (frame, frame.to_arrow()):
        result = sequences_from_frame(categorical, **COLUMNS)
        assert result.ids.tolist() == ["b", "a", "c"]
        assert result.y.tolist() == ["run", "sit", "sit"]


@in_every_library
def test_missing_features_become_nan(as_frame):
    frame = as_frame(changed(x=[0.3, None, 0.1, 1.2, 0.2, 2.7]))
    result = sequences_from_frame(frame, **COLUMNS)
    assert np.isnan(result.X[1]).tolist() == [[True, False], [False, False]]


def test_missing_whole_numbers_become_nan():
    counts = pd.array([1, None, 3, 4, 5, 6], dtype="Int64")
    result = sequences_from_frame(pd.DataFrame(changed(x=counts)), **COLUMNS)
    assert result.X[0][:, 0].tolist() == [3, 5, 1]
    assert np.isnan(result.X[1][0, 0])


def test_float32_stays_float32():
    frame = pl.DataFrame(TABLE).with_columns(pl.col("x").cast(pl.Float32))
    assert sequences_from_frame(frame, sequence="id", features=["x"]).X[0].dtype == np.float32
    assert sequences_from_frame(frame, sequence="id", features=["x", "up"]).X[0].dtype == float


def test_the_table_is_not_changed():
    frame = pd.DataFrame(TABLE, index=[3, 3, 1, 0, 9, 9])
    before = frame.copy()
    result = sequences_from_frame(frame, **COLUMNS)
    for x in result.X:
        x[:] = 99
    pd.testing.assert_frame_equal(frame, before)


# Back into the table


def test_values_of_timesteps_come_back_into_the_rows():
    frame = pd.DataFrame(TABLE)
    result = sequences_from_frame(frame, **COLUMNS, label_per="timestep")
    assert result.to_rows([x[:, 0] for x in result.X]).tolist() == TABLE["x"]
    assert result.to_rows(result.y).tolist() == TABLE["label"]
    assert result.to_rows(result.X).tolist() == frame[["x", "up"]].astype(float).values.tolist()


@in_every_library
def test_further_columns_go_to_the_timesteps(as_frame):
    table = as_frame(TABLE)
    result = sequences_from_frame(table, **COLUMNS)
    assert [own.tolist() for own in result.from_rows(table["time"])] == [[1, 2, 3], [1, 2], [7]]
    two = np.stack([TABLE["x"], TABLE["time"]], axis=1)
    assert [own.shape for own in result.from_rows(two)] == [(3, 2), (2, 2), (1, 2)]
    np.testing.assert_array_equal(result.to_rows(result.from_rows(two)), two)


@pytest.mark.parametrize("column", [np.zeros(5), np.zeros(7), 0.0])
def test_a_column_of_another_table_is_rejected(column):
    result = sequences_from_frame(pd.DataFrame(TABLE), **COLUMNS)
    with pytest.raises(ValueError, match="values must have 6 values, one for each row"):
        result.from_rows(column)


def test_table_to_windows_and_back_to_the_table():
    result = sequences_from_frame(pd.DataFrame(TABLE), **COLUMNS)
    windows = make_windows(result.X, result.y, result.groups, size=2, step=1, short="drop")
    assert windows.groups.tolist() == [5, 5, 4]
    per_timestep = windows.to_recordings(windows.y, fill="?")
    assert result.to_rows(per_timestep).tolist() == ["run", "sit", "run", "sit", "run", "?"]


def test_values_that_are_not_one_per_timestep_are_rejected():
    result = sequences_from_frame(pd.DataFrame(TABLE), **COLUMNS)
    with pytest.raises(ValueError, match="values must be 3 arrays, one for each sequence"):
        result.to_rows([np.zeros(3), np.zeros(2)])


# Errors


@in_every_library
@pytest.mark.parametrize(
    ("table", "arguments", "error", "message"),
    [
        (
            changed(label=["run", "sit", "run", "sit", "walk", "sit"]),
            {},
            ValueError,
            r"Column 'label' changes within sequence 'b': from 'run' to 'walk' at timestep 1\.\n\n"
            r".* sequence=\[\.\.\.\]\. If each timestep .* label_per='timestep'\.$",
        ),
        (
            changed(time=[1] * 6, label=["run", "sit", "run", "sit", "walk", "sit"]),
            {},
            ValueError,
            "Column 'label' changes within sequence 'b': from 'run' to 'walk'",
        ),
        (
            changed(person=[5, 4, 5, 6, 5, 5]),
            {},
            ValueError,
            r"'person' changes within sequence 'a': from 4 to 6 at .*\n\n.* sequence=\[.{3}\]\.$",
        ),
        (
            changed(time=[3, 1, 1, 1, 2, 7]),
            {},
            ValueError,
            r"Sequence 'a' has the time 1 twice\.\n\nDrop or average",
        ),
        (
            changed(time=[1, 2, 1, 2, 1, 7]),
            {},
            ValueError,
            "Sequence 'b' has the time 1 twice, and 2 more such rows",
        ),
        (
            TABLE,
            {"label": "lable"},
            ValueError,
            r"frame has no column 'lable'. Its columns are \['id', .*\n\nDid you mean 'label'\?$",
        ),
        (TABLE, {"sequence": ["id", "day"]}, ValueError, r"no column 'day'. .*'person'\]\.$"),
        (
            changed(gyr_x=[1.0] * 6),
            {"features": ["gyr_x", "gyr_y"]},
            ValueError,
            r"no column 'gyr_y'. Its columns are .*'gyr_x'\]\.$",
        ),
        (TABLE, {"features": ["X"]}, ValueError, "frame has no column 'X'"),
        (TABLE, {"features": ["x", "label"]}, ValueError, "'label' is named as a feature and as"),
        (TABLE, {"features": ["x", "x"]}, ValueError, r"each column once. Twice: \['x'\]"),
        (TABLE, {"features": []}, ValueError, "No column is left for the features"),
        (TABLE, {"sequence": []}, ValueError, "sequence must name at least one column"),
        (
            changed(id=["b", None, "b", "a", "b", None]),
            {},
            ValueError,
            r"Column 'id' has missing values, at row 1, 5 \(the first row is 0\)\.\n\nDrop or fill",
        ),
        (
            changed(label=[None] * 5 + ["a"]),
            {},
            ValueError,
            r"'label' .* at row 0, 1, 2 and 2 more .*\n\n.* first. To predict, leave out label\.$",
        ),
        (changed(time=[1.0, 2.0, None, 4.0, 5.0, 6.0]), {}, ValueError, "'time' has .* at row 2 "),
        (
            changed(time=[1.0, 2.0, np.nan, 4.0, 5.0, 6.0]),
            {},
            ValueError,
            "Column 'time' has missing values, at row 2 ",
        ),
        (
            TABLE,
            {"group": None, "label": None},
            TypeError,
            r"Feature column 'label' must hold numbers .* Got String.\n\nName the columns",
        ),
        (
            changed(x=["0.1", None, "-2", "--", "3", "0.2"]),
            {},
            TypeError,
            r"'x' must hold numbers .* Got String, such as '--' at row 3 among numbers\.\n\n"
            r"Make them numbers, in pandas by frame\['x'\] = pd\.to_numeric\(.*'coerce'\)\.$",
        ),
        (
            changed(x=["0.1", None, "-2", "1", "3", "0.2"]),
            {},
            TypeError,
            r"Got String, such as '0.1' at row 0\.\n\nMake them numbers",
        ),
        (changed(x=[datetime.date(2020, 1, 1)] * 6), {"features": ["x"]}, TypeError, "Encode it"),
        (
            changed(time=list("312345")),
            {},
            TypeError,
            "Time column 'time' must hold numbers, dates, times or durations. Got String",
        ),
        (TABLE, {"features": "x"}, InvalidParameterError, "The 'features' parameter of sequences_"),
        (TABLE, {"label_per": "row"}, InvalidParameterError, "The 'label_per' parameter .*'row'"),
    ],
)  # fmt: skip
def test_bad_tables_and_arguments_are_named(as_frame, table, arguments, error, message):
    with pytest.raises(error, match=message):
        sequences_from_frame(as_frame(table), **{**COLUMNS, **arguments})


def test_a_time_twice_at_the_border_of_two_sequences_is_none():
    frame = pd.DataFrame({"id": [1, 1, 2, 2], "time": [0, 1, 1, 2], "x": [0.0] * 4})
    assert len(sequences_from_frame(frame, sequence="id", time="time").X) == 2


def test_ids_of_several_types_are_named():
    frame = pd.DataFrame(changed(id=["b", 1, "b", 1, "b", 2]))
    with pytest.raises(TypeError, match=r"Column 'id' must hold values of one type. Got int, str"):
        sequences_from_frame(frame, **COLUMNS)


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        ({"id": [1]}, "frame must be a data frame of pandas, .* Got a dict instead.$"),
        (np.zeros((2, 2)), "Got a ndarray instead.$"),
        (pl.LazyFrame(TABLE), r"Got a LazyFrame instead.\n\nCall its collect\(\) first"),
    ],
    ids=["dict", "array", "lazy frame"],
)
def test_what_is_no_data_frame_is_named(frame, message):
    with pytest.raises(TypeError, match=message):
        sequences_from_frame(frame, **COLUMNS)


@in_every_library
def test_a_table_without_rows_is_an_error(as_frame):
    with pytest.raises(ValueError, match="frame has no rows"):
        sequences_from_frame(as_frame({"id": [], "x": []}), sequence="id")


def test_without_narwhals_the_error_has_the_pip_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "narwhals", None)
    with pytest.raises(ImportError, match=r"pip install 'sklstm\[frames\]'"):
        sequences_from_frame(pd.DataFrame(TABLE), **COLUMNS)
