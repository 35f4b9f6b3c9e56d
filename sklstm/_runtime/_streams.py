"""A second CUDA stream, for branches of a network that may overlap with its recurrent layers."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

import torch
from torch import Tensor, nn

from sklstm._runtime._concurrency import having, module_runner

# Whether branches overlap on a GPU. False takes all of a step on one stream, with the same results.
OVERLAPS = True


class side_stream(AbstractContextManager[None]):
    """Let `in_background` run modules without recurrent layers on a second stream of a GPU.

    Recurrent modules stay on the current stream, one after the other. A kernel of cuDNN that keeps
    its weights in registers over all timesteps needs all of its blocks on the GPU at once; two such
    kernels side by side, each with some of its blocks there, would wait for each other for ever.
    Blocks of all other kernels end by themselves, so that beside these nothing can wait for ever.

    The current stream waits for each module before its output is used, and at the end of the
    context. torch runs the backward pass of a module on the stream of its forward pass, and lets
    the current stream wait for that before ``backward()`` returns.

    Parameters
    ----------
    device : torch.device
        The GPU.

    References
    ----------
    ADR 64.
    """

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self._stream = torch.cuda.Stream(device)
        self._having = having(module_runner, self._start)
        self._has_forked = False

    def __enter__(self) -> None:
        self._has_forked = False
        self._having.__enter__()

    def __exit__(self, error: object, *rest: object) -> None:
        self._having.__exit__()
        # A capture that failed cannot be waited for.
        if self._has_forked and error is None:
            torch.cuda.current_stream(self._device).wait_stream(self._stream)

    def _start(self, module: nn.Module, *inputs: Tensor | None) -> Callable[[], Tensor]:
        """Begin to compute a module; a function that lets the current stream wait for its output.

        Modules must not draw random numbers, as for `in_background`.
        """
        if is_recurrent(module):
            output: Tensor = module(*inputs)
            return lambda: output
        callers = torch.cuda.current_stream(self._device)
        self._stream.wait_stream(callers)
        self._has_forked = True
        # Within the module all is on the second stream.
        with torch.cuda.stream(self._stream), having(module_runner, None):
            values: Tensor = module(*inputs)
        for tensor in inputs:
            if tensor is not None:
                # torch would reuse its memory as soon as the current stream is through with it.
                tensor.record_stream(self._stream)

        def join() -> Tensor:
            callers.wait_stream(self._stream)
            values.record_stream(callers)
            return values

        return join


def is_recurrent(module: nn.Module) -> bool:
    """Whether a module has recurrent layers."""
    return any(isinstance(part, nn.RNNBase) for part in module.modules())
