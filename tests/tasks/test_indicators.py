import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from scipy.sparse import csc_matrix, csr_array

from sklstm._tasks._indicators import check_indicators, has_columns, reject_one_hot

LABELS = [[0, 1, 1], [0, 0, 0], [1, 0, 1]]
FORMS = {
    "list": LABELS,
    "tuples": tuple(map(tuple, LABELS)),
    "array": np.array(LABELS),
    "booleans": np.array(LABELS, dtype=bool),
    "floats": np.array(LABELS, dtype=np.float32),
    "objects": np.array(LABELS, dtype=object),
    "masked": np.ma.array(LABELS),
    "tensor": torch.tensor(LABELS),
    "tensor of booleans": torch.tensor(LABELS, dtype=torch.bool),
    "frame": pd.DataFrame(LABELS, columns=["a", "b", "c"]),
    "nullable frame": pd.DataFrame(LABELS).astype("Int8"),
    "nullable booleans": pd.DataFrame(LABELS).astype("boolean"),
    "polars": pl.DataFrame(np.array(LABELS)),
    "sparse": csr_array(np.array(LABELS)),
    "sparse matrix": csc_matrix(np.array(LABELS)),
}


@pytest.mark.parametrize("y", FORMS.values(), ids=FORMS)
def test_an_indicator_matrix_of_any_form_is_an_array(y):
    assert has_columns(y)
    checked = check_indicators(y, estimator="E")
    assert checked.dtype == np.float32
    assert checked.tolist() == LABELS


@pytest.mark.parametrize(
    "y",
    [[0, 1], ["a", "b"], np.ones((3, 1)), [[1], [0]], [["a", "b"], ["c"]], csr_array([[1], [0]]), 3,
     pd.Series(["a", "b"]), [{"a"}, {"b", "a"}]],
)  # fmt: skip
def test_one_column_or_none_is_no_indicator_matrix(y):
    assert not has_columns(y)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([[0, 1], [2, 1]], r"y should be a 1d array, .* \(2, 2\) instead: .* Got 2 at y\[1, 0\]\."),
        (np.array([[0.5, 1.0]]), r"Got 0.5 at y\[0, 0\].*\n\nFor columns .* LSTMSequenceRegressor"),
        (csr_array([[0, 1], [3, 0]]), r"Got 3 at y\[1, 0\]"),
        (np.array([[1j, 1]]), r"Got 1j at y\[0, 0\]"),
        ([["a", "b"], ["b", "c"]], r"Got 'a' at y\[0, 0\]\.\n\nIf y lists the labels of each seq"),
        ([[0, "1"]], r"Got '1' at y\[0, 1\]"),
        (np.ones((2, 0)), r"\(2, 0\) instead: y must have one label for each sequence, or"),
        (np.ones((2, 3, 4)), r"\(2, 3, 4\) instead: y must have one label for each sequence, or"),
        ([[0, 1], [1, None]], r"Input y contains None at y\[1, 1\]"),
        (np.array([[0, 1], [np.nan, 1]]), r"Input y contains NaN at y\[1, 0\]"),
        (np.ma.array([[0, 1]], mask=[[0, 1]]), r"Input y contains masked entries at y\[0, 1\]"),
    ],
)
def test_what_is_not_0_or_1_is_named(y, message):
    with pytest.raises(ValueError, match=message):
        check_indicators(y, estimator="E")


def test_each_row_of_a_one_hot_matrix_has_one_label():
    reject_one_hot(np.array([[0, 1], [0, 0]]), None, "y")
    reject_one_hot(np.array([[1, 1], [0, 1]]), None, "y")
    with pytest.raises(ValueError, match="at least one row with none or with more than one"):
        reject_one_hot(np.array([[0, 1], [1, 0]]), None, "y")
