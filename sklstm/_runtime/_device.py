"""Resolution of the parameters device and precision on this machine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from sklstm._compat._sklearn import InvalidParameterError

# Smaller layers gain little from bfloat16 (benchmarks/LOG.md).
MIN_BFLOAT16_SIZE = 64
# Memory of a GPU that torch may keep for later, in bytes. Other processes cannot have it, and small
# fits would lose the time in which it is allocated again.
MAX_KEPT = 2**28


def resolve_device(device: str | torch.device) -> torch.device:
    """Device of the parameter; "auto" is the current CUDA device, or the CPU without CUDA."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    resolved: torch.device | None
    try:
        resolved = torch.device(device)
    except (RuntimeError, TypeError):
        resolved = None
    if resolved is None or resolved.type not in ("cpu", "cuda"):
        raise InvalidParameterError(
            "The 'device' parameter must be 'cpu', 'cuda', 'cuda:<index>', 'auto' or a torch.device"
            f" of these types. Got {device!r} instead."
        )
    if resolved.type == "cuda":
        _check_cuda(resolved, device)
    return resolved


def resolve_precision(precision: str, device: torch.device, hidden_sizes: Sequence[int]) -> str:
    """Precision of the parameter; "auto" is bfloat16 on a CPU with bfloat16 arithmetic.

    On a GPU "auto" is float32, not rounded to TensorFloat-32.
    """
    if precision != "auto":
        return precision
    gains = device.type == "cpu" and _has_bfloat16_arithmetic()
    return "bfloat16" if gains and max(hidden_sizes) >= MIN_BFLOAT16_SIZE else "float32"


def _has_bfloat16_arithmetic() -> bool:
    """Whether the CPU has bfloat16 instructions; False if torch cannot tell."""
    capabilities: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()
    return bool(capabilities.get("avx512_bf16", False))


def give_back_memory(device: torch.device) -> None:
    """Let other processes have what torch keeps of a GPU's memory beyond `MAX_KEPT`."""
    if device.type != "cuda":
        return
    kept = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    if kept > MAX_KEPT:
        torch.cuda.empty_cache()


def count_cuda_devices() -> int:
    """Number of CUDA devices that torch can use here."""
    return torch.cuda.device_count() if torch.cuda.is_available() else 0


def _check_cuda(resolved: torch.device, device: str | torch.device) -> None:
    n_devices = count_cuda_devices()
    if (resolved.index or 0) < n_devices:
        return
    found = f"finds {n_devices} of them" if n_devices else "finds none"
    raise ValueError(
        f"The 'device' parameter asks for {str(device)!r}, a CUDA device, but torch"
        f" {torch.__version__} {found} here.\n\nUse device='auto', which takes a GPU where there is"
        " one, or install a CUDA build of torch."
    )
