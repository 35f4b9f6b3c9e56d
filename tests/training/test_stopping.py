"""Early stopping, through the estimator: it is where a split, a scorer and a training meet."""

import numpy as np
import pytest
import torch
from scipy.special import softmax
from sklearn.metrics import (
    average_precision_score,
    balanced_accuracy_score,
    f1_score,
    get_scorer,
    make_scorer,
)
from skorch.callbacks import Callback, Checkpoint, EarlyStopping, LRScheduler
from skorch.exceptions import SkorchException

from sklstm._data._split import split_rows
from tests.helpers import make_ragged, quick

X, Y = make_ragged(60, n_classes=3)
LABELS = np.array(["a", "b", "c"])[Y]


def stopping(**parameters):
    return quick(early_stopping=True, validation_fraction=0.25, **parameters)


@pytest.mark.parametrize(
    "scoring",
    ["loss", "accuracy", "f1_macro", "balanced_accuracy", "neg_log_loss", "roc_auc_ovr",
     "average_precision", "matthews_corrcoef", "neg_brier_score", "top_k_accuracy",
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


@pytest.mark.parametrize("scoring", ["f1", "average_precision", "roc_auc", "neg_brier_score"])
@pytest.mark.parametrize("labels", [[0, 1], [False, True]])
def test_scorers_of_two_classes(scoring, labels):
    y = np.array(labels)[1 * (Y > 0)]
    classifier = stopping(scoring=scoring, max_epochs=8).fit(X, y)
    expected = get_scorer(scoring)(classifier, *held_out_of(classifier, X, y))
    assert classifier.best_score_ == pytest.approx(expected, rel=1e-6)


def test_scorers_of_two_named_classes():
    scorer = make_scorer(average_precision_score, response_method="predict_proba", pos_label="yes")
    y = np.array(["no", "yes"])[1 * (Y > 0)]
    assert 0.5 < stopping(scoring=scorer, max_epochs=8).fit(X, y).best_score_ <= 1.0
    with pytest.raises(
        ValueError, match=r"(?s)scoring='average_precision' cannot score.*pos_label"
    ):
        stopping(scoring="average_precision").fit(X, y)


def held_out_of(classifier, X, y):
    """What such a classifier held out of X."""
    _, codes = np.unique(y, return_inverse=True)
    options = {"last": False, "fraction": classifier.validation_fraction, "seed": 0}
    _, valid = split_rows(codes, None, describe=str, **options)
    return [X[i] for i in valid], y[valid]


def test_the_score_is_that_of_the_fitted_classifier_on_the_held_out_part():
    for scoring in ("f1_macro", "balanced_accuracy", "neg_log_loss", "average_precision"):
        classifier = stopping(scoring=scoring, max_epochs=8).fit(X, LABELS)
        expected = get_scorer(scoring)(classifier, *held_out_of(classifier, X, LABELS))
        # The held-out part is predicted in batches of another size.
        assert classifier.best_score_ == pytest.approx(expected, rel=1e-6)


def test_why_it_stopped_is_kept():
    flat = {"scoring": lambda *_: 0.5, "lr_schedule": None, "max_epochs": 6}
    assert stopping(n_iter_no_change=3, **flat).fit(X, LABELS).stop_reason_ == "no_improvement"
    assert stopping(n_iter_no_change=30, **flat).fit(X, LABELS).stop_reason_ == "max_epochs"
    assert quick().fit(X, LABELS).stop_reason_ == "max_epochs"
    stopper = EarlyStopping("train_loss", patience=1, threshold=100.0)
    assert quick(callbacks=[stopper]).fit(X, LABELS).stop_reason_ == "callback"
    fitted = quick().fit(X, LABELS).partial_fit(X, LABELS)
    assert fitted.stop_reason_ == "max_epochs"


@pytest.mark.parametrize(
    "callback",
    [
        EarlyStopping(),
        Checkpoint(),
        LRScheduler("ReduceLROnPlateau", monitor="valid_loss"),
    ],
    ids=lambda callback: type(callback).__name__,
)
def test_a_callback_that_misses_validation_data_says_how_to_give_them(callback, tmp_path):
    if isinstance(callback, Checkpoint):
        callback.dirname = tmp_path
    with pytest.raises((KeyError, ValueError, SkorchException), match="valid_loss") as caught:
        quick(callbacks=[callback], lr_schedule=None).fit(X, LABELS)
    (note,) = caught.value.__notes__
    assert "set early_stopping=True, or give X_val and y_val to fit" in note
    quick(callbacks=[callback], lr_schedule=None).fit(X, LABELS, X_val=X, y_val=LABELS)


def test_another_error_of_a_callback_is_left_alone():
    class Misspelt(Callback):
        def on_epoch_end(self, net, **kwargs):
            net.history[-1, "trian_loss"]

    with pytest.raises(KeyError, match="trian_loss") as caught:
        quick(callbacks=[Misspelt()]).fit(X, LABELS)
    assert not hasattr(caught.value, "__notes__")


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


def test_epochs_of_mixed_sequences_are_not_epochs_without_improvement():
    options = {"n_iter_no_change": 4, "max_epochs": 50, "lr_schedule": None}
    mixing = stopping(scoring=lambda *_: 0.5, mixup_alpha=0.2, **options).fit(X, LABELS)
    assert mixing.n_iter_ == 25 + 4


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
            held_out.append(np.array([x[0, 0] for x in X]))
            return len(held_out)

        classifier = stopping(scoring=scorer, standardize=False, max_epochs=3).fit(X, LABELS)
        return torch.cat([p.flatten() for p in classifier.net_.module_.parameters()])

    weights = fit(X)
    is_held_out = [x[0, 0] in held_out[0] for x in X]
    assert sum(is_held_out) == 15
    changed = [x + 100.0 * held for x, held in zip(X, is_held_out, strict=True)]
    assert torch.equal(fit(changed), weights)
    trained_on = [x + 0.01 * (not held) for x, held in zip(X, is_held_out, strict=True)]
    assert not torch.equal(fit(trained_on), weights)


def test_scaling_and_class_weights_are_learnt_from_what_is_trained_on():
    seen = {}

    class Look(Callback):
        def on_epoch_begin(self, net, dataset_train, **kwargs):
            seen["weights"], seen["classes"] = dataset_train.weights, dataset_train.targets

    labels = np.where(np.arange(60) < 45, "common", "rare")
    shifted = [x + i for i, x in enumerate(X)]
    rows = set()

    def scorer(estimator, X, y):
        rows.update(i for i, x in enumerate(shifted) if any(x[0, 0] == v[0, 0] for v in X))
        return 0.0

    classifier = stopping(
        scoring=scorer, class_weight="balanced", callbacks=[Look()], max_epochs=1
    ).fit(shifted, labels)
    trained_on = [x for i, x in enumerate(shifted) if i not in rows]
    assert 10 < len(rows) < 20
    np.testing.assert_allclose(classifier._scaling.mean, np.concatenate(trained_on).mean(axis=0))
    counts = np.bincount(seen["classes"])
    by_class = [seen["weights"][seen["classes"] == c][0].item() for c in (0, 1)]
    assert by_class[1] / by_class[0] == pytest.approx(counts[0] / counts[1])


def test_the_validation_loss_is_weighted_as_the_training_loss():
    logits = {}

    def scorer(estimator, X, y):
        logits["all"], logits["y"] = estimator.logits, y
        return 0.0

    weights = np.where(LABELS == "a", 5.0, 1.0)
    classifier = stopping(scoring=scorer, max_epochs=1).fit(X, LABELS, weights)
    codes = np.searchsorted(["a", "b", "c"], logits["y"])
    losses = -np.log(softmax(logits["all"], axis=1))[np.arange(len(codes)), codes]
    expected = np.average(losses, weights=np.where(codes == 0, 5.0, 1.0))
    assert classifier.history_["valid_loss"][0] == pytest.approx(expected, rel=1e-5)


def test_a_score_of_nan_is_the_worst():
    scores = iter([np.nan, 0.1, 0.3, np.nan, 0.2])
    classifier = stopping(scoring=lambda *_: next(scores), max_epochs=5).fit(X, LABELS)
    assert (classifier.best_epoch_, classifier.best_score_) == (3, 0.3)


def test_nothing_but_nan_is_reported_and_the_loss_decides():
    with pytest.warns(UserWarning, match="was NaN on the held-out sequences in every epoch"):
        classifier = stopping(scoring=lambda *_: np.nan, max_epochs=5).fit(X, LABELS)
    assert classifier.best_epoch_ == classifier.history_["valid_loss"].argmin() + 1


def test_a_scorer_that_cannot_do_without_a_class_says_which_is_missing():
    labels = np.array(["a"] * 30 + ["b"] * 29 + ["only one"])
    message = r"(?s)cannot score the 15 held-out.*lack the classes \['only one'\].*'loss'"
    with pytest.raises(ValueError, match=message):
        stopping(scoring="roc_auc_ovr").fit(X, labels)


def test_a_scorer_without_sample_weight_is_not_given_any():
    plain = make_scorer(lambda y_true, y_pred: float(np.mean(y_true == y_pred)))
    for scorer in (plain, lambda estimator, X, y: len(X) / 100 + len(X[0]) * 0.0):
        fitted = stopping(scoring=scorer, max_epochs=1).fit(X, LABELS, np.full(60, 2.0))
        assert 0 <= fitted.best_score_ <= 1


def test_going_on_holds_out_what_was_held_out_before():
    held_out = []

    def scorer(estimator, X, y):
        held_out.append({x[0, 0] for x in X})
        return 0.0

    warm = stopping(scoring=scorer, max_epochs=1, warm_start=True, random_state=None)
    warm.fit(X, LABELS).fit(X, LABELS)
    assert held_out[0] == held_out[1]


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
