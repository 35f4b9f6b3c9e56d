import torch
from torch import nn

from sklstm.nn._dropout import Dropout, drawing_from


def test_without_a_generator_it_is_torchs():
    values = torch.randn(50, 4)
    torch.manual_seed(3)
    ours = Dropout(0.4)(values)
    torch.manual_seed(3)
    assert torch.equal(ours, nn.Dropout(0.4)(values))


def test_with_a_generator_torchs_own_is_left_alone_and_the_same_seed_gives_the_same():
    values = torch.ones(200, 50)
    before = torch.random.get_rng_state()
    results = []
    for seed in (1, 1, 2):
        with drawing_from(torch.Generator().manual_seed(seed)):
            results.append(Dropout(0.4)(values))
    assert torch.equal(torch.random.get_rng_state(), before)
    assert torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])
    assert set(results[0].unique().tolist()) == {0.0, torch.tensor(1 / 0.6).item()}
    # 10 000 draws: a standard deviation of 0.005.
    assert abs((results[0] == 0).float().mean() - 0.4) < 0.025


def test_nothing_is_dropped_when_not_training():
    values = torch.ones(5)
    assert Dropout(0.9).eval()(values) is values
