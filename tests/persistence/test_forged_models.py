"""Model files of others, with a right checksum: what they may not say, and what they cannot do."""

import pickle

import numpy as np
import pytest
import torch

from sklstm import load_model, save_model
from sklstm.exceptions import ModelFileError
from tests.helpers import make_ragged, quick
from tests.persistence.forgery import forge, parts_of

X, Y = make_ragged(20)


@pytest.fixture(scope="module")
def classifier():
    return quick(bidirectional=True, dense_sizes=(4,), max_epochs=2).fit(X, Y)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


def forged(path, classifier, change):
    """A file with a right checksum, whose JSON and arrays have been changed in place."""
    save_model(classifier, path)
    document, arrays = parts_of(path)
    change(document["content"], arrays)
    forge(path, document, arrays)


def many_layers(content, arrays):
    content["state"]["_network"]["dense_sizes"] = {"$tuple": [1] * 1_001}
    for number in range(1_001):
        name = f"state/net_/weights/{number}"
        content["state"]["net_"]["weights"][str(number)] = {"$array": name}
        arrays[name] = np.zeros(1, dtype=np.float32)


def test_a_negative_variance_is_refused(path):
    """Not X, which would be blamed for what comes of it."""
    estimator = quick(conv_filters=(4,), max_epochs=1).fit(X, Y)
    name = "state/net_/weights/convolutions.layers.0.normalization.variance"
    for value in (-1.0, np.nan, np.inf):
        forged(path, estimator, lambda c, a, value=value: a[name].fill(value))
        with pytest.raises(ModelFileError, match=r"a model: (net_|weights) cannot be"):
            load_model(path)


FORGERIES = {
    "unknown parameter": lambda c, a: c["parameters"].update(units=3),
    "parameter out of range": lambda c, a: c["parameters"].update(learning_rate=-1),
    "parameter of another type": lambda c, a: c["parameters"].update(pooling=[1]),
    "unknown optimizer": lambda c, a: c["parameters"].update(
        optimizer={"class": "lr_scheduler", "options": None}
    ),
    "optimizer of another package": lambda c, a: c["parameters"].update(
        optimizer={"class": "os.system", "options": {}}
    ),
    "no parameters": lambda c, a: c.pop("parameters"),
    "no state": lambda c, a: c.pop("state"),
    "no content": lambda c, a: c.clear(),
    "missing weight": lambda c, a: c["state"]["net_"]["weights"].popitem(),
    "weight of another shape": lambda c, a: a.update(
        {"state/net_/weights/head.1.weight": np.zeros((5, 16), np.float32)}
    ),
    "weight of another dtype": lambda c, a: a.update(
        {"state/net_/weights/head.1.weight": np.zeros((4, 16), np.float64)}
    ),
    "weights that are NaN": lambda c, a: a["state/net_/weights/head.1.weight"].fill(np.nan),
    "negative deviation": lambda c, a: a["state/_scaling/scale"].__imul__(-1),
    "weights larger than any fit's": lambda c, a: a["state/net_/weights/head.1.weight"].fill(1e19),
    "layers without number": lambda c, a: many_layers(c, a),
    "epochs without a loss": lambda c, a: c["state"]["net_"]["history"][0].pop("train_loss"),
    "checkpoint": lambda c, a: c["parameters"].update(checkpoint="poetry.lock"),
    "device": lambda c, a: c["parameters"].update(device="cpu"),
    "callbacks": lambda c, a: c["parameters"].update(callbacks=None),
    "method": lambda c, a: c["state"].update(predict=1),
    "class": lambda c, a: c["state"].update(__class__="os.system"),
}  # fmt: skip


@pytest.mark.parametrize("name", FORGERIES)
def test_forged_files(path, classifier, name):
    forged(path, classifier, FORGERIES[name])
    with pytest.raises(ModelFileError, match="does not describe a model"):
        load_model(path)


def test_a_file_that_lacks_a_parameter_gets_its_default(path, classifier):
    def forget(content, arrays):
        del content["parameters"]["tol"], content["parameters"]["optimizer"]

    forged(path, classifier, forget)
    assert (load_model(path).tol, load_model(path).optimizer) == (1e-4, "adam")


def test_loading_executes_nothing(path, classifier, monkeypatch):
    """Whatever a pickle in a file would do, nothing is ever unpickled or imported by name."""
    save_model(classifier, path)

    def unpickle(*args, **kwargs):
        raise AssertionError("unpickled")

    for name in ("load", "loads", "Unpickler"):
        monkeypatch.setattr(pickle, name, unpickle)
    monkeypatch.setattr(torch, "load", unpickle)
    assert load_model(path).n_iter_ == 2
