import numpy as np
import pandas as pd
import polars
import pyarrow
import pytest
import torch

from sklstm._validation._tokens import check_tokens

LISTS = [[2, 3, 4], [5]]
PADDED = np.array([[2, 3, 4], [5, 0, 0]])


def check(X, vocabulary_size=None):
    return check_tokens(X, vocabulary_size=vocabulary_size)


@pytest.mark.parametrize(
    "X",
    [
        LISTS,
        tuple(map(tuple, LISTS)),
        [np.array(ids, dtype=np.uint8) for ids in LISTS],
        [torch.tensor(ids) for ids in LISTS],
        np.array([np.array(ids) for ids in LISTS], dtype=object),
        pd.Series(LISTS),
        PADDED,
        PADDED.astype(np.int16),
        PADDED.astype(object),
        PADDED.tolist(),
        pd.DataFrame(PADDED),
        torch.from_numpy(PADDED),
        polars.Series(LISTS),
        pyarrow.array(LISTS),
    ],
    ids=lambda X: type(X).__name__,
)
def test_every_form_gives_the_same_sequences(X):
    inputs = check(X)
    assert [x.ravel().tolist() for x in inputs.sequences] == LISTS
    assert inputs.sequences.values.dtype == np.int64
    assert inputs.vocabulary_size == 6


def test_zeros_at_the_end_are_padding_and_zeros_before_are_not():
    sequences = check([[2, 0, 3, 0, 0], [0, 4]]).sequences
    assert [x.ravel().tolist() for x in sequences] == [[2, 0, 3], [0, 4]]


def test_the_vocabulary_holds_padding_and_unknown_at_least():
    assert check([[1], [1]]).vocabulary_size == 2
    assert check([[7], [1]]).vocabulary_size == 8
    assert check([[7], [1]], vocabulary_size=100).vocabulary_size == 100


def test_the_callers_array_is_not_modified():
    X = PADDED.copy()
    check(X)
    np.testing.assert_array_equal(X, PADDED)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (
            [[2, 3], [4, 10]],
            r"from 0 to 9: X\[1\]\[1\] is 10.\n\nMap unknown tokens to 1, or set vo",
        ),
        ([[2, 3], [-4, 1]], r"from 0 to 9: X\[1\]\[0\] is -4"),
        ([[99, 98, 97, 96]], r"X\[0\]\[0\] is 99, X\[0\]\[1\] is 98, X\[0\]\[2\] is 97 and 1 more"),
        (
            [[2.0, 3.0]],
            r"X must hold token ids, which are integers. Got dtype float64.\n\nGive",
        ),
        ([[2, 3], [2.5]], r"X\[1\] must .* Got dtype float64, among them 2.5"),
        (PADDED / 2, r"X must hold token ids, .* among them 1.5"),
        (PADDED.astype(bool), "Got dtype bool"),
        (
            ["a text"],
            r"X\[0\] is text \('a text'\), not token ids.\n\nTurn text into token ids first",
        ),
        ([["a", "text"], ["b"]], r"(?s)X\[0\] holds text \('a'\).*TokenEncoder\(\)"),
        (np.array(["a", "b"]), r"X\[0\] is text|X holds text \('a'\)"),
        ([[[2, 3]]], r"X\[0\] must be a 1-D sequence of token ids. Got an array of shape \(1, 2\)"),
        (np.ones((2, 3, 4), dtype=int), r"Got an array of shape \(2, 3, 4\)"),
        (np.array([2, 3]), r"(?s)Got an array of shape \(2,\).*Reshape your data: \[X\]"),
        ([2, 3], r"X\[0\] must be a 1-D sequence of token ids. Got an array of shape \(\)"),
        ([], r"Found array with 0 sample\(s\)"),
        (np.empty((0, 3), dtype=int), r"Found array with 0 sample\(s\) \(shape=\(0, 3\)\)"),
        ([[2], []], r"X\[1\] has no timesteps(?s:.*)Drop .*, in fit with their labels"),
        (pyarrow.array([[[2, 3]]]), r"one integer for each timestep. Got 2 features"),
        (
            [{"input_ids": [2, 3], "mask": [1, 1]}],
            r"Got a dict of \['input_ids', 'mask'\].\n\nGive .*: X = \[x\['input_ids'\] for x",
        ),
        ([[2], [0, 0]], r"X\[1\] has no timesteps"),
    ],
)
def test_bad_ids_are_named(X, message):
    with pytest.raises(ValueError, match=message):
        check(X, vocabulary_size=10)
