"""The network is plain torch: hooks, torch.export and torch.func work with it."""

import pytest
import torch
from skorch.callbacks import Callback
from torch import nn
from torch.func import functional_call, grad

from sklstm._training._configure import build_network
from sklstm.nn import ConvolutionEnsemble
from tests.helpers import FLOAT32, POOLINGS, configuration, make_ragged, quick

LENGTHS = torch.tensor([12, 3, 7, 1, 9])
CLASSES = torch.tensor([0, 1, 1, 0, 1])
# Of one layer nothing is dropped in between, and numbers have no embedding.
UNUSED = {"encoder.dropout", "embedding_dropout"}


@pytest.fixture(params=["auto", 0], ids=["fixed", "trained"])
def network(request):
    """The default one, of two features, and that without fixed convolutions."""
    network = build_network(configuration(n_kernels=request.param).network).eval()
    if isinstance(network, ConvolutionEnsemble):
        n_features = network.convolutions.n_features
        network.set_linear(torch.randn(2, n_features) / n_features**0.5, torch.randn(2))
    return network


@pytest.fixture
def inputs():
    return torch.randn(5, 12, 2)


def modules_of(network):
    # A list of layers has no forward.
    return {n for n, m in network.named_modules() if not isinstance(m, nn.ModuleList)}


def names_called(network, inputs, lengths):
    called = set()
    for name, module in network.named_modules():
        module.register_forward_hook(lambda *_, name=name: called.add(name))
    network(inputs, lengths)
    return called


@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["equal", "unequal"])
@pytest.mark.parametrize("training", [True, False])
def test_forward_hooks_fire_on_every_module(network, inputs, training, lengths):
    called = names_called(network.train(training), inputs, lengths)
    missing = modules_of(network) - called
    assert {name.removeprefix("network.") for name in missing} == UNUSED
    kinds = [type(module) for name, module in network.named_modules() if name in called]
    for kind in (nn.LSTM, nn.Conv1d, nn.Linear):
        assert any(issubclass(k, kind) for k in kinds)


@pytest.mark.parametrize("pooling", ["attention", "last", "mean"])
def test_forward_hooks_fire_with_every_pooling_and_an_embedding(pooling):
    tokens = {"embedding_dim": 4, "n_tokens": 9, "hidden_sizes": (5, 3), "dense_sizes": 6}
    network = build_network(configuration(1, pooling=pooling, **tokens).network).eval()
    called = names_called(network, torch.ones(5, 12, dtype=torch.int64), LENGTHS)
    assert called == modules_of(network)


class Watch(Callback):
    """Notes the modules that are called while training, and how many there are."""

    def on_train_begin(self, net, **_):
        self.called, self.modules = set(), modules_of(net.module_)
        for name, module in net.module_.named_modules():
            module.register_forward_hook(lambda *_, name=name: self.called.add(name))


@pytest.mark.parametrize("n_threads", [1, 2])
def test_forward_hooks_fire_in_a_fit_on_one_thread_and_on_two(n_threads, monkeypatch):
    X, y = make_ragged(24)
    monkeypatch.setattr(torch, "get_num_threads", lambda: n_threads)
    watch = Watch()
    quick(callbacks=[watch], bidirectional=True, conv_filters=(4, 3), max_epochs=1).fit(X, y)
    assert watch.called == watch.modules - UNUSED


@pytest.mark.parametrize("pooling", POOLINGS)
def test_export_has_a_dynamic_batch_size_and_knows_lengths(pooling, inputs):
    network = build_network(configuration(pooling=pooling).network).eval()
    batch = torch.export.Dim("batch")
    with torch.no_grad():
        exported = torch.export.export(
            network, (inputs, LENGTHS), dynamic_shapes=({0: batch}, {0: batch})
        ).module()
        for n in (1, 2, 5, 33):
            others, lengths = torch.randn(n, 12, 2), torch.randint(1, 13, (n,))
            torch.testing.assert_close(
                exported(others, lengths), network(others, lengths), **FLOAT32
            )


def loss_of(outputs):
    return nn.functional.cross_entropy(outputs, CLASSES)


@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["equal", "unequal"])
def test_the_functional_gradient_of_the_inputs_is_autograds(network, inputs, lengths):
    found = grad(lambda x: loss_of(network(x, lengths)))(inputs)
    x = inputs.clone().requires_grad_()
    loss_of(network(x, lengths)).backward()
    torch.testing.assert_close(found, x.grad, **FLOAT32)
    if lengths is not None:
        assert (found[1, 3:] == 0).all()


def test_what_padding_holds_changes_no_functional_gradient(network, inputs):
    real_BT1 = (torch.arange(12) < LENGTHS.unsqueeze(1)).unsqueeze(2)
    gradient = grad(lambda x: loss_of(network(x, LENGTHS)))
    assert torch.equal(gradient(inputs.where(real_BT1, torch.nan)), gradient(inputs))


@pytest.mark.parametrize("lengths", [None, LENGTHS], ids=["equal", "unequal"])
def test_the_functional_gradient_of_the_parameters_is_autograds(network, inputs, lengths):
    parameters = {name: p for name, p in network.named_parameters() if p.requires_grad}

    def loss(parameters):
        return loss_of(functional_call(network, parameters, (inputs, lengths)))

    found = grad(loss)({name: p.detach() for name, p in parameters.items()})
    loss_of(network(inputs, lengths)).backward()
    for name, parameter in parameters.items():
        torch.testing.assert_close(found[name], parameter.grad, **FLOAT32)


def test_predicting_no_shape_depends_on_the_data(network, inputs):
    """A graph that was traced with some lengths is right for all others."""
    with torch.no_grad():
        traced = torch.fx.experimental.proxy_tensor.make_fx(network)(inputs, LENGTHS)
        others = LENGTHS.flip(0)
        torch.testing.assert_close(traced(inputs, others), network(inputs, others), **FLOAT32)
    operations = " ".join(str(node.target) for node in traced.graph.nodes)
    assert "nonzero" not in operations
