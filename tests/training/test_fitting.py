"""Held-out parts, validation data and what was "auto", through the estimator."""

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.multioutput import MultiOutputClassifier

from tests.helpers import make_cube, make_ragged, quick

X, Y = make_ragged(60, n_classes=3)
LABELS = np.array(["a", "b", "c"])[Y]
X_VAL, Y_VAL = make_ragged(30, n_classes=3, seed=1)
LABELS_VAL = np.array(["a", "b", "c"])[Y_VAL]


class Seen:
    """A scorer that keeps which sequences it is given, and always says the same."""

    def __init__(self):
        self.firsts, self.sample_weight = set(), None

    def __call__(self, estimator, X, y, sample_weight=None):
        self.firsts.update(x[0, 0] for x in X)
        self.sample_weight = sample_weight
        return 0.5

    def rows(self, X):
        return [i for i, x in enumerate(X) if x[0, 0] in self.firsts]


def weights(classifier):
    return torch.cat([p.detach().flatten() for p in classifier.net_.module_.parameters()])


def held_out_rows(X, y, *, groups=None, sample_weight=None, **parameters):
    seen = Seen()
    parameters = {"early_stopping": True, **parameters}
    classifier = quick(scoring=seen, max_epochs=1, **parameters)
    classifier.fit(X, y, sample_weight, groups=groups)
    return seen.rows(X)


# The inner split


def test_groups_are_held_out_as_a_whole():
    groups = np.array(["ann", "bob", "cy", "dee", "eve", "flo"])[np.arange(60) // 10]
    rows = held_out_rows(X, LABELS, groups=groups, validation_fraction=0.3)
    assert len(rows) == 20
    assert len(set(groups[rows])) == 2


def test_the_last_part_is_held_out_when_asked_for():
    last = {"early_stopping": "last", "validation_fraction": 0.25}
    assert held_out_rows(X, LABELS, **last) == list(range(45, 60))
    # A group of 20 ends at row 40, nearer to row 45 than the end of the last one.
    groups = np.arange(60) // 20
    assert held_out_rows(X, LABELS, groups=groups, **last) == list(range(40, 60))


def test_weights_of_zero_are_left_out_before_anything_is_held_out():
    weight = np.where(np.arange(60) >= 40, 0.0, 1.0)
    rows = held_out_rows(
        X, LABELS, sample_weight=weight, groups=np.arange(60), early_stopping="last",
        validation_fraction=0.25,
    )  # fmt: skip
    assert rows == list(range(30, 40))


@pytest.mark.parametrize("n_groups", [3, 10])
def test_a_group_of_weight_zero_is_no_group(n_groups):
    # The group that occurs first, so that all others would have other numbers.
    groups = np.arange(60) * n_groups // 60
    kept = groups > 0
    rows = held_out_rows(X, LABELS, sample_weight=kept.astype(float), groups=groups)
    without = held_out_rows([x for x, k in zip(X, kept, strict=True) if k], LABELS[kept],
                            groups=groups[kept])  # fmt: skip
    assert np.array_equal(rows, np.flatnonzero(kept)[without])


def test_groups_without_a_held_out_part_are_checked_and_have_no_effect():
    plain = quick().fit(X, LABELS)
    assert torch.equal(weights(quick().fit(X, LABELS, groups=np.arange(60) // 2)), weights(plain))
    with pytest.raises(ValueError, match="X has 60 sequences, groups has 3 entries"):
        quick().fit(X, LABELS, groups=[1, 2, 3])


# The user's own validation data


def test_validation_data_replace_the_held_out_part():
    seen = Seen()
    classifier = quick(early_stopping=True, scoring=seen, max_epochs=3)
    classifier.fit(X, LABELS, X_val=X_VAL, y_val=LABELS_VAL, sample_weight_val=np.arange(1.0, 31))
    assert seen.rows(X) == []
    assert seen.rows(X_VAL) == list(range(30))
    assert seen.sample_weight.tolist() == list(range(1, 31))
    np.testing.assert_allclose(classifier._scaling.mean, np.concatenate(X).mean(axis=0))


def test_a_validation_weight_of_zero_removes_the_sequence():
    def fit(X_val, y_val, weight):
        classifier = quick(early_stopping=True, max_epochs=3)
        return classifier.fit(X, LABELS, X_val=X_val, y_val=y_val, sample_weight_val=weight)

    weight = np.arange(30) % 3 / 2
    kept = np.flatnonzero(weight)
    with_zeros = fit(X_VAL, LABELS_VAL, weight)
    without = fit([X_VAL[i] for i in kept], LABELS_VAL[kept], weight[kept])
    np.testing.assert_array_equal(with_zeros.history_["valid_loss"], without.history_["valid_loss"])


def test_the_best_epoch_on_validation_data_is_kept():
    noisy = np.roll(LABELS_VAL, 1)
    classifier = quick(early_stopping=True, max_epochs=20).fit(X, LABELS, X_val=X_VAL, y_val=noisy)
    assert classifier.best_epoch_ == classifier.history_["valid_loss"].argmin() + 1
    assert classifier.best_epoch_ < classifier.n_iter_
    codes = np.searchsorted(classifier.classes_, noisy)
    losses = -classifier.predict_log_proba(X_VAL)[np.arange(30), codes]
    assert classifier.best_score_ == pytest.approx(-losses.mean(), rel=1e-5)


def test_without_early_stopping_validation_data_are_scored_and_change_nothing():
    plain = quick().fit(X, LABELS)
    watched = quick(scoring="accuracy").fit(X, LABELS, X_val=X_VAL, y_val=LABELS_VAL)
    assert torch.equal(weights(plain), weights(watched))
    assert set(watched.history_) == {*plain.history_, "valid_loss", "valid_score"}
    assert watched.history_["valid_score"][-1] == watched.score(X_VAL, LABELS_VAL)
    assert watched.best_score_ == watched.history_["valid_score"][-1]
    assert (watched.best_epoch_, watched.n_iter_, watched.stop_reason_) == (5, 5, "max_epochs")


@pytest.mark.parametrize("lr_schedule", [None, "plateau"])
def test_without_early_stopping_no_score_stops_or_slows_anything(lr_schedule):
    scores = iter([0.9, 0.1, 0.2, 0.3, 0.4, 0.4, 0.4, 0.4])
    parameters = {"lr_schedule": lr_schedule, "max_epochs": 8, "mixup_alpha": 0}
    plain = quick(**parameters).fit(X, LABELS)
    watched = quick(**parameters, n_iter_no_change=1, scoring=lambda *_: next(scores))
    with pytest.warns(UserWarning, match="^n_iter_no_change=1 has no effect"):
        watched.fit(X, LABELS, X_val=X_VAL, y_val=LABELS_VAL)
    assert (watched.best_epoch_, watched.best_score_) == (8, 0.4)
    assert torch.equal(weights(plain), weights(watched))


def test_validation_data_may_lack_a_class():
    held = Y_VAL < 2
    X_val = [x for x, is_held in zip(X_VAL, held, strict=True) if is_held]
    quick(early_stopping=True).fit(X, LABELS, X_val=X_val, y_val=LABELS_VAL[held])


@pytest.mark.parametrize(
    ("X_val", "y_val", "sample_weight_val", "message"),
    [
        (None, LABELS_VAL, None, "Got no X_val"),
        (X_VAL, None, None, "Got no y_val"),
        ([*X_VAL[:29], [[np.nan, 0.0]]], LABELS_VAL, None, r"NaN at X_val\[29\]\[0, 0\]"),
        ([*X_VAL[:29], []], LABELS_VAL, None, r"^X_val\[29\]"),
        (X_VAL, LABELS_VAL[1:], None, "X_val has 30 sequences, y_val has 29 labels"),
        (X_VAL, [*LABELS_VAL[1:], "z"], None, r"y_val has labels .*\['z'\]"),
        (X_VAL, LABELS_VAL, [1.0], r"sample_weight_val.shape == \(1,\)"),
        (X_VAL, LABELS_VAL, np.zeros(30), "sample_weight_val is 0 throughout"),
        (make_ragged(30, n_features=3)[0], LABELS_VAL, None,
         r"^X_val has 3 features, but LSTMSequenceClassifier is expecting 2 features.*\n\n"
         r"In a pipeline .* only with Pipeline\(\.\.\., transform_input=\['X_val'\]\)\.$"),
        ([1e300 * x for x in X_VAL], LABELS_VAL, None, "^X_val is too large"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("early_stopping", [False, True])
def test_bad_validation_data_are_called_by_their_name(
    X_val, y_val, sample_weight_val, message, early_stopping
):
    classifier = quick(early_stopping=early_stopping)
    with pytest.raises(ValueError, match=message):
        classifier.fit(X, LABELS, X_val=X_val, y_val=y_val, sample_weight_val=sample_weight_val)
    assert set(vars(classifier)) == set(classifier.get_params())


@pytest.mark.parametrize("warm_start", [False, True])
def test_columns_of_validation_data_must_be_those_of_X(warm_start):
    table = pd.DataFrame(make_cube(24)[0][:, :, 0], columns=list("abcdef"))
    y = np.arange(24) % 2
    classifier = quick(warm_start=warm_start)
    if warm_start:
        classifier.fit(table, y)
    classifier.fit(table, y, X_val=table, y_val=y)
    with pytest.raises(ValueError, match=r"feature names should match"):
        classifier.fit(table, y, X_val=table.rename(columns={"a": "z"}), y_val=y)
    with pytest.raises(ValueError, match=r"^X_val has 5 features, but LSTMSequenceClassifier"):
        quick().fit(table.to_numpy(), y, X_val=table.to_numpy()[:, :5], y_val=y)


def test_padding_of_validation_data_is_cut_too():
    padded = np.full((30, 12, 2), -1.0)
    for row, x in zip(padded, X_VAL, strict=True):
        row[: len(x)] = x
    histories = [
        quick(mask_value=-1.0).fit(X, LABELS, X_val=X_val, y_val=LABELS_VAL).history_["valid_loss"]
        for X_val in (X_VAL, padded)
    ]
    np.testing.assert_array_equal(*histories)


def test_validation_data_may_be_token_ids():
    rng = np.random.default_rng(0)
    ids, y = rng.integers(1, 9, size=(30, 5)), np.arange(30) % 2
    classifier = quick(embedding_dim=4).fit(ids, y, X_val=ids[:10], y_val=y[:10])
    assert np.isfinite(classifier.history_["valid_loss"]).all()
    with pytest.raises(ValueError, match=r"from 0 to 8: X_val\[0\]\[0\] is 70"):
        quick(embedding_dim=4).fit(ids, y, X_val=[[70]], y_val=[0])


def test_missing_labels_weights_and_groups_are_named_wherever_they_are_given():
    holes = np.ma.array(LABELS, mask=np.arange(60) == 7)
    label = r"Input {} contains masked entries at {}\[7\]; every sequence needs a label"
    with pytest.raises(ValueError, match=label.format("y", "y")):
        quick().fit(X, holes)
    with pytest.raises(ValueError, match=label.format("y", "y")):
        quick().partial_fit(X, holes, classes=["a", "b", "c"])
    with pytest.raises(ValueError, match=label.format("y_val", "y_val")):
        quick().fit(X, LABELS, X_val=X, y_val=holes)
    numbers = np.ma.array(np.ones(60), mask=np.arange(60) == 7)
    with pytest.raises(ValueError, match=r"masked entries at sample_weight\[7\]"):
        quick().fit(X, LABELS, numbers)
    with pytest.raises(ValueError, match=r"masked entries at sample_weight_val\[7\]"):
        quick().fit(X, LABELS, X_val=X, y_val=LABELS, sample_weight_val=numbers)
    with pytest.raises(ValueError, match=r"masked entries at groups\[7\]"):
        quick().fit(X, LABELS, groups=numbers)


def test_a_label_of_the_name_of_an_argument_keeps_it():
    with pytest.raises(ValueError, match=r"^y_val has labels that are not in classes: \['y'\]"):
        quick().fit(X, LABELS, X_val=X[:1], y_val=["y"])


def test_columns_of_classes_are_learnt_as_the_message_says():
    y = np.column_stack([Y, 2 - Y])
    with pytest.raises(ValueError, match=r"MultiOutputClassifier\(LSTMSequenceClassifier\(\)\)"):
        quick().fit(X, y)
    cube, _ = make_cube(60)
    for sequences in (X, cube):
        several = MultiOutputClassifier(quick(max_epochs=1)).fit(sequences, y)
        assert several.predict(sequences).shape == (60, 2)


# What was "auto"


def test_what_became_of_auto_is_told_and_makes_the_same_fit():
    X, y = make_cube(20, n_timesteps=140)
    X = X[:, :, :1]
    adaptive = {"patch_size": "auto", "conv_filters": "auto", "batch_size": "auto"}
    classifier = quick(**adaptive).fit(X, y)
    assert classifier.resolved_params_ == {
        "standardize": "both",
        "patch_size": 5, "conv_filters": (), "n_kernels": 5040,
        "batch_size": 32, "max_epochs": 5, "device": "cpu", "precision": "float32",
    }  # fmt: skip
    spelt_out = quick(**classifier.resolved_params_).fit(X, y)
    np.testing.assert_array_equal(spelt_out.predict_proba(X), classifier.predict_proba(X))


@pytest.mark.parametrize(
    ("parameters", "dtype"), [({"conv_filters": ()}, float), ({"embedding_dim": 3}, int)]
)
def test_what_became_of_auto_without_convolutions_makes_the_same_fit(parameters, dtype):
    X = [np.array(x, dtype=dtype) for x in ([1, 2], [2, 1], [3])] * 4
    classifier = quick(**parameters).fit(X, [0, 1, 1] * 4)
    assert classifier.resolved_params_["conv_filters"] == ()
    spelt_out = quick(**parameters | classifier.resolved_params_).fit(X, [0, 1, 1] * 4)
    np.testing.assert_array_equal(spelt_out.predict_proba(X), classifier.predict_proba(X))


def test_what_is_held_out_of_X_is_called_X_in_errors():
    X, y = make_cube(20, n_timesteps=4)
    X[-1] = 1e300
    with pytest.raises(ValueError, match=r"^X is too large.*\n\nDivide X by"):
        quick(early_stopping="last").fit(X, y)


def test_auto_epochs_are_those_that_were_run():
    X, y = make_cube(20, n_timesteps=3)
    classifier = quick(max_epochs="auto", hidden_sizes=2).fit(X, y)
    assert classifier.n_iter_ == classifier.resolved_params_["max_epochs"] == 100


@pytest.mark.parametrize("goes_on", ["fit", "partial_fit"])
def test_a_training_that_goes_on_keeps_a_network_that_auto_would_now_make_otherwise(goes_on):
    long, y = make_cube(20, n_timesteps=140)
    short, _ = make_cube(20, n_timesteps=20)
    classifier = quick(patch_size="auto", warm_start=True, max_epochs=1, conv_filters=4)
    if goes_on == "fit":
        classifier.fit(long, y).fit(short, y)
    else:
        classifier.partial_fit(long, y, classes=[0, 1]).partial_fit(short, y)
    assert classifier.resolved_params_["patch_size"] == 2
    assert classifier.net_.module_.patch_size == 2
    assert classifier.n_iter_ == 2
    anew = clone(classifier).fit(short, y)
    assert anew.resolved_params_["patch_size"] == 1
