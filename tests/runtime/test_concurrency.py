import gc
import threading
import weakref
from functools import partial

import pytest
import torch

from sklstm._runtime._concurrency import ThreadTeam, background_tasks, in_background, run_all
from sklstm.nn._dropout import Dropout, drawing_from


@pytest.fixture
def team():
    with ThreadTeam(2) as team:
        yield team


def test_results_come_in_the_order_of_the_tasks(team):
    tasks = [lambda i=i: i * i for i in range(50)]
    assert run_all(tasks, team) == run_all(tasks, None) == [i * i for i in range(50)]


def test_the_tasks_run_at_the_same_time(team):
    everyone = threading.Barrier(3, timeout=10)
    assert len(set(run_all([everyone.wait] * 3, team))) == 3


def test_an_error_of_any_task_arrives_when_all_have_ended(team):
    running = []

    def task(index):
        running.append(index)
        if index == 7:
            raise ValueError("seven")
        running.remove(index)

    with pytest.raises(ValueError, match="seven"):
        run_all([lambda i=i: task(i) for i in range(12)], team)
    assert running == [7]


@pytest.mark.parametrize("mode", [torch.no_grad, torch.enable_grad, torch.inference_mode])
def test_tasks_see_the_modes_and_the_context_of_the_caller(mode, team):
    generator = torch.Generator()

    def look():
        everyone.wait()
        x = torch.ones(2, 2, requires_grad=not torch.is_inference_mode_enabled())
        drawn = Dropout(0.5)(torch.ones(10_000)).mean()
        return torch.is_grad_enabled(), torch.is_inference(x), (x @ x).dtype, bool(drawn > 0)

    everyone = threading.Barrier(3, timeout=10)
    before = torch.random.get_rng_state()
    with mode(), torch.autocast("cpu", torch.bfloat16), drawing_from(generator):
        expected = torch.is_grad_enabled(), mode is torch.inference_mode, torch.bfloat16, True
        assert run_all([look] * 3, team) == [expected] * 3
    assert torch.equal(torch.random.get_rng_state(), before)


class Tanh(torch.nn.Module):
    """The hyperbolic tangent of a product."""

    def __init__(self, n_inputs, n_outputs):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.randn(n_inputs, n_outputs))

    def forward(self, x, factor=None):
        product = torch.tanh(x @ self.weight)
        return product if factor is None else product * factor


@pytest.mark.parametrize("input_has_gradient", [False, True])
def test_modules_have_the_same_bits_and_gradients_in_the_background(input_has_gradient, team):
    x = torch.randn(5, 4, requires_grad=input_has_gradient)
    factor = torch.randn(3, requires_grad=True)
    one, two = Tanh(4, 3), Tanh(4, 3)
    wanted = [one.weight, two.weight, factor, *([x] if input_has_gradient else [])]

    def outcome():
        pending = in_background(one, x), in_background(two, x, factor)
        values = [value() for value in pending]
        return [*values, *torch.autograd.grad((values[0] * values[1]).sum(), wanted)]

    alone = outcome()
    with background_tasks(team):
        shared = outcome()
    for a, b in zip(alone, shared, strict=True):
        assert torch.equal(a, b)


def test_modules_run_on_different_threads_forwards_and_backwards(team):
    everyone = threading.Barrier(2, timeout=10)

    class Meeting(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            everyone.wait()
            return x * 1

        @staticmethod
        def backward(ctx, grad):
            everyone.wait()
            return grad

    class Meets(torch.nn.Module):
        def forward(self, x):
            return Meeting.apply(x)

    x = torch.ones(3, requires_grad=True)
    with background_tasks(team):
        pending = in_background(Meets(), x), in_background(Meets(), x)
        (pending[0]() + pending[1]()).sum().backward()
    assert x.grad.tolist() == [2, 2, 2]


def test_without_a_team_or_gradients_a_module_is_called_at_once(team):
    module, x = Tanh(4, 3), torch.randn(5, 4)
    here = []
    module.register_forward_hook(lambda *_: here.append(threading.get_ident()))
    in_background(module, x)
    with torch.no_grad(), background_tasks(team):
        in_background(module, x)
    assert here == [threading.get_ident()] * 2


def test_an_error_in_the_background_arrives_with_the_output(team):
    class Fails(torch.nn.Module):
        def forward(self, x):
            raise ValueError("in the background")

    with background_tasks(team):
        output = in_background(Fails(), torch.ones(2, requires_grad=True))
        with pytest.raises(ValueError, match="in the background"):
            output()


def test_nothing_goes_on_after_an_interruption(team):
    started, may_end, ended = threading.Event(), threading.Event(), []

    class Slow(torch.nn.Module):
        def forward(self, x):
            started.set()
            may_end.wait(timeout=10)
            ended.append(True)
            return x * 1

    def interrupted():
        with background_tasks(team):
            in_background(Slow(), torch.ones(2, requires_grad=True))
            started.wait(timeout=10)
            threading.Timer(0.05, may_end.set).start()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert ended == [True]


def test_the_graph_of_a_call_is_freed_by_its_backward_pass(team):
    x, held = torch.ones(3, requires_grad=True), []

    class Keeps(torch.nn.Module):
        def forward(self, x):
            inner = x * 2
            held.append(weakref.ref(inner))
            return inner.exp()

    with background_tasks(team):
        loss = in_background(Keeps(), x)().sum()
        loss.backward()
        assert held[0]() is None


class Apply(torch.nn.Module):
    """A function of the input and a weight."""

    def __init__(self, function, weight=None):
        super().__init__()
        self.function = function
        self.weight = weight

    def forward(self, *inputs):
        return self.function(*inputs, *self.parameters())


def outputs(modules, x):
    return [output() for output in [in_background(module, x) for module in modules]]


def test_three_modules_are_shared_by_two_threads():
    """Whoever is free begins what waits, whatever is asked for first."""
    met, others = threading.Barrier(2, timeout=10), threading.Event()
    long = Apply(lambda x: (met.wait(), others.wait(10), x)[2])
    short = [Apply(lambda x: (met.wait(), x)[1]), Apply(lambda x: (others.set(), x)[1])]
    with ThreadTeam(1) as team, background_tasks(team):
        x = torch.ones(3, requires_grad=True)
        values = outputs([long, *short], x)
    assert others.is_set()
    assert len(values) == 3


def test_a_module_in_the_background_may_call_others_in_the_background(team):
    x, both = torch.randn(5, 4, requires_grad=True), [Tanh(4, 3), Tanh(4, 3)]
    outer = Apply(lambda x, *_: sum(outputs(both, x)))
    outer.inner = torch.nn.ModuleList(both)
    expected = torch.autograd.grad(outer(x).sum(), [x, *outer.parameters()])
    with background_tasks(team):
        one, two = outputs([outer, outer], x)
        found = torch.autograd.grad((one + 0 * two).sum(), [x, *outer.parameters()])
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs)


def test_an_error_of_a_backward_pass_arrives(team):
    class Fails(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 1

        @staticmethod
        def backward(ctx, grad):
            raise ValueError("on the way back")

    x = torch.ones(3, requires_grad=True)
    with background_tasks(team):
        one, two = outputs([Apply(Fails.apply), Apply(Fails.apply)], x)
        with pytest.raises(ValueError, match="on the way back"):
            (one + two).sum().backward()


def test_the_others_are_there_from_entering_to_leaving():
    team, before = ThreadTeam(2), set(threading.enumerate())
    assert team.n_others == 0
    with team:
        assert team.n_others == 2
        others = set(threading.enumerate()) - before
    assert team.n_others == 0
    assert not any(thread.is_alive() for thread in others)


def test_without_others_the_work_is_done_here():
    with ThreadTeam(2) as team:
        pass
    for alone in (team, ThreadTeam(2), ThreadTeam(0)):
        assert run_all([threading.get_ident] * 3, alone) == [threading.get_ident()] * 3


@pytest.mark.parametrize("n_startable", [0, 1])
def test_a_team_is_of_those_threads_that_can_be_started(n_startable, monkeypatch):
    start, started = threading.Thread.start, []

    def start_some(thread):
        if len(started) == n_startable:
            raise RuntimeError("can't start new thread")
        started.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", start_some)
    with ThreadTeam(3) as team:
        assert team.n_others == n_startable
        assert run_all([lambda i=i: i * i for i in range(20)], team) == [i * i for i in range(20)]


def test_an_error_of_a_helper_keeps_nothing_of_the_call():
    """Not until the garbage is collected, either: its tensors may be all the memory there is."""
    everyone, held = threading.Barrier(3, timeout=10), torch.ones(3)
    still_held = weakref.ref(held)

    def fail(held):
        everyone.wait()
        raise ValueError("here and there")

    gc.disable()
    try:
        with ThreadTeam(2) as team, pytest.raises(ValueError, match="here and there"):
            run_all([partial(fail, held)] * 3, team)
        del held
        assert still_held() is None
    finally:
        gc.enable()
