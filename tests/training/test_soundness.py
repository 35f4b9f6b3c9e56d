import numpy as np
import pytest

from sklstm._training._soundness import (
    are_ascending,
    are_sound_weights,
    is_integer,
    is_real,
    is_sound_epoch,
)
from tests.helpers import make_ragged, quick

EPOCH = {"epoch": 3, "train_loss": 0.5, "dur": 0.1, "learning_rate": 0.01, "of a callback": [1]}


def test_what_a_fit_leaves_behind_is_sound():
    fitted = quick(conv_filters=(4,), max_epochs=3).fit(*make_ragged())
    state = fitted.net_.module_.state_dict()
    assert are_sound_weights({name: tensor.numpy() for name, tensor in state.items()})
    for number, epoch in enumerate(fitted.net_.history, start=1):
        assert is_sound_epoch(epoch, number)


@pytest.mark.parametrize(
    ("name", "value", "is_sound"),
    [
        ("weight", 1e18, True), ("weight", -1e18, True), ("weight", 1.1e18, False),
        ("weight", np.nan, False), ("bias", np.inf, False), ("normalization.mean", -1e30, True),
        ("normalization.mean", np.nan, False), ("normalization.variance", 1e30, True),
        ("normalization.variance", 0.0, True), ("normalization.variance", -1e-9, False),
        ("normalization.variance", np.inf, False), ("normalization.n_steps", -1.0, False),
    ],
)  # fmt: skip
def test_weights(name, value, is_sound):
    weights = {"other": np.ones(2, np.float32), name: np.array([1.0, value], np.float32)}
    assert are_sound_weights(weights) == is_sound


@pytest.mark.parametrize(
    "change",
    [
        {"epoch": 4}, {"epoch": 0}, {"epoch": True}, {"epoch": 3.5}, {"epoch": 0.0},
        {"train_loss": None}, {"train_loss": True}, {"train_loss": np.nan}, {"dur": "1"},
        {"learning_rate": [1]}, {0: 1},
    ],
    ids=repr,
)  # fmt: skip
def test_epochs(change):
    assert is_sound_epoch(EPOCH, 3)
    assert not is_sound_epoch({**EPOCH, **change}, 3)


@pytest.mark.parametrize("epoch", [2, 0.25, 3.0])
def test_a_row_may_be_a_part_of_an_epoch(epoch):
    assert is_sound_epoch({**EPOCH, "epoch": epoch}, 3)


def test_rows_ascend():
    rows = [{"epoch": epoch} for epoch in (0.5, 1.0, 2)]
    assert are_ascending(rows)
    assert not are_ascending(rows[::-1])
    assert not are_ascending(rows + rows[-1:])


def test_epochs_that_are_scored():
    assert not is_sound_epoch(EPOCH, 3, is_scored=True)
    scored = {**EPOCH, "valid_loss": np.float32(1), "valid_score": np.nan}
    assert is_sound_epoch(scored, 3, is_scored=True)
    assert not is_sound_epoch(list(EPOCH), 3)


def test_numbers():
    assert is_integer(np.int8(1))
    assert is_real(np.float16(1))
    assert not any(map(is_integer, (True, np.True_, 1.0, "1", None)))
    assert not any(map(is_real, (True, np.True_, 1j, "1", None)))
