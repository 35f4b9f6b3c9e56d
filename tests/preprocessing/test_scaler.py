import numpy as np
import pytest
from sklearn.preprocessing import MinMaxScaler, RobustScaler, StandardScaler

from sklstm.preprocessing import SequenceScaler
from tests.helpers import make_ragged

SCALERS = {"minmax": MinMaxScaler, "robust": RobustScaler, "standard": StandardScaler}
every_method = pytest.mark.parametrize("method", SCALERS)


def make_dirty(seed=0):
    """Unequal sequences with NaN, an outlier, a constant feature, and one constant in a sequence.

    Sequence 3 lacks feature 0, sequence 4 has a single timestep.
    """
    rng = np.random.default_rng(seed)
    X = [rng.normal([0, 1e6, 0], [1, 1e-2, 1e3], size=(t, 3)) for t in (5, 9, 2, 4, 1, 30)]
    X = [np.hstack([x, np.full((len(x), 1), 0.1)]) for x in X]
    X[0][1, 0] = X[1][2:5, 2] = X[5][7, 1] = X[5][8, 3] = np.nan
    X[1][0, 2] = 1e6
    X[2][:, 1] = 5.0
    X[3][:, 0] = np.nan
    return X


X = make_dirty()


# Over the data set


@every_method
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_it_equals_scikit_learn_on_stacked_timesteps(method, dtype):
    typed = [x.astype(dtype) for x in X]
    expected = SCALERS[method]().fit(np.vstack(typed))
    scaled = SequenceScaler(method).fit_transform(typed)
    # Computed in float64, whatever the type of X.
    stacked = expected.transform(np.vstack(typed).astype(np.float64)).astype(dtype)
    np.testing.assert_array_equal(np.vstack(scaled), stacked, strict=True)
    assert [len(x) for x in scaled] == [len(x) for x in X]


@every_method
def test_the_inverse(method):
    scaler = SequenceScaler(method).fit(X)
    for back, x in zip(scaler.inverse_transform(scaler.transform(X)), X, strict=True):
        # Values of 1e6 that differ by 1e-2, scaled to 1 and back: eight digits are left.
        np.testing.assert_allclose(back, x, rtol=1e-12, atol=1e-9)


@every_method
def test_the_inverse_leaves_its_input_as_it_was(method):
    cube = np.random.default_rng(0).normal(size=(4, 5, 2))
    before = cube.copy()
    SequenceScaler(method).fit(cube * 3 + 1).inverse_transform(cube)
    np.testing.assert_array_equal(cube, before)


@every_method
def test_constant_features_become_0_and_nan_stays(method):
    scaled = np.vstack(SequenceScaler(method).fit_transform(X))
    np.testing.assert_allclose(scaled[:, 3], np.where(np.isnan(np.vstack(X)[:, 3]), np.nan, 0.0),
                               atol=1e-15)  # fmt: skip
    np.testing.assert_array_equal(np.isnan(scaled), np.isnan(np.vstack(X)))


@every_method
def test_a_feature_without_a_value_becomes_nan(method):
    empty = [np.column_stack([x[:, 1], np.full(len(x), np.nan)]) for x in X]
    scaler = SequenceScaler(method).fit(empty)
    assert np.isnan(scaler.transform([np.ones((2, 2))])[0]).tolist() == [[False, True]] * 2


@pytest.mark.parametrize("method", ["minmax", "standard"])
def test_partial_fits_equal_one_fit(method):
    scaler = SequenceScaler(method)
    for part in (X[:2], X[2:3], X[3:]):
        scaler.partial_fit(part)
    for a, b in zip(scaler.transform(X), SequenceScaler(method).fit_transform(X), strict=True):
        # The mean of 1e6 is known to 1e-10, and is divided by a deviation of 1e-2.
        np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-6)


def test_fit_forgets_what_was_before():
    scaler = SequenceScaler().partial_fit([x * 7 for x in X]).fit(X)
    np.testing.assert_array_equal(scaler.transform(X)[0], SequenceScaler().fit_transform(X)[0])


def test_partial_fit_must_go_on_with_the_same_features():
    scaler = SequenceScaler().partial_fit(X)
    with pytest.raises(ValueError, match="X has 2 features, but SequenceScaler is expecting 4"):
        scaler.partial_fit([x[:, :2] for x in X])
    seen = (~np.isnan(np.vstack(X))).sum(axis=0)
    np.testing.assert_array_equal(scaler.scaler_.n_samples_seen_, seen)


def test_a_weight_counts_as_repetition_of_the_sequence():
    weighted = SequenceScaler().fit(X, sample_weight=[2, 0, 1, 1, 1, 1])
    repeated = SequenceScaler().fit([X[0], X[0], *X[2:]])
    np.testing.assert_allclose(weighted.scaler_.mean_, repeated.scaler_.mean_, rtol=1e-12)
    # Squared deviations of about 1e-4 from a mean of 1e6.
    np.testing.assert_allclose(weighted.scaler_.scale_, repeated.scaler_.scale_, rtol=1e-6)


def test_weights_go_through_partial_fit_too():
    parts = SequenceScaler().partial_fit(X[:2], sample_weight=[2, 0]).partial_fit(X[2:])
    whole = SequenceScaler().fit(X, sample_weight=[2, 0, 1, 1, 1, 1])
    np.testing.assert_allclose(parts.scaler_.mean_, whole.scaler_.mean_, rtol=1e-12)


# Within each sequence


@every_method
# Of the feature that one sequence lacks.
@pytest.mark.filterwarnings("ignore:All-NaN slice:RuntimeWarning")
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_within_a_sequence_it_equals_scikit_learn_on_its_timesteps(method):
    scaled = SequenceScaler(method, per="sequence").fit(X).transform(X)
    for result, x in zip(scaled, X, strict=True):
        expected = SCALERS[method]().fit_transform(x)
        # Values of 1e6 that differ by 1e-2 keep eight digits.
        np.testing.assert_allclose(result, expected, rtol=1e-7, atol=1e-7)


@every_method
def test_within_a_sequence_what_is_constant_becomes_0(method):
    scaled = SequenceScaler(method, per="sequence").fit_transform(X)
    assert np.allclose(scaled[2][:, 1], 0.0, rtol=0, atol=1e-15)
    assert np.allclose(scaled[4], 0.0, rtol=0, atol=1e-15)


@every_method
def test_within_a_sequence_nothing_is_learnt(method):
    scaler = SequenceScaler(method, per="sequence")
    others = scaler.fit(make_dirty(seed=1)).transform(X)
    own = scaler.partial_fit(X, sample_weight=np.arange(6)).transform(X)
    assert scaler.scaler_ is None
    for a, b in zip(others, own, strict=True):
        np.testing.assert_array_equal(a, b)


def test_within_a_sequence_float32_is_computed_in_float64():
    # Each value is exact in float32, but their sum is not.
    x = (1e7 + np.arange(5.0)).astype(np.float32)
    scaled = SequenceScaler(per="sequence").fit_transform([x])[0]
    assert scaled.dtype == np.float32
    np.testing.assert_allclose(scaled[:, 0], np.array([-2, -1, 0, 1, 2]) / 2**0.5, rtol=1e-6)


def test_within_a_sequence_the_rounding_of_the_mean_does_not_widen_the_deviation():
    # The mean of 1e15 is off by 0.04, which would add 0.2 % to the variance.
    x = 1e15 + np.array([[0.0], [0.0], [2.0]])
    scaled = SequenceScaler(per="sequence").fit_transform([x])[0]
    np.testing.assert_allclose(scaled, StandardScaler().fit_transform(x), rtol=1e-12)


# Errors


@pytest.mark.parametrize(
    ("parameters", "call", "message"),
    [
        (
            {"method": "zscore"},
            "fit",
            r"The 'method' parameter of SequenceScaler must be a str among",
        ),
        ({"method": "standart"}, "fit", r"Got 'standart' instead.\n\nDid you mean 'standard'\?"),
        ({"per": "sequences"}, "partial_fit", r"'per' parameter .*\n\nDid you mean 'sequence'\?"),
        ({"method": "robust"}, "partial_fit", "partial_fit is not possible with method='robust'"),
    ],
)
def test_bad_parameters(parameters, call, message):
    with pytest.raises(ValueError, match=message):
        getattr(SequenceScaler(**parameters), call)(X)


def test_within_a_sequence_there_is_no_inverse():
    scaler = SequenceScaler(per="sequence").fit(X)
    with pytest.raises(ValueError, match=r"inverse_transform is not possible with per='sequence'"):
        scaler.inverse_transform(X)


@pytest.mark.parametrize("method", ["minmax", "robust"])
def test_only_the_standard_scale_can_be_weighed(method):
    with pytest.raises(ValueError, match=f"only possible .* Got method='{method}'"):
        SequenceScaler(method).fit(X, sample_weight=np.ones(6))


def test_infinity_is_named():
    bad, _ = make_ragged(4)
    bad[2][1, 0] = np.inf
    with pytest.raises(ValueError, match=r"(?s)infinity at X\[2\]\[1, 0\].*Replace such") as caught:
        SequenceScaler().fit(bad)
    assert "mask_value" not in str(caught.value)


@pytest.mark.parametrize("changed", [{"method": "minmax"}, {"per": "sequence"}])
def test_partial_fit_goes_on_as_it_began(changed):
    X = [np.arange(4.0)[:, None], np.arange(3.0)[:, None]]
    scaler = SequenceScaler().fit(X).set_params(**changed)
    with pytest.raises(ValueError, match=r"of the first call, \('standard', 'dataset'\)\. Got"):
        scaler.partial_fit(X)
