import numpy as np
import pytest

from sklstm._moments import means_and_deviations, scaled_within
from sklstm._sequences import Sequences
from tests.helpers import make_ragged

X, _ = make_ragged(20)
SEQUENCES = Sequences.from_lengths(np.concatenate(X), [len(x) for x in X])


def test_means_and_deviations_are_those_of_each_sequence():
    means, deviations = means_and_deviations(SEQUENCES)
    np.testing.assert_allclose(means, [x.mean(axis=0) for x in X])
    np.testing.assert_allclose(deviations, [x.std(axis=0) for x in X])


def test_nan_is_left_out():
    values = np.array([[1.0], [np.nan], [3.0], [np.nan], [np.nan]])
    means, deviations = means_and_deviations(Sequences.from_lengths(values, [3, 2]))
    np.testing.assert_array_equal(means, [[2], [np.nan]])
    assert deviations[0] == 1


@pytest.mark.parametrize("value", [0.0, 0.1, 1e10 / 3, -1e-300])
def test_a_constant_has_no_deviation(value):
    sequences = Sequences.from_lengths(np.full((7, 1), value), [7])
    means, deviations = means_and_deviations(sequences)
    assert deviations.tolist() == [[0]]
    np.testing.assert_allclose(scaled_within(sequences, means, deviations), 0, atol=1e-5)


def test_what_rounding_alone_can_do_is_no_deviation():
    values = np.full((8, 1), 1e10)
    values[::2] = np.nextafter(1e10, np.inf)
    assert means_and_deviations(Sequences.from_lengths(values, [8]))[1].tolist() == [[0]]


def test_a_small_deviation_beside_a_large_mean_is_one():
    values = 1.7e9 + np.arange(8.0).reshape(-1, 1)
    _, deviations = means_and_deviations(Sequences.from_lengths(values, [8]))
    assert deviations[0] == pytest.approx(np.arange(8).std())


@pytest.mark.parametrize("factor", [2.0**-500, 2.0**-700, 2.0**-1000])
def test_tiny_values_have_the_moments_of_larger_ones(factor):
    means, deviations = means_and_deviations(SEQUENCES)
    tiny = Sequences(SEQUENCES.values * factor, SEQUENCES.offsets)
    for found, expected in zip(means_and_deviations(tiny), (means, deviations), strict=True):
        np.testing.assert_array_equal(found / factor, expected)


def test_a_tiny_sequence_has_the_same_moments_beside_a_larger_one():
    tiny = np.array([[1e-200], [3e-200], [np.nan]])
    alone = means_and_deviations(Sequences.from_lengths(tiny, [3]))
    beside = np.concatenate([tiny, [[0.0], [5.0]], tiny, [[0.0], [0.0]]])
    means, deviations = means_and_deviations(Sequences.from_lengths(beside, [3, 2, 3, 2]))
    np.testing.assert_allclose(means.ravel(), [2e-200, 2.5, 2e-200, 0])
    np.testing.assert_allclose(deviations.ravel(), [1e-200, 2.5, 1e-200, 0])
    assert (means[0], deviations[0]) == alone


def test_the_smallest_numbers_there_are():
    values = np.array([[0.0], [4.0]]) * np.finfo(np.float64).smallest_subnormal
    _, deviations = means_and_deviations(Sequences.from_lengths(values, [2]))
    assert deviations == values[1] / 2


@pytest.mark.parametrize("value", [1e-200, -1e-310])
def test_a_tiny_constant_has_no_deviation(value):
    sequences = Sequences.from_lengths(np.full((7, 1), value), [7])
    assert means_and_deviations(sequences)[1].tolist() == [[0]]


def test_values_are_scaled_by_their_own_sequence():
    centers, scales = np.arange(40.0).reshape(20, 2), np.full((20, 2), 2.0)
    scaled = scaled_within(SEQUENCES, centers, scales)
    for got, x, center in zip(Sequences(scaled, SEQUENCES.offsets), X, centers, strict=True):
        np.testing.assert_array_equal(got, (x - center) / 2)
