from dataclasses import replace

import numpy as np
import pytest
import torch

from sklstm._batching import _loader
from sklstm._batching._loader import (
    HostSequences,
    LabelledSequences,
    ShuffledBatches,
    rounded_up,
    to_device,
)
from sklstm._batching._parts import Cost
from sklstm._batching._scaling import Scaling
from sklstm._sequences import Sequences
from tests.helpers import make_ragged

CPU = torch.device("cpu")


def build(X):
    sequences = Sequences.from_lengths(np.concatenate(X), [len(x) for x in X])
    return to_device(sequences, Scaling.identity(X[0].shape[1]), CPU)


@pytest.mark.parametrize("indices", [[3], [0, 1, 2, 3], [5, 2, 2, 9]])
def test_a_batch_is_the_sequences_padded_with_zeros(indices):
    X, _ = make_ragged(10)
    values, lengths, _ = build(X).batch(np.array(indices))
    expected_lengths = [len(X[i]) for i in indices]
    assert values.shape == (len(indices), max(expected_lengths), 2)
    if lengths is not None:
        assert lengths.tolist() == expected_lengths
    for row, i in zip(values.numpy(), indices, strict=True):
        np.testing.assert_array_equal(row[: len(X[i])], X[i].astype(np.float32))
        assert not row[len(X[i]) :].any()


def test_equal_lengths_need_no_lengths():
    assert build([np.ones((4, 2))] * 3).batch(np.array([0, 2])).lengths is None


def test_memory_is_time_major_so_that_the_kernels_need_no_copy():
    values = build(make_ragged(10)[0]).batch(np.arange(5)).values
    assert values.transpose(0, 1).is_contiguous()


def test_an_epoch_brings_each_sequence_with_its_class_and_weight():
    X = [np.full((t, 1), float(i)) for i, t in enumerate([3, 5, 2, 4, 4, 1, 6])]
    classes, weights = torch.arange(7), torch.arange(7.0) + 10
    dataset = LabelledSequences(build(X), classes, weights)
    batches = ShuffledBatches(dataset, 3, np.random.default_rng(0))
    seen = []
    for (inputs,), targets in batches:
        first_values = inputs.values[:, 0, 0]
        assert torch.equal(first_values.long(), targets.values)
        assert torch.equal(targets.weights, targets.values + 10.0)
        seen += targets.values.tolist()
    assert sorted(seen) == list(range(7))
    assert len(batches) == len(list(batches)) == 3


def test_under_mixup_at_least_half_of_a_sequence_is_its_own():
    X, y = make_ragged(40)
    dataset = LabelledSequences(build(X), torch.from_numpy(y), torch.ones(40))
    cost = Cost(multiplications=100, widest=100, bytes=100)

    def epoch(alpha):
        return list(ShuffledBatches(dataset, 20, np.random.default_rng(0), cost, alpha))

    for plain, mixed in zip(epoch(0.0), epoch(0.5), strict=True):
        shares = mixed.targets.mixup_weights
        assert plain.targets.mixup_weights is None
        assert shares.shape == (20,)
        assert shares.dtype == torch.float32
        assert ((shares >= 0.5) & (shares <= 1)).all()
        assert shares.std() > 0.1
        of_parts = [targets.mixup_weights for _, targets in mixed.parts()]
        assert [len(s) for s in of_parts] == [len(inputs.values) for inputs in mixed.inputs]
        assert torch.equal(torch.cat(of_parts), shares)
        assert all(targets.mixup_weights is None for _, targets in plain.parts())
    mean = [
        torch.stack([b.targets.mixup_weights for b in epoch(a)]).mean() for a in (0.01, 0.2, 1000.0)
    ]
    # Of Beta(a, a) the larger side: all but 1 for a small a, all but a half for a large one.
    assert mean[0] > 0.99 > mean[1] > 0.7 > 0.52 > mean[2]


@pytest.mark.parametrize("lengths", [[9] * 64, range(40, 104)], ids=["equal", "unequal"])
@pytest.mark.parametrize("cost", [None, Cost(10**7, 10**7, 100)], ids=["whole", "parts"])
def test_under_mixup_each_epoch_brings_other_neighbours(lengths, cost):
    """Also where no two lengths are equal and every epoch is one batch."""
    neighbours = [set() for _ in range(64)]
    for classes, others in neighbours_under_mixup(lengths, cost, n_epochs=20):
        for own, other in zip(classes, others, strict=True):
            neighbours[own].add(int(other))
    assert min(map(len, neighbours)) > 5


@pytest.mark.parametrize("cost", [None, Cost(10**7, 10**7, 100)], ids=["whole", "parts"])
def test_under_mixup_neighbours_are_of_about_the_same_length(cost):
    lengths = np.geomspace(10, 1000, 64).astype(int)
    for classes, others in neighbours_under_mixup(lengths, cost, n_epochs=20):
        ratios = lengths[others] / lengths[classes]
        assert np.abs(np.log(ratios)).max() < np.log(2.5)
        assert np.median(np.abs(np.log(ratios))) < np.log(1.3)


def neighbours_under_mixup(lengths, cost, n_epochs):
    """Of each part of some epochs of one batch: the sequences, and what each is mixed with."""
    X = [np.zeros((t, 1)) for t in lengths]
    dataset = LabelledSequences(build(X), torch.arange(64), torch.ones(64))
    batches = ShuffledBatches(dataset, 64, np.random.default_rng(0), cost, 0.5)
    for _ in range(n_epochs):
        ((inputs, targets),) = batches
        sizes = [len(i.values) for i in inputs]
        assert (len(sizes) > 1) == (cost is not None)
        for of_part in targets.values.split(sizes):
            yield of_part.numpy(), of_part.roll(1).numpy()


def test_lengths_are_rounded_up_to_few_and_by_little():
    assert [rounded_up(t) for t in (1, 31, 32, 33, 64, 65, 100, 400)] == [
        1, 31, 32, 34, 64, 68, 100, 400,
    ]  # fmt: skip
    for t in range(1, 2_000):
        assert t <= rounded_up(t) <= t * 17 / 16
    assert len({rounded_up(t) for t in range(10, 401)}) < 90


def test_an_epoch_in_parts_pads_each_part_for_itself():
    X = [np.full((t, 1), float(i)) for i, t in enumerate([3] * 6 + [500])]
    dataset = LabelledSequences(build(X), torch.arange(7), torch.ones(7))
    cost = Cost(multiplications=100, widest=100, bytes=100)
    ((inputs, targets),) = ShuffledBatches(dataset, 7, np.random.default_rng(0), cost)
    assert [i.values.shape[:2] for i in inputs] == [(6, 3), (1, 500)]
    seen = torch.cat([i.values[:, 0, 0] for i in inputs])
    assert torch.equal(seen.long(), targets.values)


def test_halves_have_the_static_columns_of_their_sequences():
    X, static = make_ragged(5)[0], np.arange(5.0).reshape(5, 1)
    sequences = Sequences.from_lengths(np.concatenate(X), [len(x) for x in X])
    source = to_device(replace(sequences, static=static), Scaling.identity(2), torch.device("cpu"))
    batch = source.batch(np.array([3, 1, 4]))
    assert batch.static.ravel().tolist() == [3, 1, 4]
    assert [half.static.ravel().tolist() for half in batch.halves()] == [[3], [1, 4]]


# Transfers to a GPU ------------------------------------------------------------------------------


@pytest.fixture
def transfers(monkeypatch):
    """Whether each transfer overlaps with what is computed."""
    seen, transfer = [], _loader.transfer

    def watched(array, device, *, overlaps=False):
        seen.append(overlaps)
        return transfer(array, device, overlaps=overlaps)

    monkeypatch.setattr(_loader, "transfer", watched)
    return seen


def on_host(X, static=None):
    sequences = Sequences.from_lengths(np.concatenate(X), [len(x) for x in X])
    if static is not None:
        sequences = replace(sequences, static=static)
    return HostSequences(sequences, Scaling.identity(X[0].shape[1]), CPU)


@pytest.mark.parametrize(("n", "n_transfers"), [(1, 1), (5, 2)])
@pytest.mark.parametrize("has_static", [False, True])
def test_a_batch_of_predictions_takes_few_transfers(transfers, n, n_transfers, has_static):
    X = make_ragged(8)[0]
    source = on_host(X, np.ones((8, 2)) if has_static else None)
    source.batch(np.arange(n))
    # No other may be made, each of which would wait for the batch before.
    assert transfers == [True] * (n_transfers + has_static)


def test_a_batch_from_the_host_is_that_of_sequences_on_the_device():
    X = make_ragged(8)[0]
    for indices in ([3], [0, 1, 2], [5, 2, 7, 6]):
        found, expected = (source.batch(np.array(indices)) for source in (on_host(X), build(X)))
        assert torch.equal(found.values, expected.values)
        if expected.lengths is None:
            assert found.lengths is None
        else:
            assert torch.equal(found.lengths, expected.lengths)


def test_transfers_that_overlap_go_by_way_of_pinned_memory(monkeypatch):
    log = []

    class Tensor:
        def pin_memory(self):
            log.append("pin")
            return self

        def to(self, device, *, non_blocking):
            log.append(non_blocking)

    monkeypatch.setattr(torch, "from_numpy", lambda array: Tensor())
    for device in ("cpu", "cuda"):
        for overlaps in (False, True):
            _loader.transfer(np.ones(2), torch.device(device), overlaps=overlaps)
    assert log == [False, True, False, "pin", True]


@pytest.mark.parametrize("alpha", [0.0, 0.3])
@pytest.mark.parametrize("n_features", [1, 3])
def test_an_epoch_of_plain_steps_on_a_gpu_has_the_same_batches(monkeypatch, alpha, n_features):
    X, y = make_ragged(23, n_features=n_features)
    dataset = LabelledSequences(build(X), torch.from_numpy(y), torch.arange(23.0))
    expected = list(ShuffledBatches(dataset, 5, np.random.default_rng(0), mixup_alpha=alpha))
    monkeypatch.setattr(_loader, "gathers_by_batch", lambda device: False)
    copies, from_numpy = [], torch.from_numpy

    def watched(array):
        copies.append(array)
        return from_numpy(array)

    monkeypatch.setattr(torch, "from_numpy", watched)
    found = list(ShuffledBatches(dataset, 5, np.random.default_rng(0), mixup_alpha=alpha))
    assert len(copies) == (2 if alpha else 1)
    assert len(found) == len(expected) == 5
    for one, other in zip(found, expected, strict=True):
        for a, b in zip(
            (*one.inputs[0], *one.targets), (*other.inputs[0], *other.targets), strict=True
        ):
            assert (a is None) == (b is None)
            assert a is None or torch.equal(a, b)
