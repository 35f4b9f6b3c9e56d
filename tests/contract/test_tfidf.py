"""The invariants hold with a linear model of TF-IDF beside the network of token ids."""

from functools import partial

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from sklstm.nn import SequenceNetwork, TokenEnsemble
from tests.crashing import Crash, CrashAfter
from tests.helpers import (
    assert_same_bits_in_any_company,
    assert_weight_zero_is_removal,
    make_documents,
    quick,
    through_copies,
)

PRIOR = [0.25, 0.5]


documents = partial(make_documents, n_classes=3, lengths=(1, 9))
# Enough for shares of their own, and not enough.
X, Y = documents(120)
FEW, Y_FEW = X[:60], Y[:60]


def tokens(**parameters):
    return quick(
        **{"embedding_dim": 6, "vocabulary_size": 40, "max_epochs": 3, "mixup_alpha": 0.2}
        | parameters
    )


@pytest.fixture(scope="module")
def fitted():
    return tokens().fit(X, Y)


def shares_of(classifier):
    return classifier.net_.module_.shares.tolist()


def test_the_module_is_an_ensemble_and_without_tfidf_a_network(fitted):
    assert isinstance(fitted.net_.module_, TokenEnsemble)
    assert fitted.score(*documents(99, seed=1)) > 0.9
    assert fitted.transform(X).shape == (120, len(fitted.get_feature_names_out()))
    assert isinstance(tokens(tfidf=False).fit(FEW, Y_FEW).net_.module_, SequenceNetwork)


def test_shares_are_fitted_if_there_are_enough_sequences(fitted):
    assert shares_of(fitted) != PRIOR
    assert shares_of(tokens().fit(X[:99], Y[:99])) == PRIOR
    # Weights of an epoch that was chosen by them would be scored by other ones.
    for held_out in ({}, {"X_val": FEW, "y_val": Y_FEW}):
        assert shares_of(tokens(early_stopping=True).fit(X, Y, **held_out)) == PRIOR
    assert shares_of(tokens().partial_fit(X, Y, classes=[0, 1, 2])) == [1, 0]


def test_groups_are_not_split_for_the_shares(fitted):
    apart = tokens().fit(X, Y, groups=np.arange(120) // 3)
    assert shares_of(apart) not in (PRIOR, shares_of(fitted))
    # Each class is in a single group: none can be held out.
    together = tokens().fit(X, Y, groups=Y)
    assert shares_of(together) == PRIOR
    # No class has two sequences.
    with pytest.warns(UserWarning, match="number of unique classes"):
        assert shares_of(tokens().fit(X, [f"{i:03}" for i in range(120)])) == PRIOR


def test_classes_without_weight_are_not_held_out():
    weights = {label: float(label == "heavy") for label in ("heavy", "light")}
    y = np.where(np.arange(120) == 0, "heavy", "light")
    assert shares_of(tokens(class_weight=weights).fit(X, y)) == PRIOR


def test_a_sequence_has_the_same_bits_alone_and_in_any_order(fitted):
    assert_same_bits_in_any_company(fitted, X)


def test_one_seed_gives_the_same_bits(fitted):
    expected = fitted.predict_proba(X)
    np.testing.assert_array_equal(clone(fitted).fit(X, Y).predict_proba(X), expected)


def test_a_weight_of_zero_is_left_out_and_class_weights_count():
    assert_weight_zero_is_removal(tokens(), X, Y, every=7)
    noise = [np.random.default_rng(i).integers(2, 30, size=5) for i in range(60)]
    rare = np.arange(60) % 6 == 0
    plain, heavy = (tokens(class_weight=w).fit(noise, rare) for w in (None, {True: 50}))
    biases = [c.net_.module_.linear.bias.diff().item() for c in (plain, heavy)]
    assert biases[1] > biases[0] + 1


def test_copies_and_files_predict_the_same_bits(fitted, tmp_path):
    loaded = through_copies(fitted, X, tmp_path / "model.safetensors")
    assert shares_of(loaded) == shares_of(fitted)


def test_an_interrupted_fit_resumes_to_the_same_bits(tmp_path):
    whole = tokens(max_epochs=4).fit(X, Y)
    resumable = tokens(max_epochs=4, checkpoint=tmp_path / "fit.checkpoint")
    with pytest.raises(Crash):
        clone(resumable).set_params(callbacks=[CrashAfter(2)]).fit(X, Y)
    for _ in range(2):
        resumable.fit(X, Y)
        np.testing.assert_array_equal(resumable.predict_proba(X), whole.predict_proba(X))


def test_further_training_refits_the_linear_model_and_partial_fit_keeps_it():
    classifier = tokens(warm_start=True).fit(X, Y)
    before = classifier.net_.module_.linear.table.clone()
    shares = shares_of(classifier)
    classifier.fit(FEW, Y_FEW)
    after = classifier.net_.module_.linear.table.clone()
    assert not np.array_equal(before, after)
    assert shares_of(classifier) == PRIOR != shares
    classifier.partial_fit(X[:10], Y[:10])
    assert torch.equal(classifier.net_.module_.linear.table, after)
    with pytest.raises(ValueError, match="'tfidf' was True, got False"):
        classifier.set_params(tfidf=False).fit(X, Y)


def test_rare_tokens_are_read_as_unknown_but_not_pretrained_ones():
    many, y = documents(600)
    many[0] = np.array([35, 2])
    drawn = tokens(max_epochs=1).fit(many, y).net_.module_
    assert drawn.is_rare[[1, 5, 35, 36]].tolist() == [True, False, True, True]
    vectors = np.random.default_rng(0).normal(size=(40, 6))
    pretrained = tokens(max_epochs=1).set_params(embedding_dim=None, embedding_weights=vectors)
    assert not pretrained.fit(many, y).net_.module_.is_rare.any()


def test_validation_scores_are_those_of_the_ensemble():
    classifier = tokens(early_stopping=True, scoring="accuracy").fit(X, Y, X_val=X, y_val=Y)
    assert classifier.best_score_ == classifier.score(X, Y)


def test_it_is_searched():
    search = GridSearchCV(tokens(), {"tfidf": [False, True]}, cv=2).fit(X, Y)
    assert isinstance(search.best_estimator_.net_.module_, (SequenceNetwork, TokenEnsemble))
    means = search.cv_results_["mean_test_score"]
    assert means[1] > means[0]


def test_without_an_embedding_it_has_no_effect():
    with pytest.warns(UserWarning, match="tfidf=False has no effect without an embedding"):
        quick(tfidf=False, max_epochs=1).fit(np.zeros((4, 3, 1)), [0, 1, 0, 1])
