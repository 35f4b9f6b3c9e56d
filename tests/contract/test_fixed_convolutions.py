"""The invariants hold with fixed convolutions and the linear model beside the network."""

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV, cross_val_score

from sklstm import LSTMSequenceClassifier
from sklstm.nn import ConvolutionEnsemble
from tests.crashing import Crash, CrashAfter
from tests.helpers import (
    assert_same_bits_in_any_company,
    assert_weight_zero_is_removal,
    device,
    make_cube,
    make_ragged,
    quick,
    through_copies,
)

X, Y = make_ragged(40, n_classes=3)


def with_kernels(**parameters):
    return quick(**{"n_kernels": 300, "patch_size": 2, "max_epochs": 3, **parameters})


def linear_logits(classifier, cube):
    module = classifier.net_.module_
    summaries = module.convolutions(torch.from_numpy(cube).float().to(device())).summaries
    return module.linear(summaries).detach().cpu()


@pytest.fixture(scope="module", params=[(), (4, 3)], ids=["windows", "trained convolutions"])
def fitted(request):
    return with_kernels(mixup_alpha=0.2, conv_filters=request.param).fit(X, Y)


def test_the_module_is_an_ensemble_whose_linear_model_is_fitted(fitted):
    module = fitted.net_.module_
    assert isinstance(module, ConvolutionEnsemble)
    assert module.linear.weight.any()
    assert fitted.score(X, Y) > 0.9
    assert fitted.transform(X).shape == (40, len(fitted.get_feature_names_out()))


def test_a_sequence_has_the_same_bits_alone_and_in_any_order(fitted):
    assert_same_bits_in_any_company(fitted, X)


def test_one_seed_gives_the_same_bits_and_another_does_not(fitted):
    expected = fitted.predict_proba(X)
    np.testing.assert_array_equal(clone(fitted).fit(X, Y).predict_proba(X), expected)
    other = clone(fitted).set_params(random_state=1).fit(X, Y)
    channels = (e.net_.module_.convolutions.channels for e in (fitted, other))
    assert not np.array_equal(*channels)


def test_a_weight_of_zero_is_left_out_and_class_weights_count():
    assert_weight_zero_is_removal(with_kernels(), X, Y, every=4)
    noise = np.random.default_rng(0).normal(size=(40, 9, 1))
    rare = np.arange(40) % 8 == 0
    plain = with_kernels(max_epochs=1).fit(noise, rare)
    heavy = with_kernels(max_epochs=1, class_weight={True: 50}).fit(noise, rare)
    assert linear_logits(heavy, noise).diff().mean() > linear_logits(plain, noise).diff().mean()


def test_copies_and_files_predict_the_same_bits(fitted, tmp_path):
    loaded = through_copies(fitted, X, tmp_path / "model.safetensors")
    assert loaded.resolved_params_ == fitted.resolved_params_


def test_an_interrupted_fit_resumes_to_the_same_bits(tmp_path):
    whole = with_kernels(max_epochs=4).fit(X, Y)
    path = tmp_path / "fit.checkpoint"
    resumable = with_kernels(max_epochs=4, checkpoint=path)
    with pytest.raises(Crash):
        clone(resumable).set_params(callbacks=[CrashAfter(2)]).fit(X, Y)
    resumable.fit(X, Y)
    np.testing.assert_array_equal(resumable.predict_proba(X), whole.predict_proba(X))


def test_further_training_keeps_the_convolutions_and_refits_the_linear_model():
    classifier = with_kernels(warm_start=True, n_kernels="auto", conv_filters="auto").fit(X, Y)
    before = {k: v.clone() for k, v in classifier.net_.module_.state_dict().items()}
    classifier.fit(X[:30], Y[:30])
    after = classifier.net_.module_.state_dict()
    assert classifier.n_iter_ == 6
    for name, tensor in before.items():
        is_kept = name.startswith("convolutions.") or name == "shares"
        assert torch.equal(tensor, after[name]) == is_kept, name
    classifier.partial_fit(X[:10], Y[:10])
    assert torch.equal(after["linear.weight"], classifier.net_.module_.linear.weight)


def test_partial_fit_has_no_linear_model_of_its_own():
    classifier = with_kernels()
    for _ in range(20):
        classifier.partial_fit(X, Y, classes=[0, 1, 2])
    assert not classifier.net_.module_.linear.weight.any()
    assert classifier.score(X, Y) > 0.9


def test_validation_scores_are_those_of_the_ensemble():
    classifier = with_kernels(early_stopping=True, scoring="accuracy").fit(X, Y, X_val=X, y_val=Y)
    assert classifier.best_score_ == classifier.score(X, Y)


def test_it_is_searched_and_cross_validated():
    search = GridSearchCV(with_kernels(), {"n_kernels": [0, 200]}, cv=2).fit(X, Y)
    assert search.best_score_ > 0.8
    assert cross_val_score(search.best_estimator_, X, Y, cv=2).min() > 0.7


@pytest.mark.parametrize(
    ("n", "parameters", "n_kernels"),
    [
        (24, {"conv_filters": "auto"}, 5040),
        (5000, {"conv_filters": "auto"}, 2000),
        (24, {}, 0),
        (10_001, {"conv_filters": "auto"}, 0),
    ],
)
def test_auto_depends_on_the_number_of_sequences_and_on_the_convolutions(n, parameters, n_kernels):
    cube, y = make_cube(n, n_timesteps=3)
    classifier = quick(n_kernels="auto", max_epochs=1, batch_size=500, **parameters).fit(cube, y)
    assert classifier.resolved_params_["n_kernels"] == n_kernels
    assert isinstance(classifier.net_.module_, ConvolutionEnsemble) == (n_kernels > 0)


def test_windows_are_at_most_32_of_most_sequences():
    cube, y = make_cube(n_timesteps=65)
    parameters = {"n_kernels": "auto", "conv_filters": "auto", "patch_size": "auto"}
    classifier = quick(**parameters, max_epochs=1).fit(cube[:, :, :1], y)
    assert classifier.resolved_params_["patch_size"] == 3
    assert classifier.resolved_params_["conv_filters"] == ()


def test_token_ids_have_none():
    tokens = [[1, 2], [2, 1], [3]] * 4
    classifier = quick(embedding_dim=2, n_kernels="auto").fit(tokens, [0, 1, 1] * 4)
    assert classifier.resolved_params_["n_kernels"] == 0
    with pytest.raises(ValueError, match=r"'n_kernels' parameter must be 0 with an embedding"):
        LSTMSequenceClassifier(embedding_dim=2, n_kernels=100).fit(tokens, [0, 1, 1] * 4)
