import numpy as np
import pytest
import torch

from sklstm.nn._pooling import build_pooling
from sklstm.streaming._running import build_running

STATES = torch.tanh(torch.randn(3, 9, 4, generator=torch.Generator().manual_seed(0)))


@pytest.mark.parametrize("name", ["last", "max", "mean"])
def test_the_bits_of_the_pooling(name):
    pooling = build_pooling(name, 4).eval()
    running = build_running(pooling, 4)
    total, pooled, seen = running.begin(3), [], 0
    for part in STATES.split([1, 5, 3], dim=1):
        totals = running.extend(total, part)
        counts = seen + torch.arange(1, part.shape[1] + 1).expand(3, -1)
        pooled.append(running.finish(totals, counts))
        total, seen = totals[:, -1], seen + part.shape[1]
    expected = torch.stack([pooling(STATES[:, : t + 1]) for t in range(9)], dim=1)
    assert torch.equal(torch.cat(pooled, dim=1), expected)


def test_attention_with_scores_beyond_any_exponential():
    pooling = build_pooling("attention", 4).eval()
    running = build_running(pooling, 4)
    assert running is not None
    with torch.no_grad():
        pooling.context.weight.fill_(400.0)
    # Whole prefixes are read instead.
    assert build_running(pooling, 4) is None


def test_a_pooling_of_another_kind_has_none():
    assert build_running(torch.nn.Identity(), 4) is None


def test_states_that_are_all_negative():
    running = build_running(build_pooling("max", 4), 4)
    states = -STATES.abs()
    totals = running.extend(running.begin(3), states)
    np.testing.assert_array_equal(totals[:, -1], states.amax(dim=1))
