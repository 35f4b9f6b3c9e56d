import numpy as np
from scipy.special import log_softmax, softmax
from sklearn.metrics import get_scorer

from sklstm import LSTMSequenceClassifier
from sklstm._config._options import Options
from sklstm._tasks._classification import Classification, ClassifierOfLogits

LOGITS = np.random.default_rng(0).normal(scale=30.0, size=(50, 4))
TASK = Classification(np.array(["a", "b", "c"]))


def weights(codes, class_weight, sample_weight=None):
    codes = np.array(codes)
    sample_weight = np.ones(len(codes)) if sample_weight is None else np.array(sample_weight)
    options = Options.of(LSTMSequenceClassifier(class_weight=class_weight))
    return TASK.weigh(codes, sample_weight, options)(np.arange(3)).tolist()


def test_labels_become_targets_and_come_back():
    task = Classification.learn(np.array(["no", "yes", "no"]), np.ones(3), Options())
    targets = task.encode(np.array(["yes", "no"]))
    assert targets.tolist() == [1, 0]
    assert task.decode(targets).tolist() == ["yes", "no"]
    assert task.n_outputs == 2
    assert Classification.of(task.attributes).classes is task.classes


def test_none_weighs_all_alike():
    assert weights([0, 1, 1], None) == [1, 1, 1]


def test_balance_is_counted_where_it_is_trained():
    assert weights([0, 0, 0, 1, 2, 2], "balanced") == [2 / 3, 2, 1]


def test_a_class_that_is_absent_weighs_one():
    assert weights([0, 0, 1], "balanced") == [0.75, 1.5, 1]


def test_a_dict_is_held_against_all_classes_not_only_those_present():
    assert weights([0, 0, 1], {"c": 3.0}) == [1, 1, 3]
    assert weights([0, 0], {"a": 0.0}) == [0, 1, 1]


def test_what_is_missing_is_named():
    assert TASK.lack(np.array([0, 1, 2])) == ""
    assert TASK.lack(np.array([1, 1])) == ", which lack the classes ['a', 'c']"
    assert TASK.describe(np.array([2, 0, 2])) == "['a', 'c']"


def test_known_logits_answer_as_a_classifier():
    logits = np.array([[3.0, 1.0], [0.0, 2.0]])
    known = ClassifierOfLogits(logits, np.array(["no", "yes"]))
    assert known.predict().tolist() == ["no", "yes"]
    np.testing.assert_array_equal(known.predict_proba(), softmax(logits, axis=1))
    np.testing.assert_array_equal(known.predict_log_proba(), log_softmax(logits, axis=1))
    assert get_scorer("roc_auc")(known, [None] * 2, np.array(["no", "yes"])) == 1.0


def test_decisions_for_two_classes_favour_the_second():
    logits = np.array([[1.0, 4.0], [3.0, 0.5]])
    assert ClassifierOfLogits(logits, np.arange(2)).decision_function().tolist() == [3.0, -2.5]
    assert ClassifierOfLogits(LOGITS, np.arange(4)).decision_function() is LOGITS
