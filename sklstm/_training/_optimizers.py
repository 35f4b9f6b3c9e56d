"""Optimizers and learning-rate schedules by name."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import optim
from torch.optim import lr_scheduler

from sklstm._compat._sklearn import InvalidParameterError
from sklstm._compat._torch import expect_plain_steps

# Fraction of the steps in which one-cycle raises the learning rate.
ONE_CYCLE_RISE = 0.3
# The highest learning rate is so many times the first one, which is so many times the last one.
ONE_CYCLE_FACTOR, ONE_CYCLE_FALL = 25.0, 1e4
# Of "exponential" the last epoch's learning rate is this fraction, for any number of epochs.
LAST_RATE = 0.01
# Schedules that depend on the number of epochs.
ANNEALED = ("cosine", "exponential", "one_cycle")

OptimizerFactory = Callable[..., optim.Optimizer]

# Class and options by name. ``fused`` makes a step three times cheaper on small networks (0.035 ms
# instead of 0.10).
OPTIMIZERS: dict[str, tuple[OptimizerFactory, dict[str, Any]]] = {
    "adam": (optim.Adam, {"fused": True}),
    "adamw": (optim.AdamW, {"fused": True}),
    "rmsprop": (optim.RMSprop, {"foreach": True}),
    "sgd": (optim.SGD, {"fused": True, "momentum": 0.9, "nesterov": True}),
}


def resolve_optimizer(
    optimizer: str | OptimizerFactory,
) -> tuple[OptimizerFactory, dict[str, Any]]:
    """Class of the optimizer, and options by name; a user's class keeps its own defaults."""
    if isinstance(optimizer, str):
        return OPTIMIZERS[optimizer]
    if isinstance(optimizer, type) and not issubclass(optimizer, optim.Optimizer):
        raise InvalidParameterError(
            "The 'optimizer' parameter must be a name, a torch.optim.Optimizer class or a callable"
            f" that returns one. Got {optimizer!r} instead."
        )
    return optimizer, {}


def is_capturable(optimizer: optim.Optimizer) -> bool:
    """Whether a CUDA graph can hold its steps: those of torch that can be told so, or are fused.

    All weights have one learning rate then.
    """
    is_of_torch = type(optimizer).__module__.startswith("torch.optim.")
    first, *others = optimizer.param_groups
    return is_of_torch and not others and bool("capturable" in first or first.get("fused"))


def make_capturable(optimizer: optim.Optimizer) -> None:
    """Before its first step, let an optimizer on a GPU keep all of its state there, if it can."""
    group = optimizer.param_groups[0]
    on_gpu = all(parameter.is_cuda for parameter in group["params"])
    if on_gpu and "capturable" in group and is_capturable(optimizer):
        group["capturable"] = True
        expect_plain_steps(optimizer)


class NoOptimizer:
    """In place of an optimizer in a net that only predicts, for what skorch reads of one.

    torch's own optimizers import its compiler: a second, and 40 MB (ADR 56).
    """

    def __init__(self, params: Any, lr: float) -> None:
        self.defaults = {"lr": lr}
        self.param_groups = [{"params": [p for group in params for p in group["params"]], "lr": lr}]

    def state_dict(self) -> dict[str, Any]:
        """An empty state, as of an optimizer before its first step."""
        return {"state": {}, "param_groups": []}


class RateOnDevice:
    """The learning rate of an optimizer as a float32 tensor on its device, lent to it for a step.

    A captured step reads the tensor anew each time, and an uncaptured one computes the same bits.
    Between steps the optimizer has a number, which schedules and checkpoints expect.
    """

    def __init__(self, optimizer: optim.Optimizer) -> None:
        self._optimizer = optimizer
        self._rate = torch.zeros((), device=optimizer.param_groups[0]["params"][0].device)

    @contextmanager
    def lent(self, rate: torch.Tensor | None = None) -> Iterator[None]:
        """Let the optimizer use a rate on the device; None: the one that it has as a number."""
        (group,) = self._optimizer.param_groups
        number = group["lr"]
        if rate is None:
            self._rate.fill_(number)
        else:
            self._rate.copy_(rate.squeeze())
        group["lr"] = self._rate
        try:
            yield
        finally:
            group["lr"] = number


def build_schedule(
    name: str, optimizer: optim.Optimizer, *, n_epochs: int, n_batches: int
) -> tuple[Any, bool]:
    """Build a torch schedule; whether it steps after each batch instead of each epoch."""
    n_steps = n_epochs * n_batches
    if name == "one_cycle":
        return _build_one_cycle(optimizer, n_steps), True
    if name == "cosine":
        return lr_scheduler.CosineAnnealingLR(optimizer, T_max=n_steps), True
    if name == "exponential":
        gamma = LAST_RATE ** (1 / max(n_epochs - 1, 1))
        return lr_scheduler.ExponentialLR(optimizer, gamma=gamma), False
    # patience=4: torch acts one epoch later. Absolute: with a relative threshold an unchanged
    # negative score would count as an improvement.
    plateau = lr_scheduler.ReduceLROnPlateau(
        optimizer, mode="max", factor=0.5, patience=4, threshold=1e-4, threshold_mode="abs"
    )
    return plateau, False


def _build_one_cycle(optimizer: optim.Optimizer, n_steps: int) -> Any:
    """One-cycle schedule with the learning rate as its maximum."""
    (group,) = optimizer.param_groups
    return lr_scheduler.OneCycleLR(
        optimizer,
        max_lr=float(group["lr"]),
        total_steps=max(n_steps, 2),
        pct_start=ONE_CYCLE_RISE,
        div_factor=ONE_CYCLE_FACTOR,
        final_div_factor=ONE_CYCLE_FALL,
        # torch would overwrite the optimizer's momentum or betas.
        cycle_momentum=False,
    )


def annealed(name: str, highest: float, place: float, n_epochs: int, n_batches: int) -> float:
    """Learning rate of an annealed schedule at any place between its steps.

    At places that are steps it is that of `build_schedule`, up to rounding; "exponential" falls
    with each step instead of each epoch.
    """
    n_steps = n_epochs * n_batches
    if name == "exponential":
        return highest * math.pow(LAST_RATE, min(place / max(n_steps - n_batches, 1), 1.0))
    if name == "cosine":
        return _between(highest, 0.0, place / n_steps)
    lowest, n_steps = highest / ONE_CYCLE_FACTOR, max(n_steps, 2)
    peak = ONE_CYCLE_RISE * n_steps - 1
    if place <= peak:
        return _between(lowest, highest, place / peak)
    return _between(highest, lowest / ONE_CYCLE_FALL, (place - peak) / (n_steps - 1 - peak))


def _between(start: float, stop: float, share: float) -> float:
    """From one rate to another, along half a wave of the cosine."""
    return stop + (start - stop) * (1 + math.cos(math.pi * share)) / 2


def learning_rate(optimizer: optim.Optimizer) -> float:
    """Learning rate of the next step."""
    rate = optimizer.param_groups[0]["lr"]
    return float(rate.item() if isinstance(rate, torch.Tensor) else rate)


def set_learning_rate(optimizer: optim.Optimizer, rate: float) -> None:
    """Set the learning rate of all weights, a number or a tensor."""
    for group in optimizer.param_groups:
        if isinstance(group["lr"], torch.Tensor):
            group["lr"].fill_(rate)
        else:
            group["lr"] = rate
