"""What every transformer of sequences promises, with the defaults and with all it can add."""

import copy
import inspect
import pickle

import numpy as np
import pandas as pd
import pytest
from numpydoc.docscrape import ClassDoc, FunctionDoc
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.utils import get_tags
from sklearn.utils.estimator_checks import parametrize_with_checks

from sklstm import preprocessing
from sklstm.preprocessing import RollingFeatures, SequenceImputer, SequenceScaler
from tests.helpers import make_cube, make_ragged, quick
from tests.watching import Record, whole

TRANSFORMERS = [
    SequenceScaler(),
    SequenceScaler("minmax"),
    SequenceScaler("robust"),
    SequenceScaler(per="sequence"),
    SequenceScaler("minmax", per="sequence"),
    SequenceScaler("robust", per="sequence"),
    SequenceImputer(),
    SequenceImputer("linear", add_indicator=True, add_time_since=True),
    SequenceImputer("mean", add_indicator=True),
    SequenceImputer("median"),
    RollingFeatures(),
    RollingFeatures(3, differences=(1, 2), time_since=True),
    RollingFeatures(4, statistics=("std",), append=False),
]
CLASSES = [SequenceScaler, SequenceImputer, RollingFeatures]
every_transformer = pytest.mark.parametrize("transformer", TRANSFORMERS, ids=repr)
every_class = pytest.mark.parametrize("transformer", CLASSES)


# scikit-learn's own checks, on tables

ONLY_STANDARD = "only the standard scale can be weighed, and the others say so"
WEIGHTS = {
    f"check_sample_weight{check}": ONLY_STANDARD
    for check in (
        "s_pandas_series", "s_not_an_array", "s_list", "s_shape", "s_not_overwritten",
        "_equivalence_on_dense_data",
    )
}  # fmt: skip
NO_PARTS = "quartiles cannot be updated, so the method is there only to say so"
PARTIAL_FIT = dict.fromkeys(
    ("check_fit_score_takes_y", "check_n_features_in_after_fitting"), NO_PARTS
)


def expected_failures(transformer):
    if not isinstance(transformer, SequenceScaler) or transformer.per == "sequence":
        return {}
    return {"standard": {}, "minmax": WEIGHTS, "robust": WEIGHTS | PARTIAL_FIT}[transformer.method]


@parametrize_with_checks(
    [clone(transformer) for transformer in TRANSFORMERS], expected_failed_checks=expected_failures
)
def test_check(estimator, check):
    check(estimator)


# Forms of X


def with_gaps(X, *, share=0.2, seed=0):
    """The same sequences with a share of NaN."""
    rng = np.random.default_rng(seed)
    dirty = [np.where(rng.random(x.shape) < share, np.nan, x) for x in X]
    return np.stack(dirty) if isinstance(X, np.ndarray) else dirty


@pytest.fixture(params=["3-D", "unequal"])
def X(request):
    make = make_cube if request.param == "3-D" else make_ragged
    return with_gaps(make(24)[0])


def pick(X, rows):
    return X[rows] if isinstance(X, np.ndarray) else [X[i] for i in rows]


def assert_same(given, expected, **tolerance):
    assert len(given) == len(expected)
    for a, b in zip(given, expected, strict=True):
        if tolerance:
            np.testing.assert_allclose(a, b, **tolerance)
        else:
            np.testing.assert_array_equal(a, b, strict=True)


@every_transformer
def test_all_forms_give_the_same(transformer):
    cube = with_gaps(make_cube(12)[0])
    expected = clone(transformer).fit_transform(cube)
    objects = np.empty(12, dtype=object)
    objects[:] = list(cube)
    assert isinstance(expected, np.ndarray)
    assert expected.ndim == 3
    for form in (list(cube), objects, cube.astype(object), np.asfortranarray(cube)):
        assert_same(clone(transformer).fit_transform(form), expected)


@every_transformer
def test_a_table_is_a_cube_of_one_feature(transformer):
    table = with_gaps(make_cube(12)[0][:, :, 0])
    frame = pd.DataFrame(table, columns=[f"t{t}" for t in range(6)])
    cube = clone(transformer).fit_transform(table[:, :, None])
    expected = cube[:, :, 0] if cube.shape[2] == 1 else cube
    np.testing.assert_array_equal(clone(transformer).fit_transform(table), expected, strict=True)
    np.testing.assert_array_equal(clone(transformer).fit_transform(frame), expected, strict=True)


@every_transformer
@pytest.mark.parametrize(
    ("given", "kept"), [("f4", "f4"), ("f8", "f8"), ("f2", "f8"), ("i4", "f8"), ("?", "f8")]
)
def test_dtypes(transformer, given, kept):
    X = make_ragged(12)[0]
    result = clone(transformer).fit_transform([x.astype(given) for x in X])
    assert {x.dtype for x in result} == {np.dtype(kept)}
    if given == "f4":
        expected = clone(transformer).fit_transform([x.astype(given).astype("f8") for x in X])
        # Values around 1, with seven digits.
        assert_same(result, expected, rtol=1e-5, atol=1e-6)


@every_transformer
def test_lengths_are_kept_and_names_match_the_channels(transformer, X):
    fitted = clone(transformer).fit(X)
    names = fitted.get_feature_names_out()
    assert [x.shape for x in fitted.transform(X)] == [(len(x), len(names)) for x in X]
    assert len(set(names)) == len(names)
    assert all(name.startswith(("x0", "x1")) for name in names)


@every_transformer
def test_names_match_the_columns_of_a_table_or_else_its_channels(transformer):
    frame = pd.DataFrame(make_cube(12)[0][:, :, 0], columns=[f"t{t}" for t in range(6)])
    fitted = clone(transformer).fit(frame)
    assert fitted.feature_names_in_.tolist() == frame.columns.tolist()
    assert fitted.n_features_in_ == 6
    assert fitted.transform(frame).shape[-1] == len(fitted.get_feature_names_out())


# What X and the transformer are left as


@every_transformer
def test_X_is_not_modified_nor_shared(transformer, X):
    before = copy.deepcopy(X)
    result = clone(transformer).fit(X).transform(X)
    for x in result:
        x[...] = -1e9
    assert_same(X, before)


@every_transformer
def test_read_only_memory_is_enough(transformer, X, tmp_path):
    frozen = copy.deepcopy(X)
    for x in frozen:
        x.flags.writeable = False
    if isinstance(X, np.ndarray):
        np.save(tmp_path / "X.npy", X)
        frozen = np.load(tmp_path / "X.npy", mmap_mode="r")
    assert_same(clone(transformer).fit_transform(frozen), clone(transformer).fit_transform(X))


@every_transformer
def test_fit_returns_self_and_fitting_twice_is_fitting_once(transformer, X):
    own = clone(transformer)
    assert own.fit(X) is own
    once = own.transform(X)
    assert_same(own.fit(X).transform(X), once)
    assert_same(clone(transformer).fit_transform(X), once)


@every_transformer
def test_fit_changes_no_parameter_and_transform_no_attribute(transformer, X):
    own = clone(transformer)
    parameters = copy.deepcopy(own.get_params())
    own.fit(X)
    assert own.get_params() == parameters
    before = dict(vars(own))
    own.transform(X)
    assert vars(own).keys() == before.keys()
    assert all(vars(own)[name] is value for name, value in before.items())


@every_transformer
def test_clones_and_pickles(transformer, X):
    fitted = clone(transformer).fit(X)
    expected = fitted.transform(X)
    assert_same(pickle.loads(pickle.dumps(fitted)).transform(X), expected)
    with pytest.raises(NotFittedError, match="not fitted yet"):
        clone(fitted).transform(X)
    assert_same(clone(fitted).fit(X).transform(X), expected)


# Each sequence for itself


@every_transformer
def test_a_sequence_alone_is_the_same_as_in_company(transformer, X):
    fitted = clone(transformer).fit(X)
    alone = [fitted.transform(pick(X, [i]))[0] for i in range(24)]
    assert_same(alone, fitted.transform(X))


@every_transformer
def test_the_order_of_sequences_does_not_matter(transformer, X):
    order = np.random.default_rng(0).permutation(24)
    fitted = clone(transformer).fit(X)
    expected = fitted.transform(X)
    assert_same(fitted.transform(pick(X, order)), [expected[i] for i in order])
    turned = clone(transformer).fit(pick(X, order))
    # What is learnt is summed in another order.
    assert_same(turned.transform(X), expected, rtol=1e-12, atol=1e-12)


@every_transformer
def test_as_many_sequences_as_timesteps_are_not_mistaken(transformer):
    X = list(with_gaps(make_cube(6)[0]))
    assert_same(clone(transformer).fit_transform(X), clone(transformer).fit_transform(np.stack(X)))


@every_transformer
def test_one_timestep_and_one_feature_are_enough(transformer):
    result = clone(transformer).fit_transform([np.array([2.0])])[0]
    assert result.shape[0] == 1
    assert np.isfinite(result).all()


# Missing values


@every_transformer
def test_nan_is_ignored_in_fit(transformer):
    """A timestep of NaN alone teaches nothing."""
    X = make_ragged(12)[0]
    longer = [np.vstack([x, np.full((1, 2), np.nan)]) for x in X]
    ours, theirs = (clone(transformer).fit(data).transform(X) for data in (longer, X))
    assert_same(ours, theirs)


@every_transformer
def test_only_the_imputer_removes_nan_and_nobody_adds_any(transformer, X):
    complete, _ = make_ragged(24)
    assert np.isfinite(np.vstack(clone(transformer).fit_transform(complete))).all()
    result = np.vstack(clone(transformer).fit_transform(X))
    assert np.isnan(result).any() != isinstance(transformer, SequenceImputer)


def methods_for_any_X():
    for transformer in TRANSFORMERS:
        yield transformer, "fit"
        yield transformer, "transform"
        if isinstance(transformer, SequenceScaler) and transformer.per == "dataset":
            yield transformer, "inverse_transform"
            if transformer.method != "robust":
                yield transformer, "partial_fit"


@pytest.mark.parametrize(("transformer", "method"), list(methods_for_any_X()), ids=repr)
def test_infinity_is_named_by_every_method(transformer, X, method):
    fitted = clone(transformer).fit(X)
    bad = copy.deepcopy(X)
    bad[5][2, 1] = np.inf
    with pytest.raises(ValueError, match=r"infinity at X\[5\]\[2, 1\]"):
        getattr(fitted, method)(bad)


@every_transformer
def test_another_number_of_features_is_an_error(transformer, X):
    fitted = clone(transformer).fit(X)
    name = type(transformer).__name__
    wider = [np.hstack([x, x[:, :1]]) for x in X]
    with pytest.raises(ValueError, match=f"X has 3 features, but {name} is expecting 2 features"):
        fitted.transform(wider)


@every_transformer
def test_everything_but_fit_needs_a_fit(transformer, X):
    with pytest.raises(NotFittedError, match="not fitted yet"):
        clone(transformer).transform(X)
    with pytest.raises(NotFittedError, match="not fitted yet"):
        clone(transformer).get_feature_names_out()
    if isinstance(transformer, SequenceScaler):
        with pytest.raises(NotFittedError, match="not fitted yet"):
            clone(transformer).inverse_transform(X)


@every_transformer
def test_a_failed_fit_leaves_the_transformer_as_it_was(transformer, X):
    fitted = clone(transformer).fit(X)
    expected = fitted.transform(X)
    with pytest.raises(ValueError, match="no timesteps"):
        fitted.fit([np.empty((0, 3))])
    assert_same(fitted.transform(X), expected)


# In company of the classifier


@pytest.mark.parametrize("make", [make_cube, make_ragged])
def test_a_pipeline_into_the_classifier(make):
    X, y = make(24)
    pipeline = make_pipeline(
        SequenceImputer(add_indicator=True),
        SequenceScaler("robust"),
        RollingFeatures(3, differences=1),
        quick(max_epochs=20),
    )
    assert pipeline.fit(with_gaps(X), y).score(with_gaps(X), y) > 0.8


def test_a_pipeline_from_a_data_frame():
    X, y = make_cube(24)
    frame = pd.DataFrame(with_gaps(X[:, :, 0]))
    pipeline = make_pipeline(SequenceImputer(), RollingFeatures(3), quick(max_epochs=20))
    assert pipeline.fit(frame, y).predict(frame).shape == (24,)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_a_grid_search_on_lists(n_jobs):
    X, y = make_ragged(24)
    pipeline = make_pipeline(SequenceImputer(), SequenceScaler(), quick(max_epochs=10))
    grid = {
        "sequenceimputer__strategy": ["forward", "linear"],
        "sequencescaler__method": ["standard", "robust"],
        "lstmsequenceclassifier__hidden_sizes": [4],
    }
    search = GridSearchCV(pipeline, grid, cv=2, n_jobs=n_jobs, error_score="raise")
    search.fit(with_gaps(X), y)
    assert len(search.cv_results_["params"]) == 4
    assert search.predict(with_gaps(X)).shape == (24,)


# The catalogue and the documentation

TEXTS_IN = {preprocessing.TokenEncoder}


def test_every_public_transformer_is_among_these():
    public = {getattr(preprocessing, name) for name in preprocessing.__all__}
    # TokenEncoder has texts in, not sequences: its laws are in tests/preprocessing/test_tokens.py.
    sequences_in = {thing for thing in public if hasattr(thing, "transform")} - TEXTS_IN
    assert set(CLASSES) == sequences_in
    assert {type(transformer) for transformer in TRANSFORMERS} == set(CLASSES)


@every_class
def test_every_parameter_has_a_constraint_and_a_stated_default(transformer):
    parameters = list(inspect.signature(transformer).parameters)
    assert list(transformer._parameter_constraints) == parameters
    for parameter in ClassDoc(transformer)["Parameters"]:
        assert ", default=" in parameter.type, parameter.name


@every_class
def test_every_fitted_attribute_is_documented_and_every_documented_one_exists(transformer):
    frame = pd.DataFrame(make_cube(12)[0][:, :, 0], columns=list("abcdef"))
    actual = {name for name in vars(transformer().fit(frame)) if name.endswith("_")}
    documented = {attribute.name for attribute in ClassDoc(transformer)["Attributes"]}
    assert actual == documented


@every_class
def test_methods_document_their_parameters_and_results(transformer):
    for name in ("fit", "partial_fit", "transform", "inverse_transform", "get_feature_names_out"):
        method = getattr(transformer, name, None)
        if method is not None:
            documentation = FunctionDoc(method)
            parameters = [parameter.name for parameter in documentation["Parameters"]]
            assert ["self", *parameters] == list(inspect.signature(method).parameters)
            assert documentation["Returns"]


@every_class
def test_tags_are_honest(transformer):
    tags = get_tags(transformer())
    assert tags.input_tags.allow_nan
    assert tags.input_tags.three_d_array
    assert tags.input_tags.two_d_array
    assert not tags.target_tags.required
    assert tags.transformer_tags.preserves_dtype == ["float64", "float32"]


# scikit-learn's callbacks


@every_transformer
def test_a_fit_is_a_task_whose_end_has_the_fitted_transformer(transformer):
    X, y = make_ragged(12)
    watched = clone(transformer).set_callbacks(record := Record())
    transformed = watched.fit_transform(X, y)
    assert record.calls == whole()
    ((given, given_y, metadata, fitted),) = record.given
    assert (given is X, given_y is y, metadata) == (True, True, None)
    for found, expected in zip(fitted.transform(X), transformed, strict=True):
        np.testing.assert_array_equal(found, expected)
    clone(watched).set_callbacks().fit(X)
    assert record.calls == whole()


def test_partial_fit_and_its_weights_are_a_task():
    X, _ = make_ragged(12)
    weights = np.linspace(1, 2, 12)
    scaler = SequenceScaler().set_callbacks(record := Record())
    scaler.partial_fit(X, sample_weight=weights).partial_fit(X)
    assert record.calls == whole() * 2
    assert [metadata for _, _, metadata, _ in record.given] == [{"sample_weight": weights}, None]


@every_class
def test_callbacks_are_told_of_the_end_of_a_fit_that_fails(transformer):
    watched = transformer().set_callbacks(record := Record())
    with pytest.raises(ValueError, match="timesteps"):
        watched.fit([np.empty((0, 2))])
    assert record.calls == ["setup", ("begin", "fit", 0), "teardown"]
