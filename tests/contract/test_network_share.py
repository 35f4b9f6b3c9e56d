"""The share of a network beside fixed convolutions, where there are enough sequences to fit it."""

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.metrics import log_loss

from tests.crashing import Crash, CrashAfter
from tests.helpers import (
    assert_same_bits_in_any_company,
    assert_weight_zero_is_removal,
    make_cube,
    quick,
    through_copies,
)

EQUAL = [0.5, 0.5]


def noisy(n, seed=0):
    """Sequences of which three in ten have the label of the other class."""
    cube, y = make_cube(n, n_timesteps=4, n_features=1, seed=seed)
    return cube, np.where(np.random.default_rng(seed).random(n) < 0.3, 1 - y, y)


X, Y = noisy(505)


def with_kernels(**parameters):
    defaults = {"n_kernels": 300, "patch_size": 1, "batch_size": 100, "learning_rate": 0.1}
    return quick(**{**defaults, **parameters})


def shares_of(classifier):
    return classifier.net_.module_.shares.tolist()


@pytest.fixture(scope="module", params=[(), (4, 3)], ids=["windows", "trained convolutions"])
def fitted(request):
    return with_kernels(max_epochs=20, conv_filters=request.param).fit(X, Y)


def test_a_network_that_knows_noise_by_heart_is_tempered(fitted):
    of_network, of_linear = shares_of(fitted)
    assert 0.1 < of_network < 0.9
    assert of_linear == 0.5
    new, y = noisy(400, seed=1)
    tempered = log_loss(y, fitted.predict_proba(new))
    untempered = clone(fitted).fit(X, Y)
    untempered.net_.module_.set_shares(1.0, 0.5)
    assert tempered < log_loss(y, untempered.predict_proba(new))


def test_a_sequence_has_the_same_bits_alone_and_in_any_order(fitted):
    assert_same_bits_in_any_company(fitted, X[:40])


def test_copies_and_files_predict_the_same_bits(fitted, tmp_path):
    loaded = through_copies(fitted, X, tmp_path / "model.safetensors")
    assert shares_of(loaded) == shares_of(fitted)


def test_few_sequences_and_early_stopping_leave_the_mean():
    assert shares_of(with_kernels(max_epochs=1).fit(X[:500], Y[:500])) != EQUAL
    assert shares_of(with_kernels(max_epochs=1).fit(X[:499], Y[:499])) == EQUAL
    for held_out in ({}, {"X_val": X[:50], "y_val": Y[:50]}):
        stopped = with_kernels(max_epochs=1, early_stopping=True)
        assert shares_of(stopped.fit(X, Y, **held_out)) == EQUAL
    watched = with_kernels(max_epochs=1).fit(X, Y, X_val=X[:50], y_val=Y[:50])
    assert shares_of(watched) == shares_of(with_kernels(max_epochs=1).fit(X, Y)) != EQUAL


def test_nothing_is_held_out_so_that_groups_do_not_matter():
    plain = with_kernels(max_epochs=1).fit(X, Y)
    grouped = with_kernels(max_epochs=1).fit(X, Y, groups=np.arange(505) % 7)
    np.testing.assert_array_equal(grouped.predict_proba(X), plain.predict_proba(X))


def test_several_labels_count_as_much_in_either_member():
    labels = np.stack([Y, np.arange(505) % 3 > 0], axis=1).astype(int)
    assert shares_of(with_kernels(max_epochs=1).fit(X, labels)) == EQUAL


def test_a_weight_of_zero_is_left_out_and_does_not_make_enough():
    assert_weight_zero_is_removal(with_kernels(max_epochs=1), X, Y, every=120)
    weights = np.where(np.arange(505) < 6, 0.0, 1.0)
    assert shares_of(with_kernels(max_epochs=1).fit(X, Y, sample_weight=weights)) == EQUAL
    # The same of classes of weight 0.
    y = np.where(np.arange(505) < 6, 2, Y)
    classifier = with_kernels(max_epochs=1, class_weight={0: 1, 1: 1, 2: 0}).fit(X, y)
    assert shares_of(classifier) == EQUAL


def test_weights_of_sequences_count():
    weights = np.where(np.arange(505) % 2 == Y, 1.0, 1e-3)
    trusting = with_kernels(max_epochs=20).fit(X, Y, sample_weight=weights)
    # Without the wrong labels the ridge is right about what was left out.
    assert shares_of(trusting)[0] > 1.2 * shares_of(with_kernels(max_epochs=20).fit(X, Y))[0]


def test_an_interrupted_fit_resumes_to_the_same_bits(tmp_path):
    whole = with_kernels(max_epochs=3).fit(X, Y)
    resumable = with_kernels(max_epochs=3, checkpoint=tmp_path / "fit.checkpoint")
    with pytest.raises(Crash):
        clone(resumable).set_params(callbacks=[CrashAfter(2)]).fit(X, Y)
    for _ in range(2):
        resumable.fit(X, Y)
        assert shares_of(resumable) == shares_of(whole) != EQUAL
        np.testing.assert_array_equal(resumable.predict_proba(X), whole.predict_proba(X))


def test_further_training_fits_it_again_and_partial_fit_keeps_it():
    classifier = with_kernels(warm_start=True, max_epochs=2).fit(X, Y)
    before = shares_of(classifier)
    classifier.set_params(max_epochs=20).fit(X, Y)
    after = shares_of(classifier)
    assert after != before
    linear = classifier.net_.module_.linear.weight.clone()
    classifier.partial_fit(X, Y)
    assert shares_of(classifier) == after
    assert torch.equal(classifier.net_.module_.linear.weight, linear)
    classifier.fit(X[:100], Y[:100])
    assert shares_of(classifier) == EQUAL
    assert shares_of(with_kernels().partial_fit(X, Y, classes=[0, 1])) == [1, 0]
