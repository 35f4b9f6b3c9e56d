import pickle

import numpy as np
import pytest
import torch

from sklstm.inspection import attributions
from sklstm.inspection._attributions import Attributions
from tests.helpers import FLOAT32
from tests.inspection.fitted import CASES, LABELS, NUMBERS, X, classifier, fitted, regressor

METHODS = ("integrated_gradients", "occlusion")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", CASES)
def test_attributions_sum_to_what_the_public_method_says(name, method):
    model, given = fitted(name)
    explained = attributions(model, given[:5], method=method)
    assert len(explained) == 5
    assert explained.completeness_error.max() < (0.02 if name in ("number", "quantiles") else 1e-3)
    if hasattr(model, "decision_function"):
        public = model.decision_function(given[:5])
        expected = np.abs(public) if public.ndim == 1 else public.max(axis=1)
    else:
        expected = model.predict(given[:5])
    np.testing.assert_allclose(explained.output, expected, rtol=1e-5)
    assert any(np.abs(values).max() > 0 for values in explained)


@pytest.mark.parametrize("name", ["lstm", "both scales", "fixed", "windows", "two classes"])
def test_the_output_of_the_baseline_is_that_of_a_constant_sequence(name):
    model, given = fitted(name)
    means = np.concatenate(given).mean(axis=0)
    constant = [np.tile(means, (len(x), 1)) for x in given[:4]]
    explained = attributions(model, given[:4], method="occlusion", target=LABELS[1]
                             if name != "two classes" else 3)  # fmt: skip
    public = model.decision_function(constant)
    expected = -public if public.ndim == 1 else public[:, list(model.classes_).index(LABELS[1])]
    np.testing.assert_allclose(explained.baseline_output, expected, atol=2e-5)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", ["fixed", "windows", "ids", "attention"])
def test_a_sequence_alone_and_in_company_have_the_same_attributions(name, method):
    model, given = fitted(name)
    together = attributions(model, given, method=method)
    for i in (0, 7):
        (alone,) = attributions(model, given[i : i + 1], method=method)
        # The points of a path may differ by rounding, its error is below 0.0005.
        np.testing.assert_allclose(alone, together[i], atol=1e-4)
    reversed_ = attributions(model, given[::-1], method=method)
    np.testing.assert_allclose(reversed_[-1], together[0], atol=1e-4)


@pytest.mark.parametrize("method", METHODS)
def test_padding_is_exactly_zero(method):
    cube = np.full((6, 13, 2), np.nan)
    for row, x in zip(cube, X[:6], strict=True):
        row[: len(x)] = x
    model = classifier(n_kernels=200, conv_filters=4, mask_value=np.nan).fit(cube, LABELS[:6])
    explained = attributions(model, cube, method=method)
    ragged = attributions(model, X[:6], method=method)
    for values, alone, x in zip(explained, ragged, X, strict=False):
        assert values.shape == (13, 2)
        assert (values[len(x) :] == 0).all()
        np.testing.assert_allclose(values[: len(x)], alone, atol=1e-4)
        assert (np.abs(alone).max(axis=1) > 0).all()


def test_zeros_behind_token_ids_are_zero():
    model, ids = fitted("ids")
    (values,) = attributions(model, [np.append(ids[0], [0, 0])])
    np.testing.assert_allclose(values[:-2], attributions(model, ids[:1])[0], atol=1e-4)
    assert (values[-2:] == 0).all()


def test_shapes_names_and_words():
    frames = attributions(*_first("category windows"))
    assert frames.feature_names == ["a", "kind", "b"]
    assert frames.static_names == ["age", "ward"]
    assert frames.static.shape == (3, 2)
    assert frames[0].shape == (len(X[0]), 3)
    texts = attributions(*_first("texts"))
    assert texts[0].shape == (len(texts.words[0]),)
    assert texts.words[0][0].startswith("word")
    assert attributions(*_first("lstm")).words is None


def _first(name, n=3):
    model, given = fitted(name)
    return model, given[:n]


def test_a_word_that_is_not_in_the_vocabulary_keeps_its_text():
    model, _ = fitted("texts")
    explained = attributions(model, ["word3 Unheard"])
    assert explained.words == [["word3", "unheard"]]


@pytest.mark.parametrize("method", METHODS)
def test_the_target_may_be_one_label_or_one_for_each_sequence(method):
    model, given = _first("lstm")
    each = attributions(model, given, method=method, target=["up", "flat", "up"])
    flat = attributions(model, given, method=method, target="flat")
    np.testing.assert_allclose(each[1], flat[1], atol=1e-6)
    assert each.target.tolist() == ["up", "flat", "up"]
    place = list(model.classes_).index("flat")
    np.testing.assert_allclose(flat.output, model.decision_function(given)[:, place], **FLOAT32)


def test_two_classes_mirror_each_other():
    model, given = _first("two classes")
    first, second = (attributions(model, given, target=label) for label in (3, 7))
    for one, other in zip(first, second, strict=True):
        np.testing.assert_allclose(one, -other, atol=1e-4)
    np.testing.assert_allclose(second.output, model.decision_function(given), **FLOAT32)


def test_numbers_have_the_units_of_y():
    model, given = _first("number")
    explained = attributions(model, given)
    larger = regressor(n_kernels=200, conv_filters=4).fit(X, 10 * NUMBERS)
    for values, tenfold in zip(explained, attributions(larger, given), strict=True):
        np.testing.assert_allclose(10 * values, tenfold, rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize("name", ["fixed", "windows", "lstm"])
@pytest.mark.parametrize("method", METHODS)
def test_a_sequence_that_is_its_baseline_has_no_attributions(name, method):
    model, given = fitted(name)
    explained = attributions(model, given[:2], baseline=given[:2], method=method)
    assert all((values == 0).all() for values in explained)


def test_a_value_that_is_as_in_the_baseline_gets_nothing():
    model, given = fitted("fixed")
    baseline = [x.copy() for x in given[:2]]
    for x in baseline:
        x[2, 1] += 1.5
    for method in METHODS:
        for values in attributions(model, given[:2], baseline=baseline, method=method, window=1):
            assert np.flatnonzero(values.ravel()).tolist() == [5]


def test_nothing_of_the_model_changes_and_nothing_global():
    model, given = fitted("windows")
    before, state = model.predict_proba(given), torch.random.get_rng_state()
    attributions(model, given[:2])
    np.testing.assert_array_equal(model.predict_proba(given), before)
    assert all(parameter.grad is None for parameter in model.net_.module_.parameters())
    assert torch.equal(torch.random.get_rng_state(), state)
    assert torch.is_grad_enabled()


def test_it_works_without_gradients_outside():
    model, given = _first("lstm")
    with torch.inference_mode():
        explained = attributions(model, given)
    np.testing.assert_allclose(explained[0], attributions(model, given)[0], atol=1e-6)


def test_missing_values_are_refused_where_the_model_refuses_them():
    model, given = _first("lstm")
    broken = [x.copy() for x in given]
    broken[1][0, 0] = np.nan
    with pytest.raises(ValueError, match=r"NaN at X\[1\]\[0, 0\]"):
        attributions(model, broken)


def test_parameters_are_checked():
    model, given = _first("lstm")
    with pytest.raises(ValueError, match=r"'method' parameter of attributions must be a str among"):
        attributions(model, given, method="gradients")
    with pytest.raises(
        ValueError, match=r"stride must be at most window\. Got stride=2 and window="
    ):
        attributions(model, given, method="occlusion", window=1, stride=2)
    with pytest.raises(ValueError, match=r"target must be one of the classes .*Got 'down under'"):
        attributions(model, given, target="down under")


def test_a_path_that_misses_the_tolerance_is_reported(monkeypatch):
    monkeypatch.setattr("sklstm.inspection._attributions.MAX_NODES", 17)
    model, given = _first("lstm")
    with pytest.warns(UserWarning, match="more than tol=1e-12 allows, with up to 17 gradients"):
        attributions(model, given, tol=1e-12)


def test_the_result_can_be_pickled():
    explained = attributions(*_first("static"), method="occlusion")
    copy = pickle.loads(pickle.dumps(explained))
    assert isinstance(copy, Attributions)
    np.testing.assert_array_equal(copy.static, explained.static)
    np.testing.assert_array_equal(copy[1], explained[1])


def test_captum_agrees_about_a_network_alone():
    captum = pytest.importorskip("captum.attr")
    model, given = fitted("two layers")
    cube = np.stack([x[:5] for x in given[:4]])
    explained = attributions(model, cube, target="up", tol=1e-5)
    scaling = model.net_.reader.scaling
    inputs = torch.tensor((cube - scaling.mean) / scaling.scale, dtype=torch.float32)
    gradients = captum.IntegratedGradients(model.net_.module_.cpu())
    place = list(model.classes_).index("up")
    found = gradients.attribute(inputs, target=place, n_steps=400).detach().numpy()
    # Two quadratures of the same integral: captum's differs by 1.5e-4 from its own of 2000 steps.
    np.testing.assert_allclose(np.stack(explained), found, atol=5e-4)


# The import of shap takes many seconds.
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_shap_agrees_about_the_exact_values_of_two_halves():
    shap = pytest.importorskip("shap")
    model, given = fitted("fixed")
    (x,), length = given[:1], 4
    x = x[: 2 * length]
    explained = attributions(model, [x], method="occlusion", window=length, by_feature=False,
                             target="up")  # fmt: skip
    means, place = np.concatenate(given).mean(axis=0), list(model.classes_).index("up")

    def play(present):
        mixed = [np.where(np.repeat(row, length)[:, None] > 0, x, means) for row in present]
        return model.decision_function(mixed)[:, place]

    exact = shap.explainers.Exact(play, np.zeros((1, 2)))(np.ones((1, 2))).values[0]
    halves = [explained[0][:length].sum(), explained[0][length:].sum()]
    np.testing.assert_allclose(halves, exact, atol=1e-4)
