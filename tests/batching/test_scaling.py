import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler

from sklstm._batching._scaling import CHUNK_ROWS, Scaling, relative_moments
from sklstm._sequences import Sequences, view_of
from tests.helpers import make_ragged


def as_sequences(X):
    return Sequences.from_lengths(np.concatenate(X), [len(x) for x in X])


def test_equals_scikit_learns_scaler_on_the_stacked_timesteps():
    X, _ = make_ragged(20)
    sequences = as_sequences(X)
    scaled = Scaling.standard(sequences, np.ones(20)).to_float32(sequences)
    expected = StandardScaler().fit_transform(np.concatenate(X))
    np.testing.assert_array_equal(scaled[:-1], expected.astype(np.float32))
    assert not scaled[-1].any()


def test_a_weight_counts_as_repetition():
    X, _ = make_ragged(3)
    weighted = Scaling.standard(as_sequences(X), np.array([1.0, 3.0, 2.0]))
    repeated = Scaling.standard(as_sequences([X[0], *[X[1]] * 3, *[X[2]] * 2]), np.ones(6))
    np.testing.assert_allclose(weighted.mean, repeated.mean, rtol=1e-12)
    np.testing.assert_allclose(weighted.scale, repeated.scale, rtol=1e-12)


def test_constant_features_become_zero():
    sequences = Sequences.from_lengths(np.full((4, 1), 7.3), [2, 2])
    assert not Scaling.standard(sequences, np.ones(2)).to_float32(sequences).any()


def test_large_offsets_keep_their_resolution():
    seconds = 1.7e9 + np.arange(8.0).reshape(-1, 1)
    sequences = Sequences.from_lengths(seconds, [8])
    scaled = Scaling.standard(sequences, np.ones(1)).to_float32(sequences)[:-1]
    np.testing.assert_allclose(np.diff(scaled[:, 0]), 1 / np.arange(8).std(), rtol=1e-5)


def test_more_rows_than_a_chunk():
    values = np.random.default_rng(0).normal(size=(2 * CHUNK_ROWS + 3, 1))
    scaled = Scaling(np.array([1.0]), np.array([2.0])).to_float32(
        Sequences.from_lengths(values, [len(values)])
    )
    np.testing.assert_array_equal(scaled[:-1], ((values - 1) / 2).astype(np.float32))


@pytest.mark.parametrize("standardize", [False, True])
def test_values_beyond_float32_are_an_error(standardize):
    sequences = Sequences.from_lengths(np.array([[1e300], [-1e300]]), [1, 1])
    scaling = Scaling.standard(sequences, np.ones(2)) if standardize else Scaling.identity(1)
    with pytest.raises(
        ValueError, match=r"1e\+300\.\n\n.*by a constant, .* for values below 1e150"
    ):
        scaling.to_float32(sequences)


def test_huge_values_are_scaled_down():
    values = np.array([[1e100], [3e100]])
    sequences = Sequences.from_lengths(values, [1, 1])
    assert Scaling.standard(sequences, np.ones(2)).to_float32(sequences)[:-1].tolist() == [
        [-1],
        [1],
    ]


@pytest.mark.parametrize("per", ["dataset", "sequence", "both"])
def test_tiny_values_are_scaled_as_larger_ones_are(per):
    X, _ = make_ragged(20)
    weights = np.arange(1.0, 21.0)
    expected = Scaling.standard(as_sequences(X), weights, per).to_float32(as_sequences(X))
    # One feature of ordinary size beside one that is tiny.
    tiny = as_sequences([x * [2.0**-700, 1.0] for x in X])
    found = Scaling.standard(tiny, weights, per).to_float32(tiny)
    np.testing.assert_array_equal(found, expected)


def test_values_near_1e_200():
    sequences = Sequences.from_lengths(np.array([[1e-200], [3e-200]]), [1, 1])
    scaled = Scaling.standard(sequences, np.ones(2)).to_float32(sequences)
    np.testing.assert_allclose(scaled[:-1, 0], [-1, 1], rtol=1e-6)


@pytest.mark.parametrize("value", [0.0, 1e-200, -5e-324])
def test_a_tiny_constant_becomes_zero(value):
    sequences = Sequences.from_lengths(np.full((4, 1), value), [2, 2])
    scaled = Scaling.standard(sequences, np.ones(2)).to_float32(sequences)
    np.testing.assert_allclose(scaled, 0, atol=1e-12)


def test_the_smallest_numbers_there_are_remain_finite():
    smallest = np.finfo(np.float64).smallest_subnormal
    sequences = Sequences.from_lengths(np.array([[0.0], [smallest], [0.0], [0.0]]), [4])
    for per in ("dataset", "both"):
        scaled = Scaling.standard(sequences, np.ones(1), per).to_float32(sequences)
        assert np.isfinite(scaled).all()


@pytest.mark.parametrize("per", ["sequence", "both"])
def test_per_sequence_equals_scikit_learns_scaler_on_each(per):
    X, _ = make_ragged(20)
    scaled = Scaling.standard(as_sequences(X), np.ones(20), per).to_float32(as_sequences(X))
    expected = np.concatenate([StandardScaler().fit_transform(x) for x in X])
    np.testing.assert_allclose(scaled[:-1, -2:], expected, rtol=1e-6, atol=1e-6)
    assert scaled.shape == (len(expected) + 1, 4 if per == "both" else 2)
    assert not scaled[-1].any()


def test_both_begins_with_the_scale_of_the_dataset():
    sequences = as_sequences(make_ragged(20)[0])
    both, one = (
        Scaling.standard(sequences, np.ones(20), per).to_float32(sequences)
        for per in ("both", "dataset")
    )
    np.testing.assert_array_equal(both[:, :2], one)


def test_per_sequence_in_chunks_of_whole_sequences():
    lengths = [3, CHUNK_ROWS - 1, 2 * CHUNK_ROWS, 1, CHUNK_ROWS, 7]
    values = np.random.default_rng(0).normal(size=(sum(lengths), 1)) * 5 + 2
    sequences = Sequences.from_lengths(values, lengths)
    scaled = Scaling.identity(1, "sequence").to_float32(sequences)[:-1]
    for got, x in zip(Sequences(scaled, sequences.offsets), sequences, strict=True):
        np.testing.assert_allclose(got, (x - x.mean()) / (x.std() or 1), rtol=1e-5, atol=1e-6)


def test_per_sequence_a_constant_becomes_zero():
    sequences = Sequences.from_lengths(np.array([[0.1], [0.1], [0.1], [5.0]]), [3, 1])
    scaled = Scaling.identity(1, "sequence").to_float32(sequences)
    np.testing.assert_allclose(scaled, 0, atol=1e-12)


def test_per_sequence_values_whose_variance_overflows_are_an_error():
    sequences = Sequences.from_lengths(np.array([[1e300], [-1e300]]), [2])
    with pytest.raises(ValueError, match=r"largest absolute value is 1e\+300"):
        Scaling.identity(1, "sequence").to_float32(sequences)


# Relative moments


def test_relative_moments_are_those_of_scaled_sequences():
    X, _ = make_ragged(21)
    scaled = Scaling.standard(as_sequences(X), np.ones(21)).to_float32(as_sequences(X))[:-1]
    means, deviations = relative_moments(as_sequences(X))
    parts = list(Sequences(scaled, as_sequences(X).offsets))
    np.testing.assert_allclose(means, [x.mean(axis=0) for x in parts], rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(deviations, [x.std(axis=0) for x in parts], rtol=1e-5)


def test_relative_moments_of_tiny_values_are_those_of_larger_ones():
    X, _ = make_ragged(20)
    tiny = as_sequences([x * [2.0**-700, 1.0] for x in X])
    for found, expected in zip(
        relative_moments(tiny), relative_moments(as_sequences(X)), strict=True
    ):
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("factor", [1.0, 1e-200])
def test_moments_of_several_blocks_are_pooled(factor):
    rng = np.random.default_rng(0)
    lengths = np.full(130, 5000)
    values = rng.normal(size=(lengths.sum(), 2)) + np.linspace(0, 3, lengths.sum())[:, None]
    weights = rng.uniform(1, 2, size=len(lengths))
    sequences = Sequences.from_lengths(values * [1.0, factor], lengths)
    assert len(list(sequences.blocks())) > 1
    expected = StandardScaler().fit(values, sample_weight=np.repeat(weights, lengths))
    for form in (sequences, view_of(sequences)):
        scaling = Scaling.standard(form, weights)
        np.testing.assert_allclose(scaling.mean, expected.mean_ * [1.0, factor], rtol=1e-12)
        np.testing.assert_allclose(scaling.scale, expected.scale_ * [1.0, factor], rtol=1e-12)


def test_relative_moments_of_a_view_are_those_in_memory():
    sequences = as_sequences(make_ragged(40)[0])
    for found, expected in zip(
        relative_moments(view_of(sequences)), relative_moments(sequences), strict=True
    ):
        np.testing.assert_array_equal(found, expected)
