import numpy as np
import pandas as pd
import pytest

from sklstm.preprocessing import RollingFeatures
from tests.helpers import make_ragged

X, _ = make_ragged(30, n_features=2)
RNG = np.random.default_rng(0)
GAPS = [np.where(RNG.random(x.shape) < 0.4, np.nan, x) for x in X]
EVERYTHING = {"differences": (1, 3), "time_since": True}


@pytest.mark.parametrize("data", [X, GAPS], ids=["complete", "gaps"])
@pytest.mark.parametrize("window", [1, 2, 3, 4, 5, 7, 8, 9, 100])
def test_statistics_equal_pandas_on_each_sequence(window, data):
    for result, x in zip(RollingFeatures(window).fit_transform(data), data, strict=True):
        rolling = pd.DataFrame(x).rolling(window, min_periods=1)
        expected = [rolling.mean(), rolling.std(ddof=0), rolling.min(), rolling.max()]
        np.testing.assert_array_equal(result[:, :2], x)
        # pandas updates its sums as the window moves; where a deviation is 0, it may leave the
        # square root of an epsilon.
        np.testing.assert_allclose(result[:, 2:], np.hstack(expected), rtol=1e-9, atol=1e-7)


@pytest.mark.parametrize("window", [3, 5, 8])
def test_statistics_equal_their_definition_to_the_last_digits(window):
    for result, x in zip(RollingFeatures(window).fit_transform(X), X, strict=True):
        windows = [x[max(t - window + 1, 0) : t + 1] for t in range(len(x))]
        expected = [
            np.hstack([w.mean(axis=0), w.std(axis=0), w.min(axis=0), w.max(axis=0)])
            for w in windows
        ]
        np.testing.assert_allclose(result[:, 2:], expected, rtol=1e-13, atol=1e-15)


def test_a_huge_value_is_forgotten_once_it_has_left_the_window():
    x = np.concatenate([[1e16], np.full(5, 0.1), [0.2, 0.3]])
    mean, std = RollingFeatures(3, statistics=("mean", "std"), append=False).fit_transform([x])[0].T
    np.testing.assert_allclose(mean[5:], [0.1, 0.4 / 3, 0.2], rtol=1e-15)
    np.testing.assert_allclose(std[6:], [np.std([1, 1, 2]) / 10, np.std([1, 2, 3]) / 10])
    # A constant window deviates by 0, not by rounding.
    assert std[3:6].tolist() == [0, 0, 0]


def test_a_large_level_does_not_swallow_small_deviations():
    # 2**20 + k/16 is exact, and so are the deviations.
    x = 2.0**20 + np.arange(9) / 16
    std = RollingFeatures(4, statistics=("std",), append=False).fit_transform([x])[0].ravel()
    np.testing.assert_allclose(std[3:], np.std(np.arange(4)) / 16, rtol=1e-12)


def test_float32_is_computed_in_float64():
    # In float32 the mean of the first two would be one of them.
    x = (1e7 + np.arange(3.0)).astype(np.float32)
    std = RollingFeatures(3, statistics=("std",), append=False).fit_transform([x])[0]
    assert std.dtype == np.float32
    np.testing.assert_allclose(std.ravel(), [0, 0.5, (2 / 3) ** 0.5], rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("changed_from", [1, 2, 5])
def test_no_channel_looks_ahead(dtype, changed_from):
    data = [x.astype(dtype) for x in GAPS]
    changed = [x.copy() for x in data]
    for x in changed:
        x[changed_from:] = RNG.normal(0, 1e3, size=x[changed_from:].shape)
    rolling = RollingFeatures(4, **EVERYTHING).fit(data)
    for a, b in zip(rolling.transform(data), rolling.transform(changed), strict=True):
        np.testing.assert_array_equal(a[:changed_from], b[:changed_from])
        assert not np.array_equal(a[changed_from:], b[changed_from:]) or len(a) <= changed_from


def test_differences_are_0_where_there_is_no_earlier_value():
    x, y = np.array([1.0, 4.0, np.nan, 9.0]), np.array([7.0])
    rolling = RollingFeatures(statistics=(), differences=(1, 2), append=False).fit([x, y])
    first, second = rolling.transform([x, y])
    np.testing.assert_array_equal(first.T, [[0, 3, np.nan, np.nan], [0, 0, np.nan, 5]])
    assert second.tolist() == [[0, 0]]


def test_differences_to_a_missing_beginning_are_missing():
    x = np.array([np.nan, 4.0])
    rolling = RollingFeatures(statistics=(), differences=1, append=False)
    # At the very beginning there is no earlier value, missing or not.
    np.testing.assert_array_equal(rolling.fit_transform([x])[0].ravel(), [0, np.nan])


def test_time_since_the_last_event():
    x, y = np.array([0, 0, 3, 0, np.nan, -1.0]), np.array([0.0, 1.0])
    rolling = RollingFeatures(statistics=(), time_since=True, append=False).fit([x, y])
    first, second = rolling.transform([x, y])
    assert first.ravel().tolist() == [1, 2, 0, 1, 2, 0]
    assert second.ravel().tolist() == [1, 0]


def test_appended_or_instead():
    appended = RollingFeatures(3, **EVERYTHING).fit(X)
    instead = RollingFeatures(3, append=False, **EVERYTHING).fit(X)
    for a, b, x in zip(appended.transform(X), instead.transform(X), X, strict=True):
        np.testing.assert_array_equal(a, np.hstack([x, b]))
    names = instead.get_feature_names_out().tolist()
    assert appended.get_feature_names_out().tolist() == ["x0", "x1", *names]
    assert names == [
        "x0_mean3", "x1_mean3", "x0_std3", "x1_std3", "x0_min3", "x1_min3", "x0_max3", "x1_max3",
        "x0_diff1", "x1_diff1", "x0_diff3", "x1_diff3", "x0_since_event", "x1_since_event",
    ]  # fmt: skip


def test_statistics_come_in_the_order_given():
    both = RollingFeatures(3, append=False).fit_transform(X)[0]
    turned = RollingFeatures(3, statistics=["max", "mean"], append=False).fit_transform(X)[0]
    np.testing.assert_array_equal(turned, both[:, [6, 7, 0, 1]])


def test_a_window_of_equal_values_does_not_vary_however_large_they_are():
    rolling = RollingFeatures(2, statistics=("std",), append=False)
    assert rolling.fit_transform([np.array([1e160, 1e160])])[0].tolist() == [[0.0], [0.0]]


def test_nothing_to_add_leaves_the_features():
    np.testing.assert_array_equal(RollingFeatures(statistics=()).fit_transform(X)[0], X[0])


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"window": 0}, "The 'window' parameter of RollingFeatures must be an int .* Got 0 inst"),
        ({"window": 2.5}, "The 'window' parameter of RollingFeatures must be an int"),
        ({"statistics": "mean"}, "The 'statistics' parameter of RollingFeatures must be an inst"),
        ({"statistics": ("meen",)}, r"among {'mean', .*\n\nDid you mean 'mean'\?"),
        ({"statistics": ("mean", 3)}, r"Got \('mean', 3\) instead.$"),
        ({"statistics": ("min", "min")}, "must be a tuple of different names"),
        ({"differences": 0}, "The 'differences' parameter of RollingFeatures must be an int"),
        ({"differences": (1, 0)}, r"an int of at least 1, or a tuple .* Got \(1, 0\) instead"),
        ({"differences": (1, 1.5)}, r"Got \(1, 1.5\) instead"),
        ({"differences": (True,)}, r"Got \(True,\) instead"),
        ({"differences": [2, 2]}, r"different such ints. Got \[2, 2\] instead"),
        ({"statistics": (), "append": False}, "has no output channels with append=False"),
    ],
)
def test_bad_parameters(parameters, message):
    with pytest.raises(ValueError, match=message):
        RollingFeatures(**parameters).fit(X)
