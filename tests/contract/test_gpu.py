"""What is promised on a GPU alone; `pytest --device cuda` runs the other promises there."""

import copy
import warnings
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from skorch.callbacks import Callback
from torch import nn

from sklstm import LSTMSequenceClassifier, load_model, save_model
from sklstm._runtime import _streams
from sklstm._training import _steps
from sklstm._training._net import SequenceNet
from sklstm.inspection import attributions
from sklstm.nn._encoder import lie_apart
from tests.crashing import Crash, CrashAfter
from tests.helpers import FLOAT32, make_ragged
from tests.training.cases import CASES, EVERY_CASE, fit

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
every_case = pytest.mark.parametrize("case", EVERY_CASE)
# Enough steps of each kind that most of them are replayed.
ON_GPU = {"device": "cuda", "max_epochs": 8}


class LooksAtBatches(Callback):
    def on_batch_end(self, net, **kwargs):
        pass


def weights(classifier):
    return classifier.net_.module_.state_dict()


def same_bits(found, expected):
    for name, value in weights(found).items():
        assert torch.equal(value, weights(expected)[name]), name
    np.testing.assert_array_equal(found.history_["train_loss"], expected.history_["train_loss"])


@pytest.fixture
def captured(monkeypatch):
    """Kinds of steps that were captured."""
    kinds, capture = [], _steps.GraphCache._capture

    def watched(self, kind):
        graph = capture(self, kind)
        assert graph is not None
        kinds.append(kind)
        return graph

    monkeypatch.setattr(_steps.GraphCache, "_capture", watched)
    return kinds


@every_case
def test_two_fits_are_the_same_to_the_bit(case, captured):
    same_bits(fit(case, **ON_GPU), fit(case, **ON_GPU))
    assert captured


@every_case
def test_with_and_without_graphs_a_fit_is_the_same_to_the_bit(case, captured):
    plain = fit(case, **ON_GPU, callbacks=[LooksAtBatches()])
    assert not captured
    same_bits(fit(case, **ON_GPU), plain)
    assert captured


@every_case
def test_a_training_goes_on_where_it_was_to_the_bit(case, tmp_path):
    options = {**ON_GPU, "checkpoint": tmp_path / "of"}
    with pytest.raises(Crash):
        fit(case, **options, callbacks=[CrashAfter(3)])
    same_bits(fit(case, **options), fit(case, **ON_GPU))


@every_case
def test_a_gpu_and_a_cpu_train_similar_networks(case):
    found, expected = fit(case, **ON_GPU), fit(case, max_epochs=8, device="cpu")
    losses = found.history_["train_loss"], expected.history_["train_loss"]
    # Dropout draws other masks, and a CPU mixes some batches within parts.
    np.testing.assert_allclose(*losses, rtol=0.3, atol=0.1)


@pytest.mark.parametrize("case", CASES)
def test_alone_and_in_company_predictions_agree(case, tmp_path):
    (X, _), _ = CASES[case]
    classifier = fit(case, **ON_GPU)
    together = classifier.predict_proba(X)
    alone = np.concatenate([classifier.predict_proba(X[i : i + 1]) for i in range(12)])
    np.testing.assert_allclose(alone, together[:12], **FLOAT32)
    save_model(classifier, tmp_path / "model")
    on_cpu = load_model(tmp_path / "model")
    np.testing.assert_allclose(on_cpu.predict_proba(X), together, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("optimizer", ["adam", "adamw", "rmsprop", "sgd", torch.optim.NAdam])
def test_optimizers_are_captured(optimizer, captured):
    options = {**ON_GPU, "optimizer": optimizer, "learning_rate": 0.001}
    same_bits(fit("ragged", **options), fit("ragged", **options, callbacks=[LooksAtBatches()]))
    assert captured


def test_optimizers_that_cannot_be_captured_work(captured):
    fit("ragged", **ON_GPU, optimizer=torch.optim.LBFGS, learning_rate=0.1)
    assert not captured


def test_bfloat16_and_tensor_float_32_work():
    for precision in ("bfloat16", "tf32"):
        assert np.isfinite(fit("LSTM", **ON_GPU, precision=precision).history_["train_loss"]).all()


@pytest.mark.parametrize("dropout", [0.0, 0.2])
def test_a_step_beyond_memory_is_computed_in_halves(dropout, monkeypatch):
    X, y = make_ragged(256, n_features=64)
    X = [np.tile(x, (40, 1)) for x in X]
    options = {"conv_filters": (128, 128), "n_kernels": 0, "batch_size": 256, "max_epochs": 2}
    options |= {"dropout": dropout, "dense_sizes": 16, "device": "cuda", "random_state": 0}
    classifier = LSTMSequenceClassifier(256, **options)
    torch.cuda.reset_peak_memory_stats()
    expected = classifier.fit(X, y).history_["train_loss"]
    needed = torch.cuda.max_memory_allocated()
    torch.cuda.empty_cache()
    total = torch.cuda.get_device_properties(0).total_memory
    strides, step = [], SequenceNet.train_step_single

    def watched(net, batch):
        found = step(net, batch)
        strides.extend((p.grad.stride(), p.stride()) for p in net.trained.parameters())
        return found

    monkeypatch.setattr(SequenceNet, "train_step_single", watched)
    torch.cuda.set_per_process_memory_fraction(0.7 * needed / total)
    try:
        with pytest.warns(UserWarning, match="ran out of memory on device"):
            classifier.fit(X, y)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    np.testing.assert_allclose(classifier.history_["train_loss"], expected, rtol=0.05)
    # The fused optimizers refuse another memory order, or pair the wrong elements.
    assert all(gradient == weight for gradient, weight in strides)


def test_weights_lie_together_and_cudnn_copies_none(tmp_path):
    classifier = fit("last", **ON_GPU)
    save_model(classifier, tmp_path / "model")
    loaded = load_model(tmp_path / "model", device="cuda")
    X = CASES["last"][0][0]
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="RNN module weights")
        for each in (classifier, copy.deepcopy(classifier), loaded):
            each.predict_proba(X)
            for lstm in (m for m in each.net_.module_.modules() if isinstance(m, nn.LSTM)):
                assert not lie_apart(list(lstm.parameters()))
        classifier.set_params(warm_start=True, max_epochs=2).fit(*CASES["last"][0])


@pytest.mark.parametrize("case", ["convolutions", "ragged convolutions"])
def test_with_branches_one_after_the_other_a_fit_is_the_same_to_the_bit(case, monkeypatch):
    overlapping = fit(case, **ON_GPU)
    monkeypatch.setattr(_streams, "OVERLAPS", False)
    same_bits(overlapping, fit(case, **ON_GPU))


def test_overlapping_branches_are_captured(monkeypatch):
    sides, record = [], _steps.GraphCache._record

    def watched(cache, kind, within):
        graph = record(cache, kind, within)
        sides.append(isinstance(within, _streams.side_stream))
        return graph

    monkeypatch.setattr(_steps.GraphCache, "_record", watched)
    fit("convolutions", **ON_GPU)
    assert sides
    assert all(sides)


@pytest.mark.parametrize("width", [64, 128, 512, 1024])
def test_branches_overlap_at_every_width_without_a_hang(width):
    """Ends within seconds; where it does not, set `sklstm._runtime._streams.OVERLAPS` to False."""
    X = np.random.default_rng(0).normal(size=(256, 50, 8))
    options = {"conv_filters": (128, 128), "n_kernels": 0, "batch_size": 64, "max_epochs": 3}
    classifier = LSTMSequenceClassifier(width, **options, device="cuda", random_state=0)
    assert np.isfinite(classifier.fit(X, np.arange(256) % 2).history_["train_loss"]).all()


@contextmanager
def waits():
    """Operations that wait for the GPU, as torch warns of them."""
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        found = []
        torch.cuda.set_sync_debug_mode("warn")
        try:
            yield found
        finally:
            torch.cuda.set_sync_debug_mode("default")
            found += [each for each in seen if "synchronizing" in str(each.message)]


def test_a_prediction_of_one_sequence_waits_for_the_gpu_once():
    classifier, (X, _) = fit("ragged convolutions", **ON_GPU), CASES["ragged convolutions"][0]
    classifier.predict_proba(X[:1])
    with waits() as found:
        classifier.predict_proba(X[:1])
    assert len(found) == 1


@pytest.mark.parametrize("optimizer", ["adam", torch.optim.SGD])
def test_more_steps_an_epoch_wait_no_more_often(optimizer):
    counts = []
    for batch_size in (8, 4):
        with waits() as found:
            fit("ragged", **ON_GPU, optimizer=optimizer, batch_size=batch_size)
        counts.append(len(found))
    # Both in 8 epochs, of 5 and of 10 steps.
    assert counts[0] == counts[1] > 0


@pytest.mark.parametrize("method", ["integrated_gradients", "occlusion"])
@pytest.mark.parametrize("parameters", [{"n_kernels": 0}, {"n_kernels": 200, "conv_filters": ()}])
def test_attributions_are_those_on_a_cpu(parameters, method, tmp_path):
    X, y = make_ragged()
    fitted = LSTMSequenceClassifier(4, **ON_GPU, random_state=0, **parameters).fit(X, y)
    save_model(fitted, tmp_path / "model")
    on_cpu = load_model(tmp_path / "model", device="cpu")
    found = attributions(fitted, X[:4], method=method)
    expected = attributions(on_cpu, X[:4], method=method)
    for own, other in zip(found, expected, strict=True):
        # The points of a path may differ, by rounding.
        np.testing.assert_allclose(own, other, atol=2e-3)
