"""Private names of torch."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from datetime import timedelta
from functools import cache
from typing import Any

import torch
from torch import Tensor


def expect_plain_steps(optimizer: torch.optim.Optimizer) -> None:
    """Let a capturable optimizer take steps outside of a CUDA graph without a warning."""
    optimizer._warned_capturable_if_run_uncaptured = True


def function_modes() -> list[Any]:
    """Active TorchFunctionModes, such as that of the default device."""
    n_modes = torch._C._len_torch_function_stack()
    return [torch._C._get_function_stack_at(position) for position in range(n_modes)]


def set_function_modes(modes: list[Any]) -> None:
    """Replace the active modes; torch has no public way to leave an abandoned one."""
    if modes != function_modes():
        while torch._C._len_torch_function_stack() > 0:
            torch._C._pop_torch_function_stack()
        for mode in modes:
            torch._C._push_on_torch_function_stack(mode)


def version_of(tensor: torch.Tensor) -> int | None:
    """Number of operations in place on a tensor so far; None if torch does not count them."""
    return None if tensor.is_inference() else tensor._version


@cache
def onednn_linear() -> Callable[[Tensor, Tensor], Tensor] | None:
    """oneDNN's product of rows (N, D) and weight (E, D), shape (N, E), without gradients.

    None where torch is built without it, or where it is no faster than torch's own, which MKL
    computes: it has kernels for AVX-512 on processors of any vendor.
    """
    if torch.backends.cpu.get_cpu_capability() != "AVX512":
        return None
    try:
        linear = torch.ops.mkldnn._linear_pointwise.default
    except AttributeError:
        return None
    return lambda rows_ND, weight_ED: linear(rows_ND, weight_ED, None, "none", [], "")


def gloo_group(store: Any, rank: int, size: int, address: str | None, timeout: timedelta) -> Any:
    """Process group of gloo that listens at an address; None: at that of the host's name.

    torch's public function gives a process one group for all purposes, which may be the caller's.
    """
    # It takes a tenth of a second, which only who trains on several processes pays.
    gloo: Any = importlib.import_module("torch.distributed").ProcessGroupGloo
    if address is None:
        return gloo(store, rank, size, timeout)
    options = gloo._Options()
    options._devices = [gloo.create_device(hostname=address)]
    options._timeout = timeout
    return gloo(store, rank, size, options)


def has_nccl() -> bool:
    """Whether torch is built with NCCL."""
    return bool(importlib.import_module("torch.distributed").is_nccl_available())


def nccl_group(store: Any, rank: int, size: int, timeout: timedelta) -> Any:
    """Process group of NCCL, for tensors of GPUs."""
    nccl: Any = importlib.import_module("torch.distributed").ProcessGroupNCCL
    options = nccl.Options()
    options._timeout = timeout
    return nccl(store, rank, size, options)
