from itertools import pairwise

import numpy as np
import pytest
import torch

from sklstm._batching import _windows
from sklstm._batching._loader import (
    DeviceSequences,
    LabelledSequences,
    ShuffledBatches,
    network_values,
    to_device,
)
from sklstm._batching._parts import Cost
from sklstm._batching._scaling import Scaling
from sklstm._batching._windows import BlockOrder, WindowedSequences, prepare
from sklstm._sequences import Sequences
from tests.helpers import make_ragged
from tests.windows import make_small

CPU = torch.device("cpu")
IDENTITY = Scaling.identity(2)


@pytest.fixture
def sequences(monkeypatch):
    """Sixty of 3 to 9 timesteps, some 3 kB; timestep t of sequence i is (i, t)."""
    make_small(monkeypatch)
    X, _ = make_ragged(60)
    X = [np.stack([np.full(len(x), i), np.arange(len(x))], axis=1) for i, x in enumerate(X)]
    return Sequences.from_lengths(np.concatenate(X).astype(float), [len(x) for x in X])


@pytest.fixture
def windowed(sequences):
    source = prepare(sequences, IDENTITY, CPU)
    assert isinstance(source, WindowedSequences)
    return source


def epoch(source, batch_size=8, seed=0, **options):
    n = len(source)
    data = LabelledSequences(source, torch.arange(n), torch.ones(n))
    return list(ShuffledBatches(data, batch_size, np.random.default_rng(seed), **options))


def windows_of(source, batch_size=8, seed=0):
    return list(source.shuffled(batch_size, np.random.default_rng(seed)))


def test_small_data_are_on_the_device_as_a_whole(sequences, monkeypatch):
    monkeypatch.setattr(_windows, "WHOLE_BYTES", 10_000)
    assert isinstance(prepare(sequences, IDENTITY, CPU), DeviceSequences)


@pytest.mark.parametrize("batch_size", [1, 7, 8, 30, 60, 100])
def test_an_epoch_brings_each_sequence_once_in_batches_of_about_one_size(windowed, batch_size):
    batches = [batch for own in windows_of(windowed, batch_size) for batch in own]
    assert len(batches) == -(-60 // batch_size)
    assert sorted(np.concatenate(batches)) == list(range(60))
    sizes = [len(batch) for batch in batches]
    assert max(sizes) <= batch_size
    assert max(sizes) - min(sizes) <= 1


def test_batches_hold_the_values_of_their_sequences(windowed, sequences):
    cost = Cost(multiplications=100, widest=100, bytes=100)
    for batch in epoch(windowed, cost=cost):
        for inputs, targets in batch.parts():
            for row, index in zip(inputs.values.numpy(), targets.values, strict=True):
                expected = sequences.take([int(index)]).values
                np.testing.assert_array_equal(row[: len(expected)], expected)
                assert not row[len(expected) :].any()


def test_a_window_is_no_larger_than_a_block_and_a_batch_more(windowed, sequences):
    own = windows_of(windowed, 4)
    assert len(own) >= 4
    sizes = sequences.lengths * 8 + _windows.SEQUENCE_BYTES
    in_bytes = [sizes[np.concatenate(batches)].sum() for batches in own]
    most = _windows.WINDOW_BYTES + _windows.BLOCK_BYTES + 4 * sizes.max()
    assert max(in_bytes) <= most
    # About one size: a small last window would be a few blocks, of one class if data are sorted.
    assert min(in_bytes) >= max(in_bytes) - 2 * (_windows.BLOCK_BYTES + 4 * sizes.max())


def test_sequences_of_a_block_stay_together(windowed):
    for batches in windows_of(windowed, 4):
        members = np.sort(np.concatenate(batches))
        n_runs = 1 + np.count_nonzero(np.diff(members) > 1)
        assert len(members) / n_runs >= 2


def test_blocks_windows_and_batches_are_shuffled(windowed):
    first, again, other = (windows_of(windowed, 8, seed) for seed in (0, 0, 1))
    for one, same in zip(first, again, strict=True):
        assert all(map(np.array_equal, one, same))
    assert {*first[0][0].tolist()} != {*other[0][0].tolist()}
    members = np.concatenate(first[0])
    assert members.tolist() != sorted(members.tolist())


def test_lengths_of_a_batch_are_similar(windowed):
    (batches, *_) = windows_of(windowed, 8)
    for batch in batches:
        assert (np.diff(windowed.host_lengths[batch]) >= 0).all()


def test_blocks_are_in_any_order_and_cut_between_batches():
    order = BlockOrder(np.array([6, 0, 3]), np.array([4, 7, 10]), np.array([40, 70, 100]))
    windows = [(n, members.tolist()) for n, members in order.windows(5, 50)]
    assert windows == [(3, [6, 7, 8, 9, 0, 1]), (2, [2, 3, 4, 5])]


def test_windows_of_terabytes():
    order = BlockOrder.draw(np.arange(5), np.full(4, 2**42), np.random.default_rng(0))
    windows = list(order.windows(4, 2**24))
    assert [n_batches for n_batches, _ in windows] == [1, 1, 1, 1]


def test_a_batch_larger_than_a_window_is_a_window():
    order = BlockOrder(np.arange(0, 12, 2), np.arange(2, 13, 2), np.arange(1, 7) * 100)
    assert [n for n, _ in order.windows(3, 100)] == [1, 1, 1]


def test_any_batch_is_read_by_itself(windowed, sequences):
    indices = np.array([50, 3, 3, 20])
    values, lengths, _ = windowed.batch(indices)
    whole = to_device(sequences, IDENTITY, CPU).batch(indices)
    assert torch.equal(values, whole.values)
    assert torch.equal(lengths, whole.lengths)


def test_pieces_are_all_sequences_in_their_order(windowed, sequences):
    pieces = list(windowed.pieces())
    assert len(pieces) >= 3
    assert [run.start for run, _ in pieces[1:]] == [run.stop for run, _ in pieces[:-1]]
    values = torch.cat([piece.values[:-1] for _, piece in pieces])
    np.testing.assert_array_equal(values, sequences.values.astype(np.float32))


def test_the_whole_is_copied_piece_by_piece(windowed, sequences):
    whole = windowed.whole()
    expected = to_device(sequences, IDENTITY, CPU)
    assert torch.equal(whole.values, expected.values)
    np.testing.assert_array_equal(whole.host_starts, expected.host_starts)


@pytest.mark.parametrize("per", ["dataset", "sequence", "both"])
def test_a_window_is_scaled_as_all_data(sequences, per):
    scaling = Scaling.standard(sequences, np.ones(60), per)
    expected = network_values(sequences, scaling, input_name="X")[:-1]
    pieces = WindowedSequences(sequences, scaling, CPU).pieces()
    values = torch.cat([piece.values[:-1] for _, piece in pieces])
    np.testing.assert_array_equal(values, expected)


def test_a_single_sequence_does_not_change_when_later_windows_are_read(windowed):
    seen = [(batch.targets.values, batch.inputs[0].values) for batch in epoch(windowed, 1)]
    assert len(windows_of(windowed, 1)) > 2
    for index, values in seen:
        assert (values[0, :, 0] == index).all()


def test_two_buffers_serve_all_windows_of_a_cpu(windowed):
    with windowed.contexts[0]:
        addresses = {inputs.sequences.values.data_ptr()
                     for _, inputs in windowed.read(ShuffledBatches(
                         LabelledSequences(windowed, torch.arange(60), torch.ones(60)),
                         4, np.random.default_rng(0)).plans())}  # fmt: skip
    assert len(addresses) == 2


def test_values_beyond_float32_name_the_largest_of_all(sequences):
    values = sequences.values.copy()
    values[3], values[-1] = 1e200, -1e300
    source = WindowedSequences(Sequences(values, sequences.offsets), IDENTITY, CPU)
    with pytest.raises(ValueError, match=r"X is too large .* 1e\+300\."):
        # Without the largest.
        source.batch(np.array([0]))


def test_the_largest_input_is_found_in_all_pieces(windowed):
    assert windowed.largest() == 59.0
    ids = Sequences.from_lengths(np.arange(600).reshape(-1, 1), [6] * 100)
    assert WindowedSequences(ids, None, CPU).largest() is None


def test_small_token_ids_become_int64_and_are_mapped(sequences):
    ids = sequences.values[:, :1].astype(np.uint16)
    source = WindowedSequences(Sequences(ids, sequences.offsets), None, CPU)
    mapped = source.map_ids(lambda ids: ids + 1000)
    for batch in epoch(mapped):
        (inputs,), targets = batch
        assert inputs.values.dtype == torch.int64
        assert torch.equal(inputs.values[:, 0], targets.values + 1000)
    assert int(source.batch(np.array([7])).values[0, 0]) == 7


def test_runs_are_not_longer_than_a_chunk(windowed):
    edges = [run for batches in windows_of(windowed, 60) for run in batches]
    assert len(edges) == 1
    starts = [run.start for run, _ in windowed.pieces()]
    assert all(b - a <= 7 for a, b in pairwise(starts))


def test_mixup_that_a_time_limit_ends_is_over_in_batches_that_are_planned_already(windowed):
    data = LabelledSequences(windowed, torch.arange(60), torch.ones(60))
    batches = ShuffledBatches(data, 4, np.random.default_rng(0), mixup_alpha=0.5)
    seen = []
    for batch in batches:
        batches.mixup_alpha = 0.0
        seen.append(batch.targets.mixup_weights is not None)
    assert seen == [True] + [False] * 14
