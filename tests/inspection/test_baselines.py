import numpy as np
import pytest

from sklstm.inspection import attributions
from tests.inspection.fitted import X, classifier, fitted

FIRST = {"method": "occlusion", "window": 5, "by_feature": False}


def explain(name, baseline, n=3):
    model, given = fitted(name)
    return model, given[:n], attributions(model, given[:n], baseline=baseline, **FIRST)


def test_one_number_for_each_feature():
    model, given, explained = explain("fixed", [0.5, -1.0])
    constant = [np.tile([0.5, -1.0], (len(x), 1)) for x in given]
    places = [list(model.classes_).index(target) for target in explained.target]
    expected = model.decision_function(constant)[np.arange(3), places]
    np.testing.assert_allclose(explained.baseline_output, expected, atol=1e-5)
    scalar = explain("fixed", 0.0)[2]
    zeros = explain("fixed", [0.0, 0.0])[2]
    np.testing.assert_array_equal(scalar.baseline_output, zeros.baseline_output)


@pytest.mark.parametrize("name", ["fixed", "static", "category windows", "imputed"])
def test_sequences_in_the_form_of_x(name):
    model, given = fitted(name)
    given, other = given[:2], given[:2]
    explained = attributions(model, given, baseline=other, **FIRST)
    np.testing.assert_allclose(explained.output, explained.baseline_output, atol=1e-5)


def test_the_mean_in_front_of_a_pipeline_is_that_of_its_last_step():
    model, given, explained = explain("imputed", None)
    assert explained[0].shape == given[0].shape
    vector = explain("imputed", [0.0, 1.0])[2]
    assert not np.allclose(vector.baseline_output, explained.baseline_output)
    assert model[0].n_features_in_ == 2


def test_static_columns_are_the_mean_and_no_category():
    model, given, explained = explain("static", None)
    other = given.copy()
    other["age"] = model.net_.module_.network.static.mean.double().sum().item()
    other["ward"] = "unknown"
    other["x"] = [np.tile(np.concatenate(list(X)).mean(axis=0), (len(x), 1)) for x in given["x"]]
    places = [list(model.classes_).index(target) for target in explained.target]
    expected = model.decision_function(other)[np.arange(3), places]
    np.testing.assert_allclose(explained.baseline_output, expected, atol=2e-5)


def test_a_token_id():
    model, given, explained = explain("ids", 1)
    places = [list(model.classes_).index(target) for target in explained.target]
    expected = model.decision_function([np.ones_like(ids) for ids in given])
    np.testing.assert_allclose(explained.baseline_output, expected[np.arange(3), places], atol=1e-5)


def test_without_standardisation_it_is_zero():
    model = classifier(n_kernels=0, conv_filters=(), standardize=False).fit(X[:4], [0, 1, 0, 1])
    explained = attributions(model, X[:2], target=1, **FIRST)
    expected = model.decision_function([np.zeros_like(x) for x in X[:2]])
    np.testing.assert_allclose(explained.baseline_output, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "baseline", "message"),
    [
        ("ids", 99, "baseline must be a token id from 0 to 14, or None"),
        ("ids", [0.5], "baseline must be a token id"),
        ("fixed", [1.0, 2.0, 3.0], r"baseline must be a finite number, 2 of them.*shape \(3,\)"),
        ("fixed", np.nan, "baseline must be a finite number"),
        ("fixed", X[1:4], "baseline must have the sequences of X, each of the same number"),
        ("fixed", [np.full_like(X[0], np.nan)], r"baseline contains NaN at baseline\[0\]"),
    ],
)
def test_a_baseline_that_does_not_fit(name, baseline, message):
    model, given = fitted(name)
    with pytest.raises(ValueError, match=message):
        attributions(model, given[:1] if isinstance(baseline, list) else given[:3],
                     baseline=baseline)  # fmt: skip
