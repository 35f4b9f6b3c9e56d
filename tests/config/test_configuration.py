import dataclasses

import pytest

from tests.helpers import configuration


def test_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError, match="random_state"):
        configuration().random_state = 3


def test_both_scales_are_twice_the_inputs():
    one, both = (configuration(3, standardize=s).network for s in (True, "both"))
    assert (one.n_features, both.n_features) == (3, 3)
    assert (one.n_inputs, both.n_inputs) == (3, 6)


def test_a_further_training_keeps_what_shapes_weights():
    began = configuration(hidden_sizes=8).network
    began.check_same(configuration(hidden_sizes=8, dropout=0.5).network)
    with pytest.raises(ValueError, match=r"'hidden_sizes' was \(8,\), got \(4,\)\."):
        began.check_same(configuration(hidden_sizes=4).network)
    with pytest.raises(ValueError, match=r"'n_outputs' was 2, got 3\."):
        began.check_same(configuration(hidden_sizes=8, n_outputs=3).network)


def test_mixup_is_for_the_first_half():
    assert configuration(max_epochs=9).n_mixup_epochs == 4
    assert configuration(max_epochs=9, mixup_alpha=0).n_mixup_epochs == 0
