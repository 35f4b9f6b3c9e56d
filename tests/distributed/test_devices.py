import pytest
import torch

from sklstm.distributed._devices import gpus_of_machine, share_out, visible_gpus


@pytest.mark.parametrize(
    ("visible", "device", "shares"),
    [
        # As Ray and dask-cuda set CUDA_VISIBLE_DEVICES: the first is the worker's own.
        ([["a"], ["b"]], "cuda", [0, 0]),
        ([["a", "b"], ["b", "a"]], "auto", [0, 0]),
        # Nobody has set it: all workers of a machine see all.
        ([["a", "b"], ["a", "b"]], "auto", [0, 1]),
        ([["a", "b"], ["a", "b"], ["c"]], "cuda", [0, 1, 0]),
        # Ranks that share a card.
        ([["a"], ["a"]], "cuda", [0, 0]),
        ([["a", "b"]] * 3, "cuda", [0, 1, 0]),
        ([["a", "b"], ["a", "b"]], "cuda:1", [1, 1]),
        # No GPU, or not for all.
        ([["a"], ["b"]], "cpu", [None, None]),
        ([[], []], "auto", [None, None]),
    ],
)
def test_each_rank_gets_a_gpu_of_its_own_if_there_is_one(visible, device, shares):
    assert share_out(visible, device) == shares


class Properties:
    def __init__(self, number):
        self.uuid = f"GPU-{number}"


@pytest.fixture
def _two_gpus(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_properties", Properties)


@pytest.mark.usefixtures("_two_gpus")
def test_gpus_are_told_apart_by_names_that_are_unique_in_the_world(monkeypatch):
    assert visible_gpus() == ("GPU-0", "GPU-1")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert visible_gpus() == ()


@pytest.mark.usefixtures("_two_gpus")
def test_ranks_of_one_machine_share_out_its_gpus():
    first, second, third = gpus_of_machine(torch.device("cuda"), 3)
    assert first == (torch.device("cuda:0"), "GPU-0")
    assert second == (torch.device("cuda:1"), "GPU-1")
    assert third == first
    assert gpus_of_machine(torch.device("cpu"), 2) == [None, None]
