import numpy as np
import pandas as pd
import pytest
from sklearn.impute import SimpleImputer

from sklstm.preprocessing import SequenceImputer
from tests.helpers import make_ragged

STRATEGIES = ("forward", "linear", "mean", "median")
NAN = np.nan


def make_gaps(seed=0):
    """Unequal sequences, a third of the values missing; sequence 3 lacks feature 1 altogether."""
    X, _ = make_ragged(30, n_features=3, seed=seed)
    rng = np.random.default_rng(seed)
    X = [np.where(rng.random(x.shape) < 0.33, NAN, x) for x in X]
    X[3][:, 1] = NAN
    return X


X = make_gaps()
MEAN = np.nanmean(np.vstack(X), axis=0)


def with_pandas(x, strategy):
    frame = pd.DataFrame(x)
    if strategy == "forward":
        filled = frame.ffill().bfill()
    else:
        filled = frame.interpolate(limit_direction="both")
    return filled.fillna(pd.Series(MEAN)).to_numpy()


@pytest.mark.parametrize("strategy", ["forward", "linear"])
def test_it_equals_pandas_on_each_sequence(strategy):
    filled = SequenceImputer(strategy).fit_transform(X)
    for result, x in zip(filled, X, strict=True):
        # Up to the order of the arithmetic.
        np.testing.assert_allclose(result, with_pandas(x, strategy), rtol=1e-13, atol=1e-13)


@pytest.mark.parametrize("strategy", ["mean", "median"])
def test_it_equals_scikit_learn_on_stacked_timesteps(strategy):
    expected = SimpleImputer(strategy=strategy).fit_transform(np.vstack(X))
    np.testing.assert_array_equal(np.vstack(SequenceImputer(strategy).fit_transform(X)), expected)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_what_is_observed_stays_and_nothing_is_missing(strategy):
    for result, x in zip(SequenceImputer(strategy).fit_transform(X), X, strict=True):
        observed = ~np.isnan(x)
        np.testing.assert_array_equal(result[observed], x[observed])
        assert np.isfinite(result).all()


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_what_fills_comes_from_the_training_sequences(strategy):
    fitted = SequenceImputer(strategy).fit(X)
    lacking = np.full((4, 3), NAN)
    result = fitted.transform([lacking, *make_gaps(seed=1)])[0]
    expected = np.nanmedian(np.vstack(X), axis=0) if strategy == "median" else MEAN
    np.testing.assert_allclose(result, np.tile(expected, (4, 1)), rtol=1e-13)
    np.testing.assert_allclose(fitted.statistics_, expected, rtol=1e-13)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_feature_that_was_never_observed_becomes_0(strategy):
    empty = [np.column_stack([x[:, 0], np.full(len(x), NAN)]) for x in X]
    assert (np.vstack(SequenceImputer(strategy).fit_transform(empty))[:, 1] == 0).all()


def test_forward_looks_ahead_only_before_the_first_observation():
    x = np.array([NAN, 2.0, NAN, 4.0, NAN])
    changed = np.array([NAN, 2.0, NAN, -7.0, 9.0])
    imputer = SequenceImputer(add_indicator=True, add_time_since=True).fit([x])
    before, after = imputer.transform([x])[0], imputer.transform([changed])[0]
    np.testing.assert_array_equal(before[:3], after[:3])
    assert before[:, 0].tolist() == [2, 2, 2, 4, 4]


def test_linear_uses_the_nearest_observation_at_the_ends():
    x = np.array([NAN, NAN, 1.0, NAN, NAN, NAN, 3.0, NAN])
    filled = SequenceImputer("linear").fit_transform([x])[0]
    assert filled.ravel().tolist() == [1, 1, 1, 1.5, 2, 2.5, 3, 3]


def test_the_indicator_and_the_time_since_the_last_observation():
    x = np.array([[NAN, 1], [NAN, NAN], [5, NAN], [NAN, 2], [NAN, NAN]])
    y = np.array([[NAN, 3.0]])
    imputer = SequenceImputer("mean", add_indicator=True, add_time_since=True).fit([x, y])
    first, second = imputer.transform([x, y])
    assert first[:, 2:4].tolist() == np.isnan(x).tolist()
    assert first[:, 4:].T.tolist() == [[1, 2, 0, 1, 2], [0, 1, 2, 0, 1]]
    assert second.tolist() == [[5, 3, 1, 0, 1, 0]]
    assert imputer.get_feature_names_out().tolist() == [
        "x0", "x1", "x0_missing", "x1_missing", "x0_since", "x1_since",
    ]  # fmt: skip


def test_each_option_alone():
    x = [np.array([1.0, NAN, NAN])]
    missing = SequenceImputer(add_indicator=True).fit(x)
    since = SequenceImputer(add_time_since=True).fit(x)
    assert missing.transform(x)[0].tolist() == [[1, 0], [1, 1], [1, 1]]
    assert since.transform(x)[0].tolist() == [[1, 0], [1, 1], [1, 2]]
    assert missing.get_feature_names_out().tolist() == ["x0", "x0_missing"]
    assert since.get_feature_names_out().tolist() == ["x0", "x0_since"]


def test_the_mean_of_many_float32_values_keeps_its_digits():
    x = np.full((200_000, 1), 0.1, dtype=np.float32)
    assert SequenceImputer().fit([x]).statistics_[0] == pytest.approx(np.float32(0.1), rel=1e-9)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"strategy": "zero"}, "The 'strategy' parameter of SequenceImputer must be a str among"),
        ({"strategy": "foward"}, r"Got 'foward' instead.\n\nDid you mean 'forward'\?"),
        ({"add_indicator": "yes"}, "The 'add_indicator' parameter of SequenceImputer must be"),
        ({"add_time_since": 2}, "The 'add_time_since' parameter of SequenceImputer must be"),
    ],
)
def test_bad_parameters(parameters, message):
    with pytest.raises(ValueError, match=message):
        SequenceImputer(**parameters).fit(X)
