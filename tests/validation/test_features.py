import numpy as np
import pandas as pd
import pytest

from sklstm._validation._features import InputSchema
from sklstm._validation._inputs import check_inputs

TABLE = np.arange(12.0).reshape(3, 4)


def check(X, *, n_features=1, n_columns=None, names=None):
    names = None if names is None else np.array(list(names), dtype=object)
    inputs = check_inputs(X, estimator="BaseEstimator")
    InputSchema(n_features, n_columns, names).check(X, inputs, estimator="BaseEstimator")


def test_rows_must_keep_their_length_and_names():
    check(TABLE, n_columns=4)
    check(pd.DataFrame(TABLE, columns=list("abcd")), n_columns=4, names="abcd")
    with pytest.raises(ValueError, match="X has 4 features, but BaseEstimator is expecting 5"):
        check(TABLE, n_columns=5)
    with pytest.raises(ValueError, match="feature names should match"):
        check(pd.DataFrame(TABLE, columns=list("abcz")), n_columns=4, names="abcd")


def test_sequences_after_rows_and_rows_after_sequences_may_have_any_length():
    check([np.ones(3), np.ones(9)], n_columns=4)
    check(TABLE)


def test_a_timestep_must_keep_its_features():
    check(np.ones((2, 5, 3)), n_features=3)
    with pytest.raises(ValueError, match=r"X has 2 features, but .* expecting 3 features as in"):
        check(np.ones((2, 5, 2)), n_features=3)


def test_a_single_sequence_out_of_its_list_is_pointed_out():
    with pytest.raises(ValueError, match=r"X of shape \(9, 1\) is one sequence of 9 timesteps"):
        check(np.ones((9, 1)))


def test_one_sequence_out_of_its_list_is_told_to_go_into_one():
    message = (
        r"X has 1 features, but .* expecting 3 .*\n\nX of shape \(9, 3\) is read as 9 univ.* \[X\]"
    )
    for X in (np.ones((9, 3)), np.ones((9, 3)).tolist(), pd.DataFrame(np.ones((9, 3)))):
        with pytest.raises(ValueError, match=message):
            check(X, n_features=3)
        check([X], n_features=3)
    with pytest.raises(ValueError, match=r"Reshape your data: \[X.T\] if it is one sequence, chan"):
        check(np.ones((3, 9)), n_features=3)


def test_rows_of_a_table_for_several_features_are_told_how_they_are_read():
    read = r"X of shape \(9, 4\) is read as 9 univariate sequences, one a row\."
    with pytest.raises(ValueError, match=f"{read}$"):
        check(np.ones((9, 4)), n_features=3)
    with pytest.raises(ValueError, match=rf"{read}\n\nIf X is a long table, .*sequences_from_fr"):
        check(pd.DataFrame(np.ones((9, 4))), n_features=3)


def test_channels_before_timesteps_are_told_to_turn_round():
    for X in (np.ones((4, 3, 9)), [np.ones((3, 9))] * 2):
        with pytest.raises(
            ValueError, match=r"X has 9 features, but (?s:.)*from_channel_first\(X\)"
        ):
            check(X, n_features=3)
    with pytest.raises(ValueError, match=r"at each timestep\.$"):
        check(np.ones((4, 5, 9)), n_features=3)


FRAMES = [pd.DataFrame(np.ones((3, 2)), columns=["a", "b"])] * 2


def test_features_must_keep_their_names_and_order():
    check(FRAMES, n_features=2, names="ab")
    message = (
        r"feature names should match .* X\[0\] has .* another order than fit: 'b' where it has 'a'"
    )
    with pytest.raises(ValueError, match=message):
        check([frame[["b", "a"]] for frame in FRAMES], n_features=2, names="ab")
    with pytest.raises(ValueError, match=r"X\[0\] lacks 'c' and has 'b', which fit has not"):
        check(FRAMES, n_features=2, names="ac")


@pytest.mark.parametrize("X", [[np.ones((3, 2))], np.ones((1, 3, 2))], ids=["list", "3-D"])
def test_names_in_one_of_both_are_a_warning_as_in_scikit_learn(X):
    with pytest.warns(
        UserWarning, match="does not have valid feature names, but BaseEstimator was f"
    ):
        check(X, n_features=2, names="ab")
    with pytest.warns(
        UserWarning, match="X has feature names, but BaseEstimator was fitted without"
    ):
        check(FRAMES, n_features=2)


def test_names_of_columns_that_are_timesteps_are_not_those_of_features():
    table = pd.DataFrame(TABLE, columns=list("abcd"))
    check(table, names="x")
    check([pd.DataFrame({"x": [1.0, 2.0]})], n_columns=4, names="abcd")
