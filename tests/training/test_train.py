from functools import partial

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback, Checkpoint, PassthroughScoring

from sklstm._batching._loader import LabelledSequences, to_device
from sklstm._batching._scaling import Scaling
from sklstm._runtime import _heap
from sklstm._sequences import Sequences
from tests.helpers import configuration, device, make_ragged, train_net


@pytest.fixture
def data():
    X, y = make_ragged(20)
    sequences = Sequences.from_lengths(np.concatenate(X), [len(x) for x in X])
    on_device = to_device(sequences, Scaling.identity(2), device())
    return LabelledSequences(on_device, torch.from_numpy(y).to(device()), torch.ones(20))


def small_configuration(seed=0, **parameters):
    small = {"hidden_sizes": 4, "batch_size": 5, "max_epochs": 3}
    return configuration(seed=seed, **{**small, **parameters})


def weights(trained):
    return torch.cat([p.detach().flatten() for p in trained.net.module_.parameters()])


def test_a_seed_gives_the_same_bits(data):
    first, second, other = (
        train_net(small_configuration(seed, dropout=0.5), data) for seed in (0, 0, 1)
    )
    assert torch.equal(weights(first), weights(second))
    assert not torch.equal(weights(first), weights(other))


def test_the_history_has_one_entry_per_epoch(data):
    history = train_net(small_configuration(), data).history
    assert set(history) == {"epoch", "train_loss", "mixup_alpha", "learning_rate", "dur"}
    assert history["epoch"].tolist() == [1, 2, 3]
    assert (history["dur"] > 0).all()
    assert history["train_loss"][-1] < history["train_loss"][0]


def test_without_validation_the_last_epoch_is_the_best(data):
    trained = train_net(small_configuration(), data)
    assert trained.best_epoch == 3
    assert trained.best_score == -trained.history["train_loss"][-1]


def test_going_on_continues_from_a_copy(data):
    began = train_net(small_configuration(), data)
    before = weights(began)
    went_on = train_net(small_configuration(), data, previous=began.net)
    assert torch.equal(weights(began), before)
    assert not torch.equal(weights(went_on), before)
    assert len(began.net.history) == 3
    assert went_on.history["epoch"].tolist() == [1, 2, 3, 4, 5, 6]
    state = went_on.net.optimizer_.state_dict()["state"]
    assert {int(entry["step"]) for entry in state.values()} == {6 * 4}


def test_going_on_with_another_optimizer_takes_the_weights_alone(data):
    began = train_net(small_configuration(), data)
    went_on = train_net(
        small_configuration(optimizer="rmsprop", max_epochs=1), data, previous=began.net
    )
    state = went_on.net.optimizer_.state_dict()["state"]
    assert {int(entry["step"]) for entry in state.values()} == {4}


def test_going_on_with_other_options_of_the_optimizer_takes_the_weights_alone(data):
    began = train_net(small_configuration(), data)
    amsgrad = partial(torch.optim.Adam, amsgrad=True)
    went_on = train_net(
        small_configuration(optimizer=amsgrad, max_epochs=1), data, previous=began.net
    )
    state = went_on.net.optimizer_.state_dict()["state"]
    assert {int(entry["step"]) for entry in state.values()} == {4}


def test_going_on_uses_the_new_learning_rate(data):
    began = train_net(small_configuration(lr_schedule=None, learning_rate=0.1), data)
    slow = small_configuration(lr_schedule=None, learning_rate=1e-9)
    went_on = train_net(slow, data, previous=began.net)
    torch.testing.assert_close(weights(went_on), weights(began), rtol=0, atol=1e-6)
    assert went_on.history["learning_rate"][-1] == 1e-9


class Recorder(Callback):
    def __init__(self):
        self.calls = []

    def on_train_begin(self, net, **kwargs):
        self.calls.append("train begin")

    def on_batch_end(self, net, training, loss, **kwargs):
        self.calls.append(f"batch {net.history[-1, 'batches', -1, 'train_batch_size']}")
        assert net.history[-1, "batches", -1, "train_loss"] == loss.item()

    def on_epoch_end(self, net, dataset_train, **kwargs):
        self.calls.append(f"epoch {net.history[-1, 'epoch']} of {len(dataset_train)}")

    def on_train_end(self, net, **kwargs):
        self.calls.append("train end")


def test_callbacks_of_the_users_are_called_as_in_skorch(data):
    recorder = Recorder()
    train_net(small_configuration(max_epochs=1, batch_size=10, callbacks=[recorder]), data)
    assert recorder.calls == ["train begin", "batch 10", "batch 10", "epoch 1 of 20", "train end"]


def test_skorchs_callbacks_find_their_figures(data, tmp_path):
    checkpoint = Checkpoint(monitor="train_loss_best", dirname=tmp_path)
    passthrough = PassthroughScoring("train_loss", on_train=True)
    trained = train_net(small_configuration(callbacks=[checkpoint, passthrough]), data)
    assert (tmp_path / "params.pt").exists()
    # What a callback records for itself is kept; what is kept for skorch's callbacks is not.
    kept = {"epoch", "train_loss", "mixup_alpha", "learning_rate", "dur", "event_cp"}
    assert set(trained.history) == kept


class Watch(Callback):
    def on_batch_end(self, net, **kwargs):
        assert net.module_.training
        self.users_of_the_heap = len(_heap._users)

    def on_epoch_end(self, net, **kwargs):
        net.history.record("odd", [0.0] * len(net.history))


def test_the_network_is_in_training_mode_and_the_heap_kept(data):
    watch = Watch()
    trained = train_net(small_configuration(callbacks=[watch]), data)
    assert watch.users_of_the_heap == 1
    assert len(_heap._users) == 0
    assert not trained.net.module_.training


def test_whatever_a_callback_records_is_kept(data):
    history = train_net(small_configuration(callbacks=[Watch()]), data).history
    assert history["odd"].tolist() == [[0.0], [0.0, 0.0], [0.0, 0.0, 0.0]]


@pytest.mark.parametrize(
    "option",
    [
        {"dropout": 0.5},
        {"l1": 0.1},
        {"mixup_alpha": 0.5},
    ],
)
def test_every_option_has_an_effect(data, option):
    plain, with_option = (train_net(small_configuration(**o), data) for o in ({}, option))
    assert not torch.allclose(weights(plain), weights(with_option), rtol=1e-3)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_the_callers_modes_of_torch_have_no_effect(data, precision):
    expected = weights(train_net(small_configuration(precision=precision), data))
    for mode in (torch.inference_mode(), torch.no_grad(), torch.autocast("cpu", torch.bfloat16)):
        with mode:
            trained = train_net(small_configuration(precision=precision), data)
        assert torch.equal(weights(trained), expected)


def test_another_default_dtype_of_torch_changes_nothing_that_counts(data):
    torch.set_default_dtype(torch.float64)
    try:
        trained = train_net(small_configuration(), data)
    finally:
        torch.set_default_dtype(torch.float32)
    assert weights(trained).dtype == torch.float32


def test_the_net_keeps_neither_data_nor_callbacks_nor_gradients(data):
    net = train_net(small_configuration(callbacks=[Recorder()]), data).net
    assert net.callbacks_ == []
    assert net.callbacks is None
    assert net.batch_rng is None
    assert all(p.grad is None for p in net.module_.parameters())
    assert not any("batches" in epoch for epoch in net.history)
