"""Competition of convolutions."""

import torch

from sklstm.nn._competition import GRID, GROUP_SIZE, compete, draw_kernels


def test_kernels_sum_to_0_and_their_magnitudes_to_about_1():
    kernels = draw_kernels(3, 16, 9)
    assert (kernels.sum(dim=2) == 0).all()
    # Each of nine weights is rounded by 1 / 64 at most, and one of them takes the rest.
    magnitudes = kernels.abs().sum(dim=2)
    torch.testing.assert_close(magnitudes, torch.ones(3, 16), atol=0.25, rtol=0)
    assert (kernels * GRID == (kernels * GRID).round()).all()


def test_at_each_real_timestep_one_kernel_wins_and_one_loses():
    # One group of a sequence of two real timesteps: the third one wins both, the first loses both.
    responses = torch.zeros(1, GROUP_SIZE, 1, 1, 1, 3)
    responses[0, 2] = torch.tensor([3.0, 4.0, 0.0])
    responses[0, 0] = torch.tensor([-1.0, -2.0, 0.0])
    won, lost = compete(responses, torch.tensor([1]))[0, :, :, 0, 0, 0]
    assert won.tolist() == [0, 0, 7, 0, 0, 0, 0, 0]
    assert lost.tolist() == [2, 0, 0, 0, 0, 0, 0, 0]
    won, lost = compete(responses, None)[0, :, :, 0, 0, 0]
    assert (won[2], lost[0], lost[1]) == (7, 3, 1)


def test_gradients_are_those_of_the_winning_responses():
    responses = torch.randn(2, GROUP_SIZE, 3, 2, 2, 5, requires_grad=True)
    sums = compete(responses, None)
    with torch.no_grad():
        assert torch.equal(compete(responses, None), sums)
    sums.sum().backward()
    is_won = responses == responses.amax(dim=1, keepdim=True)
    assert torch.equal(responses.grad, is_won.float())
