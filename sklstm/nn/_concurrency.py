"""Work on several threads at once, with the same bits as on one."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, wait
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable


@dataclass(frozen=True)
class Team:
    """This thread and others that have nothing else to do.

    Attributes
    ----------
    executor : Executor
        Of the other threads.
    n_others : int
        How many they are.
    """

    executor: Executor
    n_others: int


def run_all(tasks: Sequence[Callable[[], Any]], team: Team | None) -> list[Any]:
    """The result of each task, in their order; whoever is free takes the next one.

    What a task computes must not depend on the others, random numbers included.
    """
    if team is None or len(tasks) == 1:
        return [task() for task in tasks]
    results: list[Any] = [None] * len(tasks)
    waiting = deque(enumerate(tasks))

    def work() -> None:
        while True:
            try:
                index, task = waiting.popleft()
            except IndexError:
                return
            results[index] = task()

    n_helpers = min(team.n_others, len(tasks) - 1)
    helpers = [team.executor.submit(_as_here(work)) for _ in range(n_helpers)]
    try:
        work()
    finally:
        # Also after an error: nobody may go on in arrays that the caller gives up.
        waiting.clear()
        wait(helpers)
    for helper in helpers:
        helper.result()
    return results


def _as_here(function: Callable[[], Any]) -> Callable[[], Any]:
    """The function for another thread, with this thread's context variables and torch's modes."""
    context = copy_context()
    gradients, inference = torch.is_grad_enabled(), torch.is_inference_mode_enabled()
    autocast, dtype = torch.is_autocast_enabled("cpu"), torch.get_autocast_dtype("cpu")

    def run() -> Any:
        with (
            torch.inference_mode(inference),
            torch.set_grad_enabled(gradients),
            torch.autocast("cpu", dtype=dtype, enabled=autocast),
        ):
            return context.run(function)

    return run


# Branches of a network ---------------------------------------------------------------------------

# What is computed, and from which tensors.
Branch = tuple[Callable[..., Tensor], Sequence[Tensor]]

_team: ContextVar[Team | None] = ContextVar("team", default=None)


@contextmanager
def branches_on(team: Team | None) -> Iterator[None]:
    """Inside, `compute` shares the branches among the team; None: it does not. CPU only."""
    token = _team.set(team)
    try:
        yield
    finally:
        _team.reset(token)


def compute(branches: Sequence[Branch]) -> list[Tensor]:
    """The value of each branch, at the same time if there is a team.

    A tensor whose gradient is wanted must be among the branch's tensors. The functions must not
    draw random numbers: who draws first would be chance.
    """
    team = _team.get()
    if team is None or len(branches) == 1:
        return [function(*tensors) for function, tensors in branches]
    if not torch.is_grad_enabled():
        return run_all([_bind(*branch) for branch in branches], team)
    functions = [function for function, _ in branches]
    sizes = [len(tensors) for _, tensors in branches]
    flat = [tensor for _, tensors in branches for tensor in tensors]
    values: tuple[Tensor, ...] = _Compute.apply(team, functions, sizes, *flat)  # type: ignore[no-untyped-call]
    return list(values)


class _Compute(torch.autograd.Function):
    """Each branch has a graph of its own, so that its backward pass too is a task of its own."""

    @staticmethod
    def forward(
        ctx: Any,
        team: Team,
        functions: Sequence[Callable[..., Tensor]],
        sizes: Sequence[int],
        *flat: Tensor,
    ) -> tuple[Tensor, ...]:
        leaves = iter([t.detach().requires_grad_(t.requires_grad) for t in flat])
        tensors = [[next(leaves) for _ in range(size)] for size in sizes]
        with torch.enable_grad():
            values = run_all([_bind(*b) for b in zip(functions, tensors, strict=True)], team)
        ctx.team = team
        ctx.graphs = list(zip(values, tensors, strict=True))
        return tuple(value.detach() for value in values)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grad_values: Tensor) -> tuple[Tensor | None, ...]:
        branches = zip(ctx.graphs, grad_values, strict=True)
        tasks = [_bind(_gradients, (*graph, grad)) for graph, grad in branches]
        gradients = run_all(tasks, ctx.team)
        # The graphs hold every activation; without this they would live as long as the loss.
        ctx.graphs = None
        return (None, None, None, *(grad for branch in gradients for grad in branch))


def _bind(function: Callable[..., Any], arguments: Sequence[Any]) -> Callable[[], Any]:
    return lambda: function(*arguments)


def _gradients(value: Tensor, tensors: Sequence[Tensor], grad: Tensor) -> list[Tensor | None]:
    """The gradient of each tensor of a branch, None where none is wanted."""
    wanted = [tensor for tensor in tensors if tensor.requires_grad]
    found = iter(torch.autograd.grad(value, wanted, grad) if wanted else ())
    return [next(found) if tensor.requires_grad else None for tensor in tensors]
