import pytest
import torch

from sklstm.inspection._secants import attribute_summaries
from sklstm.nn import FixedConvolutions

LENGTHS = torch.tensor([30, 17, 24])


@pytest.fixture
def convolutions():
    torch.manual_seed(0)
    module = FixedConvolutions(3, 30, 900)
    module.thresholds.normal_(std=2.0)
    return module


def values_of(convolutions, inputs, lengths=LENGTHS):
    return convolutions.with_differences(inputs, lengths)


@torch.no_grad()
def summaries(convolutions, inputs, lengths=LENGTHS):
    return convolutions(inputs, lengths).summaries


def masked(inputs):
    return inputs * (torch.arange(30)[:, None] < LENGTHS[:, None, None])


def test_the_parts_sum_to_the_change_of_the_weighted_summaries(convolutions):
    start, end = (masked(torch.randn(3, 30, 3)) for _ in range(2))
    weights = torch.randn(3, convolutions.n_features)
    values = [values_of(convolutions, x) for x in (start, end)]
    found = attribute_summaries(convolutions, values, LENGTHS, weights).sum(dim=(0, 1, 3))
    change = summaries(convolutions, end) - summaries(convolutions, start)
    torch.testing.assert_close(found, (change * weights).sum(dim=1), atol=2e-4, rtol=1e-4)


@pytest.mark.parametrize("part", ["counts", "roots"])
def test_each_kind_of_feature_by_itself(convolutions, part):
    start, end = torch.zeros(3, 30, 3), masked(torch.randn(3, 30, 3))
    weights = torch.randn(3, convolutions.n_features)
    n = convolutions.n_proportions
    weights[:, slice(n, None) if part == "counts" else slice(n)] = 0
    values = [values_of(convolutions, x) for x in (start, end)]
    found = attribute_summaries(convolutions, values, LENGTHS, weights).sum(dim=(0, 1, 3))
    change = summaries(convolutions, end) - summaries(convolutions, start)
    torch.testing.assert_close(found, (change * weights).sum(dim=1), atol=2e-4, rtol=1e-4)


def test_a_value_that_does_not_change_gets_nothing(convolutions):
    start = masked(torch.randn(3, 30, 3))
    end = start.clone()
    end[:, 4, 1] += 2.0
    values = [values_of(convolutions, x) for x in (start, end)]
    weights = torch.randn(3, convolutions.n_features)
    found = attribute_summaries(convolutions, values, LENGTHS, weights)
    reach = convolutions.reach
    # The difference at timestep 3 has changed as well.
    places = found.abs().sum(dim=(1, 2)).nonzero().tolist()
    assert places == [[1, reach + 3], [1, reach + 4]]


def test_shares_of_a_count_have_bounds(convolutions):
    start, end = torch.zeros(3, 30, 3), masked(torch.randn(3, 30, 3))
    weights = torch.zeros(3, convolutions.n_features)
    weights[:, 0] = 1.0
    values = [values_of(convolutions, x) for x in (start, end)]
    found = attribute_summaries(convolutions, values, LENGTHS, weights)
    # One kernel's proportion is from 0 to 1, and so is any part of its change.
    assert found.abs().max() <= 1


def test_without_lengths_all_timesteps_count(convolutions):
    start, end = torch.zeros(2, 30, 3), torch.randn(2, 30, 3)
    weights = torch.randn(2, convolutions.n_features)
    values = [values_of(convolutions, x, None) for x in (start, end)]
    found = attribute_summaries(convolutions, values, None, weights).sum(dim=(0, 1, 3))
    change = summaries(convolutions, end, None) - summaries(convolutions, start, None)
    torch.testing.assert_close(found, (change * weights).sum(dim=1), atol=2e-4, rtol=1e-4)
