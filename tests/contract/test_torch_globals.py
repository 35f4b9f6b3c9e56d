"""What the rest of a program has told torch changes no bit of a model, and stays as it is."""

import pickle
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np
import pytest
import torch

from sklstm import LSTMSequenceClassifier, load_model, save_model
from sklstm._runtime._torch_settings import OF_CUDA, OF_ONEDNN, own_settings
from tests.crashing import crash_after, result
from tests.helpers import device, make_ragged, quick

X, Y = make_ragged(40, n_classes=3)
OPTIONS = {
    "hidden_sizes": (5, 4), "conv_filters": (6, 4), "pooling": "attention", "max_epochs": 2,
    "dropout": 0.2, "early_stopping": True, "validation_fraction": 0.3, "l2": 1e-3,
}  # fmt: skip


@contextmanager
def setting(set_, value, default):
    set_(value)
    try:
        yield
    finally:
        set_(default)


def all_operations(precision):
    torch.backends.fp32_precision = precision


SETTINGS = {
    "default dtype float64": lambda: setting(torch.set_default_dtype, torch.float64, torch.float32),
    "default dtype float16": lambda: setting(torch.set_default_dtype, torch.float16, torch.float32),
    "default device meta": lambda: setting(torch.set_default_device, "meta", None),
    "default device cpu": lambda: setting(torch.set_default_device, "cpu", None),
    "with a device": lambda: torch.device("meta"),
    "medium precision": lambda: setting(torch.set_float32_matmul_precision, "medium", "highest"),
    "precision of all": lambda: setting(all_operations, "bf16", "none"),
    "flushed denormals": lambda: setting(torch.set_flush_denormal, True, False),
    "deterministic": lambda: setting(torch.use_deterministic_algorithms, True, False),
    "anomalies": lambda: torch.autograd.set_detect_anomaly(True),
}
if not hasattr(torch.backends, "fp32_precision"):
    del SETTINGS["precision of all"]
# Anomaly detection warns that it is on.
pytestmark = pytest.mark.filterwarnings("ignore:Anomaly Detection has been enabled")
every_setting = pytest.mark.parametrize("name", SETTINGS)


def classifier(**options):
    return LSTMSequenceClassifier(**{**OPTIONS, "random_state": 0, **options})


def fit(**options):
    return classifier(**options).fit(X, Y)


def partial_fit(**options):
    return classifier(**options).partial_fit(X, Y, classes=[0, 1, 2]).partial_fit(X, Y)


@pytest.fixture(scope="module")
def fitted():
    return fit()


@pytest.fixture(scope="module")
def path(fitted, tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "model"
    save_model(fitted, path)
    return path


def state():
    """What torch has been told, as far as it shows; "none" is "ieee" by another name."""
    cudnn = torch.backends.cudnn
    return (*state_of_cpu(), *precisions(OF_CUDA), cudnn.deterministic, cudnn.benchmark)


def state_of_cpu():
    made, small = torch.ones(1), torch.tensor(1e-40, dtype=torch.float32, device="cpu")
    return (
        made.dtype, made.device, precision_of_matmul(), *precisions(OF_ONEDNN),
        (small * 1.0).item(), torch.are_deterministic_algorithms_enabled(),
    )  # fmt: skip


def precision_of_matmul():
    try:
        return torch.get_float32_matmul_precision()
    except RuntimeError:
        # torch has no such name for a precision of all operations that was set first.
        return None


def precisions(operations):
    return [operation.fp32_precision.replace("none", "ieee") for operation in operations]


def same_model(found, expected):
    for ours, theirs in zip(
        found.net_.module_.state_dict().values(),
        expected.net_.module_.state_dict().values(),
        strict=True,
    ):
        assert ours.dtype == theirs.dtype
        assert torch.equal(ours, theirs)
    np.testing.assert_array_equal(found.predict_proba(X), expected.predict_proba(X))
    np.testing.assert_array_equal(found.history_["train_loss"], expected.history_["train_loss"])


@every_setting
@pytest.mark.parametrize("train", [fit, partial_fit])
def test_a_training_gives_the_same_bits(train, name):
    expected = train()
    with SETTINGS[name]():
        before = state()
        found = train()
        assert state() == before
    same_model(found, expected)


@pytest.mark.parametrize("optimizer", ["rmsprop", torch.optim.NAdam, torch.optim.ASGD])
def test_optimizers_that_ask_for_the_default_dtype_give_the_same_bits(optimizer):
    expected = fit(optimizer=optimizer)
    with SETTINGS["default dtype float64"]():
        found = fit(optimizer=optimizer)
    same_model(found, expected)


@every_setting
@pytest.mark.parametrize("method", ["predict_proba", "predict_log_proba", "transform", "predict"])
def test_a_prediction_gives_the_same_bits(fitted, method, name):
    expected = getattr(fitted, method)(X)
    with SETTINGS[name]():
        before = state()
        found = getattr(fitted, method)(X)
        assert state() == before
    np.testing.assert_array_equal(found, expected)


@every_setting
def test_what_is_loaded_has_the_same_bits(fitted, path, name):
    pickled = pickle.dumps(fitted)
    with SETTINGS[name]():
        before = state()
        models = load_model(path), pickle.loads(pickled)
        assert state() == before
    for model in models:
        same_model(model, fitted)


@every_setting
def test_a_checkpoint_may_be_written_under_one_setting_and_read_under_another(tmp_path, name):
    options = {"optimizer": "rmsprop", "checkpoint": tmp_path / "of"}
    expected = result(quick(optimizer="rmsprop").fit(X, Y))
    with SETTINGS[name]():
        crash_after(2, X, Y, **options)
    assert result(quick(**options).fit(X, Y)) == expected


# What this machine may have no shorter way to compute by: seen from inside.
@pytest.mark.parametrize("name", ["medium precision", "precision of all", "flushed denormals"])
@pytest.mark.parametrize("method", ["fit", "predict_proba"])
def test_every_layer_computes_with_every_digit(fitted, method, name, monkeypatch):
    if name not in SETTINGS:
        pytest.skip("this torch has no such setting")
    # A CPU has no use for settings of cuDNN.
    told = state_of_cpu if device().type == "cpu" else state
    with own_settings():
        expected = told()
    seen, lstm = set(), torch.lstm

    def watched(*arguments, **options):
        seen.add(told())
        return lstm(*arguments, **options)

    monkeypatch.setattr(torch, "lstm", watched)
    with SETTINGS[name]():
        fit() if method == "fit" else fitted.predict_proba(X)
    assert seen == {expected}


def test_predictions_in_threads_leave_what_they_have_found(fitted):
    expected = fitted.predict_proba(X)
    with SETTINGS["medium precision"](), ThreadPoolExecutor(8) as threads:
        before = state()
        for found in threads.map(fitted.predict_proba, [X] * 40):
            np.testing.assert_array_equal(found, expected)
        assert state() == before
