"""Work on several threads at once, with the same bits as on one."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from contextvars import ContextVar, Token, copy_context
from queue import SimpleQueue
from threading import Thread
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

# What the others of a team are to do; None: nothing more.
Calls = SimpleQueue[Callable[[], None] | None]


class Team(AbstractContextManager["Team"]):
    """This thread and others that have nothing else to do, from entering to leaving.

    Before and after that, and in a forked child, which has no thread but the one that forked, the
    others are none.

    Parameters
    ----------
    n_others : int
        How many others to start. Fewer if the system gives no more threads.
    prepare : callable, default=None
        Called in each of them first.
    """

    def __init__(self, n_others: int, prepare: Callable[[], None] | None = None) -> None:
        self._calls: Calls = SimpleQueue()
        # Daemons: forgotten ones must not keep the interpreter from its end.
        self._to_start = [
            Thread(target=_serve, args=(self._calls, prepare), name=f"sklstm-{number}", daemon=True)
            for number in range(n_others)
        ]
        self._started: list[Thread] = []
        self._is_over = False
        self._process = os.getpid()

    @property
    def n_others(self) -> int:
        """How many others there are now."""
        is_here = not self._is_over and os.getpid() == self._process
        return len(self._started) if is_here else 0

    def __enter__(self) -> Team:
        for thread in self._to_start:
            try:
                thread.start()
            except RuntimeError:
                # A limit on threads, processes or memory: the same is done by those there are.
                break
            self._started.append(thread)
        return self

    def __exit__(self, *error: object) -> None:
        self._is_over = True
        self._calls.put(None)
        for thread in self._started:
            thread.join()

    def give(self, call: Callable[[], None]) -> None:
        """Let one of the others make the call, which raises nothing."""
        self._calls.put(call)


def _serve(calls: Calls, prepare: Callable[[], None] | None) -> None:
    """Make the calls up to None, which is left to the next one."""
    if prepare is not None:
        prepare()
    while (call := calls.get()) is not None:
        call()
        # It holds on to what it has computed.
        del call
    calls.put(None)


def run_all(tasks: Sequence[Callable[[], Any]], team: Team | None) -> list[Any]:
    """The result of each task, in their order; whoever is free takes the next one.

    What a task computes must not depend on the others, random numbers included.
    """
    n_helpers = 0 if team is None else min(team.n_others, len(tasks) - 1)
    if team is None or n_helpers < 1:
        return [task() for task in tasks]
    results: list[Any] = [None] * len(tasks)
    waiting = deque(enumerate(tasks))
    # How each helper has ended.
    ends: SimpleQueue[BaseException | None] = SimpleQueue()

    def work() -> None:
        while True:
            try:
                index, task = waiting.popleft()
            except IndexError:
                return
            results[index] = task()

    n_given = 0
    try:
        for _ in range(n_helpers):
            team.give(_to_an_end(_as_here(work), ends))
            n_given += 1
        work()
    finally:
        # Also after an error: nobody may go on in arrays that the caller gives up.
        waiting.clear()
        errors = [error for error in (ends.get() for _ in range(n_given)) if error is not None]
    try:
        if errors:
            raise errors[0]
    finally:
        # With its traceback it would hold on to this frame, and to all tensors in it.
        errors.clear()
    return results


def _to_an_end(
    function: Callable[[], Any], ends: SimpleQueue[BaseException | None]
) -> Callable[[], None]:
    """The function, which tells how it has ended: None, or what it has raised."""

    def run() -> None:
        try:
            function()
        except BaseException as error:
            ends.put(error)
        else:
            ends.put(None)

    return run


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


T = TypeVar("T")


class having(AbstractContextManager[None], Generic[T]):
    """Inside, a context variable has the value.

    Not a generator: one that an interruption has left would come to its end at any later time.
    """

    def __init__(self, variable: ContextVar[T], value: T) -> None:
        self._variable = variable
        self._value = value

    def __enter__(self) -> None:
        self._token: Token[T] = self._variable.set(self._value)

    def __exit__(self, *error: object) -> None:
        self._variable.reset(self._token)


# Branches of a network ---------------------------------------------------------------------------

# What is computed, and from which tensors.
Branch = tuple[Callable[..., Tensor], Sequence[Tensor]]

_team: ContextVar[Team | None] = ContextVar("team", default=None)


def branches_on(team: Team | None) -> AbstractContextManager[None]:
    """Inside, `compute` shares the branches among the team; None: it does not. CPU only."""
    return having(_team, team)


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
