"""The laws of scikit-learn's checks, which are tried on tables only, for 3-D and unequal input."""

import numpy as np
import pytest
from sklearn.base import clone, is_classifier
from sklearn.exceptions import NotFittedError
from sklearn.utils import get_tags
from sklearn.utils.validation import check_is_fitted

from sklstm import LSTMSequenceRegressor
from tests.helpers import make_cube, make_ragged, quick

METHODS = ("predict", "predict_proba", "predict_log_proba", "decision_function", "transform")
of_classes = pytest.mark.parametrize("kind", ["class"])
every_method = pytest.mark.parametrize("method", METHODS)


@pytest.fixture(params=["class", "labels", "number"])
def kind(request):
    return request.param


@pytest.fixture
def build(kind):
    """A function that builds an estimator of this kind of y."""
    if kind != "number":
        return quick
    options = {"hidden_sizes": 8, "max_epochs": 5, "random_state": 0, "n_kernels": 84}
    return lambda **changes: LSTMSequenceRegressor(**options | changes)


@pytest.fixture(params=["3-D", "unequal"])
def data(request, kind):
    X, y = (make_cube if request.param == "3-D" else make_ragged)(24)
    if kind == "labels":
        y = np.stack([y, np.arange(24) % 3 == 0], axis=1).astype(int)
    return X, (10.0 * y + np.arange(24) if kind == "number" else y)


@pytest.fixture
def fitted(data, build):
    return build(max_epochs=3).fit(*data)


@pytest.fixture
def outputs(kind):
    """A function that gives all that an estimator says of X."""
    name = "predict" if kind == "number" else "predict_proba"
    return lambda fitted, X: getattr(fitted, name)(X)


@pytest.fixture(autouse=True)
def skip_probabilities_of_numbers(request):
    method = getattr(request.node, "callspec", None) and request.node.callspec.params.get("method")
    if method in METHODS[1:4] and request.getfixturevalue("kind") == "number":
        pytest.skip("numbers have no probabilities")


def copies(X):
    return [x.copy() for x in X]


def pick(X, rows):
    return X[rows] if isinstance(X, np.ndarray) else [X[i] for i in rows]


def test_fit_returns_self(data, build):
    classifier = build()
    assert classifier.fit(*data) is classifier


def test_fit_and_predict_leave_X_and_y_as_they_were(data, build, outputs):
    X, y = data
    before, y_before = copies(X), y.copy()
    outputs(build().fit(X, y), X)
    assert all(np.array_equal(a, b) for a, b in zip(X, before, strict=True))
    np.testing.assert_array_equal(y, y_before)


def test_read_only_memory_is_enough(data, build, tmp_path, outputs):
    X, y = data
    frozen = copies(X)
    for x in frozen:
        x.flags.writeable = False
    if isinstance(X, np.ndarray):
        path = tmp_path / "X.npy"
        np.save(path, X)
        frozen = np.load(path, mmap_mode="r")
    np.testing.assert_array_equal(
        outputs(build().fit(frozen, y), frozen), outputs(build().fit(X, y), X)
    )


def test_fitting_twice_is_fitting_once(data, build, outputs):
    X, y = data
    classifier = build().fit(X, y)
    once = outputs(classifier, X)
    np.testing.assert_array_equal(outputs(classifier.fit(X, y), X), once)


def test_a_clone_is_not_fitted_and_fits_to_the_same(data, fitted, outputs):
    X, y = data
    cloned = clone(fitted)
    with pytest.raises(NotFittedError, match="not fitted yet"):
        cloned.predict(X)
    np.testing.assert_array_equal(outputs(cloned.fit(X, y), X), outputs(fitted, X))


@every_method
def test_predicting_changes_no_attribute(data, fitted, method):
    before = dict(vars(fitted))
    getattr(fitted, method)(data[0])
    assert vars(fitted) == before


@every_method
def test_subsets_give_the_same(data, fitted, method):
    X, _ = data
    whole = getattr(fitted, method)(X)
    parts = [getattr(fitted, method)(pick(X, [i])) for i in range(24)]
    np.testing.assert_allclose(np.concatenate(parts), whole, rtol=1e-6, atol=1e-7)


@every_method
def test_the_order_of_sequences_does_not_matter(data, fitted, method):
    X, _ = data
    order = np.random.default_rng(0).permutation(24)
    np.testing.assert_allclose(
        getattr(fitted, method)(pick(X, order)), getattr(fitted, method)(X)[order],
        rtol=1e-6, atol=1e-7,
    )  # fmt: skip


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32, np.int64, object])
def test_dtypes(data, build, dtype):
    X, y = data
    rounded = [np.round(x).astype(dtype) for x in X]
    expected = [np.round(x) for x in X]
    np.testing.assert_array_equal(
        build().fit(rounded, y).predict(rounded), build().fit(expected, y).predict(expected)
    )


@pytest.mark.parametrize("method", [*METHODS, "fit", "partial_fit", "score"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_nan_and_infinity_are_named_by_every_method(data, fitted, method, bad):
    X, y = data
    dirty = copies(X)
    dirty[5][2, 1] = bad
    arguments = (dirty, y) if method in ("fit", "partial_fit", "score") else (dirty,)
    with pytest.raises(ValueError, match=r"(NaN|infinity) at X\[5\]\[2, 1\]"):
        getattr(fitted, method)(*arguments)


@of_classes
def test_one_sequence_can_be_predicted_but_not_learnt_from(data, fitted):
    X, y = data
    assert fitted.predict(pick(X, [0])).shape == (1,)
    with pytest.raises(ValueError, match="1 class"):
        quick().fit(pick(X, [0]), y[:1])


def test_a_single_multivariate_sequence_that_is_not_in_a_list_is_an_error(data, fitted):
    with pytest.raises(ValueError, match="X has 1 features, but"):
        fitted.predict(data[0][0])


def test_a_single_univariate_sequence_that_is_not_in_a_list_is_an_error():
    X, y = make_ragged(24, n_features=1)
    fitted = quick().fit(X, y)
    with pytest.raises(
        ValueError, match=r"(?s)one sequence of \d timesteps.*Reshape your data: \[X\]"
    ):
        fitted.predict(X[0])


def test_one_timestep_and_one_feature_are_enough():
    X = np.array([0.0, 1.0] * 10).reshape(20, 1, 1)
    y = [0, 1] * 10
    assert quick(max_epochs=30).fit(X, y).score(X, y) == 1.0


def test_constant_features_do_no_harm(data, build, outputs):
    X, y = data
    widened = [np.hstack([x, np.full((len(x), 1), 7.0)]) for x in X]
    assert np.isfinite(outputs(build().fit(widened, y), widened)).all()


def test_weights_may_be_a_list_or_any_numbers(data, build, outputs):
    X, y = data
    weights = np.arange(24) % 3 + 1
    as_array, as_list = (build().fit(X, y, w) for w in (weights.astype(float), weights.tolist()))
    np.testing.assert_array_equal(outputs(as_array, X), outputs(as_list, X))


@of_classes
def test_weights_that_leave_one_class_are_an_error(data):
    X, y = data
    with pytest.raises(ValueError, match=r"y has 1 class \(1\).*sample_weight is 0"):
        quick().fit(X, y, sample_weight=y)


def test_tags_are_honest():
    tags = get_tags(quick())
    assert is_classifier(quick())
    assert tags.input_tags.two_d_array
    assert tags.input_tags.three_d_array
    assert not tags.non_deterministic
    assert not tags.input_tags.allow_nan
    assert tags.target_tags.required


def test_is_fitted_when_fitted(fitted):
    check_is_fitted(fitted)


@pytest.mark.parametrize("junk", [0.0, 1e6])
def test_masked_timesteps_at_the_end_have_no_part_in_a_fit(junk):
    X, y = make_ragged(24)
    padded = np.ma.masked_all((24, 9, 2))
    padded.data[...] = junk
    for row, x in zip(padded, X, strict=True):
        row[: len(x)] = x
    for form in (padded, list(padded)):
        np.testing.assert_array_equal(
            quick().fit(form, y).predict_proba(form), quick().fit(X, y).predict_proba(X)
        )
