import numpy as np
import pytest
from sklearn.preprocessing import StandardScaler

from sklstm._batching._scaling import CHUNK_ROWS, Scaling
from sklstm._sequences import Sequences
from tests.helpers import make_ragged


def as_sequences(X):
    return Sequences.from_lengths(np.concatenate(X), [len(x) for x in X])


def test_equals_scikit_learns_scaler_on_the_stacked_timesteps():
    X, _ = make_ragged(20)
    sequences = as_sequences(X)
    scaled = Scaling.standard(sequences, np.ones(20)).to_float32(sequences.values)
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
    assert not Scaling.standard(sequences, np.ones(2)).to_float32(sequences.values).any()


def test_large_offsets_keep_their_resolution():
    seconds = 1.7e9 + np.arange(8.0).reshape(-1, 1)
    sequences = Sequences.from_lengths(seconds, [8])
    scaled = Scaling.standard(sequences, np.ones(1)).to_float32(seconds)[:-1]
    np.testing.assert_allclose(np.diff(scaled[:, 0]), 1 / np.arange(8).std(), rtol=1e-5)


def test_more_rows_than_a_chunk():
    values = np.random.default_rng(0).normal(size=(2 * CHUNK_ROWS + 3, 1))
    scaled = Scaling(np.array([1.0]), np.array([2.0])).to_float32(values)
    np.testing.assert_array_equal(scaled[:-1], ((values - 1) / 2).astype(np.float32))


@pytest.mark.parametrize("standardize", [False, True])
def test_values_beyond_float32_are_an_error(standardize):
    sequences = Sequences.from_lengths(np.array([[1e300], [-1e300]]), [1, 1])
    scaling = Scaling.standard(sequences, np.ones(2)) if standardize else Scaling.identity(1)
    with pytest.raises(ValueError, match=r"largest absolute value is 1e\+300"):
        scaling.to_float32(sequences.values)


def test_huge_values_are_scaled_down():
    values = np.array([[1e100], [3e100]])
    sequences = Sequences.from_lengths(values, [1, 1])
    assert Scaling.standard(sequences, np.ones(2)).to_float32(values)[:-1].tolist() == [[-1], [1]]
