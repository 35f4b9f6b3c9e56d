import gc
import threading
import weakref
from functools import partial

import pytest
import torch

from sklstm.nn._concurrency import Team, branches_on, compute, run_all
from sklstm.nn._dropout import drawing_from, dropout


@pytest.fixture
def team():
    with Team(2) as team:
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
        drawn = dropout(torch.ones(10_000), 0.5, training=True).mean()
        return torch.is_grad_enabled(), torch.is_inference(x), (x @ x).dtype, bool(drawn > 0)

    everyone = threading.Barrier(3, timeout=10)
    before = torch.random.get_rng_state()
    with mode(), torch.autocast("cpu", torch.bfloat16), drawing_from(generator):
        expected = torch.is_grad_enabled(), mode is torch.inference_mode, torch.bfloat16, True
        assert run_all([look] * 3, team) == [expected] * 3
    assert torch.equal(torch.random.get_rng_state(), before)


def branches(x, w, v):
    return [(lambda a, b: torch.tanh(a @ b), (x, w)), (lambda a, b: (a @ b).square(), (x, v))]


@pytest.mark.parametrize("input_has_gradient", [False, True])
def test_branches_have_the_same_bits_and_gradients_at_the_same_time(input_has_gradient, team):
    x = torch.randn(5, 4, requires_grad=input_has_gradient)
    w, v = torch.randn(4, 3, requires_grad=True), torch.randn(4, 3, requires_grad=True)
    wanted = [w, v, x] if input_has_gradient else [w, v]

    def outcome():
        values = compute(branches(x, w, v))
        loss = (values[0] * values[1]).sum()
        return [*values, *torch.autograd.grad(loss, wanted)]

    alone = outcome()
    with branches_on(team):
        shared = outcome()
    for a, b in zip(alone, shared, strict=True):
        assert torch.equal(a, b)


def test_branches_run_on_different_threads_forwards_and_backwards(team):
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

    x = torch.ones(3, requires_grad=True)
    with branches_on(team):
        one, two = compute([(Meeting.apply, (x,)), (Meeting.apply, (x,))])
        (one + two).sum().backward()
    assert x.grad.tolist() == [2, 2, 2]


def test_without_gradients_branches_are_shared_too(team):
    x, w, v = torch.randn(5, 4), torch.randn(4, 3), torch.randn(4, 3)
    with torch.inference_mode(), branches_on(team):
        values = compute(branches(x, w, v))
    assert torch.equal(values[0], torch.tanh(x @ w))


def test_the_others_are_there_from_entering_to_leaving():
    team, before = Team(2), set(threading.enumerate())
    assert team.n_others == 0
    with team:
        assert team.n_others == 2
        others = set(threading.enumerate()) - before
    assert team.n_others == 0
    assert not any(thread.is_alive() for thread in others)


def test_without_others_the_work_is_done_here():
    with Team(2) as team:
        pass
    for alone in (team, Team(2), Team(0)):
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
    with Team(3) as team:
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
        with Team(2) as team, pytest.raises(ValueError, match="here and there"):
            run_all([partial(fail, held)] * 3, team)
        del held
        assert still_held() is None
    finally:
        gc.enable()
