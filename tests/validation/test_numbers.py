import numpy as np
import pandas as pd
import pytest
import torch

from sklstm._validation._numbers import reject_non_numbers


@pytest.mark.parametrize(
    "y",
    [[1, 2.5], np.ones((3, 2)), [[1, 2], [3, 4]], ["1.5", "2"], torch.ones(3), pd.Series([1, 2])],
)
def test_numbers_pass(y):
    reject_non_numbers(y, "y")


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([1, "a"], r"^y must be numbers. Got 'a' at y\[1\].\n\nFor labels use LSTMSequenceClass"),
        (np.array([["1", "b"]]), r"Got 'b' at y\[0, 1\]"),
        (pd.Series(["cold", "warm"]), r"Got 'cold' at y\[0\]"),
        ([[1, 2], [3]], r"or the same number of them. Got \[1, 2\] at y\[0\]"),
    ],
)
def test_what_is_no_number_is_named(y, message):
    with pytest.raises(ValueError, match=message):
        reject_non_numbers(y, "y")
