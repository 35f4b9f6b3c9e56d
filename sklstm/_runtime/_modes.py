"""torch's thread-local modes: gradients, inference mode and autocast."""

from __future__ import annotations

import operator
from contextlib import AbstractContextManager, suppress
from typing import Any

import torch

DEVICES = ("cpu", "cuda")


class own_modes(AbstractContextManager[None]):
    """Enable or disable gradients and turn off the caller's inference mode and autocast.

    By flags instead of torch's contexts: a flag can be restored wherever an interruption comes.
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
        # Autocast's cache would keep weights of earlier steps until the outermost context ends.
        torch.set_autocast_cache_enabled(False)
        for device in DEVICES:
            torch.set_autocast_enabled(device, False)

    def __exit__(self, *error: object) -> None:
        if self._normal_mode is not None:
            # AttributeError: interrupted before it was entered.
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
    """Nesting depth of autocast, at whose return to 0 torch clears its cache."""
    steps: list[Any] = [torch.autocast_increment_nesting, torch.autocast_decrement_nesting]
    # Both in one call: Ctrl-C between two calls would leave the depth incremented.
    depths: list[int] = list(map(operator.call, steps))
    return depths[-1]


def _set_autocast_depth(depth: int) -> None:
    for _ in range(_autocast_depth() - depth):
        torch.autocast_decrement_nesting()
    for _ in range(depth - _autocast_depth()):
        torch.autocast_increment_nesting()
