"""The device parameter -> torch.device."""

from __future__ import annotations

import torch

from sklstm._compat import InvalidParameterError


def resolve_device(device: str | torch.device) -> torch.device:
    """The device asked for; "auto" is the first CUDA device, or the CPU where there is none."""
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


def count_cuda_devices() -> int:
    """How many CUDA devices torch can use here."""
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
