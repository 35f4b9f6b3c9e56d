"""Steps that stay on the device, here on a CPU: the same function as in a CUDA graph."""

import gc
import itertools
import weakref
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback, TensorBoard
from torch.utils._python_dispatch import TorchDispatchMode

from sklstm._batching import _loader
from sklstm._runtime import _streams
from sklstm._runtime._concurrency import module_runner
from sklstm._runtime._streams import side_stream
from sklstm._training import _steps, _train
from sklstm._training._net import SequenceNet
from sklstm._training._optimizers import is_capturable
from sklstm.exceptions import TrainingDivergedError
from sklstm.nn import _convolution
from tests.streams import Streams
from tests.training.cases import CASES, EVERY_CASE, NUMBERS, fit

every_case = pytest.mark.parametrize("case", EVERY_CASE)


def on_device(monkeypatch):
    monkeypatch.setattr(
        _train, "can_stay_on_device", lambda device, optimizer: is_capturable(optimizer)
    )


def same_training(found, expected, tolerance):
    for name in ("train_loss", "learning_rate", "epoch"):
        np.testing.assert_allclose(found.history_[name], expected.history_[name], rtol=tolerance)
    weights = expected.net_.module_.state_dict()
    for name, value in found.net_.module_.state_dict().items():
        torch.testing.assert_close(value, weights[name], rtol=tolerance, atol=tolerance)


@every_case
def test_steps_on_the_device_are_the_plain_ones(monkeypatch, case):
    expected = fit(case)
    on_device(monkeypatch)
    found = fit(case)
    assert found.net_.steps is found.net_.rate is None
    # The learning rate is a float32 there.
    same_training(found, expected, 1e-4)


@every_case
def test_padded_convolutions_train_as_gathered_ones(monkeypatch, case):
    expected = fit(case)
    monkeypatch.setattr(_convolution, "gathers_real", lambda values: False)
    same_training(fit(case), expected, 1e-3)


class NothingIsRead(TorchDispatchMode):
    """Raises an error where a shape depends on values, or the host reads one."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        tags = {torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape}
        # Indices of integers have a shape.
        is_index = func is torch.ops.aten.index.Tensor and args[1][0].dtype == torch.int64
        assert is_index or not tags & set(func.tags), func
        return func(*args, **(kwargs or {}))


@every_case
def test_no_shape_of_a_step_depends_on_values_and_the_host_reads_none(monkeypatch, case):
    on_device(monkeypatch)
    monkeypatch.setattr(_convolution, "gathers_real", lambda values: False)
    step, kinds = _steps.DeviceSteps.step, set()

    def watched(steps, kind):
        kinds.add(kind)
        with NothingIsRead():
            step(steps, kind)

    monkeypatch.setattr(_steps.DeviceSteps, "step", watched)
    fit(case)
    (_, changes) = EVERY_CASE[case]
    mixes = changes.get("mixup_alpha", 0.0 if case in NUMBERS else 0.2) > 0
    assert {kind.is_mixed for kind in kinds} == {False, mixes}


@pytest.mark.parametrize("case", ["LSTM", "convolutions", "ragged convolutions", "categories"])
def test_branches_that_overlap_compute_the_same_bits(monkeypatch, case):
    on_device(monkeypatch)
    monkeypatch.setattr(_convolution, "gathers_real", lambda values: False)
    expected = fit(case, max_epochs=2)
    streams, step = Streams(monkeypatch), _steps.DeviceSteps.step
    side = side_stream("a GPU")
    aside = streams.all[1].name

    def overlapping(steps, kind):
        with streams, side:
            step(steps, kind)

    monkeypatch.setattr(_steps.DeviceSteps, "step", overlapping)
    # Each operation is seen to wait for what it reads.
    same_training(fit(case, max_epochs=2), expected, 0)
    ops = streams.computed_on(aside)
    assert any("convolution" in op for op in ops) == (case != "LSTM")
    # Never beside another recurrent kernel, the cause of a hang.
    assert not any("lstm" in op or "rnn" in op for op in ops)
    assert any("lstm" in op or "rnn" in op for op in streams.computed_on(streams.now.name))


@pytest.mark.parametrize("case", ["ragged convolutions", "tokens", "penalties", "quantiles"])
def test_plain_steps_of_an_epoch_wait_for_nothing_either(monkeypatch, case):
    monkeypatch.setattr(_convolution, "gathers_real", lambda values: False)
    monkeypatch.setattr(_loader, "gathers_by_batch", lambda device: False)
    run, n_batches = SequenceNet._run_steps, []

    def watched(net, *given):
        # The transfers of an epoch are made before its first step.
        with NothingIsRead():
            run(net, *given)
        n_batches.append(net.progress.n_steps)

    monkeypatch.setattr(SequenceNet, "_run_steps", watched)
    fit(case, optimizer=torch.optim.SGD, learning_rate=0.01)
    assert n_batches == [5] * 4


def test_a_step_that_reads_a_value_is_found():
    with NothingIsRead(), pytest.raises(AssertionError, match="nonzero"):
        torch.ones(3).nonzero()
    with NothingIsRead(), pytest.raises(AssertionError, match=r"aten\.index"):
        torch.ones(3)[torch.ones(3) > 0]
    with NothingIsRead(), pytest.raises(AssertionError, match="_local_scalar_dense"):
        float(torch.ones(1))


class Watcher(Callback):
    def __init__(self):
        self.seen = []

    def on_batch_end(self, net, training=False, **kwargs):
        self.seen.append(net.optimizer_.param_groups[0]["lr"])


class EpochWatcher(Callback):
    def __init__(self):
        self.losses = []

    def on_epoch_end(self, net, **kwargs):
        self.losses.append([batch["train_loss"] for batch in net.history[-1]["batches"]])


def test_callbacks_that_look_at_batches_see_each_of_them(monkeypatch):
    on_device(monkeypatch)
    without, watcher = fit("LSTM"), Watcher()
    found = fit("LSTM", callbacks=[watcher])
    assert len(watcher.seen) == 4 * 5
    assert all(isinstance(rate, float) for rate in watcher.seen)
    # To the bit: with the same rates.
    same_training(found, without, 0)


class Tags:
    """In place of TensorBoard's writer."""

    def __init__(self):
        self.steps = {}

    def add_scalar(self, tag, scalar_value, global_step):
        self.steps.setdefault(tag, []).append(global_step)

    def close(self):
        self.is_closed = True


@pytest.mark.parametrize("looks", [False, True])
def test_skorchs_tensorboard_does_not_look_at_batches(monkeypatch, looks):
    class Looking(TensorBoard):
        def on_batch_end(self, net, **kwargs):
            pass

    on_device(monkeypatch)
    monkeypatch.setattr(SequenceNet, "_run_steps", lambda *_: pytest.fail("plain steps"))
    writer = Tags()
    if looks:
        with pytest.raises(pytest.fail.Exception, match="plain steps"):
            fit("LSTM", callbacks=[Looking(writer)])
        return
    board = TensorBoard(writer)
    fit("LSTM", callbacks=[board])
    assert writer.steps["Loss/train_loss"] == [1, 2, 3, 4]
    assert writer.is_closed
    assert not board.first_batch_


def test_callbacks_that_look_at_epochs_find_all_losses_there(monkeypatch):
    expected, found = EpochWatcher(), EpochWatcher()
    fit("LSTM", callbacks=[expected])
    on_device(monkeypatch)
    fit("LSTM", callbacks=[found])
    np.testing.assert_allclose(found.losses, expected.losses, rtol=1e-4)


def test_further_training_goes_on(monkeypatch):
    (X, y), _ = CASES["ragged"]
    both = []
    for _ in range(2):
        classifier = fit("ragged", warm_start=True, max_epochs=2)
        both.append(classifier.fit(X, y).partial_fit(X, y))
        on_device(monkeypatch)
    same_training(both[1], both[0], 1e-4)


def test_weights_that_diverge_are_an_error(monkeypatch):
    on_device(monkeypatch)
    with pytest.raises(TrainingDivergedError, match="learning rate"):
        fit("LSTM", learning_rate=1e30, max_grad_norm=None)


def test_optimizers_that_cannot_be_captured_take_plain_steps():
    parameters = [torch.nn.Parameter(torch.ones(2))]
    assert is_capturable(torch.optim.Adam(parameters))
    assert is_capturable(torch.optim.SGD(parameters, lr=0.1, fused=True))
    assert not is_capturable(torch.optim.SGD(parameters, lr=0.1))
    assert not is_capturable(torch.optim.LBFGS(parameters))
    # A step on the device has one learning rate.
    groups = [{"params": [torch.nn.Parameter(torch.ones(2))], "lr": lr} for lr in (0.1, 0.2)]
    assert not is_capturable(torch.optim.Adam(groups))
    assert not _steps.can_stay_on_device(torch.device("cpu"), torch.optim.Adam(parameters))
    assert _steps.can_stay_on_device(torch.device("cuda"), torch.optim.Adam(parameters))


class Failing(Callback):
    def on_epoch_end(self, net, **kwargs):
        raise OSError("full")


@pytest.mark.parametrize("fails", [False, True])
def test_after_a_training_what_its_steps_hold_is_freed_at_once(monkeypatch, fails):
    on_device(monkeypatch)
    made, build = [], _steps.DeviceSteps.__init__

    def watched(steps, *given):
        build(steps, *given)
        made.append(weakref.ref(steps))
        # As on a GPU: graphs that refer to the steps.
        steps.graphs = SimpleNamespace(run=steps_of(steps), close=lambda: None, steps=steps)

    def steps_of(steps):
        return lambda kinds: [steps.step(kind) for kind in kinds]

    monkeypatch.setattr(_steps.DeviceSteps, "__init__", watched)
    gc.disable()
    try:
        if fails:
            with pytest.raises(OSError, match="full"):
                fit("LSTM", callbacks=[Failing()])
        else:
            fit("LSTM")
        (steps,) = made
        assert steps() is None
    finally:
        gc.enable()


# Graphs ------------------------------------------------------------------------------------------


class Graph:
    """Stands for a CUDA graph: what is captured is not run before it is replayed."""

    running = None

    def __init__(self):
        self.recorded = []

    def capture_begin(self, pool, capture_error_mode):
        Graph.running = self

    def capture_end(self):
        Graph.running = None

    def replay(self):
        LOG.extend(("replay", kind) for kind in self.recorded)


LOG = []


def step(kind):
    if kind == "cannot" or (kind == "cannot overlap" and module_runner.get() is not None):
        if Graph.running:
            raise RuntimeError("operation not permitted when stream is capturing")
    elif kind == "large" and Graph.running:
        raise torch.OutOfMemoryError("CUDA out of memory")
    if Graph.running:
        Graph.running.recorded.append(kind)
    else:
        LOG.append(("plain", kind))


@pytest.fixture
def cache(monkeypatch):
    LOG.clear()
    streams = itertools.count()

    class Stream:
        def __init__(self, device=None):
            self.number = next(streams)

        def wait_stream(self, other):
            LOG.append("wait")

    class Nothing:
        def __init__(self, _):
            pass

        def __enter__(self):
            pass

        def __exit__(self, *error):
            pass

    for name, value in {
        "CUDAGraph": Graph, "Stream": Stream, "current_stream": Stream, "stream": Nothing,
        "device": Nothing, "graph_pool_handle": lambda: None,
    }.items():  # fmt: skip
        monkeypatch.setattr(torch.cuda, name, value)
    monkeypatch.setattr(_steps, "MAX_GRAPHS", 2)
    net = SimpleNamespace(n_halvings=0, is_capturing=False, addresses=lambda: [1, 2])
    return _steps.GraphCache(SimpleNamespace(net=net, order=torch.ones(1), step=step))


def run(cache, *kinds):
    LOG.clear()
    cache.run(kinds)
    assert (LOG[0], LOG[-1]) == ("wait", "wait")
    steps = LOG[1:-1]
    # Whether or not it is captured, each step is taken once, in its order.
    assert [kind for _, kind in steps] == list(kinds)
    return [how for how, _ in steps]


def test_a_kind_is_captured_after_a_few_steps(cache):
    assert run(cache, *["a"] * 5) == ["plain"] * 3 + ["replay"] * 2
    assert run(cache, "b", "a") == ["plain", "replay"]


def test_the_least_used_graph_is_dropped(cache):
    run(cache, *"aaaabbbb")
    assert run(cache, "a", *"cccc") == ["replay", *["plain"] * 3, "replay"]
    assert sorted(cache._graphs) == ["a", "c"]
    # It is captured anew, which drops the next one.
    assert run(cache, "b") == ["replay"]
    assert sorted(cache._graphs) == ["b", "c"]


def test_what_cannot_be_captured_is_run_and_said_once(cache):
    kinds = [*["a"] * 4, *["cannot"] * 5]
    with pytest.warns(UserWarning, match="not be captured as a CUDA graph.*not permitted"):
        found = run(cache, *kinds)
    assert found == [*["plain"] * 3, "replay", *["plain"] * 5]
    assert run(cache, "a") == ["plain"]


def test_where_memory_is_short_no_graphs_are_kept(cache):
    assert run(cache, *["a"] * 4, *["large"] * 5) == [*["plain"] * 3, "replay", *["plain"] * 5]
    assert run(cache, "a") == ["plain"]
    assert not cache._graphs


def test_what_cannot_overlap_is_captured_on_one_stream(cache):
    assert run(cache, *["a"] * 4) == [*["plain"] * 3, "replay"]
    assert run(cache, *["cannot overlap"] * 5) == [*["plain"] * 3, *["replay"] * 2]
    # From then on, all is.
    assert cache._side is None
    assert run(cache, *["b"] * 4) == [*["plain"] * 3, "replay"]


def test_branches_overlap_in_captures_alone_and_only_if_allowed(cache, monkeypatch):
    seen = []
    monkeypatch.setattr(
        cache._steps, "step", lambda kind: seen.append((Graph.running, module_runner.get()))
    )
    cache.run(["a"] * 4)
    assert [runner is not None for _, runner in seen] == [False, False, False, True]
    assert [graph is not None for graph, _ in seen] == [False, False, False, True]
    monkeypatch.setattr(_streams, "OVERLAPS", False)
    assert _steps.GraphCache(cache._steps)._side is None


def test_graphs_of_tensors_that_were_replaced_are_dropped(cache):
    run(cache, *"aaaa")
    assert run(cache, "a") == ["replay"]
    graph = cache._graphs["a"]
    cache._steps.net.addresses = lambda: [1, 3]
    assert run(cache, "a") == ["replay"]
    assert cache._graphs["a"] is not graph
    assert run(cache, "a") == ["replay"]


def test_graphs_are_dropped_when_none_is_running(cache, monkeypatch):
    log = []
    monkeypatch.setattr(torch.cuda, "synchronize", lambda device: log.append(len(cache._graphs)))
    cache.close()
    assert not log
    run(cache, *"aaaa")
    cache.close()
    assert log == [1]
    assert not cache._graphs


def test_the_net_knows_when_a_step_is_captured(cache, monkeypatch):
    seen, net = [], cache._steps.net
    monkeypatch.setattr(cache._steps, "step", lambda kind: seen.append(net.is_capturing))
    cache.run(["a"] * 5)
    assert seen == [False, False, False, True]
    assert not net.is_capturing


def test_steps_in_halves_are_plain(cache):
    run(cache, *"aaaa")
    cache._steps.net.n_halvings = 1
    assert run(cache, "a") == ["plain"]
