"""Architectures that people write by hand: constructor parameters against plain torch."""

import pytest
import torch
from torch import nn

from tests.by_hand import Final, States, build, copy_weights, lstm
from tests.helpers import FLOAT32

CASES = {
    "LSTM(128) -> dense": (
        {"hidden_sizes": 128},
        (10, 3),
        [lstm(10, 128), Final(), nn.Linear(128, 3)],
    ),
    "LSTM(128) -> dropout -> LSTM(64) -> dropout -> dense": (
        {"hidden_sizes": (128, 64), "dropout": 0.3},
        (10, 3),
        [lstm(10, 128), States(), nn.Dropout(0.3), lstm(128, 64), Final(), nn.Dropout(0.3),
         nn.Linear(64, 3)],
    ),
    "bidirectional LSTM(64) -> bidirectional LSTM(32) -> dense": (
        {"hidden_sizes": (64, 32), "bidirectional": True},
        (10, 3),
        [lstm(10, 64, True), States(), lstm(128, 32, True), Final(), nn.Linear(64, 3)],
    ),
    "four layers of width 50 on 25 features into 12 classes": (
        {"hidden_sizes": (50,) * 4},
        (25, 12),
        [lstm(25, 50), States(), lstm(50, 50), States(), lstm(50, 50), States(), lstm(50, 50),
         Final(), nn.Linear(50, 12)],
    ),
    "LSTM(128) with L2 -> dropout 0.5 -> dense 64 ReLU with L2 -> dropout 0.5 -> dense": (
        {"hidden_sizes": 128, "dropout": 0.5, "dense_sizes": 64, "l2": 0.01},
        (10, 3),
        [lstm(10, 128), Final(), nn.Dropout(0.5), nn.Linear(128, 64), nn.ReLU(), nn.Dropout(0.5),
         nn.Linear(64, 3)],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_logits_agree_with_torch(name):
    parameters, sizes, modules = CASES[name]
    network = build(parameters, sizes).eval()
    by_hand = nn.Sequential(*modules).eval()
    copy_weights(network, by_hand)
    inputs = torch.randn(7, 20, sizes[0])
    logits = network(inputs)
    assert logits.shape == (7, sizes[1])
    torch.testing.assert_close(logits, by_hand(inputs), **FLOAT32)


@pytest.mark.parametrize("name", CASES)
def test_the_same_weights_in_the_same_number(name):
    parameters, sizes, modules = CASES[name]
    ours, theirs = build(parameters, sizes), nn.Sequential(*modules)
    assert sum(p.numel() for p in ours.parameters()) == sum(p.numel() for p in theirs.parameters())


@pytest.mark.parametrize("name", [name for name in CASES if "dropout" in name])
def test_dropout_stands_in_the_same_places(name):
    """Under one seed and full batches of ones, the same masks are drawn in the same order."""
    parameters, sizes, modules = CASES[name]
    network, by_hand = build(parameters, sizes).train(), nn.Sequential(*modules).train()
    copy_weights(network, by_hand)
    inputs = torch.randn(7, 20, sizes[0])
    torch.manual_seed(3)
    logits = network(inputs)
    torch.manual_seed(3)
    torch.testing.assert_close(logits, by_hand(inputs), **FLOAT32)
