"""Targets, losses and quantiles of numbers."""

import numpy as np
import pytest
import torch
from scipy.special import huber
from sklearn.metrics import mean_absolute_error, mean_pinball_loss, mean_squared_error

from sklstm._config._options import Options
from sklstm._tasks._losses import WeightedRegressionLoss
from sklstm._tasks._regression import Regression

RNG = np.random.default_rng(0)
WEIGHTS = RNG.uniform(0.5, 2, 50)
Y = RNG.normal(5, 3, (50, 2))


def learn(y=Y, weights=WEIGHTS, **options):
    return Regression.learn(y, weights, Options(**options))


def test_targets_are_standardised_and_come_back():
    task = learn()
    targets = task.encode(Y)
    assert targets.dtype == np.float32
    np.testing.assert_allclose(np.average(targets, axis=0, weights=WEIGHTS), 0, atol=1e-6)
    np.testing.assert_allclose(np.average(targets**2, axis=0, weights=WEIGHTS), 1, rtol=1e-5)
    np.testing.assert_allclose(task.decode(targets), Y, rtol=1e-5)
    one = learn(Y[:, 0])
    assert one.encode(Y[:, 0]).shape == (50, 1)
    assert one.decode(one.encode(Y[:, 0])).shape == (50,)
    again = Regression.of(one.attributes)
    np.testing.assert_array_equal(again.encode(Y[:, 0]), one.encode(Y[:, 0]))


def test_of_a_constant_target_nothing_is_divided_by_zero():
    assert learn(np.full((50, 1), 0.1)).scale.tolist() == [1.0]
    assert learn(np.zeros((50, 1))).scale.tolist() == [1.0]
    assert learn(1e-100 * Y).scale.max() < 1e-99


METRICS = {
    "squared_error": mean_squared_error,
    "absolute_error": mean_absolute_error,
    "huber": lambda y, p, sample_weight: np.average(huber(1, y - p), weights=sample_weight),
}


@pytest.mark.parametrize("kind", METRICS)
def test_losses_are_those_of_scikit_learn_and_scipy(kind):
    predicted = Y[:, :1] + 2 * RNG.normal(size=(50, 1))
    tensors = map(torch.from_numpy, (predicted, Y[:, :1], WEIGHTS))
    found = WeightedRegressionLoss(kind)(*tensors).item()
    expected = METRICS[kind](Y[:, 0], predicted[:, 0], sample_weight=WEIGHTS)
    assert found == pytest.approx(expected)


def test_the_loss_of_quantiles_is_the_mean_pinball_loss():
    quantiles = (0.1, 0.5, 0.8)
    outputs = RNG.normal(5, 3, (50, 2, 3))
    loss = WeightedRegressionLoss("quantile", quantiles).double()
    tensors = map(torch.from_numpy, (outputs.reshape(50, 6), Y, WEIGHTS))
    expected = [
        mean_pinball_loss(Y[:, k], outputs[:, k, q], sample_weight=WEIGHTS, alpha=alpha)
        for k in range(2)
        for q, alpha in enumerate(quantiles)
    ]
    assert loss(*tensors).item() == pytest.approx(np.mean(expected))


def test_mixed_sequences_have_both_losses():
    loss = WeightedRegressionLoss("squared_error")
    outputs, targets = torch.zeros(3, 1), torch.tensor([[1.0], [2.0], [3.0]])
    weights, shares = torch.tensor([1.0, 1.0, 2.0]), torch.tensor([1.0, 0.75, 0.5])
    # 1; 0.75 * 4 + 0.25 * 1; 0.5 * 2 * 9 + 0.5 * 4.
    expected = (1 + 3.25 + 11) / 4
    assert loss(outputs, targets, weights, shares).item() == pytest.approx(expected)


def test_a_linear_model_of_quantiles_is_shifted_by_its_left_out_residuals():
    features = RNG.normal(size=(400, 30))
    y = features[:, :1] + RNG.normal(size=(400, 1))
    task = learn(y, np.ones(400), loss="quantile", quantiles=(0.05, 0.5, 0.95))
    weight, bias, _ = task.fit_linear(features, task.encode(y), np.ones(400))
    new = RNG.normal(size=(1000, 30))
    low, _, high = task.quantiles_of(new @ weight.T + bias)[:, 0].T
    target = new[:, 0] + RNG.normal(size=1000)
    assert 0.86 < np.mean((target >= low) & (target <= high)) < 0.94


@pytest.mark.parametrize("n_targets", [1, 2])
def test_shifts_bring_quantiles_to_what_they_promise(n_targets):
    y = RNG.normal(size=(400, n_targets)) * [1, 7][:n_targets]
    task = learn(y, np.ones(400), loss="quantile", quantiles=(0.1, 0.5, 0.9))
    # Far too narrow, and all too high.
    outputs = np.tile([0.2, 0.3, 0.4], (400, n_targets))
    shifts = task.fit_shifts(outputs, task.encode(y), np.ones(400))
    low, middle, high = np.moveaxis(task.quantiles_of(outputs + shifts), -1, 0)
    for bound, share in ((low, 0.1), (middle, 0.5), (high, 0.9)):
        np.testing.assert_allclose((y <= bound).mean(axis=0), share, atol=0.006)


def test_of_few_sequences_the_outer_quantiles_are_the_outermost():
    y = np.arange(10.0)[:, None]
    task = learn(y, np.ones(10), loss="quantile", quantiles=(0.05, 0.95))
    outputs = np.zeros((10, 2))
    shifted = task.quantiles_of(outputs + task.fit_shifts(outputs, task.encode(y), np.ones(10)))
    np.testing.assert_allclose(shifted[0, 0], [0, 9], atol=1e-6)


@pytest.mark.parametrize("options", [{}, {"loss": "quantile", "quantiles": (0.1, 0.9)}])
def test_shares_follow_the_better_member_and_few_sequences_say_little(options):
    y = RNG.normal(size=(400, 1))
    task = learn(y, np.ones(400), **options)
    targets = task.encode(y)
    right, wrong = (np.repeat(x, task.n_outputs, axis=1) for x in (targets, -targets))
    members = np.stack([right, wrong], axis=1)
    assert task.fit_shares(members, targets, np.ones(400))[0] > 0.95
    assert task.fit_shares(members[:, ::-1], targets, np.ones(400))[0] < 0.05
    assert task.fit_shares(members[:10], targets[:10], np.ones(10)) == (0.625, 0.375)
    weights = np.r_[np.ones(200), np.zeros(200)]
    mixed = np.where(np.arange(400)[:, None, None] < 200, members, members[:, ::-1])
    assert task.fit_shares(mixed, targets, weights)[0] > 0.95
