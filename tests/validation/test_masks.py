import numpy as np
import pytest

from sklstm._validation._inputs import check_inputs
from sklstm._validation._tokens import check_tokens

CUBE = np.arange(12.0).reshape(2, 3, 2)
ENDS = np.zeros(CUBE.shape, dtype=bool)
ENDS[1, 2] = True
CUT = [CUBE[0].tolist(), CUBE[1, :2].tolist()]


def check(X, **kwargs):
    return check_inputs(X, estimator="LSTMSequenceClassifier", **kwargs).sequences


def as_lists(sequences):
    return [x.tolist() for x in sequences]


def in_gaps(*places, of=CUBE):
    X = np.ma.array(of, mask=False)
    for place in places:
        X[place] = np.ma.masked
    return X


@pytest.mark.parametrize("junk", [0.0, 1e6, np.nan, np.inf])
def test_masked_timesteps_at_the_end_are_padding(junk):
    X = np.ma.array(np.where(ENDS, junk, CUBE), mask=ENDS)
    for form in (X, list(X), tuple(X), X.copy(order="F")):
        assert as_lists(check(form)) == CUT


@pytest.mark.parametrize("dtype", ["float32", "float64", "int64", "uint8", "bool"])
def test_the_dtype_is_that_of_plain_arrays(dtype):
    X = np.ma.array(CUBE.astype(dtype), mask=ENDS)
    for form in (X, list(X)):
        sequences = check(form)
        assert sequences.values.dtype == ("float32" if dtype == "float32" else "float64")
        assert as_lists(sequences) == [
            CUBE[0].astype(dtype).tolist(),
            CUBE[1, :2].astype(dtype).tolist(),
        ]


def test_rows_of_a_table_and_one_dimensional_items():
    X = np.ma.masked_equal([[1.0, 2.0, 3.0], [4.0, 0.0, 0.0]], 0.0)
    assert as_lists(check(X)) == as_lists(check(list(X))) == [[[1], [2], [3]], [[4]]]


def test_nothing_masked_is_the_plain_array():
    for X in (np.ma.array(CUBE), np.ma.array(CUBE, mask=False)):
        assert as_lists(check(X)) == CUBE.tolist()
    inputs = check_inputs(np.ma.array(CUBE[0]), estimator="LSTMSequenceClassifier")
    assert inputs.n_columns == 2


def test_elsewhere_masked_is_missing():
    X = in_gaps((0, 1, 0), (1, 0), (1, 2, 1))
    for form in (X, list(X)):
        with pytest.raises(
            ValueError, match=r"NaN at X\[0\]\[1, 0\], X\[1\]\[0, 0\], X\[1\]\[0, 1\] and"
        ):
            check(form)
        filled = np.vstack(list(check(form, allow_nan=True)))
        np.testing.assert_array_equal(filled, X.filled(np.nan).reshape(6, 2))


def test_integers_can_be_missing_too():
    X = in_gaps((0, 1, 0), of=CUBE.astype(int))
    assert np.isnan(check(X, allow_nan=True).values[1, 0])
    assert X.dtype == int


def test_a_real_nan_at_the_end_is_no_padding():
    X = np.ma.array(CUBE.copy(), mask=ENDS)
    X[0, 2] = np.nan
    with pytest.raises(ValueError, match=r"NaN at X\[0\]\[2, 0\], X\[0\]\[2, 1\];"):
        check(X)


def test_masks_and_mask_value_go_together():
    X = np.ma.array(np.where(ENDS, 7.0, CUBE), mask=ENDS)
    X[1, 1] = -1.0
    assert as_lists(check(X, mask_value=-1.0)) == [CUBE[0].tolist(), CUBE[1, :1].tolist()]


def test_a_sequence_masked_throughout_has_no_timesteps():
    objects = np.empty(2, dtype=object)
    objects[:] = list(CUBE)
    X = in_gaps((1,))
    for form in (X, list(X), np.ma.array(objects, mask=[False, True]), [CUBE[0], np.ma.masked]):
        with pytest.raises(ValueError, match=r"^X\[1\] (is masked, so it )?has no timesteps"):
            check(form)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((2, 0, 1), "no timesteps"),
        ((0, 3), "0 sample"),
        ((0, 3, 1), "0 sample"),
        ((3,), "2D|one dim"),
    ],
)
def test_empty_ones_are_named_as_plain_arrays_are(shape, message):
    with pytest.raises(ValueError, match=message):
        check(np.ma.zeros(shape))


def test_the_callers_array_is_not_modified():
    X = in_gaps((0, 1, 0), (1, 2))
    before = X.copy()
    check(X, allow_nan=True)
    np.testing.assert_array_equal(X.data, before.data)
    np.testing.assert_array_equal(X.mask, before.mask)


def test_structured_arrays_have_masks_as_well():
    X = np.ma.array(
        [[(1.0, 2), (3.0, 4)]],
        dtype=[("a", "f8"), ("b", "i4")],
        mask=[[(False, False), (True, True)]],
    )
    assert as_lists(check(X)) == as_lists(check(list(X))) == [[[1, 2]]]


def test_columns_in_a_dict_have_masks_as_well():
    column = np.ma.masked_equal([1.0, 9.0], 9.0)
    assert as_lists(check([{"a": column, "b": column}])) == [[[1, 1]]]


# Token ids


def test_masked_token_ids_at_the_end_are_padding():
    X = np.ma.masked_equal([[2, 3, 9], [4, 9, 9]], 9)
    for form in (X, list(X)):
        inputs = check_tokens(form, vocabulary_size=None)
        assert [x.ravel().tolist() for x in inputs.sequences] == [[2, 3], [4]]
        assert inputs.vocabulary_size == 5


def test_masked_token_ids_elsewhere_are_an_error():
    X = np.ma.masked_equal([[2, 3, 9], [4, 9, 5]], 9)
    for form in (X, list(X)):
        with pytest.raises(
            ValueError, match=r"X\[1\]\[1\] is masked, .*\n\nGive 1, .*: X\[1\]\[1\] = 1"
        ):
            check_tokens(form, vocabulary_size=None)
    X[1][1] = 1
    sequences = check_tokens(X, vocabulary_size=None).sequences
    assert [x.ravel().tolist() for x in sequences] == [[2, 3], [4, 1, 5]]
