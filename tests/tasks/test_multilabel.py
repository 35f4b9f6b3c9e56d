import numpy as np
import pytest
from scipy.special import expit
from sklearn.metrics import get_scorer

from sklstm import LSTMSequenceClassifier
from sklstm._config._options import Options
from sklstm._tasks._classification import Classification
from sklstm._tasks._multilabel import ClassifierOfLabels, Multilabel

Y = np.array([[1, 0, 0], [1, 1, 0], [0, 0, 0], [1, 0, 1], [1, 1, 0]], dtype=np.float32)
LOGITS = np.random.default_rng(0).normal(scale=30.0, size=(50, 4))


def test_it_is_learnt_of_a_matrix_and_comes_back_from_its_attributes():
    task = Classification.learn(Y, np.ones(5), Options())
    assert isinstance(task, Multilabel)
    assert task.n_outputs == 3
    assert task.attributes["classes_"].tolist() == [0, 1, 2]
    assert task.encode(Y) is Y
    assert task.decode(Y).dtype == np.int64
    again = Classification.of(task.attributes)
    assert isinstance(again, Multilabel)
    assert again.n_labels == 3
    with pytest.raises(ValueError, match="classes_ and multilabel_ do not agree"):
        Classification.of({"classes_": np.array(["a", "b"]), "multilabel_": True})


def test_one_hot_sequences_that_are_left_after_weight_0_have_one_label():
    with pytest.raises(ValueError, match="its rows are one-hot"):
        Classification.learn(np.eye(3, dtype=np.float32), np.ones(3), Options())


def test_a_known_task_takes_any_matrix_of_its_columns():
    task = Multilabel(3)
    assert task.encode(task.check_y(np.eye(3), estimator="E")).tolist() == np.eye(3).tolist()
    with pytest.raises(ValueError, match="y_val has 2 columns, but there are 3 labels"):
        task.encode(np.ones((4, 2)), input_name="y_val")
    for y in (None, [0, 1, 1], np.ones((3, 1))):
        with pytest.raises(ValueError, match="y_val must be an indicator matrix of shape"):
            task.check_y(y, estimator="E", input_name="y_val")


def test_classes_of_a_first_partial_fit_are_the_columns():
    assert isinstance(Classification.of_classes(np.arange(3), Y, estimator="E"), Multilabel)
    single = Classification.of_classes(np.arange(3), [0, 1], estimator="E")
    assert isinstance(single, Classification)
    with pytest.raises(ValueError, match=r"Got \[0, 2\].\n\nGive classes=range\(y.shape\[1\]\)"):
        Classification.of_classes(np.array([0, 2]), Y, estimator="E")
    with pytest.raises(ValueError, match="its rows are one-hot"):
        Classification.of_classes(np.arange(3), np.eye(3), estimator="E")


def test_a_sequence_is_in_the_stratum_of_its_rarest_label():
    # Label 2 occurs once, 1 twice, 0 four times; one sequence has none.
    assert Multilabel(3).strata(Y).tolist() == [0, 1, 3, 2, 1]


def test_labels_that_do_not_vary_are_named():
    assert Multilabel(3).lack(Y) == ""
    assert Multilabel(3).lack(Y[:2]) == ", in which labels [0, 2] do not vary"
    assert Multilabel(3).describe(Y[:2]) == "[[1, 0, 0], [1, 1, 0]]"


def weights(class_weight):
    options = Options.of(LSTMSequenceClassifier(class_weight=class_weight))
    return Multilabel(3).weigh(Y, np.ones(5), options)


def test_weights_are_of_sequences_or_of_each_label():
    assert weights(None)(Y).tolist() == [1] * 5
    assert weights({1: 3.0})(Y[:2]).tolist() == [[1, 1, 1], [1, 3, 1]]
    # Counted where it is trained, used elsewhere.
    assert weights("balanced")(Y[2:4]) == pytest.approx(
        np.array([[5 / 2, 5 / 6, 5 / 8], [5 / 8, 5 / 6, 5 / 2]])
    )


def test_known_logits_answer_as_a_classifier():
    known = ClassifierOfLabels(LOGITS)
    np.testing.assert_allclose(known.predict_proba(), expit(LOGITS))
    np.testing.assert_allclose(known.predict_log_proba(), np.log(expit(LOGITS)), atol=1e-9)
    np.testing.assert_array_equal(known.predict(), (known.predict_proba() > 0.5).astype(int))
    assert known.decision_function() is LOGITS
    extreme = ClassifierOfLabels(np.array([[-1e4, 1e4]]))
    assert extreme.predict_log_proba().tolist() == [[-1e4, 0]]


@pytest.mark.parametrize("k", [2, 3])
def test_scorers_take_two_labels_as_any_other_number(k):
    logits = LOGITS[:, :k]
    y = (logits + np.random.default_rng(1).normal(scale=20.0, size=logits.shape) > 0).astype(int)
    known = ClassifierOfLabels(logits)
    for name in (
        "roc_auc",
        "roc_auc_ovr",
        "average_precision",
        "f1_macro",
        "accuracy",
        "jaccard_macro",
    ):
        assert 0.3 < get_scorer(name)(known, None, y) <= 1
