import numpy as np
import pytest
import torch

from sklstm._training import _progress
from sklstm._training._progress import N_KEPT, Progress, RunningLoss

CPU = torch.device("cpu")


def draw(n):
    rng = np.random.default_rng(0)
    return (torch.from_numpy(rng.uniform(size=n).astype(np.float32)) for _ in range(2))


def running(losses, weights, size=1):
    mean = RunningLoss()
    for some in zip(losses.split(size), weights.split(size), strict=True):
        mean.add(*some)
    return mean


@pytest.mark.parametrize("n", [1, 7, N_KEPT - 1])
def test_the_mean_of_an_epoch_is_that_of_a_list(n):
    losses, weights = draw(n)
    assert running(losses, weights).mean() == float((losses * weights).sum() / weights.sum())


def test_the_mean_of_more_is_right_and_kept_in_bounded_memory():
    losses, weights = draw(5 * N_KEPT + 3)
    mean = running(losses, weights)
    expected = np.average(losses.double().numpy(), weights=weights.double().numpy())
    np.testing.assert_allclose(mean.mean(), expected, rtol=1e-6)
    assert len(mean.state_dict()["losses"]) == 3


@pytest.mark.parametrize("size", [1, 5, 2 * N_KEPT + 1])
def test_it_does_not_depend_on_how_many_are_added_at_once_or_on_interruptions(size):
    losses, weights = draw(3 * N_KEPT + 9)
    expected = running(losses, weights).mean()
    mean, half = running(losses[:-99], weights[:-99], size), RunningLoss()
    half.load_state_dict(mean.state_dict(), CPU)
    half.add(losses[-99:], weights[-99:])
    assert half.mean() == expected


def test_a_loss_of_nan_stays():
    losses, weights = draw(2 * N_KEPT)
    losses[3] = torch.nan
    assert np.isnan(running(losses, weights).mean())


def test_pauses():
    progress = Progress(checkpoint_interval=4, validation_interval=6)
    found = []
    while progress.n_steps < 14:
        n = progress.n_until_pause(14)
        progress.take(torch.ones(n), torch.ones(n))
        intervals = (progress.checkpoint_interval, progress.validation_interval)
        found.append((progress.n_steps, *(progress.is_due(i, 14) for i in intervals)))
    assert found == [
        (4, True, False), (6, False, True), (8, True, False), (12, True, True),
        (14, False, False),
    ]  # fmt: skip


def test_the_seconds_of_a_row_include_those_of_an_earlier_process(monkeypatch):
    now = iter([100.0, 130.0, 500.0, 510.0])
    monkeypatch.setattr(_progress.time, "time", lambda: next(now))
    first, second = Progress(), Progress()
    first.begin_row()
    second.load_state_dict(first.state_dict(), CPU)
    assert second.begin_row() == 30.0
    assert second.state_dict()["seconds"] == 40.0
