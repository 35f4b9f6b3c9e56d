import numpy as np

from sklstm.inspection import attributions
from sklstm.inspection._occlusion import Players
from tests.inspection.fitted import fitted


def test_windows_tile_the_sequence():
    players = Players(7, 2, 0, by_feature=True)
    windows = players.windows(3, 1)
    covered = np.zeros((7, 2), dtype=int)
    for window in windows:
        covered[window] += 1
    assert (covered == 1).all()
    assert windows[0] == (slice(0, 2), slice(0, 1))
    assert len(windows) == 6
    assert len(Players(7, 2, 0, by_feature=False).windows(3, 0)) == 3


def explain(name="fixed", n=2, **options):
    model, given = fitted(name)
    return model, given[:n], attributions(model, given[:n], method="occlusion", **options)


def test_a_single_window_gets_the_whole_difference():
    _, _, explained = explain(window=50, by_feature=False)
    for values, output, baseline in zip(
        explained, explained.output, explained.baseline_output, strict=True
    ):
        np.testing.assert_allclose(values, (output - baseline) / values.size)


def test_the_windows_of_two_halves_get_the_mean_of_both_orders():
    model, (x,), explained = explain(n=1, window=3, by_feature=False, target="up", baseline=0.0)
    place = list(model.classes_).index("up")
    first, last = x.copy(), x.copy()
    first[3:], last[:3] = 0, 0
    x, first, last, none = (
        model.decision_function([each])[0, place] for each in (x, first, last, 0 * x)
    )
    _, (given,), _ = explain(n=1)
    assert len(given) > 6
    expected = ((x - last) + (first - none)) / 2
    np.testing.assert_allclose(explained[0][:3].sum(), expected, atol=1e-5)


def test_overlapping_windows_are_averaged():
    _, _, overlapping = explain(window=2, stride=1)
    _, _, plain = explain(window=2)
    assert overlapping.completeness_error.max() < 1e-5
    assert not np.allclose(overlapping[0], plain[0])
    # Without overlap the two values of a window are equal.
    np.testing.assert_array_equal(plain[0][0], plain[0][1])


def test_static_columns_are_occluded_as_well():
    _, _, explained = explain("static")
    assert explained.static.shape == (2, 2)
    assert explained.completeness_error.max() < 1e-5
    assert np.abs(explained.static).max() > 0
