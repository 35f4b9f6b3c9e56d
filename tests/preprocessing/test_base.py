import awkward as ak
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch

from sklstm.preprocessing import SequenceImputer, SequenceScaler
from sklstm.preprocessing._base import SequenceTransformer
from tests.helpers import make_cube, make_ragged


class Repeat(SequenceTransformer):
    """Each feature ``times`` times: the smallest transformer there can be."""

    def __init__(self, times=1):
        self.times = times

    def fit(self, X, y=None):
        self._set_input_schema(self._check_new_X(X))
        return self

    def _transform_values(self, sequences):
        return np.hstack([sequences.values] * self.times)

    def _suffixes(self):
        return tuple("abcdefg"[: self.times])


CUBE = make_cube(4, n_timesteps=3)[0]
RAGGED = make_ragged(4)[0]
TABLE = CUBE[:, :, 0]
NESTED = [[[1.0, 2.0]], [[3.0, 4.0], [5.0, 6.0]]]


# The form of the result


def same(given, expected):
    assert type(given) is type(expected)
    assert len(given) == len(expected)
    for a, b in zip(given, expected, strict=True):
        np.testing.assert_array_equal(a, b, strict=True)


@pytest.mark.parametrize(
    ("X", "expected"),
    [
        (CUBE, CUBE),
        (torch.from_numpy(CUBE), CUBE),
        (CUBE.astype(object), CUBE),
        (TABLE, TABLE),
        (pd.DataFrame(TABLE), TABLE),
        (torch.from_numpy(TABLE), TABLE),
        (TABLE.tolist(), TABLE),
        (RAGGED, RAGGED),
        (tuple(RAGGED), RAGGED),
        (pd.Series(RAGGED), RAGGED),
        (np.array([*RAGGED, None], dtype=object)[:-1], RAGGED),
        ([x[:, 0] for x in RAGGED], [x[:, :1] for x in RAGGED]),
        (list(CUBE), list(CUBE)),
        (ak.Array(NESTED), [np.array(x) for x in NESTED]),
        (pa.array(NESTED), [np.array(x) for x in NESTED]),
        (pl.Series(NESTED), [np.array(x) for x in NESTED]),
    ],
    ids=lambda X: f"{type(X).__module__}.{type(X).__name__}",
)
def test_the_result_is_of_the_kind_of_X(X, expected):
    same(Repeat().fit_transform(X), expected)


def test_two_channels_of_a_table_need_a_third_dimension():
    expected = np.stack([TABLE, TABLE], axis=2)
    np.testing.assert_array_equal(Repeat(2).fit_transform(pd.DataFrame(TABLE)), expected)


# The number of features


@pytest.mark.parametrize(
    ("fitted_on", "X", "message"),
    [
        (RAGGED, [x[:, :1] for x in RAGGED], "X has 1 features, but Repeat is expecting 2 fea"),
        (CUBE, np.dstack([CUBE, CUBE]), "X has 4 features, but Repeat is expecting 2 features as"),
        (CUBE, TABLE, "X has 1 features, but Repeat is expecting 2 features as input"),
        (TABLE, TABLE[:, :2], "X has 2 features, but Repeat is expecting 3 features as input"),
        (TABLE, CUBE, "X has 2 features, but Repeat is expecting 1 features as input at each tim"),
        (CUBE[:, :, :1], RAGGED[0][:, :1], r"is one sequence of \d timesteps.*Reshape your data"),
    ],
)
def test_another_number_of_features_is_an_error(fitted_on, X, message):
    with pytest.raises(ValueError, match=rf"(?s){message}"):
        Repeat().fit(fitted_on).transform(X)


def test_a_fit_on_a_table_takes_univariate_sequences_of_any_form():
    fitted = Repeat().fit(TABLE)
    same(fitted.transform(CUBE[:, :, :1]), CUBE[:, :, :1])
    same(fitted.transform([x[:, 0] for x in RAGGED]), [x[:, :1] for x in RAGGED])


def test_the_names_of_columns_must_stay():
    fitted = Repeat().fit(pd.DataFrame(TABLE, columns=["t0", "t1", "t2"]))
    with pytest.raises(ValueError, match="feature names should match"):
        fitted.transform(pd.DataFrame(TABLE, columns=["t2", "t1", "t0"]))


def test_a_fit_without_names_forgets_them():
    fitted = Repeat().fit(pd.DataFrame(TABLE, columns=["t0", "t1", "t2"])).fit(CUBE)
    assert not hasattr(fitted, "feature_names_in_")
    assert fitted.n_features_in_ == 2


# Names


def test_names_of_channels():
    assert Repeat(2).fit(RAGGED).get_feature_names_out().tolist() == ["x0a", "x1a", "x0b", "x1b"]


def test_names_may_be_given():
    assert Repeat(1).fit(RAGGED).get_feature_names_out(["u", "v"]).tolist() == ["ua", "va"]
    with pytest.raises(ValueError, match=r"number of features \(2\), got 3"):
        Repeat().fit(RAGGED).get_feature_names_out(["u", "v", "w"])


def test_the_name_of_a_column_of_sequences_is_put_before_those_of_the_features():
    names = Repeat(1).fit(RAGGED).get_feature_names_out(["walk"])
    assert names.tolist() == ["walk_x0a", "walk_x1a"]
    univariate = [x[:, :1] for x in RAGGED]
    assert Repeat(1).fit(univariate).get_feature_names_out(["walk"]).tolist() == ["walka"]


def test_names_of_the_columns_of_a_table():
    frame = pd.DataFrame(TABLE, columns=["t0", "t1", "t2"])
    assert Repeat(1).fit(frame).get_feature_names_out().tolist() == ["t0a", "t1a", "t2a"]
    assert Repeat(2).fit(frame).get_feature_names_out().tolist() == ["x0a", "x0b"]


def test_the_result_is_never_made_a_frame():
    from sklearn import config_context

    assert not hasattr(Repeat(), "set_output")
    with config_context(transform_output="pandas"):
        same(Repeat().fit_transform(RAGGED), RAGGED)
        same(Repeat().fit_transform(TABLE), TABLE)


# Masked arrays

CUBE = np.arange(12.0).reshape(2, 3, 2)


def test_a_masked_end_is_cut_off_and_the_result_is_a_list():
    X = np.ma.array(CUBE, mask=False)
    X[1, 2] = np.ma.masked
    for transformer in (SequenceScaler("minmax"), SequenceImputer()):
        result = transformer.fit_transform(X)
        expected = transformer.fit_transform([CUBE[0], CUBE[1, :2]])
        assert [x.tolist() for x in result] == [x.tolist() for x in expected]


def test_a_value_that_is_masked_elsewhere_is_missing_and_the_result_is_an_array():
    X = np.ma.array(CUBE, mask=False)
    X[0, 1, 0] = np.ma.masked
    filled = SequenceImputer("linear").fit_transform(X)
    assert type(filled) is np.ndarray
    np.testing.assert_array_equal(filled, CUBE)
    scaled = SequenceScaler("minmax").fit_transform(X)
    assert np.argwhere(np.isnan(scaled)).tolist() == [[0, 1, 0]]


def test_rows_with_masked_ends():
    X = np.ma.masked_equal([[1, 2, 3], [4, 0, 0]], 0)
    assert [x.ravel().tolist() for x in SequenceImputer().fit_transform(X)] == [[1, 2, 3], [4]]
