import numpy as np
import pytest

from sklstm._sequences import Sequences
from sklstm.datasets import _columns
from sklstm.datasets._columns import features_table, percent, statistics_of

RNG = np.random.default_rng(0)
NAN, INF = np.nan, np.inf


def by_hand(values):
    finite = [column[np.isfinite(column)] for column in values.T]
    return {
        "n_missing": np.isnan(values).sum(axis=0),
        "n_infinite": np.isinf(values).sum(axis=0),
        "mean": [column.mean() if len(column) else NAN for column in finite],
        "std": [column.std() if len(column) else NAN for column in finite],
        "minimum": [column.min() if len(column) else NAN for column in finite],
        "maximum": [column.max() if len(column) else NAN for column in finite],
    }


@pytest.mark.parametrize("chunk", [1, 7, 1 << 14])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("share_missing", [0, 0.3])
def test_moments_are_those_of_numpy_whatever_the_chunk(monkeypatch, chunk, dtype, share_missing):
    monkeypatch.setattr(_columns, "CHUNK_ROWS", chunk)
    lengths = RNG.integers(1, 9, 20)
    values = RNG.normal([0, 1e6, -3], [1, 10, 1e-3], (lengths.sum(), 3)).astype(dtype)
    if share_missing:
        values[RNG.random(values.shape) < share_missing] = NAN
        values[3, 0], values[5, 0], values[:, 2] = INF, -INF, NAN
    sequences = Sequences.from_lengths(values, lengths)
    found = statistics_of(sequences)
    for name, expected in by_hand(values.astype(np.float64)).items():
        # Both sum in float64, in another order.
        np.testing.assert_allclose(getattr(found, name), expected, rtol=1e-7, err_msg=name)
    for row, own in enumerate(sequences):
        expected = by_hand(own.astype(np.float64))
        np.testing.assert_array_equal(found.lowest[row], expected["minimum"])
        np.testing.assert_array_equal(found.highest[row], expected["maximum"])


@pytest.mark.parametrize("chunk", [1, 1 << 14])
def test_steps_and_growth(monkeypatch, chunk):
    monkeypatch.setattr(_columns, "CHUNK_ROWS", chunk)
    lengths = [3, 2, 1]
    values = np.column_stack(
        [
            [0, 0.5, 1, 7, 7.5, 0],  # a clock
            [1, 2, 3, 4, 5, 6],  # an index over all
            [1, 2, 5, 6, 9, 10],  # grows, but not steadily
            [0, 1, 0, 1, 0, 1],
            [0, 1, NAN, 1, 2, 3],
        ]
    )
    found = statistics_of(Sequences.from_lengths(values, lengths))
    np.testing.assert_array_equal(found.step, [0.5, 1, NAN, NAN, NAN])
    assert found.increases.tolist() == [False, True, True, False, False]


def test_sequences_of_one_timestep_have_no_step():
    found = statistics_of(Sequences.from_lengths(np.arange(4.0)[:, None], [1] * 4))
    assert np.isnan(found.step).all()


def test_the_table_says_where_features_are_constant():
    values = np.column_stack([[1, 1, 2, 3, 9], [5, 5, 5, 5, 5]]).astype(float)
    sequences = Sequences.from_lengths(values, [2, 2, 1])
    table = features_table(sequences, statistics_of(sequences), ["a", "b"], {}, kind="number")
    assert table["constant_within"] == [0.5, 1.0]
    assert table["constant"] == [False, True]


@pytest.mark.parametrize(
    ("fraction", "text"),
    [(0, "0%"), (1, "100%"), (0.5, "50.0%"), (1e-5, "<0.1%"), (0.99999, ">99.9%")],
)
def test_only_nothing_is_0_percent(fraction, text):
    assert percent(fraction) == text
