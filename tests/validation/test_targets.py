import numpy as np
import pandas as pd
import pytest

from sklstm._validation._targets import check_numbers, check_one_each


def test_numbers_become_float64():
    found = check_numbers(["1", 2], estimator="Model")
    assert found.dtype == np.float64
    assert found.tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (None, "Model requires y to be passed"),
        ([1.0, None], r"None at y\[1\]; every sequence needs a value"),
        (["high", 1], r"y must be numbers. Got 'high' at y\[0\]"),
        (np.zeros((3, 2, 2)), r"y must have shape .* Got shape \(3, 2, 2\)"),
    ],
)
def test_what_is_no_number_is_refused(y, message):
    with pytest.raises(ValueError, match=message):
        check_numbers(y, estimator="Model")


def test_there_must_be_one_entry_for_each_sequence():
    check_one_each(np.zeros(3), 3, None, noun="labels")
    with pytest.raises(ValueError, match="X_val has 4 sequences, y_val has 3 values"):
        check_one_each(np.zeros(3), 4, None, noun="values", suffix="_val")
    with pytest.raises(ValueError, match="If X is a long table"):
        check_one_each(np.zeros(3), 4, pd.DataFrame({"id": [0, 0]}), noun="labels")
