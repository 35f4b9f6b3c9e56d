import numpy as np
import pytest
from scipy.stats import norm

from sklstm.datasets import make_temporal_order, make_trends


def least_squares_signs(X):
    return np.array(
        ["rising" if np.polyfit(range(len(x)), x[:, 0], 1)[0] > 0 else "falling" for x in X]
    )


def test_trends_have_the_accuracy_that_is_promised():
    n_timesteps = 10
    X, y = make_trends(
        4000, min_timesteps=n_timesteps, max_timesteps=n_timesteps, slope=0.1, random_state=0
    )
    best = norm.cdf(0.1 * np.sqrt(n_timesteps * (n_timesteps**2 - 1) / 12))
    # Three standard deviations of a proportion over 4000.
    assert np.mean(least_squares_signs(X) == y) == pytest.approx(best, abs=0.02)


def test_trends_have_the_lengths_and_the_imbalance_asked_for():
    X, y = make_trends(2000, min_timesteps=5, max_timesteps=8, imbalance=0.1, random_state=0)
    assert {len(x) for x in X} == {5, 6, 7, 8}
    assert {x.shape[1] for x in X} == {1}
    assert np.mean(y == "rising") == pytest.approx(0.1, abs=0.02)


def test_temporal_order_is_what_it_says():
    X, y = make_temporal_order(200, n_timesteps=20, random_state=0)
    assert X.shape == (200, 20, 6)
    assert (X.sum(axis=2) == 1).all()
    symbols = np.array(list("abcdXY"))[X.argmax(axis=2)]
    assert ["".join(s for s in row if s in "XY") for row in symbols] == y.tolist()
    assert set(y) == {"XX", "XY", "YX", "YY"}


@pytest.mark.parametrize("make", [make_trends, make_temporal_order])
def test_a_seed_repeats_the_data(make):
    (a, y_a), (b, y_b), (_, y_c) = (make(random_state=seed) for seed in (0, 0, 1))
    assert all(np.array_equal(p, q) for p, q in zip(a, b, strict=True))
    assert np.array_equal(y_a, y_b)
    assert not np.array_equal(y_a, y_c)


def test_too_short_a_sequence_has_no_room_for_order():
    with pytest.raises(ValueError, match=r"n_timesteps must be at least 10. Got 9 instead"):
        make_temporal_order(n_timesteps=9)
