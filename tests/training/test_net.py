"""One step and one epoch of the net, against the same written by hand."""

import copy
from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback, EarlyStopping
from torch import nn

from sklstm._batching._loader import LabelledSequences, to_device
from sklstm._runtime._threads import single_threaded, thread_team
from sklstm._sequences import Sequences
from sklstm._training._optimizers import OPTIMIZERS
from sklstm._training._train import _build_net, _run
from sklstm.exceptions import TrainingDivergedError
from tests.helpers import (
    FLOAT32,
    TWO_CLASSES,
    configuration,
    device,
    labelled,
    make_ragged,
    quick,
    train_net,
)


@pytest.fixture
def data():
    return labelled(12)


def plain_configuration(**parameters):
    plain = {"hidden_sizes": 4, "lr_schedule": None, "max_grad_norm": None, "max_epochs": 1}
    plain |= {"batch_size": 100, "conv_filters": (), "mixup_alpha": 0.0}
    n_tokens = parameters.get("vocabulary_size")
    return configuration(n_tokens=n_tokens, **{**plain, **parameters})


def build(data, **parameters):
    rng = np.random.default_rng(0)
    return _build_net(plain_configuration(**parameters), TWO_CLASSES, data, None, rng)


def one_step_by_hand(net, data, optimizer, change_gradients=lambda network: None, extra=None):
    """The weights after one full-batch step of a copy of the net's module."""
    network = copy.deepcopy(net.module_).train()
    step = optimizer(network.parameters())
    [(values, lengths, _)], (classes, weights, _) = data.batch(np.arange(12), [slice(12)])
    losses = nn.functional.cross_entropy(network(values, lengths), classes, reduction="none")
    loss = (losses * weights).sum() / weights.sum()
    if extra is not None:
        loss = loss + extra(network)
    loss.backward()
    change_gradients(network)
    step.step()
    return network


def assert_same_weights(ours, theirs):
    for (name, a), b in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        # Float32 sums over the batch in another order, magnified by Adam's division.
        torch.testing.assert_close(a, b, rtol=1e-4, atol=2e-5, msg=lambda m, n=name: f"{n}: {m}")


def test_one_step_is_torchs(data):
    net = build(data, learning_rate=0.1, optimizer="sgd")
    options = {"lr": 0.1, "momentum": 0.9, "nesterov": True}
    expected = one_step_by_hand(net, data, lambda p: torch.optim.SGD(p, **options))
    _run(net, data)
    assert_same_weights(net.module_, expected)


def test_clipping_is_torchs(data):
    net = build(data, learning_rate=0.1, optimizer=torch.optim.SGD, max_grad_norm=0.01)
    expected = one_step_by_hand(
        net,
        data,
        lambda p: torch.optim.SGD(p, lr=0.1),
        lambda network: nn.utils.clip_grad_norm_(network.parameters(), 0.01),
    )
    before = copy.deepcopy(net.module_)
    _run(net, data)
    assert_same_weights(net.module_, expected)
    moved = [
        (a - b).norm() for a, b in zip(net.module_.parameters(), before.parameters(), strict=True)
    ]
    assert torch.stack(moved).norm().item() == pytest.approx(0.1 * 0.01, rel=1e-3)


def test_frozen_weights_do_not_decay(data):
    net = build(data, learning_rate=0.1, optimizer="adamw")
    frozen = net.module_.encoder.layers[0].forwards.lstm.weight_ih_l0
    frozen.requires_grad_(False)
    before = frozen.clone()
    _run(net, data)
    assert torch.equal(frozen, before)


def test_penalties_are_on_all_weights_but_biases(data):
    net = build(data, learning_rate=0.1, optimizer=torch.optim.SGD, l1=0.02, l2=0.03)

    def penalties(network):
        weights = [p for name, p in network.named_parameters() if "weight" in name]
        return sum(0.02 * w.abs().sum() + 0.03 * (w**2).sum() for w in weights)

    expected = one_step_by_hand(net, data, lambda p: torch.optim.SGD(p, lr=0.1), extra=penalties)
    _run(net, data)
    assert_same_weights(net.module_, expected)


def test_the_loss_of_an_epoch_is_the_weighted_mean_over_its_sequences_without_penalties(data):
    net = build(data, learning_rate=1e-12, batch_size=5, l2=1.0)
    [(values, lengths, _)], (classes, weights, _) = data.batch(np.arange(12), [slice(12)])
    losses = nn.functional.cross_entropy(net.module_(values, lengths), classes, reduction="none")
    expected = (losses * weights).sum() / weights.sum()
    _run(net, data)
    assert net.history[-1]["train_loss"] == pytest.approx(expected.item(), rel=1e-5)


def test_a_loss_that_is_not_finite_is_an_error_that_says_what_to_try(data):
    net = build(data)
    with torch.no_grad():
        next(net.module_.parameters()).fill_(torch.nan)
    with pytest.raises(
        TrainingDivergedError,
        match=r"(?s)The training loss became nan in epoch 1, at a .* rate of 0.005.*rate=0.0005",
    ):
        _run(net, data)


class Raising(Callback):
    def __init__(self, method):
        self.method = method

    def __getattribute__(self, name):
        if name != "method" and name == object.__getattribute__(self, "__dict__").get("method"):
            raise KeyboardInterrupt
        return object.__getattribute__(self, name)


@pytest.mark.parametrize("method", ["on_epoch_begin", "on_batch_end", "on_epoch_end"])
def test_an_interruption_is_the_users(data, method):
    with pytest.raises(KeyboardInterrupt):
        train_net(plain_configuration(callbacks=[Raising(method)]), data)


def test_skorchs_early_stopping_stops_quietly(data):
    stopper = EarlyStopping(monitor="train_loss", patience=2, threshold=100.0, sink=lambda _: None)
    trained = train_net(plain_configuration(callbacks=[stopper], max_epochs=50), data)
    assert len(trained.history["epoch"]) == 3


def test_an_interruption_beside_a_patient_early_stopping_is_not_taken_for_its_stop(data):
    stopper = EarlyStopping(monitor="train_loss", patience=50, sink=lambda _: None)
    with pytest.raises(KeyboardInterrupt):
        train_net(plain_configuration(callbacks=[stopper, Raising("on_epoch_end")]), data)


def test_the_gradient_of_a_batch_in_parts_is_that_of_the_whole(data):
    net = build(data, l1=1e-3, l2=1e-2)
    results = []
    for parts in ([slice(12)], [slice(0, 5), slice(5, 6), slice(6, 12)]):
        net.module_.zero_grad()
        net._set_training(True)
        results.append(net.train_step_single(data.batch(np.arange(12), parts)))
        results[-1]["grad"] = torch.cat([p.grad.flatten() for p in net.module_.parameters()])
    whole, apart = results
    assert whole["grad"].abs().sum() > 0
    for name in ("loss", "y_pred", "grad"):
        torch.testing.assert_close(apart[name], whole[name], **FLOAT32)


LAYERS = {
    "LSTM": {},
    "stacked, one direction": {"hidden_sizes": (5, 4), "bidirectional": False},
    "attention": {"pooling": "attention"},
    "dense": {"dense_sizes": (6, 3)},
    "convolutions": {"conv_filters": (5, 4)},
    "convolutions of patches": {"conv_filters": (8, 4), "patch_size": 2},
    "embedding": {"embedding_dim": 3, "vocabulary_size": 9},
    "embedding, convolutions": {"embedding_dim": 3, "vocabulary_size": 9, "conv_filters": (5, 4)},
}  # fmt: skip


def as_token_ids(data):
    ids = np.random.default_rng(0).integers(1, 9, size=(int(data.sequences.host_lengths.sum()), 1))
    sequences = Sequences.from_lengths(ids, data.sequences.host_lengths)
    return LabelledSequences(to_device(sequences, None, device()), data.targets, data.weights)


def columns_first(gradient):
    """The same values; those that differ by the first index alone are neighbours in memory."""
    return gradient.movedim(0, -1).contiguous().movedim(-1, 0)


@pytest.mark.parametrize("order", ["the kernels' own", "columns first"])
@pytest.mark.parametrize("layers", LAYERS)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_step_in_parts_is_that_of_the_whole(data, monkeypatch, optimizer, layers, order):
    """Whatever memory order a kernel gives a gradient in; of trained normalisations."""
    if "embedding" in layers:
        data = as_token_ids(data)
    if order == "columns first":
        grad = torch.autograd.grad
        monkeypatch.setattr(torch.autograd, "grad", lambda *a: map(columns_first, grad(*a)))
    networks = []
    for parts in ([slice(12)], [slice(0, 5), slice(5, 6), slice(6, 12)]):
        torch.manual_seed(0)
        net = build(data, learning_rate=0.01, optimizer=optimizer, **LAYERS[layers])
        net.module_.eval()
        net._set_training = lambda training: None
        for _ in range(3):
            net.train_step(data.batch(np.arange(12), parts))
        networks.append(net.module_)
    for ours, theirs in zip(*(network.parameters() for network in networks), strict=True):
        # A twentieth of a step: RMSprop and Adam magnify the rounding of gradients near 0.
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=5e-4)


@pytest.mark.parametrize("order", ["the kernels' own", "columns first"])
@pytest.mark.parametrize("parts", [[slice(12)], [slice(0, 5), slice(5, 6), slice(6, 12)]])
@pytest.mark.parametrize("layers", ["convolutions", "convolutions of patches", "dense"])
def test_gradients_lie_in_memory_as_their_weights(data, monkeypatch, layers, parts, order):
    """A fused optimizer refuses others on a GPU, and pairs the wrong elements on a CPU."""
    if order == "columns first":
        grad = torch.autograd.grad
        monkeypatch.setattr(torch.autograd, "grad", lambda *a: map(columns_first, grad(*a)))
    net = build(data, l2=1e-3, **LAYERS[layers])
    net._set_training(True)
    for _ in range(2):
        net.module_.zero_grad()
        net.train_step_single(data.batch(np.arange(12), parts))
        for parameter in net.module_.parameters():
            assert parameter.grad.stride() == parameter.stride()


def test_parts_on_a_gpu_draw_dropout_there(data, monkeypatch):
    net, devices, generator = build(data, dropout=0.3), [], torch.Generator

    def watched(device="cpu"):
        devices.append(device)
        return generator()

    monkeypatch.setattr(torch, "Generator", watched)
    monkeypatch.setattr(net, "device", "cuda:1")
    net._set_training(True)
    net.train_step_single(data.batch(np.arange(12), [slice(0, 5), slice(5, 12)]))
    assert devices == [torch.device("cuda:1")] * 2


def test_a_capture_that_runs_out_of_memory_halves_nothing(data, monkeypatch):
    net = build(data)
    batch = data.batch(np.arange(12), [slice(12)])
    forget_memory_beyond(3, monkeypatch)
    net.is_capturing = True
    with pytest.raises(torch.OutOfMemoryError):
        gradient_of_step(net, batch)
    assert net.n_halvings == 0


def test_a_step_of_mixed_sequences_is_the_one_by_hand(data):
    """Each part is mixed within itself, so its first sequence with its last."""
    net = build(data)
    shares = torch.linspace(0.5, 1.0, 12)
    parts = [slice(0, 5), slice(5, 6), slice(6, 12)]
    batch = data.batch(np.arange(12), parts)
    batch = batch._replace(targets=batch.targets._replace(mixup_weights=shares))
    gradient = gradient_of_step(net, batch)

    others = [4, 0, 1, 2, 3, 5, 11, 6, 7, 8, 9, 10]
    [(values, lengths, _)], (classes, weights, _) = data.batch(np.arange(12), [slice(12)])
    both = shares[:, None, None] * values + (1 - shares)[:, None, None] * values[others]
    logits = net.module_(both, lengths)
    loss = 0
    for share, index in ((shares, torch.arange(12)), (1 - shares, torch.tensor(others))):
        losses = nn.functional.cross_entropy(logits, classes[index], reduction="none")
        loss = loss + (share * weights[index] * losses).sum() / weights.sum()
    expected = torch.autograd.grad(loss, list(net.module_.parameters()))
    torch.testing.assert_close(gradient, torch.cat([g.flatten() for g in expected]), **FLOAT32)


@pytest.mark.parametrize(("max_epochs", "n_mixed"), [(1, 0), (2, 1), (5, 2), (6, 3)])
def test_the_second_half_of_the_epochs_is_of_sequences_as_they_are(data, max_epochs, n_mixed):
    class Watch(Callback):
        is_mixed = ()

        def on_batch_begin(self, net, batch, **_):
            self.is_mixed = (*self.is_mixed, batch.targets.mixup_weights is not None)

    watch = Watch()
    mixing = {"mixup_alpha": 0.5, "max_epochs": max_epochs}
    train_net(plain_configuration(**mixing, callbacks=[watch]), data)
    assert watch.is_mixed == (True,) * n_mixed + (False,) * (max_epochs - n_mixed)


def test_parts_of_a_batch_move_running_statistics_once_and_by_all_of_them(data):
    """The first convolution sees the inputs, so its statistics do not depend on the parts."""
    parts = [slice(0, 5), slice(5, 6), slice(6, 12)]
    nets = [build(data, conv_filters=(5, 4)) for _ in range(3)]
    for net in nets[1:]:
        net.module_.load_state_dict(nets[0].module_.state_dict())
    for net, cuts in zip(nets, ([slice(12)], parts, parts), strict=True):
        net._set_training(True)
        batch = data.batch(np.arange(12), cuts)
        if net is nets[2]:
            with thread_team(torch.device("cpu")) as team:
                net._backward_by_parts(batch, team)
        else:
            # An OpenMP team would round otherwise; inside a fit there is none.
            with single_threaded():
                net.train_step_single(batch)
    whole, apart, shared = (net.module_.convolutions.layers[0].normalization for net in nets)
    assert whole.n_steps == apart.n_steps == 1
    torch.testing.assert_close(apart.mean, whole.mean, **FLOAT32)
    torch.testing.assert_close(apart.variance, whole.variance, **FLOAT32)
    assert torch.equal(shared.mean, apart.mean)
    assert torch.equal(shared.variance, apart.variance)


def gradient_of_step(net, batch):
    net._zero_grad_optimizer()
    net._set_training(True)
    net.train_step_single(batch)
    return torch.cat([p.grad.flatten() for p in net.module_.parameters()])


def forget_memory_beyond(n_sequences, monkeypatch):
    """The LSTM runs out of memory with more sequences than that."""
    lstm = torch.lstm

    def limited(inputs, *args, **kwargs):
        if len(inputs) > n_sequences:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return lstm(inputs, *args, **kwargs)

    monkeypatch.setattr(torch, "lstm", limited)


def test_a_step_beyond_memory_is_done_in_halves_from_then_on(data, monkeypatch):
    net = build(data)
    batch = data.batch(np.arange(12), [slice(12)])
    expected = gradient_of_step(net, batch)
    forget_memory_beyond(3, monkeypatch)
    with pytest.warns(UserWarning, match=r"computed in [24] parts") as warned:
        torch.testing.assert_close(gradient_of_step(net, batch), expected, **FLOAT32)
    assert len(warned) == 2
    # No further warning, and no further attempt at the whole.
    torch.testing.assert_close(gradient_of_step(net, batch), expected, **FLOAT32)


@pytest.mark.filterwarnings("ignore:A training step ran out of memory")
def test_of_a_step_in_halves_each_is_mixed_within_itself(data, monkeypatch):
    net = build(data)
    batch = data.batch(np.arange(12), [slice(0, 6), slice(6, 12)])
    batch = batch._replace(targets=batch.targets._replace(mixup_weights=torch.linspace(0.5, 1, 12)))
    expected = gradient_of_step(net, batch)
    forget_memory_beyond(6, monkeypatch)
    whole = batch._replace(inputs=data.batch(np.arange(12), [slice(12)]).inputs)
    torch.testing.assert_close(gradient_of_step(net, whole), expected, **FLOAT32)


@pytest.mark.filterwarnings("ignore:A training step ran out of memory")
def test_a_single_sequence_beyond_memory_is_an_error(data, monkeypatch):
    net = build(data)
    forget_memory_beyond(0, monkeypatch)
    with pytest.raises(torch.OutOfMemoryError):
        gradient_of_step(net, data.batch(np.arange(12), [slice(12)]))


# The trained net as a skorch net


@pytest.mark.parametrize("n", [1, 40])
def test_the_net_predicts_as_the_estimator_does(n):
    X, y = make_ragged(40, n_classes=3)
    fitted = quick(conv_filters=(4, 3)).fit(X, np.array(["a", "b", "c"])[y])
    for net in (fitted.net_, copy.deepcopy(fitted).net_):
        np.testing.assert_allclose(net.forward(X[:n]), fitted.decision_function(X[:n]), rtol=1e-6)
        np.testing.assert_allclose(net.predict_proba(X[:n]), fitted.predict_proba(X[:n]), rtol=1e-6)
        assert net.predict(X[:n]).tolist() == fitted.predict(X[:n]).tolist()
    with pytest.raises(ValueError, match="X has 5 features"):
        fitted.net_.predict([np.zeros((3, 5))])


def test_the_net_of_token_ids_predicts_as_the_estimator_does():
    X, y = [[2, 3, 4], [3, 2]] * 5, [0, 1] * 5
    fitted = quick(embedding_dim=3, max_epochs=1).fit(X, y)
    np.testing.assert_allclose(fitted.net_.predict_proba(X), fitted.predict_proba(X), rtol=1e-6)


def test_forward_in_training_mode_drops_out():
    X, y = make_ragged(40)
    net = quick(dropout=0.5, max_epochs=1).fit(X, y).net_
    assert not torch.equal(net.forward(X, training=True), net.forward(X, training=True))
    assert torch.equal(net.forward(X), net.forward(X))


def test_a_callback_scores_while_training():
    X, y = make_ragged(40)

    class Score(Callback):
        def on_epoch_end(self, net, **_):
            net.history.record("accuracy", float((net.predict(X) == y).mean()))

    scored, plain = quick(callbacks=[Score()], dropout=0.3).fit(X, y), quick(dropout=0.3).fit(X, y)
    assert scored.history_["accuracy"][-1] == plain.score(X, y)


def test_the_net_is_not_trained_by_itself():
    X, y = make_ragged(40)
    fitted = quick(max_epochs=1).fit(X, y)
    before = fitted.predict_proba(X)
    for train in (fitted.net_.fit, fitted.net_.partial_fit):
        with pytest.raises(TypeError, match="Call the estimator's fit or partial_fit"):
            train(X, y)
    np.testing.assert_array_equal(fitted.predict_proba(X), before)


def test_a_step_under_anomaly_detection_has_no_team(data):
    # Two threads could wait for each other for ever.
    net = build(data, bidirectional=True)
    batch = data.batch(np.arange(12), [slice(6), slice(6, 12)])
    with thread_team(torch.device("cpu")) as team:
        net.autotuner = SimpleNamespace(step=lambda size: nullcontext(team or "a team"))
        with net._team_for(batch) as given:
            assert given is not None
        with torch.autograd.set_detect_anomaly(True), net._team_for(batch) as given:
            assert given is None
