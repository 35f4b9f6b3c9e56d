"""What ranks tell each other beside gradients."""

from types import SimpleNamespace

import pytest
import torch
from skorch.callbacks import Callback, LRScheduler

from sklstm._runtime._ranks import InTurn
from sklstm._training._agreement import (
    agree_after_row,
    agree_on_result,
    agree_on_start,
    check_same_data,
    for_other_ranks,
)
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
        module_=module, optimizer_=optimizer, should_stop=False, records_batches=False, history=[]
    )


def test_other_ranks_begin_with_the_weights_and_the_optimizer_of_rank_0():
    net, state = net_of(), net_of().optimizer_.state_dict()
    state["param_groups"][0]["lr"] = 0.025
    agree_on_start(net, Other(state))
    assert (net.module_.weight == 7.0).all()
    assert net.optimizer_.param_groups[0]["lr"] == 0.025


@pytest.mark.parametrize("has_callbacks", [False, True])
def test_after_an_epoch_they_follow_the_callbacks_of_rank_0(has_callbacks):
    net = net_of()
    agree_after_row(net, Other((True, [0.5], has_callbacks)))
    assert net.should_stop
    assert net.optimizer_.param_groups[0]["lr"] == 0.5
    assert bool((net.module_.weight == 7.0).all()) is has_callbacks


def test_they_end_with_its_weights_history_and_summary():
    net = net_of()
    assert agree_on_result(net, Other(("summary", [{"epoch": 1}])), "own") == "summary"
    assert net.history == [{"epoch": 1}]
    assert (net.module_.bias == 7.0).all()


def test_other_data_than_those_of_rank_0_are_an_error_that_names_the_rank():
    check_same_data(Other(["a"]), ["a"])
    with pytest.raises(RankError, match="Rank 1 was given other sequences"):
        check_same_data(Other(["a"]), ["b"])


def test_only_schedulers_are_called_in_other_ranks():
    scheduler = LRScheduler("StepLR", step_size=1)
    callbacks = (Callback(), ("named", scheduler), LRScheduler, Callback)
    own = configuration(callbacks=callbacks, verbose=1, checkpoint="file")
    other = for_other_ranks(own)
    assert other.callbacks == (("named", scheduler), LRScheduler)
    assert (other.verbose, other.checkpoint) == (0, None)
    assert other.max_epochs == own.max_epochs
