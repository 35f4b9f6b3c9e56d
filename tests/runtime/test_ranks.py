"""Ranks: who starts them, and one process in their place."""

import numpy as np
import torch

from sklstm._runtime._ranks import (
    InTurn,
    is_first,
    reset_launcher,
    set_launcher,
    share_of,
    take_launcher,
)


def test_a_launcher_is_taken_once():
    launcher = InTurn(2)
    token = set_launcher(launcher)
    assert take_launcher() is launcher
    assert take_launcher() is None
    reset_launcher(token)
    assert take_launcher() is None


def test_shares_in_turn_are_added_in_their_order():
    total = InTurn(3).sum([torch.tensor([1e8]), torch.tensor([1.0]), torch.tensor([-1e8])])
    # 1e8 + 1 is rounded to 1e8 in float32.
    assert total.tolist() == [0.0]


def test_one_process_in_turn_computes_all_batches():
    assert sorted(share_of(InTurn(2), [1, 2, 3, 4, 5])) == [1, 2, 3, 4, 5]
    assert share_of(None, [1, 2, 3]) == [1, 2, 3]


def test_what_is_told_and_combined_in_turn_is_as_it_is():
    ranks, array = InTurn(2), np.arange(3, dtype=np.float32)
    assert ranks.tell("x") == "x"
    assert ranks.combine(array) is array
    assert is_first(ranks)
    assert is_first(None)
