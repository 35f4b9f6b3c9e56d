import numpy as np
import pytest

from sklstm.inspection import attributions, faithfulness
from tests.inspection.fitted import fitted


def curves_of(name, n=3, **options):
    model, given = fitted(name)
    explained = attributions(model, given[:n])
    return model, given[:n], faithfulness(model, given[:n], explained, n_steps=4, **options)


@pytest.mark.parametrize("name", ["fixed", "two classes", "labels", "ids", "texts", "static"])
def test_curves_begin_and_end_at_the_sequence_and_at_the_baseline(name):
    model, given, curves = curves_of(name, random_state=0)
    assert curves.response == "probability"
    assert curves.fractions.tolist() == [0, 0.25, 0.5, 0.75, 1]
    for kind in ("", "random_"):
        deletion, insertion = (getattr(curves, kind + k) for k in ("deletion", "insertion"))
        np.testing.assert_allclose(deletion[:, 0], insertion[:, -1], atol=1e-6)
        np.testing.assert_allclose(deletion[:, -1], insertion[:, 0], atol=1e-6)
    largest = model.predict_proba(given).max(axis=1)
    np.testing.assert_allclose(curves.deletion[:, 0], largest, atol=1e-6)


def test_the_largest_are_removed_first():
    model, given = fitted("fixed")
    attributed = [np.zeros_like(x) for x in given[:1]]
    attributed[0][3, 1] = 1.0
    curves = faithfulness(model, given[:1], attributed, target="up", n_steps=given[0].size,
                          response="output", random_state=0)  # fmt: skip
    x = given[0].copy()
    x[3, 1] = model.net_.reader.scaling.mean[1]
    place = list(model.classes_).index("up")
    expected = model.decision_function([given[0], x])[:, place]
    np.testing.assert_allclose(curves.deletion[0, :2], expected, atol=1e-5)


def test_areas():
    curves = curves_of("number", random_state=0)[2]
    assert curves.response == "output"
    expected = np.trapezoid(curves.insertion[0], [0, 0.25, 0.5, 0.75, 1])
    np.testing.assert_allclose(curves.areas["insertion"][0], expected)
    assert set(curves.areas) == {"deletion", "insertion", "random_deletion", "random_insertion"}


def test_random_orders_follow_from_the_seed():
    first, second, other = (curves_of("lstm", random_state=seed)[2] for seed in (0, 0, 1))
    np.testing.assert_array_equal(first.random_deletion, second.random_deletion)
    assert (first.random_deletion != other.random_deletion).any()
    np.testing.assert_array_equal(first.deletion, other.deletion)


@pytest.mark.parametrize(
    ("name", "attributed", "options", "message"),
    [
        ("lstm", [np.zeros((5, 2))], {}, "one array for each of the 2 sequences of X. Got 1"),
        ("lstm", [np.zeros((40, 3))] * 2, {}, r"attributions\[0\] must have the shape of X\[0\]"),
        ("lstm", [np.zeros((2, 2))] * 2, {}, r"attributions\[0\] must have the shape"),
        ("number", [np.zeros((40, 2))] * 2, {"response": "probability"}, "is for classifiers"),
        ("lstm", [np.zeros((40, 2))] * 2, {"n_steps": 0}, "'n_steps' parameter of faithfulness"),
    ],
)
def test_errors(name, attributed, options, message):
    model, given = fitted(name)
    with pytest.raises(ValueError, match=message):
        faithfulness(model, given[:2], attributed, **options)


def test_target_and_baseline_are_those_of_the_attributions():
    model, given = fitted("lstm")
    explained = attributions(model, given[:2], target="down", baseline=0.5)
    found = faithfulness(model, given[:2], explained, n_steps=3, n_random=1, random_state=0)
    same = faithfulness(model, given[:2], list(explained), target="down", baseline=0.5, n_steps=3,
                        n_random=1, random_state=0)  # fmt: skip
    other = faithfulness(model, given[:2], list(explained), target="down", n_steps=3, n_random=1,
                         random_state=0)  # fmt: skip
    np.testing.assert_array_equal(found.deletion, same.deletion)
    assert not np.array_equal(found.deletion, other.deletion)


def test_attributions_that_are_not_finite_are_named():
    model, given = fitted("lstm")
    broken = [np.zeros_like(x) for x in given[:2]]
    broken[1][2, 0] = np.nan
    with pytest.raises(ValueError, match=r"attributions\[1\] must be finite"):
        faithfulness(model, given[:2], broken)
