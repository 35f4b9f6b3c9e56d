import numpy as np
import pytest

from sklstm._validation._weights import check_weights


def test_no_weights_are_ones():
    assert check_weights(None, 3).tolist() == [1, 1, 1]


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1, 2], r"sample_weight.shape == \(2,\), expected \(3,\)"),
        ([1, -1, 1], "Negative values in data passed to `sample_weight`"),
        ([1, np.nan, 1], "sample_weight contains NaN"),
        ([1, np.nan, 1], r"at sample_weight\[1\]; every sequence needs a weight"),
        (np.ma.array([1, 1, 1], mask=[0, 0, 1]), r"masked entries at sample_weight\[2\]"),
        ([0, 0, 0], "at least one non-zero"),
    ],
)
def test_bad_weights(weights, message):
    with pytest.raises(ValueError, match=message):
        check_weights(weights, 3)


def test_a_number_is_the_weight_of_every_sequence():
    assert check_weights(2, 3).tolist() == [2, 2, 2]


@pytest.mark.parametrize(
    "weights", [[1, 2], [1, -1, 1], [1, np.nan, 1], [1, np.inf, 1], [0, 0, 0], [[1], [1], [1]]]
)
def test_errors_have_the_name_of_the_weights(weights):
    with pytest.raises(ValueError, match=r"\bsample_weight_val\b"):
        check_weights(weights, 3, input_name="sample_weight_val")
