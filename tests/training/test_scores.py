"""Several scorers, and scores of the training sequences, through the estimators."""

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.metrics import f1_score, get_scorer, make_scorer
from skorch.callbacks import Callback

from sklstm import LSTMSequenceClassifier, LSTMSequenceRegressor
from sklstm._training._scores import follows_loss, scorers_of
from tests.helpers import make_ragged, quick
from tests.training.cases import CASES, fit

X, Y = make_ragged(60, n_classes=3)
LABELS = np.array(["a", "b", "c"])[Y]
X_VAL, Y_VAL = make_ragged(30, n_classes=3, seed=1)
LABELS_VAL = np.array(["a", "b", "c"])[Y_VAL]
VAL = {"X_val": X_VAL, "y_val": LABELS_VAL}
F2 = make_scorer(f1_score, average="macro")


def entries(classifier, prefix):
    return [name for name in classifier.history_ if name.startswith(prefix)]


def weights(classifier):
    return torch.cat([p.detach().flatten() for p in classifier.net_.module_.parameters()])


@pytest.mark.parametrize(
    ("scoring", "names", "decides_by_loss"),
    [
        ("accuracy", ["score"], False),
        (["accuracy", "loss"], ["accuracy", "loss"], False),
        (("loss", "accuracy"), ["loss", "accuracy"], True),
        ({"mean F1": F2, "entropy": "loss"}, ["mean F1", "entropy"], False),
    ],
)
def test_the_first_decides(scoring, names, decides_by_loss):
    assert list(scorers_of(scoring)) == names
    assert follows_loss(scoring) == decides_by_loss


@pytest.mark.parametrize(
    "scoring",
    [
        ["accuracy", "neg_log_loss", "f1_macro"],
        ("neg_log_loss", "accuracy", "loss"),
        {"mean F1": F2, "entropy": "loss", "acc": lambda model, X, y: model.score(X, y)},
    ],
)
def test_every_metric_is_recorded_and_the_first_is_the_score(scoring):
    classifier = quick(scoring=scoring).fit(X, LABELS, **VAL)
    history, scorers = classifier.history_, scorers_of(scoring)
    expected = ["valid_loss", "valid_score", *(f"valid_{name}" for name in scorers)]
    assert sorted(entries(classifier, "valid_")) == sorted(set(expected))
    first = next(iter(scorers))
    np.testing.assert_array_equal(history["valid_score"], history[f"valid_{first}"])
    assert classifier.best_score_ == history["valid_score"][-1]
    for name, scorer in scorers.items():
        if scorer == "loss":
            sign = 1 if name == "loss" else -1
            np.testing.assert_array_equal(history[f"valid_{name}"], sign * history["valid_loss"])
        else:
            # Of the last epoch, which was kept; its sequences are predicted in other batches.
            score = get_scorer(scorer)(classifier, X_VAL, LABELS_VAL)
            assert history[f"valid_{name}"][-1] == pytest.approx(score, rel=1e-6)


def test_the_loss_may_decide_beside_others():
    several = quick(early_stopping=True, scoring=["loss", "accuracy"]).fit(X, LABELS)
    alone = quick(early_stopping=True).fit(X, LABELS)
    np.testing.assert_array_equal(several.history_["valid_score"], -several.history_["valid_loss"])
    assert (several.best_epoch_, several.best_score_) == (alone.best_epoch_, alone.best_score_)
    assert torch.equal(weights(several), weights(alone))


@pytest.mark.parametrize(
    "several", [["balanced_accuracy", "neg_log_loss"], {"b": "balanced_accuracy"}]
)
def test_others_beside_the_first_change_no_bit(several):
    alone = quick(early_stopping=True, scoring="balanced_accuracy", lr_schedule="plateau")
    beside = clone(alone).set_params(scoring=several).fit(X, LABELS)
    alone.fit(X, LABELS)
    assert torch.equal(weights(alone), weights(beside))
    for name, figures in alone.history_.items():
        if name != "dur":
            np.testing.assert_array_equal(beside.history_[name], figures)


def test_the_first_of_a_dict_decides_in_the_order_of_the_user():
    scores = {"up": lambda *_: len(seen), "down": lambda *_: -len(seen)}

    class Count(Callback):
        def on_epoch_begin(self, net, **kwargs):
            seen.append(1)

    for order, best in ((["up", "down"], 3), (["down", "up"], 1)):
        seen = []
        scoring = {name: scores[name] for name in order}
        classifier = quick(early_stopping=True, max_epochs=3, scoring=scoring, callbacks=[Count()])
        assert classifier.fit(X, LABELS).best_epoch_ == best


def test_the_outputs_of_an_epoch_are_computed_once():
    seen = []

    def scorer(model, X, y):
        seen.append(model)
        return 0.0

    quick(max_epochs=2, scoring={"a": scorer, "b": scorer, "c": scorer}).fit(X, LABELS, **VAL)
    assert len(seen) == 6
    assert seen[0] is seen[1] is seen[2] is not seen[3]


def test_the_metric_that_fails_is_named():
    message = r"^'roc_auc' of scoring cannot score the 30 held-out sequences: .*\n\nUse another"
    with pytest.raises(ValueError, match=message):
        quick(scoring=["accuracy", "roc_auc"]).fit(X, LABELS, **VAL)
    message = r"(?s)^scoring='roc_auc' cannot score the 60 training.*or return_train_score=False"
    with pytest.raises(ValueError, match=message):
        quick(scoring="roc_auc", return_train_score=True).fit(X, LABELS)


@pytest.mark.parametrize("scoring", ["f1", "average_precision"])
def test_the_remedy_for_binary_scorers_is_the_positive_class(scoring):
    labels = np.where(Y == 0, "up", "down")
    message = r"(?s)pos_label.*\n\nName the class.*make_scorer\(f1_score, pos_label='up'\)\.$"
    with pytest.raises(ValueError, match=message):
        quick(scoring=scoring, early_stopping=True).fit(X, labels)


def test_nan_of_the_first_is_reported_by_its_name():
    scoring = {"odd": lambda *_: np.nan, "accuracy": "accuracy"}
    with pytest.warns(UserWarning, match="^'odd' of scoring was NaN on the held-out"):
        quick(early_stopping=True, scoring=scoring, max_epochs=2).fit(X, LABELS)


# Training scores


def test_without_validation_data_they_are_recorded_alone():
    scoring = ["accuracy", "neg_log_loss"]
    classifier = quick(scoring=scoring, return_train_score=True).fit(X, LABELS)
    assert entries(classifier, "valid_") == []
    history, loss = classifier.history_, -get_scorer("neg_log_loss")(classifier, X, LABELS)
    assert history["train_accuracy"][-1] == classifier.score(X, LABELS)
    np.testing.assert_array_equal(history["train_score"], history["train_accuracy"])
    assert history["train_neg_log_loss"][-1] == pytest.approx(-loss, rel=1e-5)
    assert history["train_eval_loss"][-1] == pytest.approx(loss, rel=1e-5)


def test_with_the_loss_alone_the_score_is_its_negative():
    history = quick(return_train_score=True).fit(X, LABELS).history_
    np.testing.assert_array_equal(history["train_score"], -history["train_eval_loss"])


@pytest.mark.parametrize("case", CASES)
def test_they_are_those_of_predictions_and_no_bit_of_a_fit_depends_on_them(case):
    """Whatever the network reads: windows, unknown tokens, static columns."""
    seen = {}

    def scorer(model, X, y):
        seen[len(X)] = model.predict_proba(X)
        return 0.0

    scoring = {"loss": "loss", "look": scorer}
    plain, scored = fit(case), fit(case, scoring=scoring, return_train_score=True)
    assert torch.equal(weights(plain), weights(scored))
    for name, figures in plain.history_.items():
        if name != "dur":
            np.testing.assert_array_equal(scored.history_[name], figures)
    if case != "early stopping":
        expected = scored.predict_proba(CASES[case][0][0])
        np.testing.assert_allclose(seen[40], expected, rtol=1e-4, atol=1e-6)


def test_they_are_of_the_part_that_is_trained_on():
    held_out, trained_on = [], []

    def scorer(model, X, y):
        (held_out if len(X) == 15 else trained_on).append({x[0, 0] for x in X})
        return 0.0

    options = {"early_stopping": True, "validation_fraction": 0.25, "max_epochs": 2}
    quick(scoring=scorer, return_train_score=True, **options).fit(X, LABELS)
    assert len(held_out) == len(trained_on) == 2
    assert held_out[0] | trained_on[0] == {x[0, 0] for x in X}
    assert not held_out[0] & trained_on[0]


def test_sample_weights_count_as_in_validation_scores():
    given = []

    def scorer(model, X, y, sample_weight=None):
        given.append(sample_weight)
        return 0.0

    weight = 1.0 + np.arange(60) % 4
    options = {"return_train_score": True, "max_epochs": 1}
    quick(scoring=scorer, **options).fit(X, LABELS, sample_weight=weight)
    np.testing.assert_array_equal(given[0], weight)
    quick(scoring=scorer, **options).fit(X, LABELS)
    assert given[1] is None
    scored = quick(scoring="accuracy", **options).fit(X, LABELS, sample_weight=weight)
    expected = scored.score(X, LABELS, sample_weight=weight)
    assert scored.history_["train_score"][0] == pytest.approx(expected)


def test_a_class_of_weight_zero_is_not_scored():
    seen = set()

    def scorer(model, X, y):
        seen.update(y)
        return 0.0

    quick(scoring=scorer, return_train_score=True, class_weight={"a": 0, "b": 1, "c": 1}).fit(
        X, LABELS
    )
    assert seen == {"b", "c"}


def test_a_regressor_has_them_too():
    y = np.array([x.mean() for x in X])
    options = {"hidden_sizes": 4, "max_epochs": 2, "n_kernels": 0, "random_state": 0}
    regressor = LSTMSequenceRegressor(**options, scoring=["r2", "loss"], return_train_score=True)
    history = regressor.fit(X, y).history_
    assert history["train_r2"][-1] == pytest.approx(regressor.score(X, y), rel=1e-4)
    assert "train_loss" in history


def test_partial_fit_and_warm_start_go_on_recording():
    options = {"scoring": ["accuracy"], "return_train_score": True}
    partial = quick(**options)
    for _ in range(2):
        partial.partial_fit(X, LABELS, classes=["a", "b", "c"])
    assert np.isfinite(partial.history_["train_accuracy"]).tolist() == [True, True]
    warm = quick(warm_start=True, max_epochs=2, **options).fit(X, LABELS)
    warm.set_params(return_train_score=False, scoring="loss").fit(X, LABELS)
    assert np.isfinite(warm.history_["train_accuracy"]).tolist() == [True, True, False, False]


def test_callbacks_see_them():
    seen = []

    class Look(Callback):
        def on_epoch_end(self, net, **kwargs):
            seen.append({name for name in net.history[-1] if name.startswith(("train_", "valid_"))})

    options = {"scoring": ["accuracy"], "return_train_score": True, "max_epochs": 1}
    quick(callbacks=[Look()], **options).fit(X, LABELS, **VAL)
    assert {"train_score", "train_accuracy", "valid_score", "valid_accuracy"} <= seen[0]


def test_the_epochs_with_mixup_are_recorded():
    mixed = LSTMSequenceClassifier(4, n_kernels=0, max_epochs=4, random_state=0).fit(X, LABELS)
    assert mixed.history_["mixup_alpha"].tolist() == [0.2, 0.2, 0.0, 0.0]
    assert "mixup_alpha" not in quick(mixup_alpha=0.0).fit(X, LABELS).history_
    mixed.partial_fit(X, LABELS)
    np.testing.assert_array_equal(mixed.history_["mixup_alpha"], [0.2, 0.2, 0.0, 0.0, np.nan])


@pytest.mark.parametrize("score", [None, "high", [1, 2]])
def test_a_score_that_is_no_number_names_its_scorer(score):
    classifier = quick(scoring={"mine": lambda *_: score})
    with pytest.raises(TypeError, match=r"A scorer must return a number. Got .* of 'mine'"):
        classifier.fit(X, LABELS, **VAL)
