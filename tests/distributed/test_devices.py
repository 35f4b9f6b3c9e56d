import pytest
import torch

from sklstm.distributed._devices import backend_of, share_out, visible_gpus


@pytest.mark.parametrize(
    ("visible", "device", "shares", "backend"),
    [
        # As Ray and dask-cuda set CUDA_VISIBLE_DEVICES: the first is the worker's own.
        ([["a"], ["b"]], "cuda", [0, 0], "nccl"),
        ([["a", "b"], ["b", "a"]], "auto", [0, 0], "nccl"),
        # Nobody has set it: all workers of a machine see all.
        ([["a", "b"], ["a", "b"]], "auto", [0, 1], "nccl"),
        ([["a", "b"], ["a", "b"], ["c"]], "cuda", [0, 1, 0], "nccl"),
        # Ranks that share a card.
        ([["a"], ["a"]], "cuda", [0, 0], "gloo"),
        ([["a", "b"]] * 3, "cuda", [0, 1, 0], "gloo"),
        ([["a", "b"], ["a", "b"]], "cuda:1", [1, 1], "gloo"),
        ([["a", "b"], ["c", "d"]], "cuda:1", [1, 1], "nccl"),
        # No GPU, or not for all.
        ([["a"], ["b"]], "cpu", [None, None], "gloo"),
        ([[], []], "auto", [None, None], "gloo"),
    ],
)
def test_each_rank_gets_a_gpu_of_its_own_if_there_is_one(
    visible, device, shares, backend, monkeypatch
):
    monkeypatch.setattr(torch.distributed, "is_nccl_available", lambda: True)
    assert share_out(visible, device) == shares
    assert backend_of(visible, shares) == backend


def test_gloo_where_torch_has_no_nccl(monkeypatch):
    monkeypatch.setattr(torch.distributed, "is_nccl_available", lambda: False)
    assert backend_of([["a"], ["b"]], [0, 0]) == "gloo"


class Properties:
    def __init__(self, number):
        self.uuid = f"GPU-{number}"


def test_gpus_are_told_apart_by_names_that_are_unique_in_the_world(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_device_properties", Properties)
    assert visible_gpus() == ("GPU-0", "GPU-1")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert visible_gpus() == ()
