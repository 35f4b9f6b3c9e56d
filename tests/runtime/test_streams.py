import pytest
import torch
from torch import nn

from sklstm._runtime._concurrency import background_tasks, in_background
from sklstm._runtime._streams import is_recurrent, side_stream
from tests.streams import Streams

X = torch.ones(2, 5, 3)


@pytest.fixture
def streams(monkeypatch):
    with Streams(monkeypatch) as streams:
        yield streams


class Around(nn.Module):
    """Begins another module in the background."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, X):
        return in_background(self.inner, X)()


class First(nn.Module):
    """The states of an LSTM."""

    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(3, 2, batch_first=True)

    def forward(self, X):
        return self.lstm(X)[0]


def lstm_ops(ops):
    return {op for op in ops if "lstm" in op or "rnn" in op}


def test_a_module_overlaps_with_a_recurrent_one_and_is_waited_for(streams):
    dense, lstm = nn.Linear(3, 2), First()
    streams.log.clear()
    with side_stream("a GPU"):
        pending = [in_background(dense, X), in_background(lstm, X)]
        aside, own = (output() for output in pending)
        (aside.sum() + own.sum()).backward()
    assert streams.log[0] == ("stream 1", "waits for", "stream 0")
    assert lstm_ops(streams.computed_on("stream 0"))
    assert not lstm_ops(streams.computed_on("stream 1"))
    assert any("addmm" in op or "linear" in op for op in streams.computed_on("stream 1"))
    # Its inputs are kept from being overwritten, its output from being freed too early.
    assert ("stream 1", "keeps", "torch.float32") in streams.log
    assert ("stream 0", "keeps", "torch.float32") in streams.log
    torch.testing.assert_close(aside, dense(X), rtol=0, atol=0)


def test_an_output_that_is_not_waited_for_is_found(streams):
    with side_stream("a GPU"):
        module_output = []
        dense = nn.Linear(3, 2)
        dense.register_forward_hook(lambda _, inputs, output: module_output.append(output))
        in_background(dense, X)
        with pytest.raises(AssertionError, match="does not wait for stream 1"):
            module_output[0].sum()


@pytest.mark.parametrize(
    "module", [nn.LSTM(3, 2), nn.Sequential(nn.GRU(3, 2)), Around(First()), nn.RNN(3, 2)]
)
def test_no_recurrent_module_leaves_the_current_stream(streams, module):
    assert is_recurrent(module)
    with side_stream("a GPU"):
        in_background(module, X)()
    assert not streams.computed_on("stream 1")


def test_modules_within_one_that_overlaps_are_on_its_stream(streams):
    module = Around(nn.Linear(3, 2))
    streams.log.clear()
    with side_stream("a GPU"):
        in_background(module, X)()
    assert not streams.computed_on("stream 0")
    assert streams.computed_on("stream 1")
    assert len(streams.all) == 2


def test_the_context_ends_with_a_wait_if_anything_was_begun(streams):
    side = side_stream("a GPU")
    with side:
        pass
    assert not streams.log
    with side:
        in_background(nn.Linear(3, 2), X)
    assert streams.log[-1] == ("stream 0", "waits for", "stream 1")
    assert in_background(nn.Linear(3, 2), X)().shape == (2, 5, 2)
    assert len(streams.computed_on("stream 0")) > 0


def test_after_an_error_nothing_is_waited_for(streams):
    def fail():
        with side_stream("a GPU"):
            in_background(nn.Linear(3, 2), X)
            raise RuntimeError("a capture that failed")

    with pytest.raises(RuntimeError, match="a capture that failed"):
        fail()
    assert ("stream 0", "waits for", "stream 1") not in streams.log


def test_a_step_without_a_team_leaves_the_streams_as_they_are(streams):
    with side_stream("a GPU"), background_tasks(None):
        in_background(nn.Linear(3, 2), X)()
    assert streams.computed_on("stream 1")


def test_without_gradients_all_is_on_one_stream(streams):
    with side_stream("a GPU"), torch.no_grad():
        in_background(nn.Linear(3, 2), X)()
    assert not streams.computed_on("stream 1")
