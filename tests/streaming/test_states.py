import numpy as np
import pytest

from sklstm.streaming import Stream
from tests.streaming.fitted import TABLE, X, classifier, of_table


@pytest.mark.parametrize("wrong", [0, -1, 2.0, "2", True])
def test_numbers_of_streams(wrong):
    with pytest.raises(ValueError, match="n_streams must be an int of at least 1, or None"):
        Stream(classifier(), wrong)


def test_a_number_of_numpy():
    assert Stream(classifier(), np.int64(2)).update(X[:2]).shape == (2, 11, 3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"more": np.zeros(1)}, "must have the arrays"),
        ({"n_timesteps": np.zeros(2, dtype=int)}, r"'n_timesteps' .* shape \(1,\) and dtype int64"),
        ({"n_timesteps": np.array([-1])}, "'n_timesteps' of the state holds values that no stream"),
        ({"hidden_0": np.zeros((1, 4))}, "'hidden_0' .* dtype float32. Got .* float64"),
        ({"cell_0": np.full((1, 4), np.nan, dtype=np.float32)}, "'cell_0' .* that no stream has"),
    ],
)
def test_what_is_no_state(change, message):
    stream = Stream(classifier())
    stream.update(X[0, :4])
    before = stream.state_dict()
    with pytest.raises(ValueError, match=message):
        stream.load_state_dict(before | change)
    np.testing.assert_equal(stream.state_dict(), before)


def test_static_columns_that_a_model_lacks():
    with pytest.raises(ValueError, match="this LSTMSequenceClassifier has no static columns"):
        Stream(classifier(), static=TABLE[["age"]][:1])


@pytest.mark.parametrize(
    ("static", "message"),
    [
        (None, r"data frame with the columns \['age', 'ward'\].*Got None"),
        (np.zeros((1, 2)), "Got a ndarray"),
        (TABLE[["age"]][:1], "now missing:\n- ward"),
        (TABLE[["age", "ward"]][:2], "static has 2 rows, but there are 1 streams"),
    ],
)
def test_static_columns_that_do_not_fit(static, message):
    with pytest.raises(ValueError, match=message):
        Stream(of_table(), static=static)
