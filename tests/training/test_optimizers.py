import functools
import math

import pytest
import torch
from sklearn.utils._param_validation import InvalidParameterError
from torch import nn, optim

from sklstm._config._options import CHOICES
from sklstm._training._optimizers import build_schedule, learning_rate, resolve_optimizer


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("adam", optim.Adam),
        ("adamw", optim.AdamW),
        ("rmsprop", optim.RMSprop),
        ("sgd", functools.partial(optim.SGD, momentum=0.9, nesterov=True)),
    ],
)
def test_names_stand_for_torchs_own(name, kind):
    factory, options = resolve_optimizer(name)
    ours, torchs = (make([nn.Parameter(torch.zeros(2))], lr=0.1) for make in
                    (functools.partial(factory, **options), kind))  # fmt: skip
    assert type(ours) is type(torchs)
    # Other kernels for the same arithmetic.
    kernels = {"fused": None, "foreach": None}
    assert ours.defaults | kernels == torchs.defaults | kernels


@pytest.mark.parametrize("given", [optim.NAdam, functools.partial(optim.SGD, momentum=0.5)])
def test_classes_and_callables_are_taken_as_they_are(given):
    assert resolve_optimizer(given) == (given, {})


def test_a_class_that_is_no_optimizer_is_an_error():
    with pytest.raises(InvalidParameterError, match=r"Got <class 'torch.nn.*Linear'> instead"):
        resolve_optimizer(nn.Linear)


def rates(name, *, n_epochs=10, n_batches=3, kind=optim.Adam, scores=None, **options):
    """Learning rate of each step."""
    optimizer = kind([nn.Parameter(torch.zeros(2))], lr=0.1, **options)
    schedule, by_batch = build_schedule(name, optimizer, n_epochs=n_epochs, n_batches=n_batches)
    found = []
    for epoch in range(n_epochs):
        for _ in range(n_batches):
            found.append(learning_rate(optimizer))
            optimizer.step()
            if by_batch and len(found) < n_epochs * n_batches:
                schedule.step()
        if not by_batch:
            schedule.step(*([scores[epoch]] if scores else []))
    return found


def test_one_cycle_rises_for_three_tenths_then_falls_to_almost_nothing():
    found = rates("one_cycle", n_epochs=10, n_batches=10)
    assert found.index(max(found)) == 29
    assert max(found) == pytest.approx(0.1)
    assert found[0] == pytest.approx(0.1 / 25)
    assert found[-1] < 1e-5


def test_cosine_falls_to_almost_nothing():
    found = rates("cosine")
    expected = [0.05 * (1 + math.cos(math.pi * i / 30)) for i in range(30)]
    assert found == pytest.approx(expected)


def test_exponential_falls_to_a_hundredth_whatever_the_number_of_epochs():
    for n_epochs in (5, 50):
        found = rates("exponential", n_epochs=n_epochs)
        assert found[0] == 0.1
        assert found[-1] == pytest.approx(0.001)


def test_plateau_halves_when_nothing_improves():
    improving = rates("plateau", scores=[i - 20.0 for i in range(10)])
    stuck = rates("plateau", scores=[-1.0] * 8, n_epochs=8, n_batches=1)
    assert set(improving) == {0.1}
    # The first epoch is the best one; then five without progress.
    assert stuck == pytest.approx([0.1] * 6 + [0.05] * 2)


@pytest.mark.parametrize(
    ("kind", "options"),
    [(optim.SGD, {"momentum": 0.5}), (optim.Adam, {"betas": (0.5, 0.9)})],
)
def test_one_cycle_leaves_momentum_and_betas_alone(kind, options):
    optimizer = kind([nn.Parameter(torch.zeros(2))], lr=0.1, **options)
    schedule, _ = build_schedule("one_cycle", optimizer, n_epochs=2, n_batches=3)
    for _ in range(5):
        optimizer.step()
        schedule.step()
        assert {name: optimizer.param_groups[0][name] for name in options} == options


@pytest.mark.parametrize("name", CHOICES["lr_schedule"])
@pytest.mark.parametrize("kind", [optim.Adam, optim.RMSprop, optim.SGD, optim.Adagrad])
@pytest.mark.parametrize(("n_epochs", "n_batches"), [(1, 1), (1, 2), (2, 1)])
def test_every_schedule_runs_with_every_kind_of_optimizer(name, kind, n_epochs, n_batches):
    scores = [1.0] * n_epochs if name == "plateau" else None
    found = rates(name, kind=kind, n_epochs=n_epochs, n_batches=n_batches, scores=scores)
    assert len(found) == n_epochs * n_batches
