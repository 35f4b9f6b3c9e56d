import numpy as np
import pytest
import torch

from sklstm._batching._loader import HostSequences, to_device
from sklstm._batching._scaling import Scaling
from sklstm._batching._windows import WindowedSequences
from sklstm._inference import _prediction
from sklstm._inference._prediction import (
    check_outputs,
    compute_outputs,
    embed,
    to_host,
)
from sklstm._runtime._ranks import InTurn
from sklstm._sequences import Sequences
from sklstm.nn import SequenceNetwork
from tests.helpers import POOLINGS, assert_same_in_company, device, make_ragged
from tests.windows import make_small


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_outputs_beyond_float32_name_the_first_sequence(bad):
    sequences = Sequences.from_lengths(np.array([[1.0], [2.0], [-3e38], [4.0]]), [1, 2, 1])
    outputs = np.array([[0.0, 1.0], [0.0, bad], [bad, 0.0]])
    with pytest.raises(
        ValueError, match=r"(?s)^X\[1\] is too large.* value is 3e\+38.*standardize"
    ):
        check_outputs(outputs, sequences)
    outputs = np.zeros((3, 2))
    assert check_outputs(outputs, sequences) is outputs


@pytest.fixture(params=POOLINGS)
def network(request):
    return SequenceNetwork(
        2, 3, hidden_sizes=(8, 6), bidirectional=True, pooling=request.param, dense_sizes=(5,)
    )


def put(X, to=to_device):
    sequences = Sequences.from_lengths(np.concatenate(X), [len(x) for x in X])
    return to(sequences, Scaling.identity(2), device())


def test_it_does_not_matter_whether_the_sequences_are_on_the_device_already(network, monkeypatch):
    monkeypatch.setitem(_prediction.MAX_BATCH, "cpu", (16_384, 4))
    X, _ = make_ragged(30)
    expected = compute_outputs(network, put(X))
    np.testing.assert_array_equal(compute_outputs(network, put(X, HostSequences)), expected)


def test_windows_give_what_all_sequences_give(network, monkeypatch):
    expected = compute_outputs(network, put(make_ragged(60)[0]))
    make_small(monkeypatch)
    windowed = put(make_ragged(60)[0], WindowedSequences)
    assert len(list(windowed.pieces())) > 1
    assert_same_in_company(compute_outputs(network, windowed), expected)


class Alone(InTurn):
    """One rank of two, which the other tells nothing."""

    def __init__(self, rank):
        super().__init__(2)
        self.rank = rank

    @property
    def own(self):
        return range(self.rank, self.rank + 1)


@pytest.mark.parametrize("to", [to_device, WindowedSequences])
def test_each_rank_computes_a_part_of_the_rows(to, network, monkeypatch):
    make_small(monkeypatch)
    monkeypatch.setitem(_prediction.MAX_BATCH, "cpu", (16_384, 2))
    sequences = put(make_ragged(60)[0], to)
    expected = compute_outputs(network, sequences)
    parts = [compute_outputs(network, sequences, ranks=Alone(rank)) for rank in range(2)]
    np.testing.assert_array_equal(sum(parts), expected)
    for part in parts:
        assert 15 <= part.any(axis=1).sum() <= 45


def test_a_team_is_given_a_bounded_number_of_tasks(network, monkeypatch):
    X, _ = make_ragged(30)
    expected = compute_outputs(network, put(X))
    numbers = []

    def run_all(tasks, team):
        numbers.append(len(tasks))
        return [task() for task in tasks]

    monkeypatch.setattr(_prediction, "run_all", run_all)
    monkeypatch.setitem(_prediction.MAX_BATCH, "cpu", (16_384, 2))
    monkeypatch.setattr(_prediction, "MAX_TASKS", 4)
    np.testing.assert_array_equal(compute_outputs(network, put(X)), expected)
    assert numbers == [4]


def test_rows_come_in_the_callers_order(network):
    X, _ = make_ragged(30)
    pooled = embed(network, put(X))
    for x, row in zip(X, pooled, strict=True):
        with torch.no_grad():
            expected = network.eval().embed(torch.as_tensor(x, dtype=torch.float32)[None])
        np.testing.assert_allclose(row, expected[0].numpy(), rtol=1e-6, atol=1e-7)


def test_a_result_does_not_depend_on_its_company(network):
    X, _ = make_ragged(100)
    together = compute_outputs(network, put(X))
    for size in (1, 2, 3, 7, 50):
        apart = [compute_outputs(network, put(X[i : i + size])) for i in range(0, 100, size)]
        # What scikit-learn's own check allows. Bit-equal where this was written.
        np.testing.assert_allclose(np.concatenate(apart), together, rtol=1e-7, atol=1e-7)


def test_the_callers_precision_has_no_effect(network):
    X, _ = make_ragged(30)
    expected = compute_outputs(network, put(X))
    with torch.autocast("cpu", torch.bfloat16):
        np.testing.assert_array_equal(compute_outputs(network, put(X)), expected)


def test_predicting_leaves_the_network_in_evaluation_mode_and_without_gradients(network):
    network.train()
    embed(network, put(make_ragged(3)[0]))
    assert not network.training
    assert all(p.grad is None for p in network.parameters())


def test_outputs_that_come_one_batch_later_are_in_their_places(network, monkeypatch):
    monkeypatch.setitem(_prediction.MAX_BATCH, "cpu", (16_384, 4))
    X, _ = make_ragged(30)
    expected, log = compute_outputs(network, put(X)), []

    def to_host(values, *, overlaps):
        assert overlaps
        log.append("begin")

        def receive():
            log.append("end")
            return values.numpy()

        return receive

    monkeypatch.setattr(_prediction, "to_host", to_host)
    monkeypatch.setitem(_prediction.N_AHEAD, "cpu", 1)
    np.testing.assert_array_equal(compute_outputs(network, put(X)), expected)
    assert log[:4] == ["begin", "begin", "end", "begin"]
    assert log.count("begin") == log.count("end") == 8


@pytest.mark.parametrize("n", [1, 3])
def test_outputs_of_a_single_batch_are_copied_at_once(network, monkeypatch, n):
    told, to_host = [], _prediction.to_host

    def watched(values, *, overlaps):
        told.append(overlaps)
        return to_host(values, overlaps=overlaps)

    monkeypatch.setattr(_prediction, "to_host", watched)
    compute_outputs(network, put(make_ragged(n)[0]))
    assert told == [False]


class OnGpu:
    """Stands for a tensor on a GPU; logs what is done with it."""

    device, shape, dtype = torch.device("cuda"), (2, 3), torch.float32

    def __init__(self, log):
        self.log = log

    def cpu(self):
        self.log.append("copied at once")
        return torch.ones(2, 3)


def test_on_a_gpu_only_copies_that_overlap_go_by_pinned_memory(monkeypatch):
    log, empty = [], torch.empty

    class Pinned:
        def copy_(self, values, non_blocking):
            log.append(("begun", non_blocking))

        def numpy(self):
            log.append("read")
            return np.ones((2, 3))

    class Event:
        def record(self, stream):
            log.append("recorded")

        def synchronize(self):
            log.append("waited for")

    def pinned(*shape, pin_memory=False, **options):
        return Pinned() if pin_memory else empty(*shape, **options)

    monkeypatch.setattr(torch, "empty", pinned)
    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: None)
    assert to_host(OnGpu(log), overlaps=False)().shape == (2, 3)
    assert log == ["copied at once"]
    log.clear()
    receive = to_host(OnGpu(log), overlaps=True)
    assert log == [("begun", True), "recorded"]
    receive()
    assert log[2:] == ["waited for", "read"]
