"""Static columns and categories of data frames."""

import datetime
import decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from sklstm._validation._columns import MAX_CATEGORIES, StaticColumns, Widths
from sklstm._validation._features import check_first

CELLS = [np.arange(3.0), np.arange(2.0), np.arange(4.0)]
TABLE = pd.DataFrame(
    {
        "ward": ["b", None, "a"],
        "vitals": CELLS,
        "age": [40, 50, 60],
        "weight": [np.nan, 70.5, 81.0],
        "smokes": [True, False, True],
    }
)


def first(X, **options):
    return check_first(X, mask_value=None, estimator="Estimator", **options)


def later(schema, X):
    return schema.check_X(X, mask_value=None, estimator="Estimator").sequences


def in_polars(table):
    columns = {name: table[name].to_list() for name in table.columns}
    return pl.DataFrame({**columns, "ward": ["b", None, "a"]})


@pytest.mark.parametrize("convert", [lambda table: table, in_polars], ids=["pandas", "polars"])
def test_numbers_come_first_and_then_codes(convert):
    inputs, schema = first(convert(TABLE))
    expected = [[40, np.nan, 1, 2], [50, 70.5, 0, 0], [60, 81, 1, 1]]
    np.testing.assert_array_equal(inputs.sequences.static, expected)
    assert [x.ravel().tolist() for x in inputs.sequences] == [x.tolist() for x in CELLS]
    assert schema.static == StaticColumns(tuple(TABLE.columns), "vitals", {"ward": ("a", "b")})
    assert schema.widths == Widths((), 3, (2,))
    assert schema.attributes["n_features_in_"] == 5
    assert schema.attributes["feature_names_in_"].tolist() == list(TABLE.columns)
    np.testing.assert_array_equal(later(schema, convert(TABLE)).static, expected)


@pytest.mark.parametrize(
    "column",
    [
        pd.Series(["b", None, "a"], dtype="string"),
        pd.Series(["b", None, "a"], dtype="category"),
        pd.Series(["b", np.nan, "a"], dtype=object),
        pd.Series([7, None, 3], dtype="category"),
    ],
    ids=["string", "category", "object", "category of numbers"],
)
def test_categories_of_any_dtype(column):
    inputs, _ = first(TABLE.assign(ward=column))
    assert inputs.sequences.static[:, -1].tolist() == [2, 0, 1]


def test_lists_of_one_length_are_sequences_of_any_length():
    _, schema = first(TABLE.assign(vitals=[[1.0, 2.0]] * 3))
    assert schema.n_columns is None
    for lists in ([[1.0], [2.0], [3.0]], [[1.0, 2.0, 3.0]] * 3):
        inputs = schema.check_X(TABLE.assign(vitals=lists), mask_value=None, estimator="Estimator")
        assert inputs.n_columns is None
        assert inputs.sequences.lengths.tolist() == [len(cell) for cell in lists]


def test_lists_of_a_fixed_size_are_sequences():
    dtype = pd.ArrowDtype(pa.list_(pa.float64(), 2))
    column = pd.Series([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], dtype=dtype)
    inputs, _ = first(TABLE.assign(vitals=column))
    assert inputs.sequences.values.ravel().tolist() == [1, 2, 3, 4, 5, 6]


def test_decimals_are_numbers():
    table = TABLE.assign(age=[decimal.Decimal("1.5"), None, decimal.Decimal(2)])
    for X in (table, in_polars(table)):
        inputs, _ = first(X)
        np.testing.assert_array_equal(inputs.sequences.static[:, 0], [1.5, np.nan, 2])


@pytest.mark.parametrize("dtype", ["Int64", "boolean", "float32", object, "Float64"])
def test_numbers_of_any_dtype(dtype):
    column = pd.Series([1, None if dtype != "float32" else np.nan, 0], dtype=dtype)
    inputs, _ = first(TABLE.assign(age=column))
    np.testing.assert_array_equal(inputs.sequences.static[:, 0], [1, np.nan, 0])


def test_an_unknown_category_is_none_and_dtypes_may_differ():
    _, schema = first(TABLE.assign(ward=pd.Series([7, 3, 7], dtype="category")))
    for ward in ([3, 9, 7], [3.0, None, 7.0]):
        assert later(schema, TABLE.assign(ward=ward)).static[:, -1].tolist() == [1, 0, 2]


@pytest.mark.parametrize(
    ("fitted", "given", "message"),
    [
        (["7", "3", "7"], [7, None, 7], "must hold texts as categories, as in fit. Got 7"),
        ([7, 3, 7], ["7", None, "7"], "must hold numbers as categories, as in fit. Got '7'"),
    ],
)
def test_numbers_are_no_unknown_texts(fitted, given, message):
    """Nor texts unknown numbers: a whole column would count for nothing."""
    _, schema = first(TABLE.assign(ward=pd.Series(fitted, dtype="category")))
    with pytest.raises(ValueError, match=f"Column 'ward' of X {message}"):
        later(schema, TABLE.assign(ward=given))


def test_a_feature_of_texts_and_numbers_is_refused():
    X = [pd.DataFrame({"pulse": [60.0, 61.0]}), pd.DataFrame({"pulse": [62.0, "n/a"]})]
    with pytest.raises(ValueError, match=r"Feature 'pulse' of X .*, not both. Got 'n/a'"):
        first(X)


def test_hints_name_the_column_of_sequences():
    with pytest.warns(UserWarning, match=r"(?s)X\['vitals'\]\[0\] begins .* in X\['vitals'\]\]"):
        first(TABLE.assign(vitals=[[2, 3], [4], [5, 6, 7]]))
    with pytest.raises(ValueError, match=r"X\['vitals'\] = \[x\['b'\] for x in X\['vitals'\]\]"):
        first(TABLE.assign(vitals=[CELLS[0], {"a": [1.0], "b": [[1.0], [2.0]]}, CELLS[1]]))


def test_token_ids_may_have_static_columns():
    table = TABLE.assign(vitals=[[2, 3], [4], [5, 6, 7]])
    inputs, schema = first(table, takes_tokens=True)
    assert inputs.vocabulary_size == 8
    assert later(schema, table).static.shape == (3, 4)


def test_a_column_of_sequences_alone_is_a_frame_too():
    inputs, schema = first(TABLE[["vitals"]])
    assert inputs.sequences.static.shape == (3, 0)
    assert schema.widths == Widths()
    assert schema.attributes["n_features_in_"] == 1


def test_names_of_features_in_cells_are_kept():
    cells = [pd.DataFrame({"pulse": x, "phase": list("xyzx")[: len(x)]}) for x in CELLS]
    inputs, schema = first(TABLE.assign(vitals=cells))
    assert schema.static.features == ("pulse", "phase")
    assert schema.categories == {"phase": ("x", "y", "z")}
    assert inputs.sequences.codes[:3].ravel().tolist() == [1, 2, 3]
    wrong = [cell.rename(columns={"pulse": "p"}) for cell in cells]
    with pytest.raises(ValueError, match=r"X\['vitals'\]\[0\] lacks 'pulse' and has 'p'"):
        later(schema, TABLE.assign(vitals=wrong))


@pytest.mark.parametrize(
    ("table", "error", "message"),
    [
        (TABLE.assign(age=[1.0, np.inf, 2.0]), ValueError, "Column 'age' of X .* Got inf at row 1"),
        (TABLE.assign(age=[1.0, 1e19, 2.0]), ValueError, r"at most 1e\+18.* Got 1e\+19 at row 1"),
        (
            TABLE.assign(age=[datetime.datetime(2020, 1, 1)] * 3),
            TypeError,
            "Column 'age' of X holds times",
        ),
        (
            TABLE.assign(ward=[{}, "a", "b"]),
            TypeError,
            "Column 'ward' of X must hold texts or numbers as categories. Got {}",
        ),
        (
            TABLE.assign(age=[40, "n/a", None]),
            ValueError,
            "Column 'age' of X must hold texts or numbers, not both. Got 'n/a' and 40.",
        ),
        (TABLE.assign(age=[1 + 2j, 1, 1]), ValueError, "Column 'age' of X must hold numbers"),
        (TABLE.rename(columns={"age": 3}), TypeError, "X has a column 3.\n\nRename them"),
        (
            TABLE.rename(columns={"age": "ward"}),
            ValueError,
            "X has 2 columns 'ward', but names must differ",
        ),
        (
            TABLE.assign(vitals=[np.arange(2.0), np.array([]), np.arange(3.0)]),
            ValueError,
            r"X\['vitals'\]\[1\] has no timesteps",
        ),
        (
            TABLE.assign(vitals=[CELLS[0], None, np.nan]),
            ValueError,
            r"X\['vitals'\] has no sequence at row 1, 2.\n\nDrop such rows",
        ),
    ],
)
def test_errors_name_the_column(table, error, message):
    with pytest.raises(error, match=message):
        first(table)


def test_a_column_that_tells_rows_apart_is_no_category():
    n = MAX_CATEGORIES + 1
    table = pd.DataFrame({"x": [np.arange(2.0)] * n, "id": [f"p{i}" for i in range(n)]})
    with pytest.raises(ValueError, match="Column 'id' of X has 256 categories; at most 255") as no:
        first(table)
    assert "to_numeric" not in str(no.value)
    table["id"] = ["--", *(str(i / 8) for i in range(1, n))]
    with pytest.raises(ValueError, match=r"\. If it is a measurement: .*to_numeric"):
        first(table)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (TABLE[["vitals", "ward", "age", "weight", "smokes"]], "must be in the same order"),
        (TABLE.drop(columns="age"), "yet now missing:\n- age"),
        (TABLE.assign(height=1), "unseen at fit time:\n- height"),
        (CELLS, r"fitted with static columns, but X is a list.\n\nGive a data frame with"),
        (TABLE.assign(age=[1, "old", 2]), "'age' of X must hold numbers. Got 'old' at row 1"),
        (TABLE.assign(age=[1, "old", 2])[:0], r"Found array with 0 sample\(s\)"),
        (TABLE.set_axis(["ward"] * 5, axis="columns"), "X has 5 columns 'ward'"),
    ],
)
def test_later_columns_are_checked_by_name(X, message):
    _, schema = first(TABLE)
    with pytest.raises(ValueError, match=message):
        later(schema, X)


def test_a_number_is_no_name_of_a_later_column():
    _, schema = first(TABLE.rename(columns={"age": "3"}))
    with pytest.raises(TypeError, match=r"X has a column 3.\n\nRename them"):
        later(schema, TABLE.rename(columns={"age": 3}))


def test_a_lazy_frame_is_to_be_computed_first():
    _, schema = first(in_polars(TABLE))
    with pytest.raises(TypeError, match=r"Compute it first: X.collect\(\)"):
        first(in_polars(TABLE).lazy())
    with pytest.raises(ValueError, match="fitted with static columns, but X is a LazyFrame"):
        later(schema, in_polars(TABLE).lazy())


def test_static_columns_after_a_fit_without_are_refused():
    _, schema = first(CELLS)
    with pytest.raises(ValueError, match=r"fitted without static columns.\n\nGive that column"):
        later(schema, TABLE)


# Categories among features ------------------------------------------------------------------------


def frames(package=pd):
    return [
        package.DataFrame({"gear": ["n", "d", None], "speed": [0.0, 1.5, 2.0]}),
        package.DataFrame({"gear": ["r"], "speed": [-0.5]}),
    ]


@pytest.mark.parametrize("package", [pd, pl])
def test_categories_of_timesteps_are_codes_beside_the_numbers(package):
    inputs, schema = first(frames(package))
    assert inputs.sequences.values.ravel().tolist() == [0, 1.5, 2, -0.5]
    assert inputs.sequences.codes.ravel().tolist() == [2, 1, 0, 3]
    assert schema.attributes["n_features_in_"] == 2
    assert schema.attributes["feature_names_in_"].tolist() == ["gear", "speed"]
    assert schema.widths == Widths((3,))
    unknown = [frame.assign(gear="?") for frame in frames()]
    assert later(schema, unknown).codes.ravel().tolist() == [0, 0, 0, 0]


def test_no_imputer_is_named_that_takes_no_categories():
    X = frames()
    X[0].loc[1, "speed"] = np.nan
    with pytest.raises(ValueError, match=r"NaN at X\[0\]") as missing:
        first(X)
    assert "Imputer" not in str(missing.value)


def test_padding_is_cut_off_the_codes_too():
    X = frames()
    X[0].loc[2, "speed"] = np.nan
    inputs, _ = check_first(X, mask_value=np.nan, estimator="Estimator")
    assert inputs.sequences.codes.ravel().tolist() == [2, 1, 3]
    assert inputs.sequences.lengths.tolist() == [2, 1]


@pytest.mark.parametrize("dtype", ["float32", "int8", "Int64", "bool", object])
def test_numbers_beside_categories_are_read_as_without(dtype):
    numbers = pd.DataFrame({"pulse": [0.5, 1.5], "beat": [1, 0]}).astype({"beat": dtype})
    expected, _ = first([numbers])
    inputs, _ = first([numbers.assign(phase=["x", "y"])])
    assert inputs.sequences.values.dtype == expected.sequences.values.dtype
    np.testing.assert_array_equal(inputs.sequences.values, expected.sequences.values)
    numbers["beat"] = pd.Series([1, None], dtype="Int64")
    with pytest.raises(ValueError, match=r"contains NaN at X\[0\]\[1, 1\]"):
        first([numbers.assign(phase=["x", "y"])])


def test_there_may_be_categories_alone():
    inputs, schema = first([frame[["gear"]] for frame in frames()])
    assert inputs.sequences.values.shape == (4, 0)
    assert schema.n_features == 0
    assert later(schema, [frame[["gear"]] for frame in frames()]).codes.shape == (4, 1)


def test_later_features_are_checked_by_name():
    _, schema = first(frames())
    for X, message in [
        ([frame[["speed", "gear"]] for frame in frames()], "in another order than fit"),
        ([frame[["speed"]] for frame in frames()], r"X\[0\] lacks 'gear'"),
        ([frames()[0], frames()[1][["speed"]]], r"X\[1\] lacks 'gear'"),
    ]:
        with pytest.raises(ValueError, match=message):
            later(schema, X)


@pytest.mark.parametrize(
    "X",
    [
        np.ones((2, 3, 2)),
        [np.ones((3, 2))],
        [{"gear": ["n"], "speed": [1.0]}],
        [frames()[0], {"gear": ["n"], "speed": [1.0]}],
        frames()[0],
    ],
    ids=["array", "arrays", "dicts", "both", "frame"],
)
def test_later_features_must_be_frames(X):
    _, schema = first(frames())
    message = r"(?s)X must be a list of data frames. Got a .*\['gear', 'speed'\] for each sequence"
    with pytest.raises(ValueError, match=message):
        later(schema, X)


def test_a_series_of_frames_is_a_list_of_them():
    inputs, schema = first(pd.Series(frames(), index=[7, 7]))
    assert inputs.sequences.codes.ravel().tolist() == [2, 1, 0, 3]
    assert later(schema, pd.Series(frames())).codes.shape == (4, 1)


@pytest.mark.parametrize(
    "other", [{"pulse": [1.0, 2.0]}, pa.table({"pulse": [1.0, 2.0]})], ids=["dict", "table"]
)
def test_frames_of_numbers_may_come_with_other_forms(other):
    inputs, schema = first([pd.DataFrame({"pulse": [1.0, 2.0]}), other])
    assert inputs.sequences.values.ravel().tolist() == [1, 2, 1, 2]
    assert schema.categories == {}


def test_features_may_share_a_name_if_they_are_numbers():
    twice = pd.DataFrame([[1.0, 2.0], [3.0, 4.0]], columns=["pulse", "pulse"])
    inputs, _ = first([twice, twice])
    assert inputs.sequences.values.shape == (4, 2)
    with pytest.raises(ValueError, match="is text"):
        first([pd.DataFrame([[1.0, 2.0], [3.0, "x"]], columns=twice.columns)])


def test_absent_categories_are_dropped():
    inputs, schema = first(TABLE.assign(vitals=frames() + frames()[:1]))
    kept, sequences = schema.without_absent(inputs.sequences.take([1, 2]))
    assert kept.categories == {"gear": ("d", "n", "r")}
    assert kept.static.categories == {"ward": ("a",)}
    assert sequences.static[:, -1].tolist() == [0, 1]
    kept, sequences = schema.without_absent(inputs.sequences.take([1]))
    assert kept.categories == {"gear": ("r",)}
    assert sequences.codes.ravel().tolist() == [1]
