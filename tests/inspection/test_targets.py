import numpy as np
import pytest

from sklstm._tasks._classification import Classification
from sklstm._tasks._multilabel import Multilabel
from sklstm._tasks._regression import Regression
from sklstm.inspection._targets import read_targets

OUTPUTS = np.array([[1.0, 3.0, 2.0], [4.0, 0.0, 1.0]])


def test_of_classes_the_predicted_one():
    targets = read_targets(Classification(np.array(["a", "b", "c"])), None, OUTPUTS)
    assert targets.names.tolist() == ["b", "a"]
    assert targets.of(OUTPUTS).tolist() == [3.0, 4.0]


def test_of_two_classes_the_log_odds():
    targets = read_targets(Classification(np.array([3, 7])), 3, OUTPUTS[:, :2])
    assert targets.of(OUTPUTS[:, :2]).tolist() == [-2.0, 4.0]


def test_of_labels_a_column():
    assert read_targets(Multilabel(3), 2, OUTPUTS).of(OUTPUTS).tolist() == [2.0, 1.0]
    assert read_targets(Multilabel(3), None, OUTPUTS).names.tolist() == [1, 0]


def test_of_numbers_in_the_units_of_y():
    task = Regression(np.array([10.0, 0.0]), np.array([2.0, 1.0]), 2, np.empty(0))
    assert read_targets(task, 0, OUTPUTS[:, :2]).of(OUTPUTS[:, :2]).tolist() == [12.0, 18.0]
    with pytest.raises(ValueError, match="which of the 2 numbers is to be explained"):
        read_targets(task, None, OUTPUTS[:, :2])


def test_quantiles_that_cross_are_sorted():
    task = Regression(np.zeros(1), np.ones(1), 1, np.array([0.1, 0.5, 0.9]))
    targets = read_targets(task, None, OUTPUTS)
    np.testing.assert_array_equal(targets.of(OUTPUTS), task.point(OUTPUTS))
    assert targets.names.tolist() == [1, 1]


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (5, "target must be the number of a label, from 0 to 2.*Got 5"),
        (0.5, "target must be the number of a label"),
        ([0, 1, 2], r"one for each of the 2 sequences. Got shape \(3,\)"),
    ],
)
def test_other_targets_are_refused(target, message):
    with pytest.raises(ValueError, match=message):
        read_targets(Multilabel(3), target, OUTPUTS)
