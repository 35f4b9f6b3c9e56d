import awkward as ak
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch

from sklstm._validation._tokens import TokenIds
from sklstm.inspection._exchange import read_exchangeable, rows_of_donors
from tests.helpers import as_objects

RNG = np.random.default_rng(0)
LENGTHS = [3, 6, 4, 5]
RAGGED = [RNG.normal(size=(length, 2)) for length in LENGTHS]
DONORS = np.array([1, 2, 3, 0])
NAN = float("nan")


def exchange(X, place, donors=DONORS, n_segments=1, segment=0, mask_value=NAN):
    exchangeable = read_exchangeable(X, mask_value)
    return exchangeable.exchanged(place, exchangeable.order_of(donors, n_segments, segment))


# Rows ---------------------------------------------------------------------------------------------


def test_a_longer_donor_is_thinned_and_a_shorter_one_repeats_its_timesteps():
    rows, sources = rows_of_donors(np.array([0, 3]), np.array([3, 6]), np.array([1, 0]))
    assert rows.tolist() == [*range(9)]
    assert (sources[:3] - 3).tolist() == [1, 3, 5]
    assert sources[3:].tolist() == [0, 0, 1, 1, 2, 2]


def test_sequences_of_one_length_take_the_same_timesteps():
    starts = 5 * np.arange(4)
    rows, sources = rows_of_donors(starts, np.full(4, 5), DONORS)
    assert (sources.reshape(4, 5) == starts[DONORS][:, None] + np.arange(5)).all()
    assert (rows == np.arange(20)).all()


@pytest.mark.parametrize("n_segments", [1, 2, 3, 7])
def test_segments_divide_the_timesteps_and_donors_give_their_own(n_segments):
    rng = np.random.default_rng(n_segments)
    lengths = rng.integers(1, 12, size=30)
    starts, donors = np.cumsum(lengths) - lengths, rng.permutation(30)
    parts = [rows_of_donors(starts, lengths, donors, n_segments, i) for i in range(n_segments)]
    whole = rows_of_donors(starts, lengths, donors)
    rows, sources = (np.concatenate(pieces) for pieces in zip(*parts, strict=True))
    assert (np.sort(rows) == np.arange(lengths.sum())).all()
    assert (sources[np.argsort(rows)] == whole[1]).all()
    owner = np.repeat(np.arange(30), lengths)
    assert (owner[whole[1]] == donors[owner]).all()


def test_a_timestep_is_in_the_segment_of_its_middle():
    found = [rows_of_donors(np.array([0]), np.array([5]), np.array([0]), 2, i)[0] for i in (0, 1)]
    assert [rows.tolist() for rows in found] == [[0, 1], [2, 3, 4]]


# Forms --------------------------------------------------------------------------------------------


def as_lists(X):
    """Any form of ragged sequences of two features, as lists."""
    names = ["a", "b"]
    if isinstance(X[0], dict):
        return [np.column_stack([x[name] for name in names]).tolist() for x in X]
    return [np.asarray(x).tolist() for x in X]


def table_of(kind):
    return [kind(dict(zip("ab", x.T, strict=True))) for x in RAGGED]


def structured(x):
    return np.array([*map(tuple, x)], dtype=[("a", float), ("b", float)])


FORMS = {
    "list": RAGGED,
    "tuple": tuple(RAGGED),
    "lists of lists": [x.tolist() for x in RAGGED],
    "object array": as_objects(RAGGED),
    "tensors": [torch.from_numpy(x) for x in RAGGED],
    "pandas": table_of(pd.DataFrame),
    "polars": table_of(pl.DataFrame),
    "dicts": table_of(dict),
    "records": [[dict(zip("ab", row, strict=True)) for row in x.tolist()] for x in RAGGED],
    "structured": [structured(x) for x in RAGGED],
    "pyarrow": pa.array([x.tolist() for x in RAGGED]),
    "awkward": ak.Array([x.tolist() for x in RAGGED]),
    "polars nested": pl.Series([x.tolist() for x in RAGGED]),
    "masked": [np.ma.array(x) for x in RAGGED],
    "series": pd.Series(RAGGED),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(("place", "n_segments"), [(1, 1), (None, 2), (0, 2)])
def test_every_form_gives_the_same_sequences(form, place, n_segments):
    arguments = {"place": place, "n_segments": n_segments, "segment": n_segments - 1}
    assert as_lists(exchange(FORMS[form], **arguments)) == as_lists(exchange(RAGGED, **arguments))


@pytest.mark.parametrize(
    ("form", "kind"),
    [("list", list), ("object array", np.ndarray), ("pandas", list), ("polars", list)],
)
def test_the_form_is_kept_and_X_is_not_modified(form, kind):
    before = as_lists(FORMS[form])
    found = exchange(FORMS[form], 0)
    assert type(found) is kind
    assert type(found[0]) is type(FORMS[form][0])
    assert as_lists(FORMS[form]) == before


def test_features_have_the_names_of_X():
    assert read_exchangeable(FORMS["pandas"], NAN).features == ["a", "b"]
    assert read_exchangeable(FORMS["structured"], NAN).features == ["a", "b"]
    assert read_exchangeable(RAGGED, NAN).features == ["x0", "x1"]


@pytest.mark.parametrize("X", [RNG.normal(size=(4, 5, 2)), RNG.normal(size=(4, 5, 2)) > 0])
def test_a_channel_of_an_array_is_that_of_the_donor(X):
    found = exchange(X, 1)
    assert found.dtype == X.dtype
    assert (found[:, :, 1] == X[DONORS][:, :, 1]).all()
    assert (found[:, :, 0] == X[:, :, 0]).all()


@pytest.mark.parametrize("kind", [np.array, pd.DataFrame, pl.DataFrame])
def test_a_table_of_one_sequence_per_row(kind):
    table = RNG.normal(size=(4, 6))
    X = kind(table) if kind is np.array else kind(table, [*"abcdef"]) if kind is pl.DataFrame else (
        kind(table, columns=[*"abcdef"], index=[4, 5, 6, 7])
    )  # fmt: skip
    found = exchange(X, 0, n_segments=2, segment=1)
    assert type(found) is type(X)
    assert (np.asarray(found)[:, :3] == table[:, :3]).all()
    assert (np.asarray(found)[:, 3:] == table[DONORS][:, 3:]).all()
    assert list(getattr(found, "columns", "abcdef")) == [*"abcdef"]


def test_a_structured_array_of_equal_lengths():
    X = np.zeros((2, 3), dtype=[("a", float), ("b", float)])
    X["a"] = [[1, 2, 3], [4, 5, 6]]
    found = exchange(X, 0, np.array([1, 0]))
    assert [x["a"].tolist() for x in found] == [[4, 5, 6], [1, 2, 3]]


def test_categories_are_exchanged_as_they_are():
    X = [
        pd.DataFrame({"state": pd.Categorical(states), "level": np.arange(3.0)})
        for states in (["on", "off", "on"], ["on", "idle", "idle"])
    ]
    found = exchange(X, 0, np.array([1, 0]))
    assert [frame["state"].to_list() for frame in found] == [
        ["on", "idle", "idle"],
        ["on", "off", "on"],
    ]
    assert found[1]["level"].to_list() == [0.0, 1.0, 2.0]


@pytest.mark.parametrize("kind", [pd.DataFrame, pl.DataFrame])
def test_a_column_of_sequences_and_static_columns(kind):
    X = kind({"pulse": [x[:, 0].tolist() for x in RAGGED], "ward": [*"abca"], "age": [1, 2, 3, 4]})
    exchangeable = read_exchangeable(X, NAN)
    assert exchangeable.features == ["pulse"]
    assert exchangeable.static == ["ward", "age"]
    found = exchange(X, 0)
    assert type(found) is type(X)
    assert list(found.columns) == ["pulse", "ward", "age"]
    expected = exchange([x[:, :1] for x in RAGGED], 0)
    assert [list(x) for x in found["pulse"]] == [x[:, 0].tolist() for x in expected]
    changed = exchangeable.exchanged_static("ward", DONORS)
    assert changed["ward"].to_list() == ["b", "c", "a", "a"]
    assert changed["age"].to_list() == [1, 2, 3, 4]
    assert X["ward"].to_list() == [*"abca"]


def test_a_column_of_records():
    records = FORMS["records"]
    X = pl.DataFrame({"trip": records, "age": [1, 2, 3, 4]})
    assert read_exchangeable(X, NAN).features == ["a", "b"]
    found = exchange(X, 1)["trip"].to_list()
    assert as_lists([{k: [r[k] for r in x] for k in "ab"} for x in found]) == as_lists(
        exchange(RAGGED, 1)
    )


# Padding and token ids ----------------------------------------------------------------------------


@pytest.mark.parametrize("mask_value", [NAN, -1.0])
def test_padding_stays_where_it_is(mask_value):
    X = np.full((4, 6, 2), mask_value)
    for row, x in zip(X, RAGGED, strict=True):
        row[: len(x)] = x
    found = exchange(X, None, mask_value=mask_value)
    expected = exchange(RAGGED, None)
    for row, x in zip(found, expected, strict=True):
        np.testing.assert_array_equal(row[: len(x)], x)
        np.testing.assert_array_equal(row[len(x) :], mask_value)


def test_a_missing_value_within_a_sequence_is_a_value():
    X = [np.array([1.0, NAN, 3.0]), np.array([4.0, 5.0, 6.0])]
    found = exchange(X, 0, np.array([1, 0]))
    np.testing.assert_array_equal(found[1], [1.0, NAN, 3.0])


def test_token_ids_stay_integers_in_their_own_kind_of_list():
    X = TokenIds([np.array([2, 3]), np.array([4, 5, 6, 7])])
    found = exchange(X, None, np.array([1, 0]), mask_value=0)
    assert type(found) is TokenIds
    assert [x.tolist() for x in found] == [[5, 7], [2, 2, 3, 3]]
    assert found[0].dtype == np.int64


def test_padded_token_ids():
    X = np.array([[2, 3, 0, 0], [4, 5, 6, 7]])
    found = exchange(X, None, np.array([1, 0]), mask_value=0)
    assert found.tolist() == [[5, 7, 0, 0], [2, 2, 3, 3]]


def test_words():
    found = exchange([["a", "b"], ["c", "d", "e", "f"]], None, np.array([1, 0]))
    assert [x.tolist() for x in found] == [["d", "f"], ["a", "a", "b", "b"]]


# Errors -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("X", [["a b", "c"], np.array(["a b", "c"]), pd.Series(["a b", "c"])])
def test_texts_are_refused_with_a_remedy(X):
    with pytest.raises(ValueError, match=r"X\[0\] is text.*\n\n.*pipeline\[:-1\]\.transform\(X\)"):
        read_exchangeable(X, NAN)


def test_sequences_of_different_widths_are_refused():
    with pytest.raises(ValueError, match=r"shapes \[\(1,\), \(2,\)\]"):
        read_exchangeable([np.zeros((3, 1)), np.zeros((3, 2))], NAN)


def test_a_sequence_without_timesteps_is_named():
    with pytest.raises(ValueError, match=r"X\[1\] has no timesteps"):
        read_exchangeable([np.zeros((3, 1)), np.zeros((0, 1))], NAN)
