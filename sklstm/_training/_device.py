"""The device parameter -> torch.device."""

from __future__ import annotations

import torch

from sklstm._compat import InvalidParameterError


def resolve_device(device: str | torch.device) -> torch.device:
    """The device asked for; "auto" is the first CUDA device, or the CPU where there is none."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        resolved = torch.device(device)
    except RuntimeError as error:
        raise InvalidParameterError(
            "The 'device' parameter must be 'cpu', 'cuda', 'cuda:<index>', 'auto' or a"
            f" torch.device. Got {device!r} instead."
        ) from error
    if resolved.type == "cuda":
        _check_cuda(resolved, device)
    return resolved


def _check_cuda(resolved: torch.device, device: str | torch.device) -> None:
    n_devices = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if (resolved.index or 0) < n_devices:
        return
    found = f"finds {n_devices} of them" if n_devices else "finds none"
    raise ValueError(
        f"The 'device' parameter asks for {str(device)!r}, a CUDA device, but torch"
        f" {torch.__version__} {found} here.\n\nUse device='auto', which takes a GPU where there is"
        " one, or install a CUDA build of torch."
    )
