"""Early stopping, through the estimator: it is where a split, a scorer and a training meet."""

import numpy as np
import pytest
import torch
from sklearn.metrics import balanced_accuracy_score, f1_score, get_scorer, make_scorer

from sklstm._training._prediction import probabilities
from sklstm._training._stopping import KnownLogits
from tests.helpers import make_ragged, quick

X, Y = make_ragged(60, n_classes=3)
LABELS = np.array(["a", "b", "c"])[Y]


def stopping(**parameters):
    return quick(early_stopping=True, validation_fraction=0.25, **parameters)


@pytest.mark.parametrize(
    "scoring",
    ["loss", "accuracy", "f1_macro", "balanced_accuracy", "neg_log_loss", "roc_auc_ovr",
     make_scorer(f1_score, average="macro"),
     lambda estimator, X, y: balanced_accuracy_score(y, estimator.predict(X))],
)  # fmt: skip
def test_any_scorer_of_scikit_learn(scoring):
    classifier = stopping(scoring=scoring, max_epochs=8).fit(X, LABELS)
    history = classifier.history_
    best = np.lexsort((history["valid_loss"], -history["valid_score"]))[0]
    assert classifier.best_epoch_ == best + 1
    assert classifier.best_score_ == history["valid_score"][best]
    if scoring == "loss":
        np.testing.assert_array_equal(history["valid_score"], -history["valid_loss"])


def test_the_weights_of_the_best_epoch_are_kept():
    scores = iter([0.1, 0.3, 0.9, 0.2, 0.4])
    constant = {"lr_schedule": None, "n_iter_no_change": 9}
    classifier = stopping(scoring=lambda *_: next(scores), max_epochs=5, **constant).fit(X, LABELS)
    assert (classifier.best_epoch_, classifier.best_score_) == (3, 0.9)
    assert classifier.n_iter_ == 5
    rising = iter([1.0, 2.0, 3.0])
    until_then = stopping(scoring=lambda *_: next(rising), max_epochs=3, **constant).fit(X, LABELS)
    for ours, theirs in zip(
        classifier.net_.module_.parameters(), until_then.net_.module_.parameters(), strict=True
    ):
        assert torch.equal(ours, theirs)


def test_stops_after_n_iter_no_change_epochs_without_improvement():
    constant = stopping(
        scoring=lambda *_: 0.5, n_iter_no_change=4, max_epochs=50, lr_schedule=None
    ).fit(X, LABELS)
    assert constant.n_iter_ == 1 + 4


def test_does_not_stop_while_one_cycle_still_raises_the_learning_rate():
    constant = stopping(scoring=lambda *_: 0.5, n_iter_no_change=4, max_epochs=50).fit(X, LABELS)
    rates = constant.history_["learning_rate"]
    assert constant.n_iter_ == 15 + 4
    assert rates.argmax() == 14


def test_of_equal_scores_the_smaller_loss_is_the_better():
    constant = stopping(scoring=lambda *_: 0.5, max_epochs=10, n_iter_no_change=20).fit(X, LABELS)
    losses = constant.history_["valid_loss"]
    assert constant.best_epoch_ == losses.argmin() + 1 > 1


@pytest.mark.parametrize(("tol", "n_iter"), [(0.0625, 20), (0.125, 20), (0.25, 3)])
def test_tol_is_absolute_and_counts_from_the_last_improvement(tol, n_iter):
    # 0.125 more each epoch, exact in binary. With tol=0.125 one epoch's rise is not enough but two
    # epochs' is; with 0.25 two epochs' is not either, and the patience of two epochs is over.
    scores = iter(np.arange(100) * 0.125 - 3.0)
    rising = stopping(
        scoring=lambda *_: next(scores),
        tol=tol,
        n_iter_no_change=2,
        max_epochs=20,
        lr_schedule=None,
    ).fit(X, LABELS)
    assert rising.n_iter_ == n_iter
    assert rising.best_epoch_ == rising.n_iter_


def test_the_validation_part_is_not_trained_on():
    """Sequences that are held out may change without any effect on the weights."""
    held_out = []

    def fit(X):
        # Scores that rise, so that the last epoch's weights are kept whatever the losses.
        def scorer(estimator, X, y):
            held_out.append(X.values[:, 0].numpy())
            return len(held_out)

        classifier = stopping(scoring=scorer, standardize=False, max_epochs=3).fit(X, LABELS)
        return torch.cat([p.flatten() for p in classifier.net_.module_.parameters()])

    weights = fit(X)
    is_held_out = [np.isin(x[0, 0].astype(np.float32), held_out[0]) for x in X]
    assert sum(is_held_out) == 15
    changed = [x + 100.0 * held for x, held in zip(X, is_held_out, strict=True)]
    assert torch.equal(fit(changed), weights)
    trained_on = [x + 0.01 * (not held) for x, held in zip(X, is_held_out, strict=True)]
    assert not torch.equal(fit(trained_on), weights)


def test_sample_weights_reach_the_scorer_only_if_given():
    given = []

    def scorer(estimator, X, y, sample_weight=None):
        given.append(sample_weight)
        return 0.0

    stopping(scoring=scorer, max_epochs=1).fit(X, LABELS)
    stopping(scoring=scorer, max_epochs=1).fit(X, LABELS, sample_weight=np.full(60, 2.0))
    assert given[0] is None
    assert given[1].tolist() == [2.0] * 15


def test_the_scorer_sees_the_users_labels():
    seen = set()

    def scorer(estimator, X, y):
        seen.update(y)
        assert estimator.classes_.tolist() == ["a", "b", "c"]
        return 0.0

    stopping(scoring=scorer, max_epochs=1).fit(X, LABELS)
    assert seen == {"a", "b", "c"}


def test_known_logits_answer_as_a_classifier():
    logits = np.array([[3.0, 1.0], [0.0, 2.0]])
    known = KnownLogits(logits, np.array(["no", "yes"]))
    assert known.predict(None).tolist() == ["no", "yes"]
    np.testing.assert_array_equal(known.predict_proba(None), probabilities(logits))
    assert get_scorer("roc_auc")(known, [None] * 2, np.array(["no", "yes"])) == 1.0
