"""Thread pool and background tasks: several threads compute the same bits as one."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from contextvars import ContextVar, Token, copy_context
from functools import partial
from queue import SimpleQueue
from threading import Event, Thread, get_ident
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

# What the helpers are to call; None: end.
Calls = SimpleQueue[Callable[[], None] | None]


class ThreadTeam(AbstractContextManager["ThreadTeam"]):
    """The calling thread and a pool of helper threads, which live inside the context.

    Outside, and in a forked child, which inherits no thread but the one that forked, there are no
    helpers.

    Parameters
    ----------
    n_others : int
        Number of helpers to start. Fewer if the system gives no more threads.
    prepare : callable, default=None
        Called first in each helper.
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
        """Number of helpers there are now."""
        is_here = not self._is_over and os.getpid() == self._process
        return len(self._started) if is_here else 0

    def __enter__(self) -> ThreadTeam:
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
        """Let a helper make the call, which must not raise."""
        self._calls.put(call)


def _serve(calls: Calls, prepare: Callable[[], None] | None) -> None:
    """Make the calls up to None, which is left to the next helper."""
    if prepare is not None:
        prepare()
    while (call := calls.get()) is not None:
        call()
        # It holds on to what it has computed.
        del call
    calls.put(None)


class BackgroundTask:
    """A call that is made once, by the thread that claims it first.

    It sees the context variables and torch's modes of where the task was made.
    """

    def __init__(self, function: Callable[[], Any], tasks: BackgroundTasks) -> None:
        self._function: Callable[[], Any] | None = _as_here(function)
        self._tasks = tasks
        self._owner: dict[str, int] = {}
        self._has_ended = Event()
        self._result: Any = None
        self._error: BaseException | None = None

    def claim(self) -> bool:
        """Whether the task is this thread's.

        A single operation, so that no interruption comes between claiming and knowing it.
        """
        return self._owner.setdefault("owner", get_ident()) == get_ident()

    def run(self) -> None:
        """Make the call, unless it has been made or another thread has claimed it."""
        if self.claim() and self._function is not None:
            # Let go of: it holds on to what it computes from.
            function, self._function = self._function, None
            self._result = function()

    def run_in_helper(self) -> None:
        """Make the call likewise; an error is kept for `result`."""
        try:
            self.run()
        except BaseException as error:
            self._error = error
        finally:
            self._has_ended.set()

    def result(self) -> Any:
        """What the call has returned, or raise its error; to be asked for once.

        While another thread makes the call, this one makes those that nobody has begun.
        """
        self.run()
        if not self.claim():
            self._tasks.run_waiting()
            self._has_ended.wait()
        result, error = self._result, self._error
        self._result = self._error = None
        try:
            if error is not None:
                raise error
        finally:
            # With its traceback it would hold on to this frame, and to all tensors in it.
            del error
        return result

    def cancel(self) -> None:
        """Return when the call is not being made, and never will be."""
        if not self.claim():
            self._has_ended.wait()
        self._function = self._result = self._error = None


class BackgroundTasks(AbstractContextManager["BackgroundTasks"]):
    """Tasks shared by this thread and the helpers; leaving the context ends or cancels them all.

    Nobody may go on in arrays that the caller gives up, after an error or Ctrl-C.
    """

    def __init__(self, team: ThreadTeam) -> None:
        self._team = team
        self._all: list[BackgroundTask] = []
        self._waiting: deque[BackgroundTask] = deque()

    def start(self, function: Callable[[], Any]) -> BackgroundTask:
        """A task for whoever is free first. It must not depend on the others, nor draw numbers."""
        task = BackgroundTask(function, self)
        self._all.append(task)
        self._waiting.append(task)
        self._team.give(task.run_in_helper)
        return task

    def run_waiting(self) -> None:
        """Make all calls that no other thread has claimed."""
        while self._waiting:
            self._waiting.popleft().run()

    def __exit__(self, *error: object) -> None:
        for task in self._all:
            task.claim()
        for task in self._all:
            task.cancel()
        self._all.clear()
        self._waiting.clear()


def run_all(functions: Sequence[Callable[[], Any]], team: ThreadTeam | None) -> list[Any]:
    """The result of each function, in their order; whoever is free calls the next one.

    What a function computes must not depend on the others, random numbers included.
    """
    if team is None or team.n_others == 0 or len(functions) == 1:
        return [function() for function in functions]
    with BackgroundTasks(team) as tasks:
        started = [tasks.start(function) for function in functions]
        return [task.result() for task in started]


def _as_here(function: Callable[[], Any]) -> Callable[[], Any]:
    """The function for another thread, with this thread's context variables and torch's modes."""
    context = copy_context()
    # A task is one thread's: what it calls `in_background` is computed at once.
    context.run(_tasks.set, None)
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


# Modules in the background ------------------------------------------------------------------------

_tasks: ContextVar[BackgroundTasks | None] = ContextVar("tasks", default=None)


class background_tasks(AbstractContextManager[None]):
    """Inside, `in_background` shares modules among the team; None: it does not. CPU only."""

    def __init__(self, team: ThreadTeam | None) -> None:
        self._tasks = None if team is None or team.n_others == 0 else BackgroundTasks(team)
        self._having = having(_tasks, self._tasks)

    def __enter__(self) -> None:
        self._having.__enter__()

    def __exit__(self, *error: object) -> None:
        self._having.__exit__()
        if self._tasks is not None:
            self._tasks.__exit__()


def in_background(module: nn.Module, *inputs: Tensor | None) -> Callable[[], Tensor]:
    """Call the module, in another thread if one is free, and give what waits for its output.

    Outside `background_tasks`, or without gradients, the module is called at once. Inside, the
    backward pass too is shared; no gradient of a gradient can be had then. The module must not
    draw random numbers: who draws first would be chance.
    """
    tasks = _tasks.get()
    if tasks is None or not torch.is_grad_enabled():
        output: Tensor = module(*inputs)
        return lambda: output
    call = _Call(tasks, module, inputs)
    token: Tensor = _Start.apply(call, *inputs, *call.parameters)  # type: ignore[no-untyped-call]
    return partial(_wait_for, call, token)


def _wait_for(call: _Call, token: Tensor) -> Tensor:
    call.output = call.task.result()
    output: Tensor = _End.apply(call, token)  # type: ignore[no-untyped-call]
    return output


class _Call:
    """One call of a module, with an autograd graph of its own from detached inputs.

    So its backward pass can be a task of its own. ``task`` computes the output, and later the
    gradients.
    """

    def __init__(
        self, tasks: BackgroundTasks, module: nn.Module, inputs: Sequence[Tensor | None]
    ) -> None:
        self.tasks = tasks
        self.parameters = [p for p in module.parameters() if p.requires_grad]
        own = [x if x is None else x.detach().requires_grad_(x.requires_grad) for x in inputs]
        self.leaves = [*own, *self.parameters]
        self.output: Tensor | None = None
        self.task = tasks.start(partial(module, *own))

    def gradients(self, grad_output: Tensor) -> list[Tensor | None]:
        """The gradient of each leaf, None where it has none."""
        # The graph holds every activation; kept, it would live as long as the loss.
        output, self.output = self.output, None
        assert output is not None
        leaves, self.leaves = self.leaves, []
        wanted = [x for x in leaves if x is not None and x.requires_grad]
        # Under DropConnect a recurrent weight is an input, and the parameter is not used.
        found = torch.autograd.grad(output, wanted, grad_output, allow_unused=True)
        by_leaf = dict(zip(map(id, wanted), found, strict=True))
        return [by_leaf.get(id(x)) for x in leaves]


class _Start(torch.autograd.Function):
    """Ties a call to its inputs and parameters; the token ties it to its `_End`.

    Created before all that is computed meanwhile, so its backward pass comes after theirs.
    """

    @staticmethod
    def forward(ctx: Any, call: _Call, *leaves: Tensor | None) -> Tensor:
        ctx.call = call
        return torch.zeros(())

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_token: Tensor) -> tuple[Tensor | None, ...]:
        return (None, *ctx.call.task.result())


class _End(torch.autograd.Function):
    """The output of a call; its backward pass begins that of the module."""

    @staticmethod
    def forward(ctx: Any, call: _Call, token: Tensor) -> Tensor:
        ctx.call = call
        assert call.output is not None
        return call.output.detach()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_output: Tensor) -> tuple[None, Tensor]:
        call = ctx.call
        call.task = call.tasks.start(partial(call.gradients, grad_output))
        return None, torch.zeros(())
