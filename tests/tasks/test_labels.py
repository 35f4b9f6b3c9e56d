import re

import numpy as np
import pandas as pd
import pytest
import sklearn.preprocessing
import torch
from sklearn.exceptions import DataConversionWarning

from sklstm._tasks._labels import check_classes, check_labels, encode_labels


@pytest.mark.parametrize(
    ("y", "classes"),
    [
        (["b", "a", "b"], ["a", "b"]),
        ([3, 1, 3], [1, 3]),
        ([True, False, True], [False, True]),
        (np.array(["b", "a", "b"], dtype=object), ["a", "b"]),
        (pd.Series(["b", "a", "b"], dtype="category"), ["a", "b"]),
        (pd.Series(["b", "a", "b"], dtype="string"), ["a", "b"]),
        ([2.0, 0.0, 2.0], [0, 2]),
    ],
)
def test_labels_of_any_kind_are_encoded_by_position(y, classes):
    labels = check_labels(y, estimator="LSTMSequenceClassifier")
    found = check_classes(labels)
    assert found.tolist() == classes
    assert encode_labels(labels, found).tolist() == [1, 0, 1]


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (None, "requires y to be passed, but the target y is None"),
        ([0.5, 1.5, 2.5], "Unknown label type: continuous"),
        (np.eye(3), r"y should be a 1d array, got an array of shape \(3, 3\)"),
        ([0.0, np.nan, 1.0], "Input y.* contains NaN"),
    ],
)
def test_bad_targets(y, message):
    with pytest.raises(ValueError, match=message):
        check_labels(y, estimator="LSTMSequenceClassifier")


@pytest.mark.parametrize(
    ("y", "call"),
    [
        (np.eye(3), r"y\.argmax\(axis=1\)"),
        (np.eye(3, dtype=bool), r"y\.argmax\(axis=1\)"),
        (torch.eye(3), r"y\.argmax\(axis=1\)"),
        (pd.DataFrame(np.eye(3), columns=["a", "b", "c"]), r"y\.idxmax\(axis=1\)"),
        ([[1, 0], [0, 1], [1, 0]], r"numpy\.argmax\(y, axis=1\)"),
    ],
)
def test_one_hot_labels_name_the_call_that_reads_them(y, call):
    with pytest.raises(ValueError, match=rf"its rows are one-hot\.\n\nGive {call}\. Sev") as raised:
        check_labels(y, estimator="LSTMSequenceClassifier")
    assert str(raised.value).startswith("y should be a 1d array, got an array of shape (3, ")
    # The call as it stands, and what it gives is taken.
    call = str(raised.value).partition("Give ")[2].partition(". Several")[0]
    given = eval(call, {"numpy": np, "y": y})  # noqa: S307
    assert check_labels(given, estimator="E").tolist() in ([0, 1, 2], [0, 1, 0], list("abc"))


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (np.ones((3, 5), dtype=int) * 7, r"\(3, 5\) instead: for several labels it must hold 0"),
        (np.array([["a", "b"]] * 3), r"Got 'a' at y\[0, 0\].*\n\nFor columns of classes train a c"),
        (
            [["a", "b"]] * 3,
            r"\n\nIf y lists the labels of each sequence: .*MultiLabelBinarizer\(\)",
        ),
        ([[pd.NA, 1]] * 3, r"Input y contains <NA> at y\[0, 0\], y\[1, 0\], y\[2, 0\]; every seq"),
        (
            np.array([["0", "1"], ["1", "1"], ["0", "1"]]),
            r"must hold 0 and 1. Got '0' at y\[0, 0\]",
        ),
        (np.zeros((3, 2, 2)), r"\(3, 2, 2\) instead: y must have one label for each sequence"),
        ([["a", "b"], ["a"], ["b"]], r"y\[0\] is \['a', 'b'\], but y must have one label for each"),
        (pd.Series(["a", ("b", "a"), "b"]), r"y\[1\] is \('b', 'a'\), but y must have one label"),
        (["a", {"b"}, "b"], r"y\[1\] is {'b'}, but y must have one label for each sequence"),
    ],
)
def test_several_labels_for_a_sequence(y, message):
    with pytest.raises(ValueError, match=message):
        check_labels(y, estimator="E")


def test_collections_of_labels_name_the_call_that_reads_them():
    y = [("a", "b"), ("a",), ("b",)]
    with pytest.raises(ValueError, match=r"y\[0\] is \('a', 'b'\), but y must") as raised:
        check_labels(y, estimator="E")
    call = str(raised.value).partition("Give ")[2].removesuffix(".")
    given = eval(call, {"sklearn": sklearn, "y": y})  # noqa: S307
    assert check_labels(given, estimator="E").tolist() == [[1, 1], [1, 0], [0, 1]]


@pytest.mark.parametrize(
    "y", [[["a"], ["b"], ["a"]], [[1], [0], [1]], np.ones((3, 1)), pd.DataFrame({"y": [0, 1, 0]})]
)
def test_a_column_is_flattened_with_scikit_learns_warning(y):
    with pytest.warns(DataConversionWarning, match="A column-vector y was passed"):
        assert check_labels(y, estimator="E").shape == (3,)


@pytest.mark.parametrize(
    "y", [["a", None, "b"], ["a", float("nan"), "b"], np.ma.array([0, 1, 1], mask=[0, 1, 0])]
)
def test_missing_labels_are_named(y):
    with pytest.raises(ValueError, match=r"Input y contains .* at y\[1\]; every sequence needs"):
        check_labels(y, estimator="E")


@pytest.mark.parametrize(
    "y",
    [
        ["a", None],
        [["a", "b"], ["a"]],
        np.eye(2),
        [[0, 7], [1, 7]],
        np.ones((2, 1, 1)),
        np.ones((2, 0)),
        [1.0, np.inf],
        np.array(["a", 1], dtype=object),
    ],
)
def test_errors_have_the_name_of_the_labels(y):
    with pytest.raises((TypeError, ValueError), match=r"\by_val\b") as error:
        check_labels(y, estimator="E", input_name="y_val")
    assert not re.search(r"\by\b", str(error.value))


def test_one_class_is_an_error():
    with pytest.raises(ValueError, match=r"y has 1 class \('a'\); a classifier needs at least 2"):
        check_classes(np.array(["a", "a"]))


def test_columns_are_no_single_labels():
    with pytest.raises(ValueError, match=r"y has 2 columns, but the labels are \['a', 'b'\], one"):
        encode_labels(np.ones((3, 2)), np.array(["a", "b"]))


def test_unknown_labels_are_named():
    with pytest.raises(ValueError, match=r"not in classes: \['c'\]. Known classes: \['a', 'b'\]"):
        encode_labels(np.array(["a", "c"]), np.array(["a", "b"]))


@pytest.mark.parametrize(("other", "name"), [(1, "1"), (b"b", "b'b'")])
def test_labels_of_several_types_are_an_error_that_names_the_first(other, name):
    labels = np.array(["a", "b", other, other], dtype=object)
    with pytest.raises(TypeError, match=rf"Got 'a' at y\[0\] and {name} at y\[2\]"):
        check_labels(labels, estimator="LSTMSequenceClassifier")


@pytest.mark.parametrize(("y", "classes"), [([1, 2], ["1", "2"]), (["1", "2"], [1, 2])])
def test_a_number_is_not_its_name(y, classes):
    with pytest.raises(ValueError, match="y has labels that are not in classes"):
        encode_labels(np.array(y), np.array(classes))


def test_bytes_are_no_labels():
    with pytest.raises(TypeError, match="labels represented as bytes is not supported"):
        check_labels(np.array([b"a", b"b"]), estimator="LSTMSequenceClassifier")
