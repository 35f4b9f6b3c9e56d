import numpy as np
import pytest

from sklstm._tasks._class_weights import balanced_weights, weights_of_dict, weights_of_labels


def balance(codes, sample_weight=None):
    codes = np.asarray(codes)
    weights = np.ones(len(codes)) if sample_weight is None else np.asarray(sample_weight)
    return balanced_weights(codes, codes.max() + 1, weights).tolist()


def test_balanced_is_inverse_to_frequency():
    assert balance([0, 1, 1, 1]) == [2, 2 / 3]


def test_balanced_counts_weights_as_repetitions():
    assert balance([0, 1], [1.0, 3.0]) == balance([0, 1, 1, 1])


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
    assert weights_of_dict(class_weight, np.array(labels)).tolist() == expected


@pytest.mark.parametrize(
    ("class_weight", "message"),
    [
        ({"A": 2.0}, r"keys that are not labels of y: 'A'. Labels: \['a', 'b'\]\.$"),
        (dict.fromkeys("ABCDEF", 2.0), "labels of y: 'A', 'B', 'C' and 3 more. Labels"),
        ({"a": -1.0}, "must hold finite weights of at least 0"),
        ({"a": np.nan}, "must hold finite weights of at least 0"),
        ({"a": 0.0, "b": 0.0}, "not all of them 0"),
    ],
)
def test_bad_class_weights(class_weight, message):
    with pytest.raises(ValueError, match=message):
        weights_of_dict(class_weight, np.array(["a", "b"]))


def test_labels_that_scikit_learn_has_encoded_are_explained():
    """CalibratedClassifierCV and cross_val_predict pass y as 0, 1, ... in place of strings."""
    with pytest.raises(ValueError, match=r"Labels: \[0, 1\]\.\n\n.*CalibratedClassifierCV"):
        weights_of_dict({"a": 2.0}, np.array([0, 1]))
    for classes in ([1, 2], ["0", "1"]):
        with pytest.raises(ValueError, match=r"Labels: .*\]\.$"):
            weights_of_dict({"a": 2.0}, np.array(classes))


LABELS = np.array([[1, 0, 0], [0, 0, 1], [0, 0, 1], [0, 0, 1]])


def of_labels(class_weight, sample_weight=(1, 1, 1, 1)):
    return weights_of_labels(class_weight, LABELS, np.array(sample_weight, dtype=float)).tolist()


def test_each_label_is_balanced_on_its_own_and_none_without_both():
    assert of_labels("balanced") == [[4 / 6, 2], [1, 1], [2, 4 / 6]]
    assert of_labels("balanced", (3, 1, 1, 1)) == [[1, 1], [1, 1], [1, 1]]


def test_labels_have_weights_where_they_are_present_or_of_both_kinds():
    assert of_labels({0: 5.0, 2: 0.5}) == [[1, 5], [1, 1], [1, 0.5]]
    each = [{0: 2.0}, {}, {False: 0.0, True: 3.0}]
    assert of_labels(each) == [[2, 1], [1, 1], [0, 3]]


@pytest.mark.parametrize(
    ("class_weight", "message"),
    [
        ({3: 1.0}, r"class_weight has keys that are not labels of y: 3. Labels: \[0, 1, 2\]"),
        ({"a": 1.0}, r"labels of y: 'a'. Labels: \[0, 1, 2\]\.$"),
        ({0: -1.0}, "class_weight must hold finite weights of at least 0"),
        ([{}, {}], "must have one dict for each of the 3 labels of y. Got 2."),
        ([{}, {2: 1.0}, {}], r"class_weight\[1\] has keys that are not labels of y: 2"),
        ([{}, {}, {0: 0, 1: 0}], r"class_weight\[2\] must hold finite .* not all of them 0"),
    ],
)
def test_bad_weights_of_labels(class_weight, message):
    with pytest.raises(ValueError, match=message):
        of_labels(class_weight)
