import numpy as np
import pandas as pd
import pytest

from sklstm._validation._groups import check_groups, number_groups


@pytest.mark.parametrize(
    "groups",
    [
        ["bo", "al", "bo"],
        [7, 3, 7],
        np.array([2.0, 1.0, 2.0]),
        np.array(["bo", 1, "bo"], dtype=object),
        pd.Series(["bo", "al", "bo"], dtype="category"),
        [[1], [2], [1]],
    ],
)
def test_groups_of_any_kind_are_numbered_as_they_occur(groups):
    assert number_groups(check_groups(groups, 3)).tolist() == [0, 1, 0]


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ([0, 1], "X has 3 sequences, groups has 2 entries"),
        (
            [0.0, np.nan, 1.0],
            r"Input groups contains NaN at groups\[1\]; every sequence needs a gr",
        ),
        (["a", None, "b"], r"Input groups contains None at groups\[1\]"),
        (np.ma.array([0, 1, 1], mask=[0, 0, 1]), r"contains masked entries at groups\[2\]"),
        (np.eye(3), r"groups must hold one entry .* an array of shape \(3, 3\)"),
        ([("bo", 1), ("al", 2), ("bo", 1)], r"groups must hold one entry .* of shape \(3, 2\)"),
    ],
)
def test_bad_groups(groups, message):
    with pytest.raises(ValueError, match=message):
        check_groups(groups, 3)


def test_one_name_for_all_is_an_error():
    with pytest.raises(TypeError, match=r"one entry for each sequence. Got 'bo' instead"):
        check_groups("bo", 3)
