"""What holds for every test."""

from __future__ import annotations

import pytest
import torch


@pytest.fixture(autouse=True)
def _fixed_torch_seed():
    """Tests that draw from torch's global generator draw the same each time."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield
