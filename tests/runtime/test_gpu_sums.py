"""Without a GPU: NCCL stood in for by a group that does what its documentation says."""

import pytest
import torch

from sklstm._runtime import _gpu_sums
from sklstm._runtime._gpu_sums import GpuSums, may_use_nccl
from sklstm._runtime._group import ProcessRanks
from sklstm.exceptions import RankError


class FakeWork:
    def __init__(self, tensor, looks, error=None):
        self.tensor, self.looks, self.error = tensor, looks, error

    def is_completed(self):
        self.looks -= 1
        return self.looks < 0

    def wait(self):
        if self.error is not None:
            raise self.error
        self.tensor *= 2


class FakeGroup:
    """Two ranks with the same summands."""

    def __init__(self, looks=3, error=None):
        self.looks, self.error, self.ended_by = looks, error, None

    def allreduce(self, tensors):
        return FakeWork(tensors[0], self.looks, self.error)

    def abort(self):
        self.ended_by = "abort"

    def shutdown(self):
        self.ended_by = "shutdown"


def sums_of(group, monkeypatch, check=lambda: None):
    monkeypatch.setattr(_gpu_sums, "nccl_group", lambda *arguments: group)
    monkeypatch.setattr(_gpu_sums, "INTERVAL", 0.0)
    return GpuSums(None, 0, 2, check)


@pytest.mark.parametrize(
    ("gpus", "is_built_with_it", "expected"),
    [
        (["a", "b"], True, True),
        (["a"], True, True),
        (["a", "b"], False, False),
        # Two ranks on one card, and ranks without one.
        (["a", "a"], True, False),
        (["a", None], True, False),
        ([None, None], True, False),
    ],
)
def test_nccl_is_for_ranks_with_a_gpu_each(gpus, is_built_with_it, expected, monkeypatch):
    monkeypatch.setattr(_gpu_sums, "has_nccl", lambda: is_built_with_it)
    assert may_use_nccl(gpus) is expected


def test_the_sum_is_waited_for_and_in_place(monkeypatch):
    group = FakeGroup()
    sums = sums_of(group, monkeypatch)
    tensor = torch.tensor([1.0, 2.0])
    assert sums.sum(tensor) is tensor
    assert tensor.tolist() == [2.0, 4.0]
    sums.close()
    assert group.ended_by == "shutdown"


def test_a_rank_that_fails_meanwhile_ends_the_wait_and_aborts(monkeypatch):
    def check():
        raise RankError("Rank 1 of 2 raised ValueError", 1)

    group = FakeGroup(looks=10**9)
    sums = sums_of(group, monkeypatch, check)
    with pytest.raises(RankError, match="Rank 1 of 2"):
        sums.sum(torch.zeros(1))
    sums.close()
    assert group.ended_by == "abort"


class FakeHeartbeats:
    rank, size, hung = 0, 2, None

    def failure(self):
        return RankError("Rank 1 of 2 has died", 1)


class OnGpu:
    device = torch.device("cuda")


def test_what_nccl_finds_is_told_as_the_failure_of_a_rank(monkeypatch):
    sums = sums_of(FakeGroup(error=RuntimeError("NCCL error: remote process exited")), monkeypatch)
    ranks = ProcessRanks(None, FakeHeartbeats(), sums)
    with pytest.raises(RankError, match="Rank 1 of 2 has died"):
        ranks.sum([OnGpu()])


def test_tensors_of_the_host_stay_with_gloo(monkeypatch):
    class Gloo:
        def allreduce(self, tensors, options):
            return FakeWaited(tensors[0])

    class FakeWaited(FakeWork):
        def __init__(self, tensor):
            super().__init__(tensor, 0)

        def wait(self, timeout):
            super().wait()

    group = FakeGroup(error=AssertionError("not by NCCL"))
    ranks = ProcessRanks(Gloo(), FakeHeartbeats(), sums_of(group, monkeypatch))
    assert ranks.sum([torch.tensor([1.5])]).tolist() == [3.0]
    ranks.close()
    assert group.ended_by == "shutdown"
