import awkward
import numpy as np
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


def test_a_slice_of_an_arrow_array_is_that_slice():
    values, lengths = flatten_nested(pyarrow.array([[9.0], *UNIVARIATE])[1:])
    assert values.ravel().tolist() == [1, 2, 3, 4]
    assert lengths.tolist() == [3, 1]


@pytest.mark.parametrize("build", [pyarrow.array, awkward.Array])
def test_unequal_feature_counts_are_an_error(build):
    with pytest.raises(ValueError, match="timesteps of 1 to 2 features"):
        flatten_nested(build([[[1.0, 2.0], [3.0]]]))


def test_a_null_sequence_is_an_error():
    with pytest.raises(ValueError, match=r"X has 1 null sequence\(s\)"):
        flatten_nested(pyarrow.array([[1.0], None]))


def test_a_null_timestep_is_an_error():
    with pytest.raises(ValueError, match=r"X has 1 null timestep\(s\)"):
        flatten_nested(pyarrow.array([[[1.0, 2.0], None], [[1.0, 2.0]]]))


def test_a_flat_frame_is_none_of_these():
    assert flatten_nested(polars.DataFrame({"a": [1.0, 2.0]})) is None
    assert flatten_nested(np.ones((2, 3))) is None


def test_a_polars_frame_is_a_table():
    frame = polars.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]})
    inputs = check_inputs(frame, estimator="LSTMSequenceClassifier")
    assert inputs.n_columns == 2
    assert [x.ravel().tolist() for x in inputs.sequences] == [[1, 3], [2, 4]]
