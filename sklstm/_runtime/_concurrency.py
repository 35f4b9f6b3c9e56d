"""Thread pool and background tasks, bit-identical for any number of threads."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from contextvars import ContextVar, Token, copy_context
from functools import partial
from queue import SimpleQueue
from threading import Lock, Thread, get_ident
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

# Queue of calls for the worker threads; None ends them.
Calls = SimpleQueue[Callable[[], None] | None]
# Seconds after which a thread that waits looks again, should an interruption have come in between.
LOOK_AGAIN = 0.05


class ThreadTeam(AbstractContextManager["ThreadTeam"]):
    """The calling thread and a pool of worker threads, which live inside the context.

    Outside there are no workers, nor in a forked child, which inherits only the forking thread.

    Parameters
    ----------
    n_others : int
        Number of workers to start; fewer if the system provides fewer threads.
    prepare : callable, default=None
        Initializer of each worker.
    """

    def __init__(self, n_others: int, prepare: Callable[[], None] | None = None) -> None:
        self._calls: Calls = SimpleQueue()
        # Daemon threads, so that abandoned ones do not block interpreter exit.
        self._to_start = [
            Thread(target=_serve, args=(self._calls, prepare), name=f"sklstm-{number}", daemon=True)
            for number in range(n_others)
        ]
        self._started: list[Thread] = []
        self._is_over = False
        self._process = os.getpid()

    @property
    def n_others(self) -> int:
        """Number of running workers."""
        is_here = not self._is_over and os.getpid() == self._process
        return len(self._started) if is_here else 0

    def __enter__(self) -> ThreadTeam:
        for thread in self._to_start:
            try:
                thread.start()
            except RuntimeError:
                # A limit on threads, processes or memory: the workers there are do all.
                break
            self._started.append(thread)
        return self

    def __exit__(self, *error: object) -> None:
        self._is_over = True
        self._calls.put(None)
        for thread in self._started:
            thread.join()

    def give(self, call: Callable[[], None]) -> None:
        """Submit a call, which must not raise, to the workers."""
        self._calls.put(call)


def _serve(calls: Calls, prepare: Callable[[], None] | None) -> None:
    """Worker loop: run calls up to None, which is put back for the next worker."""
    if prepare is not None:
        prepare()
    while (call := calls.get()) is not None:
        call()
        # It references its result, which would live until the next call.
        del call
    calls.put(None)


class BackgroundTask:
    """Call that is executed once, by the first thread to claim it.

    It runs with the context variables and torch modes of the thread that created it.
    """

    def __init__(self, function: Callable[[], Any], tasks: BackgroundTasks) -> None:
        self._function: Callable[[], Any] | None = _as_here(function)
        self._tasks = tasks
        self._owner: dict[str, int] = {}
        self._has_ended = False
        # Held until the call has ended in another thread.
        self._running = Lock()
        self._running.acquire()
        self._result: Any = None
        self._error: BaseException | None = None

    def claim(self) -> bool:
        """Claim the task; whether it belongs to this thread.

        One atomic operation: no interruption comes between claiming and knowing it.
        """
        return self._owner.setdefault("owner", get_ident()) == get_ident()

    def run(self) -> None:
        """Execute the call, unless it is done or claimed by another thread."""
        if self.claim() and self._function is not None:
            # Drop the reference, which keeps the inputs alive.
            function, self._function = self._function, None
            self._result = function()

    def run_in_helper(self) -> None:
        """Execute the call likewise; an error is kept for `result`."""
        try:
            self.run()
        except BaseException as error:
            self._error = error
        finally:
            self._has_ended = True
            self._running.release()

    def result(self) -> Any:
        """Wait for the result or raise the call's error; may be called once.

        While another thread executes the call, this one executes unclaimed tasks.
        """
        self.run()
        if not self.claim():
            self._tasks.run_waiting()
            self._wait()
        result, error = self._result, self._error
        self._result = self._error = None
        try:
            if error is not None:
                raise error
        finally:
            # Its traceback would keep this frame and all its tensors alive.
            del error
        return result

    def cancel(self) -> None:
        """Wait until the call is not running and never will be."""
        if not self.claim():
            self._wait()
        self._function = self._result = self._error = None

    def _wait(self) -> None:
        """Wait until the call has ended in another thread; after an interruption once more.

        Not by an Event: it is Python, and interrupted at the wrong place it keeps its lock for
        ever.
        """
        while not self._has_ended:
            self._running.acquire(timeout=LOOK_AGAIN)


class BackgroundTasks(AbstractContextManager["BackgroundTasks"]):
    """Tasks shared by this thread and the workers; leaving the context finishes or cancels them.

    After an error or Ctrl-C no thread may still write to arrays that the caller has released.
    """

    def __init__(self, team: ThreadTeam) -> None:
        self._team = team
        self._all: list[BackgroundTask] = []
        self._waiting: deque[BackgroundTask] = deque()

    def start(self, function: Callable[[], Any]) -> BackgroundTask:
        """Submit a task, which must neither depend on other tasks nor draw random numbers."""
        task = BackgroundTask(function, self)
        self._all.append(task)
        self._waiting.append(task)
        self._team.give(task.run_in_helper)
        return task

    def run_waiting(self) -> None:
        """Execute all unclaimed tasks."""
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
    """Results of independent functions, in order, computed by the team.

    Functions must not depend on one another, random numbers included.
    """
    if team is None or team.n_others == 0 or len(functions) == 1:
        return [function() for function in functions]
    with BackgroundTasks(team) as tasks:
        started = [tasks.start(function) for function in functions]
        return [task.result() for task in started]


def _as_here(function: Callable[[], Any]) -> Callable[[], Any]:
    """Wrap a function to run elsewhere with this thread's context variables and torch modes."""
    context = copy_context()
    # Tasks do not nest: `in_background` within a task computes immediately.
    context.run(module_runner.set, None)
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
    """Set a context variable within the context.

    Not a generator: one abandoned by an interruption would be finalized at an arbitrary time.
    """

    def __init__(self, variable: ContextVar[T], value: T) -> None:
        self._variable = variable
        self._value = value

    def __enter__(self) -> None:
        self._token: Token[T] = self._variable.set(self._value)

    def __exit__(self, *error: object) -> None:
        self._variable.reset(self._token)


# Modules in the background ------------------------------------------------------------------------

# Begins to compute a module, as `in_background`; None: it is computed immediately.
ModuleRunner = Callable[..., Callable[[], Tensor]]
module_runner: ContextVar[ModuleRunner | None] = ContextVar("module_runner", default=None)


class background_tasks(AbstractContextManager[None]):
    """Let `in_background` share modules among the team within the context; CPU only.

    Without a team nothing changes.
    """

    def __init__(self, team: ThreadTeam | None) -> None:
        self._tasks = None if team is None or team.n_others == 0 else BackgroundTasks(team)
        self._having: having[ModuleRunner | None] | None = None
        if self._tasks is not None:
            self._having = having(module_runner, partial(_in_task, self._tasks))

    def __enter__(self) -> None:
        if self._having is not None:
            self._having.__enter__()

    def __exit__(self, *error: object) -> None:
        if self._having is not None:
            self._having.__exit__()
        if self._tasks is not None:
            self._tasks.__exit__()


def in_background(module: nn.Module, *inputs: Tensor | None) -> Callable[[], Tensor]:
    """Call a module in the background; return a function that waits for its output.

    Outside `background_tasks` and `side_stream`, or without gradients, the module is called
    immediately. Inside, the backward pass also runs in the background; in a task it is not twice
    differentiable. The module must not draw random numbers: the order of draws would depend on
    timing.
    """
    run = module_runner.get()
    if run is None or not torch.is_grad_enabled():
        output: Tensor = module(*inputs)
        return lambda: output
    return run(module, *inputs)


def _in_task(
    tasks: BackgroundTasks, module: nn.Module, *inputs: Tensor | None
) -> Callable[[], Tensor]:
    """The same by a task."""
    call = _Call(tasks, module, inputs)
    token: Tensor = _Start.apply(call, *inputs, *call.parameters)  # type: ignore[no-untyped-call]
    return partial(_wait_for, call, token)


def _wait_for(call: _Call, token: Tensor) -> Tensor:
    call.output = call.task.result()
    output: Tensor = _End.apply(call, token)  # type: ignore[no-untyped-call]
    return output


class _Call:
    """Call of a module on detached inputs, with a separate autograd graph.

    The backward pass can then be a task, too. ``task`` computes the output, later the gradients.
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
        """Gradient of each leaf, None if it has none."""
        # Drop the graph, which keeps all activations alive as long as the loss otherwise.
        output, self.output = self.output, None
        assert output is not None
        leaves, self.leaves = self.leaves, []
        wanted = [x for x in leaves if x is not None and x.requires_grad]
        # The output need not depend on every parameter of a module.
        found = torch.autograd.grad(output, wanted, grad_output, allow_unused=True)
        by_leaf = dict(zip(map(id, wanted), found, strict=True))
        return [by_leaf.get(id(x)) for x in leaves]


class _Start(torch.autograd.Function):
    """Connects a call to its inputs and parameters, and by the token to its `_End`.

    Autograd runs nodes in reverse order of creation. This one is created before all nodes computed
    meanwhile, so that waiting for its gradients comes after their backward pass.
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
    """Output of a call; its backward pass starts that of the module in the background."""

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
