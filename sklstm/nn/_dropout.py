"""Dropout with a selectable random generator."""

from __future__ import annotations

from contextlib import AbstractContextManager
from contextvars import ContextVar

import torch
from torch import Tensor, nn

from sklstm._runtime._concurrency import having

_generator: ContextVar[torch.Generator | None] = ContextVar("generator", default=None)


def drawing_from(generator: torch.Generator | None) -> AbstractContextManager[None]:
    """Let dropout draw from this generator within the context, not from torch's global one."""
    return having(_generator, generator)


class Dropout(nn.Dropout):
    """``nn.Dropout`` that supports `drawing_from`."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002  (torch's name)
        """Zero a fraction ``p`` of the values in training, and divide the others by 1 - p."""
        if not self.training or self.p == 0:
            return input
        generator = _generator.get()
        if generator is None:
            return super().forward(input)
        kept = torch.empty_like(input).bernoulli_(1 - self.p, generator=generator)
        return input * kept.div_(1 - self.p)
