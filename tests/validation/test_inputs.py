import numpy as np
import pandas as pd
import pytest
import torch
from scipy import sparse

from sklstm._validation._inputs import check_inputs
from tests.helpers import make_ragged


def check(X, **kwargs):
    return check_inputs(X, estimator="LSTMSequenceClassifier", **kwargs)


def as_lists(inputs):
    return [x.tolist() for x in inputs.sequences]


CUBE = np.arange(24.0).reshape(2, 4, 3)


@pytest.mark.parametrize(
    "X",
    [
        CUBE,
        np.asfortranarray(CUBE),
        CUBE.astype(object),
        CUBE.astype(int),
        torch.from_numpy(CUBE),
        torch.from_numpy(CUBE).requires_grad_(),
        list(CUBE),
        tuple(CUBE),
        CUBE.tolist(),
        [torch.from_numpy(x) for x in CUBE],
        [pd.DataFrame(x) for x in CUBE],
        pd.Series(list(CUBE)),
    ],
    ids=lambda X: type(X).__name__,
)
def test_all_forms_of_three_dimensions_give_the_same_sequences(X):
    inputs = check(X)
    assert as_lists(inputs) == CUBE.tolist()
    assert inputs.n_columns is None


TABLE = np.arange(8.0).reshape(2, 4)


@pytest.mark.parametrize(
    "X",
    [TABLE, pd.DataFrame(TABLE), torch.from_numpy(TABLE), TABLE.tolist(), TABLE.astype(object)],
    ids=lambda X: type(X).__name__,
)
def test_a_row_of_a_table_is_a_univariate_sequence(X):
    inputs = check(X)
    assert as_lists(inputs) == TABLE[:, :, None].tolist()
    assert inputs.n_columns == 4


def test_the_names_of_columns_are_kept():
    inputs = check(pd.DataFrame(TABLE, columns=list("abcd")))
    assert inputs.column_names.tolist() == list("abcd")


@pytest.mark.parametrize("container", [list, tuple, lambda X: np.array(X, dtype=object)])
def test_unequal_lengths(container):
    X, _ = make_ragged(5)
    assert as_lists(check(container(X))) == [x.tolist() for x in X]


def test_one_dimensional_items_are_univariate():
    X = [np.array([1.0, 2.0]), [3, 4, 5]]
    assert as_lists(check(X)) == [[[1], [2]], [[3], [4], [5]]]
    assert check(X).n_columns is None


def test_as_many_sequences_as_timesteps_is_not_mistaken():
    X = [np.full((3, 2), float(i)) for i in range(3)]
    assert as_lists(check(X)) == [x.tolist() for x in X]


@pytest.mark.parametrize(
    ("given", "kept"),
    [("float32", "float32"), ("float64", "float64"), ("int8", "float64"), ("bool", "float64")],
)
def test_dtypes(given, kept):
    assert check(CUBE.astype(given)).sequences.values.dtype == kept
    assert check(list(CUBE.astype(given))).sequences.values.dtype == kept


def test_bfloat16_tensors_are_widened():
    assert check(torch.ones(2, 3, 1, dtype=torch.bfloat16)).sequences.values.dtype == np.float32


def test_rectangular_input_is_not_copied():
    assert np.shares_memory(check(CUBE).sequences.values, CUBE)


@pytest.mark.parametrize("X", [CUBE.copy(), [x.copy() for x in CUBE]], ids=["array", "list"])
def test_the_callers_arrays_are_not_modified(X):
    before = [x.copy() for x in X]
    check(X, mask_value=3.0)
    np.testing.assert_array_equal(X, before)


# mask_value


@pytest.mark.parametrize("padding", [0.0, -1.0, np.nan, np.inf])
def test_trailing_padding_is_cut(padding):
    X = np.full((3, 4, 2), padding)
    X[0, :2], X[1, :4], X[2, :1] = 5.0, 6.0, 7.0
    assert check(X, mask_value=padding).sequences.lengths.tolist() == [2, 4, 1]
    assert (check(X, mask_value=padding).sequences.values >= 5.0).all()


def test_padding_between_real_timesteps_stays():
    X = np.array([[1.0, 0.0, 2.0, 0.0, 0.0]])
    assert check(X, mask_value=0.0).sequences.values.ravel().tolist() == [1, 0, 2]


def test_a_timestep_is_padding_only_if_all_its_features_are():
    X = np.array([[[1.0, 1.0], [0.0, 3.0], [0.0, 0.0]]])
    assert check(X, mask_value=0.0).sequences.lengths.tolist() == [2]


def test_padding_of_lists_is_cut_too():
    X = [np.array([[1.0], [0.0]]), np.array([[2.0], [3.0], [0.0]])]
    assert check(X, mask_value=0).sequences.lengths.tolist() == [1, 2]


def test_nan_inside_is_still_an_error_when_nan_is_padding():
    X = np.array([[1.0, np.nan, 2.0, np.nan]])
    with pytest.raises(ValueError, match=r"NaN at X\[0\]\[1\]; every value must be finite"):
        check(X, mask_value=np.nan)


def test_nan_may_be_allowed_and_infinity_never():
    X = with_value(np.nan, (2, 1, 0))
    assert np.isnan(check(X, allow_nan=True).sequences.values).sum() == 1
    X[0][1, 0] = np.inf
    message = r"X contains infinity at X\[0\]\[1, 0\]; every value must be finite or NaN"
    with pytest.raises(ValueError, match=message):
        check(X, allow_nan=True)


@pytest.mark.parametrize("mask_value", [None, -1.0])
@pytest.mark.parametrize("X", [[np.empty((0, 1)), np.ones((9, 1))], [np.empty((0, 1))] * 2])
def test_an_empty_sequence_is_named_with_and_without_a_mask_value(X, mask_value):
    with pytest.raises(ValueError, match=r"X\[0\].* no timesteps"):
        check(X, mask_value=mask_value)


def test_a_sequence_of_padding_alone_has_no_timesteps():
    with pytest.raises(ValueError, match=r"X\[1\] has no timesteps"):
        check(np.array([[1.0, 0.0], [0.0, 0.0]]), mask_value=0.0)


# Errors


def with_value(value, where):
    X, _ = make_ragged(4)
    X[where[0]][where[1:]] = value
    return X


RAGGED = make_ragged(4)[0]


@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        ([RAGGED[0], np.empty((0, 2))], ValueError, r"^X\[1\] has no timesteps; every sequence"),
        (
            [np.empty((0, 2))] * 5,
            ValueError,
            r"X\[0\], X\[1\], X\[2\] and 2 more have no timesteps",
        ),
        (np.empty((3, 0, 2)), ValueError, r"X\[0\], X\[1\], X\[2\] have no timesteps"),
        ([RAGGED[0], RAGGED[1][:, :1]], ValueError, r"X\[1\] has 1 features but X\[0\] has 2"),
        ([RAGGED[0], RAGGED[1][:, 0]], ValueError, r"X\[1\] has 1 dimension\(s\) but X\[0\] has 2"),
        (with_value(np.nan, (2, 1, 0)), ValueError, r"NaN at X\[2\]\[1, 0\]; every value"),
        (with_value(np.inf, (1, 0, 1)), ValueError, r"infinity at X\[1\]\[0, 1\]"),
        (with_value(-np.inf, (1, 0, 1)), ValueError, r"mask_value=float\('-inf'\)"),
        (np.full((2, 3), np.nan), ValueError, r"X\[0\]\[0\], X\[0\]\[1\], X\[0\]\[2\] and 3 more"),
        (
            ["walk", "run"],
            ValueError,
            r"(?s)X\[0\] is text .*walk.*array of numbers.*TokenEncoder\(\)",
        ),
        (["w" * 99], ValueError, r"X\[0\] is text \('w{30}'\.\.\.\)"),
        ([np.array(["a", "b"])], ValueError, r"X\[0\] must hold real numbers, but could not conv"),
        (np.array([["a", "b"]]), ValueError, r"X\[0, 0\] is text \('a'\); a sequence is an array"),
        (pd.DataFrame([[1, 2], [3, "b"]]), ValueError, r"X\[1, 1\] is text \('b'\)"),
        ([np.ones(2) * 1j], ValueError, r"Complex data not supported: X\[0\] has dtype complex128"),
        (np.ones((2, 3, 1)) * 1j, ValueError, "Complex data not supported"),
        (
            [np.array(["2020-01-01"], dtype="M8[D]")],
            TypeError,
            r"X\[0\] must hold real numbers. Got",
        ),
        ([[object()]], TypeError, r"X\[0\] must hold real numbers"),
        (sparse.csr_array(np.eye(3)), TypeError, "Sparse data was passed for X, but dense data is"),
        ([], ValueError, r"Found array with 0 sample\(s\) \(shape=\(0,\)\)"),
        (np.empty((0, 3)), ValueError, r"Found array with 0 sample\(s\) \(shape=\(0, 3\)\)"),
        (np.empty((0, 3, 1)), ValueError, r"Found array with 0 sample\(s\) \(shape=\(0, 3, 1\)\)"),
        (np.empty((3, 0)), ValueError, r"0 feature\(s\) \(shape=\(3, 0\)\) while a minimum of 1"),
        (np.empty((3, 4, 0)), ValueError, r"0 feature\(s\) \(shape=\(3, 4, 0\)\) while a minimum"),
        ([np.empty((3, 0))], ValueError, r"0 feature\(s\) \(shape=\(3, 0\)\) while a minimum of 1"),
        (np.ones(3), ValueError, "Reshape your data"),
        ([1.0, 2.0], ValueError, r"got a scalar: X\[0\] is 1.0.\n\nReshape your data"),
        (np.ones((2, 2, 2, 2)), ValueError, r"Got an array of shape \(2, 2, 2, 2\)"),
        (
            [np.ones((2, 2, 2))],
            ValueError,
            r"X\[0\] must be an array of shape .* shape \(2, 2, 2\)",
        ),
        ([[[1, 2], [3]]], ValueError, r"X\[0\] is not a rectangular array"),
        ([np.ones(2), None], ValueError, r"X\[1\] must be an array .* Got a NoneType"),
        ("walk", ValueError, r"^X is text \('walk'\)"),
        (
            np.zeros((2, 3), dtype="M8[D]"),
            TypeError,
            r"X must hold real numbers. Got dtype datetime",
        ),
        (3, ValueError, "X must be a float array of shape .* Got a int"),
        (np.array([[1.0, [2.0]]], dtype=object), ValueError, "X must be a float .* Got a ndarray"),
        ([[1.0, [2.0]]], ValueError, "X must be a float array of shape .* Got a list"),
        (np.array([[1.0, {}]], dtype=object), TypeError, "must be a string or a real number"),
        ({"a": [1.0]}, TypeError, "X must be a float array of shape .* Got a dict"),
        ((x for x in RAGGED), TypeError, "X must be a float array of shape .* Got a generator"),
        (pd.DataFrame({"a": RAGGED}), ValueError, "X must be a float .* Got a DataFrame"),
    ],
)
def test_bad_input_is_named(X, error, message):
    with pytest.raises(error, match=message):
        check(X)


def test_one_dimension_may_be_one_sequence_or_many():
    for X in (np.ones(3), pd.Series(np.ones(3)), torch.ones(3)):
        message = (
            r"(?s)^X has one dimension \(shape=\(3,\)\).*\n\nReshape your data: \[X\] if it is one"
        )
        with pytest.raises(ValueError, match=message):
            check(X)
        assert as_lists(check([X])) == [[[1.0]] * 3]
        assert as_lists(check([[x] for x in X])) == [[[1.0]]] * 3


def test_what_is_missing_is_for_the_imputer_and_what_is_infinite_is_not():
    remedy = "make_pipeline(sklstm.preprocessing.SequenceImputer(), LSTMSequenceClassifier())"
    with pytest.raises(ValueError, match=r"NaN at X\[2\]\[1, 0\]; every value must") as missing:
        check(with_value(np.nan, (2, 1, 0)))
    assert remedy in str(missing.value)
    with pytest.raises(ValueError, match=r"infinity at X\[2\]\[1, 0\]; every value") as infinite:
        check(with_value(np.inf, (2, 1, 0)))
    assert "Imputer" not in str(infinite.value)


def test_channels_of_unequal_length_are_told_to_turn_round():
    message = r"X\[1\] has 5 features but X\[0\] has 9; (?s:.)*from_channel_first\(X\)"
    with pytest.raises(ValueError, match=message):
        check([np.ones((3, 9)), np.ones((3, 5))])
    with pytest.raises(ValueError, match=r"needs the same features\.$"):
        check([np.ones((3, 9)), np.ones((2, 5))])
