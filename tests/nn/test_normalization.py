import pytest
import torch

from sklstm.nn._normalization import BatchNorm, Statistics, statistics_into, update_all
from tests.helpers import FLOAT32


def test_rows_of_a_batch_come_to_mean_zero_and_variance_one():
    normalised = BatchNorm(3)(5 + 2 * torch.randn(50, 3))
    torch.testing.assert_close(normalised.mean(dim=0), torch.zeros(3), **FLOAT32)
    # Epsilon, 1e-5, is added to a variance of about 4.
    torch.testing.assert_close(
        normalised.var(dim=0, correction=0), torch.ones(3), rtol=1e-4, atol=0
    )


def test_running_statistics_are_a_mean_of_the_first_steps_and_then_moving():
    layer = BatchNorm(1)
    for level in range(10):
        layer(torch.tensor([[level - 1.0], [level + 1.0]]))
    torch.testing.assert_close(layer.mean, torch.tensor([4.5]))
    torch.testing.assert_close(layer.variance, torch.tensor([2.0]))
    layer(torch.tensor([[103.5], [105.5]]))
    torch.testing.assert_close(layer.mean, torch.tensor([0.9 * 4.5 + 0.1 * 104.5]))


def test_after_training_a_row_does_not_depend_on_its_company():
    layer = BatchNorm(4)
    rows = torch.randn(20, 4)
    layer(rows)
    layer.eval()
    together = layer(rows)
    torch.testing.assert_close(layer(rows[3:4])[0], together[3], rtol=0, atol=0)


def test_one_timestep_alone_trains_by_the_running_statistics():
    layer = BatchNorm(2)
    layer(3 + torch.randn(30, 2))
    before = {name: buffer.clone() for name, buffer in layer.named_buffers()}
    alone = torch.tensor([[1.0, 2.0]])
    result = layer(alone)
    assert result.isfinite().all()
    torch.testing.assert_close(result, layer.eval()(alone))
    assert all(torch.equal(before[name], buffer) for name, buffer in layer.named_buffers())


def test_by_parts_the_running_statistics_are_those_of_the_whole_batch():
    whole, by_parts = BatchNorm(3), BatchNorm(3)
    rows = torch.randn(60, 3) * torch.linspace(0.1, 4, 60).unsqueeze(1)
    whole(rows)
    records = [[], [], []]
    for part, record in zip((rows[:10], rows[10:45], rows[45:]), records, strict=True):
        with statistics_into(record):
            by_parts(part)
    assert by_parts.n_steps == 0
    update_all(records)
    assert by_parts.n_steps == 1
    torch.testing.assert_close(by_parts.mean, whole.mean)
    torch.testing.assert_close(by_parts.variance, whole.variance)


@pytest.mark.parametrize("size", [7, torch.tensor(7.0)])
def test_statistics_of_one_part_are_rounded_as_those_of_several(size):
    mean, variance = torch.randn(5), torch.rand(5)
    alone, among = BatchNorm(5), BatchNorm(5)
    alone.update([Statistics(size, mean, variance)])
    # A part without a timestep adds nothing.
    among.update([Statistics(size, mean, variance), Statistics(0, mean, torch.zeros(5))])
    assert torch.equal(alone.mean, among.mean)
    torch.testing.assert_close(alone.variance, among.variance, rtol=1e-6, atol=0)
    first = variance * (size - 1) / (size - 1)
    assert torch.equal(alone.variance, BatchNorm(5).variance.lerp(first, torch.tensor(1.0)))
