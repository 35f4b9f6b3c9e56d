import awkward
import numpy as np
import pandas as pd
import polars
import pyarrow
import pytest

from sklstm._validation._inputs import check_inputs
from sklstm._validation._nested import flatten_nested

UNIVARIATE = [[1.0, 2.0, 3.0], [4.0]]
MULTIVARIATE = [[[1.0, 2.0], [3.0, 4.0]], [[5.0, 6.0]]]


@pytest.mark.parametrize(
    "build",
    [
        pyarrow.array,
        lambda X: pyarrow.chunked_array([X[:1], X[1:]]),
        lambda X: polars.Series(X),
        awkward.Array,
    ],
    ids=["pyarrow", "pyarrow chunked", "polars", "awkward"],
)
@pytest.mark.parametrize("X", [UNIVARIATE, MULTIVARIATE], ids=["univariate", "multivariate"])
def test_equals_the_list(build, X):
    inputs = check_inputs(build(X), estimator="LSTMSequenceClassifier")
    expected = [np.reshape(x, (len(x), -1)).tolist() for x in X]
    assert [x.tolist() for x in inputs.sequences] == expected


RECORDS = [[{"a": 1.0, "b": 2.0}, {"a": 3.0, "b": 4.0}], [{"a": 5.0, "b": 6.0}]]
COLUMNS = [{"a": [1.0, 3.0], "b": [2.0, 4.0]}, {"a": [5.0], "b": [6.0]}]


def of_pandas(X):
    return pd.Series(pyarrow.array(X), dtype=pd.ArrowDtype(pyarrow.array(X).type))


@pytest.mark.parametrize(
    "build",
    [
        pyarrow.array,
        lambda X: pyarrow.chunked_array([pyarrow.array(X[:1]), pyarrow.array(X[1:])]),
        lambda X: pyarrow.array([X[1], *X])[1:],
        polars.Series,
        awkward.Array,
        of_pandas,
    ],
    ids=["pyarrow", "pyarrow chunked", "pyarrow slice", "polars", "awkward", "pandas"],
)
@pytest.mark.parametrize("X", [RECORDS, COLUMNS], ids=["lists of structs", "structs of lists"])
def test_structs_have_features_by_name(build, X):
    inputs = check_inputs(build(X), estimator="LSTMSequenceClassifier")
    assert [x.tolist() for x in inputs.sequences] == MULTIVARIATE
    assert inputs.column_names.tolist() == ["a", "b"]


@pytest.mark.parametrize(
    "X",
    [
        polars.Series(MULTIVARIATE, dtype=polars.List(polars.Array(polars.Float64, 2))),
        pyarrow.array(MULTIVARIATE, pyarrow.list_(pyarrow.list_(pyarrow.float64(), 2))),
        pyarrow.array(MULTIVARIATE, pyarrow.large_list(pyarrow.large_list(pyarrow.float64()))),
        of_pandas(MULTIVARIATE),
    ],
    ids=["polars", "pyarrow of fixed size", "pyarrow large", "pandas"],
)
def test_every_kind_of_list(X):
    values, lengths, names = flatten_nested(X, "X")
    assert values.tolist() == [[1, 2], [3, 4], [5, 6]]
    assert lengths.tolist() == [2, 1]
    assert names is None


def test_an_array_of_polars_has_sequences_of_one_length():
    X = polars.Series([[1.0, 2.0], [3.0, 4.0]], dtype=polars.Array(polars.Float64, 2))
    assert flatten_nested(X, "X").lengths.tolist() == [2, 2]


@pytest.mark.parametrize("build", [pyarrow.array, polars.Series, awkward.Array, of_pandas])
def test_null_values_are_nan(build):
    values = flatten_nested(build([[1.0, None], [None]]), "X").values
    np.testing.assert_array_equal(values.ravel(), [1, np.nan, np.nan])


@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        (
            [{"a": 1.0}],
            ValueError,
            r"records of the fields \['a'\], .* one list .* give lists of rec",
        ),
        ([{"a": [[1.0, 2.0]]}], ValueError, r"records of the fields \['a'\], .*give it alone"),
        (
            [{"a": [1.0], "b": [1.0, 2.0]}],
            ValueError,
            r"X\[0\] has 2 timesteps of 'b' but 1 of 'a'",
        ),
        ([[{"a": "x"}]], TypeError, "field of string; every field must be one number"),
        ([[{"a": 1.0}, None]], ValueError, r"1 null timestep\(s\)"),
        ([{"a": [1.0]}, None], ValueError, r"1 null sequence\(s\)"),
    ],
)
def test_structs_that_are_no_sequences_are_named(X, error, message):
    with pytest.raises(error, match=f"(?s){message}"):
        flatten_nested(pyarrow.array(X), "X")


def test_a_slice_of_an_arrow_array_is_that_slice():
    values, lengths, _ = flatten_nested(pyarrow.array([[9.0], *UNIVARIATE])[1:], "X")
    assert values.ravel().tolist() == [1, 2, 3, 4]
    assert lengths.tolist() == [3, 1]


@pytest.mark.parametrize("build", [pyarrow.array, awkward.Array])
def test_unequal_feature_counts_are_an_error(build):
    with pytest.raises(ValueError, match="timesteps of 1 to 2 features"):
        flatten_nested(build([[[1.0, 2.0], [3.0]]]), "X")


def test_a_null_sequence_is_an_error():
    with pytest.raises(ValueError, match=r"X has 1 null sequence\(s\)"):
        flatten_nested(pyarrow.array([[1.0], None]), "X")


def test_a_null_timestep_is_an_error():
    with pytest.raises(ValueError, match=r"X has 1 null timestep\(s\)"):
        flatten_nested(pyarrow.array([[[1.0, 2.0], None], [[1.0, 2.0]]]), "X")


def test_a_flat_frame_is_none_of_these():
    assert flatten_nested(polars.DataFrame({"a": [1.0, 2.0]}), "X") is None
    assert flatten_nested(np.ones((2, 3)), "X") is None


def test_a_polars_frame_is_a_table():
    frame = polars.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]})
    inputs = check_inputs(frame, estimator="LSTMSequenceClassifier")
    assert inputs.n_columns == 2
    assert [x.ravel().tolist() for x in inputs.sequences] == [[1, 3], [2, 4]]
