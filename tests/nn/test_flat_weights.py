"""Weights of LSTM layers on a GPU, here on a CPU: in one buffer, as cuDNN needs them."""

import copy
import pickle

import numpy as np
import pytest
import torch
from torch import nn

from sklstm import LSTMSequenceClassifier, load_model, save_model
from sklstm._training._net import SequenceNet
from sklstm.nn import LSTMLayer, _encoder
from sklstm.nn._encoder import lie_apart
from tests.helpers import make_ragged


def flatten(lstm):
    """Stands for torch's on a GPU: the same parameters, as views of one buffer."""
    parameters = list(lstm.parameters())
    buffer = torch.cat([parameter.detach().flatten() for parameter in parameters])
    sizes = [parameter.numel() for parameter in parameters]
    for parameter, part in zip(parameters, buffer.split(sizes), strict=True):
        parameter.data = part.view(parameter.shape)


@pytest.fixture
def as_on_gpu(monkeypatch):
    monkeypatch.setattr(nn.LSTM, "flatten_parameters", flatten)
    monkeypatch.setattr(_encoder, "is_on_gpu", lambda tensor: True)


def are_flat(module):
    lstms = [part for part in module.modules() if isinstance(part, nn.LSTM)]
    return bool(lstms) and not any(lie_apart(list(lstm.parameters())) for lstm in lstms)


def test_weights_that_lie_apart_are_found():
    lstm = LSTMLayer(3, 4).forwards.lstm
    assert lie_apart(list(lstm.parameters()))
    flatten(lstm)
    assert not lie_apart(list(lstm.parameters()))
    # On a CPU nothing is moved.
    again = copy.deepcopy(lstm)
    assert lie_apart(list(again.parameters()))


def test_moved_copied_pickled_and_loaded_layers_have_flat_weights(as_on_gpu):
    layer = LSTMLayer(3, 4, bidirectional=True).to("cpu")
    assert are_flat(layer)
    assert are_flat(copy.deepcopy(layer))
    assert are_flat(pickle.loads(pickle.dumps(layer)))
    weights = {name: value.clone() for name, value in layer.state_dict().items()}
    other = LSTMLayer(3, 4, bidirectional=True)
    other.load_state_dict(weights, assign=True)
    assert are_flat(other)
    inputs = torch.randn(2, 5, 3)
    torch.testing.assert_close(other(inputs), layer(inputs), rtol=0, atol=0)


def test_weights_that_are_loaded_in_place_stay_where_they_are(as_on_gpu):
    layer = LSTMLayer(3, 4).to("cpu")
    before = [(parameter, parameter.data_ptr()) for parameter in layer.parameters()]
    layer.load_state_dict(LSTMLayer(3, 4).state_dict())
    after = [(parameter, parameter.data_ptr()) for parameter in layer.parameters()]
    assert [address for _, address in after] == [address for _, address in before]
    # The optimizer's own.
    assert all(a is b for (a, _), (b, _) in zip(after, before, strict=True))


@pytest.mark.parametrize("early_stopping", [False, True])
def test_an_estimator_has_flat_weights_wherever_it_comes_from(
    as_on_gpu, monkeypatch, tmp_path, early_stopping
):
    X, y = make_ragged(24)
    options = {"n_kernels": 0, "hidden_sizes": (4, 4), "batch_size": 8}
    classifier = LSTMSequenceClassifier(
        **options, early_stopping=early_stopping, max_epochs=2, random_state=0
    )
    seen, step = [], SequenceNet.train_step_single

    def watched(net, batch):
        seen.append(are_flat(net.module_))
        return step(net, batch)

    monkeypatch.setattr(SequenceNet, "train_step_single", watched)
    classifier.fit(X, y)
    save_model(classifier, tmp_path / "model")
    others = [copy.deepcopy(classifier), pickle.loads(pickle.dumps(classifier))]
    for each in (classifier, *others, load_model(tmp_path / "model")):
        assert are_flat(each.net_.module_)
        np.testing.assert_array_equal(each.predict_proba(X), classifier.predict_proba(X))
    classifier.set_params(warm_start=True, max_epochs=1).fit(X, y).partial_fit(X, y)
    assert len(seen) > 6
    assert all(seen)


def test_on_a_gpu_the_weights_of_a_prediction_are_those_that_lie_together(as_on_gpu, monkeypatch):
    # oneDNN's padding of square weights would make a copy.
    given, lstm = [], LSTMLayer(4, 4).to("cpu").eval().forwards.lstm
    original = torch.lstm

    def watched(inputs, initial, weights, **options):
        given.extend(weights)
        return original(inputs, initial, weights, **options)

    monkeypatch.setattr(torch, "lstm", watched)
    with torch.no_grad():
        lstm(torch.randn(2, 5, 4))
    assert [w.data_ptr() for w in given] == [p.data_ptr() for p in lstm.parameters()]
