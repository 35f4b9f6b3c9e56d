import numpy as np
import pytest

from sklstm._sequences import Sequences
from sklstm._validation._weights import check_weights, class_weights

THREE = Sequences.from_lengths(np.ones((4, 1)), [1, 2, 1])


def test_no_weights_are_ones():
    assert check_weights(None, THREE).tolist() == [1, 1, 1]


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
        check_weights(weights, THREE)


def weigh(class_weight, labels, sample_weight=None):
    labels = np.asarray(labels)
    weights = np.ones(len(labels)) if sample_weight is None else np.asarray(sample_weight)
    return class_weights(class_weight, np.unique(labels), labels, weights).tolist()


def test_none_weighs_all_alike():
    assert weigh(None, ["a", "b", "b"]) == [1, 1]


def test_balanced_is_inverse_to_frequency():
    assert weigh("balanced", ["a", "b", "b", "b"]) == [2, 2 / 3]


def test_balanced_counts_weights_as_repetitions():
    weighted = weigh("balanced", ["a", "b"], [1.0, 3.0])
    assert weighted == weigh("balanced", ["a", "b", "b", "b"])


@pytest.mark.parametrize(
    ("class_weight", "labels", "expected"),
    [
        ({"a": 2.0, "b": 0.5}, ["a", "b"], [2, 0.5]),
        ({"a": 2.0}, ["a", "b"], [2, 1]),
        ({"1": 3.0}, ["1", "2"], [3, 1]),
        ({1.5: 3.0}, [1.5, 2.5], [3, 1]),
        ({True: 3.0}, [False, True], [1, 3]),
        ({"a": 2.0, "b": 3.0, "rare": 9.0}, ["a", "b"], [2, 3]),
    ],
)
def test_a_dict_is_looked_up_by_the_users_own_labels(class_weight, labels, expected):
    assert weigh(class_weight, labels) == expected


@pytest.mark.parametrize(
    ("class_weight", "message"),
    [
        ({"A": 2.0}, r"keys that are not labels of y: \['A'\]. Labels: \['a', 'b'\]"),
        ({"a": -1.0}, "must hold finite weights of at least 0"),
        ({"a": np.nan}, "must hold finite weights of at least 0"),
        ({"a": 0.0, "b": 0.0}, "not all of them 0"),
    ],
)
def test_bad_class_weights(class_weight, message):
    with pytest.raises(ValueError, match=message):
        weigh(class_weight, ["a", "b"])
