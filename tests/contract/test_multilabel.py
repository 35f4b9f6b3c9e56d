"""The promises of the classifier hold for several labels per sequence, and what is theirs alone."""

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.sparse import csr_array
from sklearn.base import clone
from sklearn.metrics import accuracy_score, get_scorer, roc_auc_score
from sklearn.model_selection import (
    GridSearchCV,
    KFold,
    cross_val_predict,
    cross_val_score,
)
from sklearn.multioutput import MultiOutputClassifier
from sklearn.pipeline import make_pipeline

from sklstm import load_model, save_model
from sklstm._training import _net
from sklstm.preprocessing import SequenceScaler, TokenEncoder
from tests.crashing import Crash, CrashAfter
from tests.helpers import (
    assert_same_bits_in_any_company,
    assert_same_in_company,
    assert_weight_zero_is_removal,
    make_ragged,
    make_tagged,
    predictions_through_copies,
    through_copies,
)
from tests.helpers import (
    quick as quick_classifier,
)

X, Y = make_tagged(60)
WEIGHTS = {
    "none": None,
    "balanced": "balanced",
    "of presence": {0: 2.0, 2: 3.0},
    "of both": [{0: 1.0, 1: 2.0}, {0: 0.0, 1: 1.0}, {1: 3.0}],
}
every_weight = pytest.mark.parametrize("class_weight", WEIGHTS.values(), ids=WEIGHTS)
# Networks, with and without a linear model beside them.
CASES = {"network": {}, "convolutions": {"conv_filters": (4, 3)}, "linear": {"n_kernels": 300}}
every_case = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


def quick(**parameters):
    return quick_classifier(**{"n_kernels": 0, "mixup_alpha": 0.2, **parameters})


def tagged_texts(n=200, seed=0):
    """Token ids and three labels, each of which adds a token of its own."""
    rng = np.random.default_rng(seed)
    y = (rng.random((n, 3)) < [0.5, 0.3, 0.1]).astype(int)
    ids = [rng.integers(5, 40, size=rng.integers(4, 9)) for _ in range(n)]
    tagged = [np.concatenate([i, 2 + np.flatnonzero(row)]) for i, row in zip(ids, y, strict=True)]
    return tagged, y


# What is predicted


@every_case
def test_it_learns_which_labels_a_sequence_has(case):
    classifier = quick(**case, max_epochs=40).fit(X[:40], Y[:40])
    assert classifier.multilabel_
    assert classifier.classes_.tolist() == [0, 1, 2]
    probabilities, predicted = classifier.predict_proba(X), classifier.predict(X)
    assert probabilities.shape == predicted.shape == Y.shape
    assert predicted.dtype == np.int64
    np.testing.assert_array_equal(predicted, (probabilities > 0.5).astype(int))
    np.testing.assert_allclose(np.exp(classifier.predict_log_proba(X)), probabilities)
    logits = classifier.decision_function(X)
    np.testing.assert_allclose(1 / (1 + np.exp(-logits)), probabilities)
    assert roc_auc_score(Y[40:], probabilities[40:]) > 0.85
    assert classifier.score(X, Y) == accuracy_score(Y, predicted) > 0.5
    np.testing.assert_array_equal(classifier.net_.predict(X), predicted)


def test_a_single_label_has_no_part_in_it():
    single_X, y = make_ragged(20)
    assert quick_classifier(max_epochs=1).fit(single_X, y).multilabel_ is False


@every_case
def test_alone_or_in_company_a_prediction_is_the_same(case):
    assert_same_bits_in_any_company(quick(**case, max_epochs=1).fit(X, Y), X)


def test_padding_has_no_part_in_it():
    padded = np.full((60, 12, 3), np.nan)
    for row, x in zip(padded, X, strict=True):
        row[: len(x)] = x
    from_padded = quick(mask_value=np.nan).fit(padded, Y).predict_proba(padded)
    assert_same_in_company(from_padded, quick().fit(X, Y).predict_proba(X))


@every_case
@every_weight
def test_two_fits_and_their_copies_are_the_same_to_the_bit(case, class_weight, tmp_path):
    classifier = quick(**case, dropout=0.3, class_weight=class_weight).fit(X, Y)
    expected = classifier.predict_proba(X)
    np.testing.assert_array_equal(clone(classifier).fit(X, Y).predict_proba(X), expected)
    torch.set_num_threads(2)
    np.testing.assert_array_equal(clone(classifier).fit(X, Y).predict_proba(X), expected)
    loaded = through_copies(classifier, X, tmp_path / "model")
    assert loaded.multilabel_
    assert loaded.classes_.tolist() == [0, 1, 2]
    assert loaded.class_weight == class_weight
    predictions_through_copies(classifier, lambda c: c.predict(X), tmp_path / "model")


# What y may be

FORMS = {
    "list": Y.tolist(),
    "booleans": Y.astype(bool),
    "floats": Y.astype(float),
    "frame": pd.DataFrame(Y, columns=["a", "b", "c"]),
    "tensor": torch.tensor(Y),
    "sparse": csr_array(Y),
}


@pytest.mark.parametrize("y", FORMS.values(), ids=FORMS)
def test_y_may_have_any_form(y):
    found = quick(max_epochs=1).fit(X, y).predict_proba(X)
    np.testing.assert_array_equal(found, quick(max_epochs=1).fit(X, Y).predict_proba(X))


def test_a_first_y_is_not_one_hot_and_a_later_one_may_be():
    one_hot = np.eye(3, dtype=int)[np.arange(60) % 3]
    with pytest.raises(ValueError, match=r"one-hot\.\n\nGive y\.argmax\(axis=1\)\. Several labels"):
        quick().fit(X, one_hot)
    with pytest.raises(ValueError, match="its rows are one-hot"):
        quick().partial_fit(X, one_hot, classes=range(3))
    # A sequence of weight 0 does not count.
    first = np.array([[1, 1, 0], *one_hot[1:]])
    with pytest.raises(ValueError, match="its rows are one-hot"):
        quick().fit(X, first, sample_weight=np.r_[0, np.ones(59)])
    further = quick(max_epochs=1, warm_start=True).fit(X, first)
    assert further.fit(X, one_hot).partial_fit(X, one_hot).n_iter_ == 3
    quick(max_epochs=1).fit(X, Y, X_val=X, y_val=one_hot)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (2 * Y, r"must hold 0 and 1\. Got 2 at y\[.*MultiOutputClassifier\(LSTMSequenceClassifier"),
        (Y + 0.5, r"Got 0\.5 at y\[0, \d\].*LSTMSequenceRegressor"),
        (
            [["a", "b"][: 1 + i % 2] for i in range(60)],
            r"MultiLabelBinarizer\(\)\.fit_transform\(y\)",
        ),
        (Y[:59], "inconsistent numbers of samples: X has 60 sequences, y has 59 labels"),
    ],
)
def test_other_tables_of_labels_are_errors_with_remedies(y, message):
    with pytest.raises(ValueError, match=rf"(?s){message}"):
        quick().fit(X, y)


def test_further_training_has_the_same_columns():
    classifier = quick(max_epochs=1, warm_start=True).fit(X, Y)
    with pytest.raises(ValueError, match="y has 2 columns, but there are 3 labels"):
        classifier.fit(X, Y[:, :2])
    with pytest.raises(ValueError, match=r"y must be an indicator matrix .*\. Got one label"):
        classifier.fit(X, Y[:, 0])
    with pytest.raises(ValueError, match="y_val has 2 columns"):
        quick(max_epochs=1).fit(X, Y, X_val=X, y_val=Y[:, :2])
    of_one = quick(max_epochs=1, warm_start=True).fit(X, Y[:, 0])
    with pytest.raises(ValueError, match=r"y has 3 columns, but the labels are \[0, 1\], one for"):
        of_one.fit(X, Y)


def test_it_begins_with_a_partial_fit():
    classifier = quick()
    for _ in range(40):
        classifier.partial_fit(X, Y, classes=range(3))
    assert classifier.multilabel_
    assert roc_auc_score(Y, classifier.predict_proba(X)) > 0.8
    with pytest.raises(ValueError, match=r"Give classes=range\(y\.shape\[1\]\)"):
        quick().partial_fit(X, Y, classes=["a", "b", "c"])
    with pytest.raises(ValueError, match="y has 3 columns, but there are 2 labels"):
        quick().partial_fit(X, Y, classes=[0, 1])


# Weights


@every_case
@every_weight
def test_a_weight_of_zero_is_removal_to_the_bit(case, class_weight):
    classifier = quick(**case, class_weight=class_weight)
    assert_weight_zero_is_removal(classifier, X, Y, every=5)


@every_weight
def test_an_integer_weight_is_a_repetition(class_weight):
    options = {"batch_size": 1000, "max_epochs": 20, "standardize": False, "mixup_alpha": 0.0}
    options["class_weight"] = class_weight
    weights = np.random.default_rng(0).integers(1, 4, size=60)
    repeated = np.repeat(np.arange(60), weights)
    by_weight = quick(**options).fit(X, Y, weights).predict_proba(X)
    by_repetition = quick(**options).fit([X[i] for i in repeated], Y[repeated]).predict_proba(X)
    np.testing.assert_allclose(by_weight, by_repetition, rtol=1e-3, atol=1e-5)
    unweighted = quick(**options).fit(X, Y).predict_proba(X)
    assert not np.allclose(by_weight, unweighted, rtol=1e-3, atol=1e-5)


@every_case
def test_weights_of_all_labels_alike_are_none_and_each_changes_its_label(case):
    plain = quick(**case, max_epochs=20).fit(X, Y).predict_proba(X)
    # The same figures, summed in another order.
    ones = quick(**case, max_epochs=20, class_weight=[{}] * 3).fit(X, Y).predict_proba(X)
    np.testing.assert_allclose(ones, plain, atol=2e-3)
    by_column = quick(**case, max_epochs=20, class_weight={1: 4.0}).fit(X, Y)
    both = [{}, {1: 4.0}, {}]
    expected = quick(**case, max_epochs=20, class_weight=both).fit(X, Y).predict_proba(X)
    np.testing.assert_array_equal(by_column.predict_proba(X), expected)
    assert (expected - plain)[:, 1].mean() > 0.01
    balanced = quick(**case, max_epochs=20, class_weight="balanced").fit(X, Y).predict_proba(X)
    assert (balanced - plain)[:, 2].mean() > 0.01


def test_a_sequence_is_left_out_if_all_its_labels_weigh_0():
    only_present = [{0: 0.0}] * 3
    has_one = np.flatnonzero(Y.any(axis=1))
    # But for the scale, which is that of all.
    for options in ({"standardize": False}, {"standardize": "sequence"}):
        found = quick(class_weight=only_present, **options).fit(X, Y)
        expected = clone(found).fit([X[i] for i in has_one], Y[has_one])
        np.testing.assert_array_equal(found.predict_proba(X), expected.predict_proba(X))
    with pytest.raises(ValueError, match="class_weight leaves no sequence of positive weight"):
        quick(class_weight=only_present).partial_fit(X[:2], np.zeros((2, 3)), classes=range(3))


@pytest.mark.parametrize(
    ("class_weight", "message"),
    [
        ({5: 1.0}, r"class_weight has keys that are not labels of y: 5"),
        ([{}, {}], "class_weight must have one dict for each of the 3 labels"),
        ([{}, {2: 1.0}, {}], r"class_weight\[1\] has keys that are not labels"),
        (
            [{}, 2.0, {}],
            r"'class_weight' parameter must be .* a list of one dict for each. Got 2.0",
        ),
    ],
)
def test_weights_that_fit_no_label_are_errors(class_weight, message):
    with pytest.raises(ValueError, match=message):
        quick(class_weight=class_weight).fit(X, Y)


def test_a_single_label_has_no_list_of_weights():
    with pytest.raises(ValueError, match="Got a list, which has a dict for each of several labels"):
        quick(class_weight=[{0: 1.0}, {}]).fit(X, Y[:, 0])


def test_steps_that_were_halved_for_memory_give_the_same(monkeypatch):
    options = {"mixup_alpha": 0.0, "class_weight": "balanced"}
    expected = quick(**options).fit(X, Y).predict_proba(X)
    loss, n_calls = _net.SequenceNet._loss, []

    def short_of_memory(self, inputs, targets):
        n_calls.append(0)
        if len(n_calls) == 1:
            raise RuntimeError("CUDA out of memory")
        return loss(self, inputs, targets)

    monkeypatch.setattr(_net.SequenceNet, "_loss", short_of_memory)
    with pytest.warns(UserWarning, match="ran out of memory"):
        halved = quick(**options).fit(X, Y)
    np.testing.assert_allclose(halved.predict_proba(X), expected, atol=1e-4)


# Rare labels


@pytest.mark.parametrize("class_weight", [None, "balanced"])
@pytest.mark.parametrize("kind", ["sequences", "texts"])
def test_labels_that_are_rare_or_do_not_vary_train_with_the_others(kind, class_weight):
    if kind == "texts":
        ids, y = tagged_texts(150)
        options = {"embedding_dim": 4, "n_kernels": "auto"}
    else:
        ids, y, options = X, Y, {"n_kernels": 300}
    never, always, once = np.zeros(len(y)), np.ones(len(y)), np.arange(len(y)) == 7
    table = np.column_stack([y[:, 0], never, always, once])
    for stopping in (False, True):
        classifier = quick(**options, class_weight=class_weight, early_stopping=stopping)
        classifier.set_params(max_epochs=15).fit(ids, table)
        logits = classifier.decision_function(ids)
        assert np.isfinite(logits).all()
        assert np.abs(logits).max() < 40
        mean = classifier.predict_proba(ids).mean(axis=0)
        assert mean[1] < 0.2
        assert mean[2] > 0.8
        assert mean[3] < 0.5


def test_a_single_sequence_is_enough():
    classifier = quick(max_epochs=1).fit(X[:1], np.array([[1, 1, 0]]))
    assert classifier.predict_proba(X).shape == (60, 3)


# Validation


SCORERS = (
    "accuracy", "average_precision", "f1_macro", "f1_micro", "f1_weighted",
    "jaccard_macro", "jaccard_micro", "precision_micro", "recall_macro", "roc_auc", "loss",
)  # fmt: skip


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.UndefinedMetricWarning")
@pytest.mark.parametrize("n_labels", [2, 3])
@pytest.mark.parametrize("scoring", SCORERS)
def test_it_stops_early_by_any_scorer_of_several_labels(scoring, n_labels):
    options = {"early_stopping": True, "validation_fraction": 0.3, "scoring": scoring}
    classifier = quick(**options, max_epochs=6).fit(X, Y[:, :n_labels], np.linspace(1, 2, 60))
    assert np.isfinite(classifier.best_score_)
    if scoring != "loss" and n_labels == 3:
        assert np.isfinite(get_scorer(scoring)(classifier, X, Y))


def test_a_scorer_of_one_label_is_an_error_that_says_so():
    with pytest.raises(
        ValueError, match=r"scoring='balanced_accuracy' cannot score the .* held-out"
    ):
        quick(early_stopping=True, scoring="balanced_accuracy").fit(X, Y)


def test_each_label_is_held_out_and_trained_on_if_it_can_be():
    rng = np.random.default_rng(0)
    rare = (rng.random((60, 5)) < [0.5, 0.2, 0.1, 0.0, 0.0]).astype(int)
    # Two sequences have nothing but the fourth label, and two the fifth and the first.
    rare[[3, 40]], rare[[11, 50]] = [0, 0, 0, 1, 0], [1, 0, 0, 0, 1]
    held_out = []

    def scorer(estimator, X, y):
        held_out.append(y)
        return 0.0

    for seed in range(5):
        options = {"early_stopping": True, "scoring": scorer, "random_state": seed}
        quick(**options, max_epochs=1).fit(X, rare)
        assert held_out[-1].sum(axis=0)[3:].tolist() == [1, 1]
        assert 6 <= len(held_out[-1]) <= 10


@pytest.mark.parametrize(
    ("early_stopping", "groups"),
    [("last", None), (True, np.arange(60) // 20), ("last", np.arange(60) // 20)],
)
def test_a_label_that_is_in_the_held_out_part_alone_is_no_error(early_stopping, groups):
    y = Y.copy()
    y[:, 2] = np.arange(60) >= 56
    classifier = quick(early_stopping=early_stopping, max_epochs=2).fit(X, y, groups=groups)
    assert np.isfinite(classifier.history_["valid_loss"]).all()


def test_validation_data_may_be_given():
    classifier = quick().fit(X[:40], Y[:40], X_val=X[40:], y_val=Y[40:])
    assert np.isfinite(classifier.history_["valid_loss"]).all()


# Training


@every_weight
def test_a_training_goes_on_after_an_interruption(class_weight, tmp_path):
    options = {"class_weight": class_weight, "early_stopping": True, "n_kernels": 300}
    on_file = {**options, "checkpoint": tmp_path / "of"}
    with pytest.raises(Crash):
        quick(**on_file, callbacks=[CrashAfter(2)]).fit(X, Y)
    resumed = quick(**on_file).fit(X, Y).predict_proba(X)
    np.testing.assert_array_equal(resumed, quick(**options).fit(X, Y).predict_proba(X))
    with pytest.raises(ValueError, match="belongs to a different fit: y is not the same"):
        quick(**on_file).fit(X, np.r_[Y[:59], 1 - Y[59:]])
    if class_weight is not None:
        with pytest.raises(ValueError, match="'class_weight' was"):
            quick(**{**on_file, "class_weight": None}).fit(X, Y)


@every_case
def test_further_training_goes_on(case, tmp_path):
    classifier = quick(**case, warm_start=True).fit(X, Y)
    first = classifier.history_["train_loss"][-1]
    classifier.fit(X, Y).partial_fit(X[:20], Y[:20])
    assert classifier.n_iter_ == 11
    assert classifier.history_["train_loss"][9] < first
    save_model(classifier, tmp_path / "model")
    assert load_model(tmp_path / "model").partial_fit(X, Y).n_iter_ == 12


def test_an_error_leaves_the_estimator_as_it_was():
    classifier = quick(max_epochs=1).fit(X, Y)
    before = dict(vars(classifier))
    with pytest.raises(ValueError, match="its rows are one-hot"):
        classifier.fit(X, np.eye(3)[np.arange(60) % 3])
    assert vars(classifier) == before


# Company


def test_it_goes_through_searches_and_pipelines(tmp_path):
    pipeline = make_pipeline(SequenceScaler(), quick(max_epochs=3))
    assert len(cross_val_score(pipeline, X, Y, cv=3, scoring="roc_auc")) == 3
    for method in ("predict", "predict_proba", "decision_function"):
        predicted = cross_val_predict(pipeline, X, Y, cv=KFold(3), method=method)
        assert predicted.shape == Y.shape
    grid = {"lstmsequenceclassifier__class_weight": [None, "balanced", {2: 3.0}]}
    search = GridSearchCV(pipeline, grid, cv=2, scoring="average_precision", n_jobs=2).fit(X, Y)
    assert search.best_score_ > 0.3
    save_model(search.best_estimator_, tmp_path / "pipeline")
    loaded = load_model(tmp_path / "pipeline")
    np.testing.assert_array_equal(loaded.predict(X), search.predict(X))


def test_it_says_much_the_same_as_a_classifier_of_each_label():
    together = quick(max_epochs=20).fit(X[:40], Y[:40]).predict_proba(X[40:])
    apart = MultiOutputClassifier(quick(max_epochs=20)).fit(X[:40], Y[:40])
    of_each = np.stack([p[:, 1] for p in apart.predict_proba(X[40:])], axis=1)
    assert np.corrcoef(together.ravel(), of_each.ravel())[0, 1] > 0.8


def test_texts_have_several_labels(tmp_path):
    ids, y = tagged_texts(400)
    classifier = quick(embedding_dim=8, n_kernels="auto", max_epochs=15).fit(ids[:300], y[:300])
    # The shares were fitted to held-out texts.
    assert classifier.net_.module_.shares.tolist() != [0.25, 0.5]
    assert roc_auc_score(y[300:], classifier.predict_proba(ids[300:])) > 0.9
    through_copies(classifier, ids, tmp_path / "model")
    balanced = clone(classifier).set_params(class_weight="balanced").fit(ids[:300], y[:300])
    assert roc_auc_score(y[300:], balanced.predict_proba(ids[300:])) > 0.9
    pipeline = make_pipeline(TokenEncoder(), quick(embedding_dim=4, n_kernels="auto"))
    texts, table = (
        ["good film", "bad film", "good play", "play"] * 10,
        [[1, 1], [0, 1], [1, 0], [0, 0]],
    )
    assert pipeline.fit(texts, table * 10).predict(["good film"]).shape == (1, 2)


def test_texts_of_weight_zero_are_removed_to_the_bit():
    ids, y = tagged_texts(150)
    options = {"embedding_dim": 4, "n_kernels": "auto", "class_weight": "balanced"}
    assert_weight_zero_is_removal(quick(**options), ids, y, every=7)


def test_scikit_learn_knows_that_it_takes_several_labels():
    assert quick().__sklearn_tags__().classifier_tags.multi_label
