import pytest
import torch
from sklearn.utils._param_validation import InvalidParameterError

from sklstm._runtime._device import (
    MAX_KEPT,
    give_back_memory,
    resolve_device,
    resolve_precision,
)


@pytest.mark.parametrize("device", ["cpu", torch.device("cpu")])
def test_cpu(device):
    assert resolve_device(device) == torch.device("cpu")


@pytest.mark.parametrize(("available", "expected"), [(False, "cpu"), (True, "cuda")])
def test_auto_takes_a_gpu_where_there_is_one(monkeypatch, available, expected):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: available)
    assert resolve_device("auto") == torch.device(expected)


@pytest.mark.parametrize("device", ["cuda", "cuda:1", torch.device("cuda")])
def test_cuda_where_there_is_none_is_an_error_with_the_remedy(monkeypatch, device):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match=r"(?s)'cuda.*finds none here.*Use device='auto'"):
        resolve_device(device)


def test_an_index_beyond_the_last_gpu_is_an_error(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert resolve_device("cuda:1") == torch.device("cuda:1")
    with pytest.raises(ValueError, match=r"'cuda:2', a CUDA device, but torch .* finds 2 of them"):
        resolve_device("cuda:2")


def test_a_worker_that_sees_one_gpu_of_several_takes_that_one(monkeypatch):
    """With CUDA_VISIBLE_DEVICES=3, as a cluster sets it, the GPU is cuda:0 there."""
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert resolve_device("auto") == torch.device("cuda")
    assert resolve_device("auto").index is None
    assert resolve_device("cuda:0") == torch.device("cuda:0")
    with pytest.raises(ValueError, match=r"(?s)'cuda:3'.*finds 1 of them here.*device='auto'"):
        resolve_device("cuda:3")


@pytest.mark.parametrize("device", ["gpu", "mps", "meta", torch.device("meta"), 3.5, None])
def test_unknown_devices_are_named(device):
    with pytest.raises(InvalidParameterError, match=r"'cuda:<index>', 'auto' .* Got .* instead"):
        resolve_device(device)


@pytest.mark.parametrize(
    ("precision", "device", "sizes", "has_arithmetic", "expected"),
    [
        ("float32", "cpu", (128,), True, "float32"),
        ("bfloat16", "cpu", (4,), False, "bfloat16"),
        ("auto", "cpu", (64,), True, "bfloat16"),
        ("auto", "cpu", (16, 96), True, "bfloat16"),
        ("auto", "cpu", (63,), True, "float32"),
        ("auto", "cpu", (128,), False, "float32"),
        ("auto", "cuda", (128,), True, "float32"),
    ],
)
def test_precision(precision, device, sizes, has_arithmetic, expected, monkeypatch):
    capabilities = {"avx512_bf16": has_arithmetic}
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: capabilities, raising=False)
    assert resolve_precision(precision, torch.device(device), sizes) == expected


def test_a_torch_that_cannot_tell_gives_float32(monkeypatch):
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert resolve_precision("auto", torch.device("cpu"), (128,)) == "float32"


@pytest.mark.parametrize(("kept", "is_given_back"), [(MAX_KEPT, False), (MAX_KEPT + 1, True)])
def test_much_memory_of_a_gpu_that_is_only_kept_is_given_back(monkeypatch, kept, is_given_back):
    calls = []
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: 1000 + kept)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: 1000)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: calls.append("emptied"))
    give_back_memory(torch.device("cpu"))
    assert not calls
    give_back_memory(torch.device("cuda"))
    assert calls == ["emptied"] * is_given_back
