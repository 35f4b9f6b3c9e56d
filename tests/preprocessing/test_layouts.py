import awkward
import numpy as np
import pandas as pd
import pytest
from aeon.utils.conversion import convert_collection
from aeon.utils.validation.collection import get_n_channels, get_type
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from sklstm.preprocessing import from_channel_first, to_channel_first
from tests.helpers import as_objects, make_cube, make_ragged, quick

X, Y = make_ragged(6, n_features=3)
CUBE, _ = make_cube(6, n_features=3)
CHANNELS = ["acc_x", "acc_y", "acc_z"]


def as_nested(sequences):
    """sktime's "nested_univ"."""
    return pd.DataFrame(
        {name: [pd.Series(x[:, i]) for x in sequences] for i, name in enumerate(CHANNELS)}
    )


def as_long(sequences, ids=None):
    """sktime's "pd-multiindex"."""
    ids = range(len(sequences)) if ids is None else ids
    frames = {i: pd.DataFrame(x, columns=CHANNELS) for i, x in zip(ids, sequences, strict=True)}
    return pd.concat(frames, names=["instance", "time"])


def assert_same(given, expected):
    assert len(given) == len(expected)
    for one, other in zip(given, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def test_an_array_has_its_last_dimensions_swapped_without_a_copy():
    theirs = np.arange(24.0).reshape(2, 3, 4)
    ours = from_channel_first(theirs)
    assert ours.shape == (2, 4, 3)
    assert ours[1, 0, 2] == theirs[1, 2, 0]
    assert np.shares_memory(ours, theirs)


@pytest.mark.parametrize("container", [list, tuple, as_objects])
def test_lists_of_unequal_length(container):
    assert_same(from_channel_first(container([x.T for x in X])), X)


def test_an_object_array_of_equal_lengths():
    assert_same(from_channel_first(as_objects([x.T for x in CUBE])), CUBE)


def test_a_table_of_univariate_sequences_is_the_same_in_both_layouts():
    assert from_channel_first(CUBE[:, :, 0]) is not None
    np.testing.assert_array_equal(from_channel_first(CUBE[:, :, 0]), CUBE[:, :, 0])


@pytest.mark.parametrize("cell", [pd.Series, list, np.asarray], ids=["series", "list", "array"])
def test_nested_frames(cell):
    nested = as_nested(X).map(cell)
    nested.index = nested.index[::-1] + 5
    assert_same(from_channel_first(nested), X)


@pytest.mark.parametrize("ids", [None, list("cafedb")], ids=["numbers", "texts in any order"])
def test_long_frames(ids):
    assert_same(from_channel_first(as_long(X, ids)), X)


def test_one_long_sequence_of_one_timestep():
    assert_same(from_channel_first(as_long([X[0][:1]])), [X[0][:1]])


def test_what_becomes_of_each_form_channel_first():
    assert to_channel_first(CUBE).shape == (6, 3, 6)
    assert to_channel_first(CUBE[:, :, 0]).shape == (6, 1, 6)
    assert to_channel_first(pd.DataFrame(CUBE[:, :, 0])).shape == (6, 1, 6)
    assert_same(to_channel_first(X), [x.T for x in X])
    assert_same(to_channel_first([[1.0, 2.0], [3.0]]), [[[1.0, 2.0]], [[3.0]]])
    assert np.isnan(to_channel_first([np.array([np.nan])])[0]).all()


def test_there_and_back():
    assert_same(from_channel_first(to_channel_first(X)), X)
    np.testing.assert_array_equal(from_channel_first(to_channel_first(CUBE)), CUBE)


def test_aeon_knows_what_comes_out():
    assert get_type(to_channel_first(X)) == "np-list"
    assert get_type(to_channel_first(CUBE)) == "numpy3D"
    assert get_n_channels(to_channel_first(X)) == get_n_channels(to_channel_first(CUBE)) == 3


@pytest.mark.parametrize("layout", ["numpy3D", "np-list", "pd-multiindex"])
def test_what_aeon_makes_of_a_layout_comes_back(layout):
    assert_same(from_channel_first(convert_collection(to_channel_first(CUBE), layout)), CUBE)


@pytest.mark.parametrize(
    "theirs",
    [[x.T for x in X], np.swapaxes(CUBE, 1, 2), as_nested(X)],
    ids=["np-list", "numpy3D", "nested_univ"],
)
def test_as_a_step_of_a_pipeline(theirs):
    pipeline = make_pipeline(FunctionTransformer(from_channel_first), quick())
    assert len(cross_val_score(pipeline, theirs, Y, cv=2)) == 2
    ours = from_channel_first(theirs)
    np.testing.assert_array_equal(
        pipeline.fit(theirs, Y).predict_proba(theirs), quick().fit(ours, Y).predict_proba(ours)
    )


def with_length(frame, row, column, length):
    frame = frame.copy()
    frame.at[row, column] = pd.Series(np.zeros(length))
    return frame


@pytest.mark.parametrize(
    ("theirs", "error", "message"),
    [
        (np.zeros(3), ValueError, r"n_channels, n_timesteps\), or .* Got shape \(3,\) instead"),
        (np.zeros((1, 1, 1, 1)), ValueError, r"Got shape \(1, 1, 1, 1\) instead"),
        (3, TypeError, "X must be an array, a list of arrays or a pandas .* Got a int instead"),
        ([np.zeros((2, 5)), np.zeros(5)], ValueError, r"X\[1\] must be of shape .* shape \(5,\)"),
        (X, ValueError, r"X\[1\] has \d channels but X\[0\] has \d; .*\n\nIf the first dimension"),
        (
            with_length(as_nested(X), 4, "acc_z", 99),
            ValueError,
            r"X.iloc\[4\]\['acc_z'\] has 99 timesteps but X.iloc\[4\]\['acc_x'\] has \d;",
        ),
        (
            pd.DataFrame({"a": [1.0, 2.0]}),
            ValueError,
            r"X.iloc\[0\]\['a'\] must be a series .* Got shape \(\) instead.\n\nA table of numbers",
        ),
        (as_long(X)[:0], ValueError, "X has no rows"),
        (as_long(X)[::-1], ValueError, r"The times of sequence 5 .*\n\nX = X.sort_index\(\)"),
        (
            pd.concat([as_long(X), as_long(X[:1])]),
            ValueError,
            "The times of sequence 0 must increase, in adjacent rows",
        ),
        (
            pd.concat([as_long(X[:2]), as_long(X[:2])]).sort_index(),
            ValueError,
            "The times of sequence 0 must increase, in adjacent rows",
        ),
        (
            pd.concat({"a": as_long(X)}),
            ValueError,
            r"two levels, sequence and time. Got 3 levels instead: \[None, 'instance', 'time'\]",
        ),
    ],
)
def test_what_is_in_none_of_the_layouts_is_named(theirs, error, message):
    with pytest.raises(error, match=message):
        from_channel_first(theirs)


def test_jagged_arrays_come_back_as_a_list():
    back = to_channel_first(awkward.Array([[1.0, 2.0, 3.0], [3.0]]))
    assert [x.tolist() for x in back] == [[[1.0, 2.0, 3.0]], [[3.0]]]


def test_the_way_back_names_the_culprit_too():
    with pytest.raises(ValueError, match=r"X\[1\] has 1 features but X\[0\] has 3"):
        to_channel_first([X[0], X[1][:, :1]])


def test_masks_are_kept():
    X = np.ma.masked_equal([[[1.0, 9.0], [3.0, 9.0]]], 9.0)
    for form in (X, list(X)):
        turned = from_channel_first(form)[0]
        assert turned.filled(-1).tolist() == [[1, 3], [-1, -1]]
