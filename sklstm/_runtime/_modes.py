"""torch's modes of this thread: gradients and precision."""

from __future__ import annotations

import operator
from contextlib import AbstractContextManager, suppress
from typing import Any

import torch

DEVICES = ("cpu", "cuda")


class own_modes(AbstractContextManager[None]):
    """Inside, gradients are recorded or not and ``precision`` decides, whatever the caller has set.

    Flags instead of torch's own contexts: a flag is set back without knowing how far those have
    come when they are interrupted.
    """

    def __init__(self, *, gradients: bool) -> None:
        self._gradients = gradients
        self._flags: tuple[bool, bool, int] | None = None
        self._autocast: list[tuple[str, bool, torch.dtype]] = []
        self._normal_mode: torch.inference_mode | None = None

    def __enter__(self) -> None:
        self._autocast = [
            (device, torch.is_autocast_enabled(device), torch.get_autocast_dtype(device))
            for device in DEVICES
        ]
        self._flags = torch.is_grad_enabled(), torch.is_autocast_cache_enabled(), _autocast_depth()
        if torch.is_inference_mode_enabled():
            self._normal_mode = torch.inference_mode(False)
            self._normal_mode.__enter__()
        torch.set_grad_enabled(self._gradients)
        # Without its cache, which would hold weights of earlier steps until this ends.
        torch.set_autocast_cache_enabled(False)
        for device in DEVICES:
            torch.set_autocast_enabled(device, False)

    def __exit__(self, *error: object) -> None:
        if self._normal_mode is not None:
            # Interrupted before it was entered, it has nothing to leave.
            with suppress(AttributeError):
                self._normal_mode.__exit__(None, None, None)
        for device, is_enabled, dtype in self._autocast:
            torch.set_autocast_enabled(device, is_enabled)
            torch.set_autocast_dtype(device, dtype)
        if self._flags is not None:
            gradients, cache, depth = self._flags
            _set_autocast_depth(depth)
            torch.set_autocast_cache_enabled(cache)
            torch.set_grad_enabled(gradients)


def _autocast_depth() -> int:
    """In how many contexts of autocast this is; torch clears its cache at the end of the first."""
    steps: list[Any] = [torch.autocast_increment_nesting, torch.autocast_decrement_nesting]
    # In one call: between two of them Ctrl-C would leave one context too many.
    depths: list[int] = list(map(operator.call, steps))
    return depths[-1]


def _set_autocast_depth(depth: int) -> None:
    for _ in range(_autocast_depth() - depth):
        torch.autocast_decrement_nesting()
    for _ in range(depth - _autocast_depth()):
        torch.autocast_increment_nesting()
