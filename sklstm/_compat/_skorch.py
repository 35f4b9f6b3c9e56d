"""Private names of skorch."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

from skorch import NeuralNet


class PlainNet(NeuralNet):
    """Base of nets without skorch's default callbacks."""

    @property
    def _default_callbacks(self) -> list[Any]:
        return []

    def _step_optimizer(self, step_fn: Any) -> None:
        with self.within_step():
            super()._step_optimizer(step_fn)

    def within_step(self) -> AbstractContextManager[None]:
        """Context of each step of the optimizer."""
        return nullcontext()

    def _zero_grad_optimizer(self, set_to_none: bool | None = None) -> None:
        # The same as the optimizer's zero_grad, in a tenth of the time.
        for group in self.optimizer_.param_groups:
            for parameter in group["params"]:
                parameter.grad = None
