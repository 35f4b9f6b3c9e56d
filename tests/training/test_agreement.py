"""What ranks tell each other beside gradients."""

import pickle
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback, GradientNormClipping, LRScheduler

from sklstm._runtime._ranks import InTurn
from sklstm._training._agreement import (
    agree_on_result,
    agree_on_start,
    agree_with_callbacks,
    check_same_data,
    for_other_ranks,
)
from sklstm._training._train import TrainingSummary
from sklstm.exceptions import RankError
from tests.helpers import configuration


class Other(InTurn):
    """Rank 1 of 2, which is told what it is given here."""

    rank = 1

    def __init__(self, *told):
        super().__init__(2)
        self.told = list(told)

    def tell(self, value):
        return self.told.pop(0)

    def tell_tensors(self, tensors):
        for tensor in tensors:
            tensor.fill_(7.0)


def net_of():
    module = torch.nn.Linear(2, 1)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1, momentum=0.9)
    return SimpleNamespace(
        module_=module,
        optimizer_=optimizer,
        should_stop=False,
        records_batches=False,
        shared_step="of earlier weights",
        history=[],
    )


def test_other_ranks_begin_with_the_weights_and_the_optimizer_of_rank_0():
    net, state = net_of(), net_of().optimizer_.state_dict()
    state["param_groups"][0]["lr"] = 0.025
    agree_on_start(net, Other(state))
    assert (net.module_.weight == 7.0).all()
    assert net.optimizer_.param_groups[0]["lr"] == 0.025


@pytest.mark.parametrize("has_callbacks", [False, True])
def test_they_follow_the_callbacks_of_rank_0(has_callbacks):
    net = net_of()
    with torch.random.fork_rng():
        generator = torch.manual_seed(5).get_state()
        torch.manual_seed(6)
        of_user = ([False, True], generator) if has_callbacks else None
        agree_with_callbacks(net, Other((True, [0.5], of_user)))
        assert torch.equal(torch.get_rng_state(), generator) is has_callbacks
    assert net.should_stop
    assert net.optimizer_.param_groups[0]["lr"] == 0.5
    assert bool((net.module_.weight == 7.0).all()) is has_callbacks
    assert net.module_.weight.requires_grad is not has_callbacks
    assert net.module_.bias.requires_grad
    assert (net.shared_step is None) is has_callbacks


def test_they_end_with_its_weights_history_and_summary():
    net = net_of()
    assert agree_on_result(net, Other(("summary", [{"epoch": 1}])), "own") == "summary"
    assert net.history == [{"epoch": 1}]
    assert (net.module_.bias == 7.0).all()


def test_other_data_than_those_of_rank_0_are_an_error_that_names_the_rank():
    check_same_data(Other(["a"]), ["a"])
    with pytest.raises(RankError, match="Rank 1 was given other sequences"):
        check_same_data(Other(["a"]), ["b"])


def test_rank_0_keeps_objects_of_callbacks_to_itself():
    class Told(InTurn):
        def tell(self, value):
            self.told = value
            return value

    class Unknown:
        """A class of the caller's script."""

    net, ranks = net_of(), Told(2)
    rows = [{"epoch": 1, "of_callback": Unknown(), "list": [1.5, "a"]}]
    net.history += rows
    history = {
        "epoch": np.array([1]),
        "of_callback": np.array([Unknown()]),
        "list": np.array([None]),
    }
    summary = TrainingSummary(history, 1, 0.0, "max_epochs")
    assert agree_on_result(net, ranks, summary) is summary
    assert net.history == rows
    told, told_rows = pickle.loads(pickle.dumps(ranks.told))
    assert told.history.keys() == {"epoch", "list"}
    assert told_rows == [{"epoch": 1, "list": [1.5, "a"]}]


def test_only_schedulers_and_clipping_are_called_in_other_ranks():
    scheduler, clipping = LRScheduler("StepLR", step_size=1), GradientNormClipping(1.0)
    callbacks = (Callback(), ("named", scheduler), LRScheduler, Callback, clipping)
    own = configuration(callbacks=callbacks, verbose=1, checkpoint="file")
    other = for_other_ranks(own)
    assert other.callbacks == (("named", scheduler), LRScheduler, clipping)
    assert (other.verbose, other.checkpoint) == (0, None)
    assert other.max_epochs == own.max_epochs
