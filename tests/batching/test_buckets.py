import numpy as np
import pytest

from sklstm._batching._buckets import prediction_batches, training_batches


def log_normal_lengths(n, seed=0):
    rng = np.random.default_rng(seed)
    return np.clip(np.exp(rng.normal(4.1, 0.8, size=n)), 10, 400).astype(np.int64)


def padding_share(lengths, batches):
    cells = sum(len(batch) * lengths[batch].max() for batch in batches)
    return 1 - lengths.sum() / cells


@pytest.mark.parametrize("lengths", [np.full(50, 7), log_normal_lengths(50)], ids=["equal", "not"])
@pytest.mark.parametrize("batch_size", [1, 7, 32, 50, 1000])
def test_every_sequence_once_in_batches_of_nearly_one_size(lengths, batch_size):
    batches = training_batches(lengths, batch_size, np.random.default_rng(0))
    assert sorted(np.concatenate(batches).tolist()) == list(range(50))
    sizes = [len(batch) for batch in batches]
    assert max(sizes) <= batch_size
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("n", [1, 31, 33, 64 * 32, 64 * 32 + 1, 5000, 10_007])
def test_sizes_hold_over_several_windows(n):
    batches = training_batches(log_normal_lengths(n), 32, np.random.default_rng(0))
    assert sorted(np.concatenate(batches).tolist()) == list(range(n))
    assert len(batches) == -(-n // 32)
    assert {len(batch) for batch in batches} <= {n // len(batches), -(-n // len(batches))}


def test_similar_lengths_share_a_batch():
    lengths = log_normal_lengths(10_000)
    bucketed = padding_share(lengths, training_batches(lengths, 32, np.random.default_rng(0)))
    shuffled = np.array_split(np.random.default_rng(0).permutation(10_000), 313)
    assert padding_share(lengths, shuffled) > 0.5
    assert bucketed < 0.1


@pytest.mark.parametrize("n", [20, 50, 100, 640, 1000])
def test_no_batch_comes_back_in_the_next_epoch_and_a_seed_repeats_them(n):
    # No two lengths alike: ties, whose order is random, would make a difference by themselves.
    lengths = np.random.default_rng(1).permutation(n) + 1
    rng = np.random.default_rng(0)
    first, second = (training_batches(lengths, 10, rng) for _ in range(2))
    again = training_batches(lengths, 10, np.random.default_rng(0))
    assert [b.tolist() for b in first] == [b.tolist() for b in again]
    assert {frozenset(b) for b in first}.isdisjoint({frozenset(b) for b in second})


@pytest.mark.parametrize("n_batches", [2, 4])
def test_few_batches_are_drawn_whatever_the_lengths(n_batches):
    lengths = np.repeat([5, 50], 16 * n_batches)
    batches = training_batches(lengths, 32, np.random.default_rng(0))
    assert all(8 <= (lengths[batch] == 5).sum() <= 24 for batch in batches)


@pytest.mark.parametrize("n", [20, 640, 5000])
def test_lengths_ascend_in_a_batch(n):
    lengths = log_normal_lengths(n)
    batches = training_batches(lengths, 10, np.random.default_rng(0))
    assert all((np.diff(lengths[batch]) >= 0).all() for batch in batches)


def test_short_sequences_do_not_come_first():
    lengths = np.sort(log_normal_lengths(640))
    batches = training_batches(lengths, 10, np.random.default_rng(0))
    means = [lengths[batch].mean() for batch in batches]
    assert len(batches) == 64
    assert abs(np.corrcoef(means, np.arange(len(means)))[0, 1]) < 0.4


def test_prediction_batches_hold_every_sequence_within_the_limits():
    lengths = log_normal_lengths(1000)
    batches = prediction_batches(lengths, max_timesteps=2000, max_size=64)
    assert sorted(np.concatenate(batches).tolist()) == list(range(1000))
    assert all(len(batch) <= 64 for batch in batches)
    assert all(len(batch) * lengths[batch].max() <= 2000 for batch in batches)
    assert padding_share(lengths, batches) < 0.05


def test_a_sequence_longer_than_the_limit_is_a_batch_of_its_own():
    batches = prediction_batches(np.array([5, 5000, 6]), max_timesteps=100, max_size=64)
    assert [batch.tolist() for batch in batches] == [[1], [0, 2]]
