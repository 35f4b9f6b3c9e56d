import errno
import functools
import json
import os
import pickle
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.metrics import get_scorer
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline
from skorch.callbacks import Callback

from sklstm import LSTMSequenceClassifier, load_model, save_model
from sklstm._persistence._model import MODEL
from tests.helpers import POOLINGS, make_ragged, quick
from tests.persistence.forgery import parts_of, run_elsewhere

X, Y = make_ragged(20)
FORMATS = Path(__file__).parent / "formats"


@pytest.fixture(scope="module")
def classifier():
    return quick(bidirectional=True, dense_sizes=(4,), max_epochs=2).fit(X, Y)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


def through_a_file(estimator, path):
    save_model(estimator, path)
    return load_model(path)


def assert_same_values(actual, expected):
    """Equal, and of the same types, all the way down."""
    assert type(actual) is type(expected)
    if isinstance(expected, np.ndarray):
        assert actual.dtype == expected.dtype
        np.testing.assert_array_equal(actual, expected)
    elif isinstance(expected, dict):
        assert list(actual) == list(expected)
        for key in expected:
            assert_same_values(actual[key], expected[key])
    elif isinstance(expected, (list, tuple)):
        assert len(actual) == len(expected)
        for mine, other in zip(actual, expected, strict=True):
            assert_same_values(mine, other)
    else:
        assert actual == expected or (actual != actual and expected != expected)


def assert_same_estimator(loaded, estimator, X=X):
    assert_same_values(loaded.get_params(), estimator.get_params())
    actual, expected = loaded.__getstate__(), estimator.__getstate__()
    assert actual.keys() == expected.keys()
    for name in expected:
        assert_same_values(actual[name], expected[name])
    for method in ("predict", "predict_proba", "decision_function", "transform"):
        np.testing.assert_array_equal(getattr(loaded, method)(X), getattr(estimator, method)(X))


# What comes back ----------------------------------------------------------------------------------


@pytest.mark.parametrize("pooling", POOLINGS)
def test_every_architecture(path, pooling):
    estimator = quick(
        hidden_sizes=(5, 3), pooling=pooling, bidirectional=pooling in ("max", "last"),
        dense_sizes=[4], dropout=0.1, max_epochs=2,
    ).fit(X, Y)  # fmt: skip
    assert_same_estimator(through_a_file(estimator, path), estimator)


def test_convolutions(path):
    estimator = quick(conv_filters=(4, 5), patch_size=4, max_epochs=2).fit(X, Y)
    assert_same_estimator(through_a_file(estimator, path), estimator)


@pytest.mark.parametrize(
    "labels",
    [
        ["no", "yes"],
        np.array(["no", "yes"], dtype="<U9"),
        np.array(["no", "yes"], dtype=object),
        np.array(["ü \ud800", '"\\sha256'], dtype=object),
        [False, True],
        *(np.array([1, 2], dtype=f"{sign}int{n}") for sign in ("", "u") for n in (8, 16, 32, 64)),
        np.array([-(2**62), 2**62]),
        np.array([1.0, 2.0], dtype=np.float16),
        np.array([1.0, 2.0], dtype=np.float32),
        np.array([1.0, 2.0]),
        np.array(["2020-01-01", "2021-01-01"], dtype="datetime64[D]"),
        pd.Categorical(["no", "yes"]),
    ],
    ids=repr,
)
def test_labels_of_every_type(path, labels):
    estimator = quick(max_epochs=1).fit(
        X, labels[Y] if hasattr(labels, "dtype") else [labels[c] for c in Y]
    )
    assert_same_estimator(through_a_file(estimator, path), estimator)


def test_columns_with_names(path):
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(20, 4)), columns=list("äbcd"))
    estimator = quick(max_epochs=1).set_output(transform="pandas").fit(frame, Y)
    loaded = through_a_file(estimator, path)
    assert loaded.feature_names_in_.tolist() == list("äbcd")
    pd.testing.assert_frame_equal(loaded.transform(frame), estimator.transform(frame))
    with pytest.raises(ValueError, match="feature names"):
        loaded.predict(frame.rename(columns={"b": "e"}))


@pytest.mark.parametrize("columns", [True, False])
def test_token_ids(path, columns):
    ids = np.array([[2, 3, 4], [3, 2, 0]] * 5) if columns else [[2, 3, 4], [3, 2]] * 5
    vectors = np.random.default_rng(0).normal(size=(6, 3))
    estimator = quick(embedding_weights=vectors, freeze_embedding=True, max_epochs=1)
    estimator.fit(ids, [0, 1] * 5)
    loaded = through_a_file(estimator, path)
    assert_same_estimator(loaded, estimator, ids)
    assert not loaded.net_.module_.network.embedding.weight.requires_grad


@pytest.mark.parametrize(
    "given", [torch.ones(4, 3, dtype=torch.bfloat16), [[1, 2, 3]] * 4, np.ones((4, 3), np.float16)]
)
def test_vectors_of_any_form_become_an_array(path, given):
    ids = [[2, 3], [3]] * 5
    estimator = quick(embedding_weights=given, max_epochs=1).fit(ids, [0, 1] * 5)
    loaded = through_a_file(estimator, path)
    assert isinstance(loaded.embedding_weights, np.ndarray)
    np.testing.assert_array_equal(
        loaded.embedding_weights, np.asarray(torch.as_tensor(given).float())
    )
    again = loaded.fit(ids, [0, 1] * 5)
    np.testing.assert_array_equal(again.predict_proba(ids), estimator.predict_proba(ids))


@pytest.mark.parametrize(
    "parameters",
    [
        {"early_stopping": True, "scoring": "f1_macro", "validation_fraction": 0.3},
        {"optimizer": torch.optim.RMSprop, "warm_start": True},
        {"class_weight": {0: 1.0, 1: 2.5}, "standardize": False, "mask_value": np.nan},
        {"class_weight": "balanced", "learning_rate": np.float64(0.01), "batch_size": np.int64(7)},
        {"max_grad_norm": None, "lr_schedule": None, "random_state": np.int8(3)},
        {"optimizer": "adamw", "hidden_sizes": (np.int64(4), 3)},
    ],
    ids=repr,
)
def test_parameters(path, parameters):
    estimator = quick(max_epochs=2, **parameters).fit(X, Y)
    loaded = through_a_file(estimator, path)
    assert_same_estimator(loaded, estimator)


def test_a_partial_of_an_optimizer(path):
    optimizer = functools.partial(torch.optim.Adam, betas=(0.5, 0.9), eps=1e-6)
    loaded = through_a_file(quick(optimizer=optimizer, max_epochs=1).fit(X, Y), path).optimizer
    assert (loaded.func, loaded.args, loaded.keywords) == (
        torch.optim.Adam, (), {"betas": (0.5, 0.9), "eps": 1e-6},
    )  # fmt: skip


def test_what_belongs_to_the_run_stays_out_of_the_file(path):
    of_the_run = {
        "checkpoint": path.with_name("checkpoint"), "verbose": True,
        "device": torch.device("cpu"), "callbacks": [],
    }  # fmt: skip
    save_model(quick(max_epochs=1, **of_the_run).fit(X, Y), path)
    path.with_name("checkpoint").unlink()
    assert str(path.parent).encode() not in path.read_bytes()
    content = parts_of(path)[0]["content"]
    assert not content["parameters"].keys() & of_the_run.keys()
    assert "device" not in content["state"]["net_"]
    loaded = load_model(path)
    defaults = LSTMSequenceClassifier().get_params()
    assert {n: getattr(loaded, n) for n in of_the_run} == {n: defaults[n] for n in of_the_run}
    # A fit writes nowhere.
    loaded.fit(X, Y)
    assert list(path.parent.iterdir()) == [path]


def test_the_caller_says_where_to_compute(path, classifier):
    save_model(classifier, path)
    device = torch.device("cpu")
    assert load_model(path, device=device).device is device
    with pytest.raises(ValueError, match="'device' parameter must be 'cpu', 'cuda'"):
        load_model(path, device="tpu")


def test_parameters_set_after_the_fit_are_kept_as_they_are(path, classifier):
    changed = pickle.loads(pickle.dumps(classifier)).set_params(hidden_sizes=3, pooling="last")
    assert_same_estimator(through_a_file(changed, path), changed)


def test_a_loaded_estimator_is_one_like_any_other(path, classifier):
    loaded = through_a_file(classifier, path)
    assert not hasattr(clone(loaded), "classes_")
    assert_same_estimator(pickle.loads(pickle.dumps(loaded)), classifier)
    assert_same_estimator(through_a_file(loaded, path), classifier)
    np.testing.assert_array_equal(
        loaded.fit(X, Y).predict_proba(X), clone(classifier).fit(X, Y).predict_proba(X)
    )


def train_on(estimator, how):
    estimator = pickle.loads(pickle.dumps(estimator))
    return estimator.partial_fit(X, Y) if how == "partial_fit" else estimator.fit(X, Y)


@pytest.mark.parametrize("how", ["partial_fit", "warm_start"])
def test_training_goes_on_as_from_a_pickle(path, how):
    estimator = quick(max_epochs=2, dropout=0.2, warm_start=True).fit(X, Y)
    further = train_on(through_a_file(estimator, path), how)
    expected = train_on(pickle.loads(pickle.dumps(estimator)), how)
    np.testing.assert_array_equal(further.predict_proba(X), expected.predict_proba(X))
    assert further.n_iter_ == expected.n_iter_ > 2
    assert further.history_["epoch"].tolist() == expected.history_["epoch"].tolist()


def test_saving_changes_nothing_and_gives_one_file(path, classifier):
    before = pickle.dumps(classifier)
    torch_state = torch.get_rng_state()
    save_model(classifier, path)
    written = path.read_bytes()
    through_a_file(classifier, path)
    assert path.read_bytes() == written
    assert pickle.dumps(classifier) == before
    assert torch.equal(torch.get_rng_state(), torch_state)


def test_a_model_of_a_gpu_loads_where_there_is_none(path, classifier, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    on_gpu = pickle.loads(pickle.dumps(classifier))
    on_gpu.net_.device = "cuda:1"
    on_gpu.device = "cuda:1"
    save_model(on_gpu, path)
    loaded = load_model(path)
    assert (loaded.device, str(loaded.net_.device)) == ("cpu", "cpu")
    np.testing.assert_array_equal(loaded.predict_proba(X), classifier.predict_proba(X))
    with pytest.raises(ValueError, match="'device' parameter asks for 'cuda:1', a CUDA device"):
        load_model(path, device="cuda:1")


def test_the_file_tells_people_what_it_is(path, classifier):
    save_model(classifier, path)
    content = parts_of(path)[0]["content"]
    assert content["versions"]["torch"] == torch.__version__
    assert set(content["versions"]) == {"sklstm", "torch", "skorch", "sklearn", "numpy"}
    assert content["parameters"]["max_epochs"] == 2


@pytest.mark.parametrize(
    "scoring", [["accuracy", "loss"], ("f1_macro",), {"z": "neg_log_loss", "a": "loss"}]
)
def test_several_metrics_are_read_back_in_their_order(path, scoring):
    options = {"early_stopping": True, "scoring": scoring, "return_train_score": True}
    estimator = quick(max_epochs=2, **options).fit(X, Y)
    save_model(estimator, path)
    loaded = load_model(path)
    assert loaded.scoring == scoring
    assert list(loaded.scoring) == list(scoring)
    assert loaded.return_train_score is True
    for name, figures in estimator.history_.items():
        np.testing.assert_array_equal(loaded.history_[name], figures)


# What is left out ---------------------------------------------------------------------------------


class Recorder(Callback):
    def on_epoch_end(self, net, **kwargs):
        net.history.record("plain", 1.5)
        net.history.record("pair", np.arange(2))
        net.history.record("thing", print)


def test_callbacks_and_functions_are_left_out_with_a_warning(path):
    estimator = quick(
        max_epochs=2, callbacks=[Recorder()], early_stopping=True, scoring=get_scorer("accuracy"),
        optimizer=lambda p, lr: torch.optim.SGD(p, lr), random_state=np.random.RandomState(0),
    ).fit(X, Y)  # fmt: skip
    estimator.note = "of the user"
    with pytest.warns(UserWarning, match="The model file lacks") as caught:
        save_model(estimator, path)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    message = str(caught[0].message)
    assert message.startswith(
        "The model file lacks 'callbacks', 'optimizer', 'random_state', 'scoring', 'note', 'thing':"
        " it holds what a fit makes, and no code.\n\nA loaded estimator has the default instead"
    )
    assert "load_model(path).set_params(callbacks=..., optimizer=..., " in message
    loaded = load_model(path)
    np.testing.assert_array_equal(loaded.predict_proba(X), estimator.predict_proba(X))
    defaults = LSTMSequenceClassifier().get_params()
    for name in ("callbacks", "optimizer", "random_state", "scoring"):
        assert getattr(loaded, name) == defaults[name]
    assert not hasattr(loaded, "note")
    several = {"accuracy": "accuracy", "own": get_scorer("accuracy")}
    with pytest.warns(UserWarning, match="The model file lacks 'scoring': it holds"):
        save_model(quick(max_epochs=1, scoring=several).partial_fit(X, Y, classes=[0, 1]), path)
    assert load_model(path).scoring == "loss"
    # What callbacks recorded is kept where it is plain.
    assert loaded.history_["plain"].tolist() == [1.5, 1.5]
    assert [pair.tolist() for pair in loaded.history_["pair"]] == [[0, 1], [0, 1]]
    assert "thing" not in loaded.history_
    assert "thing" not in loaded.net_.history[-1]
    assert loaded.partial_fit(X, Y).n_iter_ == estimator.n_iter_ + 1


def test_what_no_parameter_is_left_out_without_a_remedy(path, classifier):
    estimator = pickle.loads(pickle.dumps(classifier))
    estimator.note = 1
    with pytest.warns(
        UserWarning, match=r"lacks 'note': it holds what a fit makes, and no code\.$"
    ):
        save_model(estimator, path)


def test_a_warning_that_is_an_error_comes_before_the_file(path, classifier):
    save_model(classifier, path)
    before = path.read_bytes()
    estimator = pickle.loads(pickle.dumps(classifier)).set_params(callbacks=[Recorder()])
    with pytest.raises(UserWarning, match="lacks 'callbacks'"):
        save_model(estimator, path)
    assert path.read_bytes() == before


def test_labels_that_no_file_holds(path):
    estimator = quick(max_epochs=1).fit(X, Y.astype(np.longdouble))
    with pytest.raises(
        TypeError, match=r"cannot hold 'state/classes_', which is an array of shape"
    ):
        save_model(estimator, path)


# What is refused ----------------------------------------------------------------------------------


def test_an_estimator_that_is_not_fitted(path):
    with pytest.raises(NotFittedError, match="not fitted yet"):
        save_model(quick(), path)
    assert not path.exists()


class Subclass(LSTMSequenceClassifier):
    pass


@pytest.mark.parametrize(
    ("thing", "match"),
    [
        (
            type("Own", (Pipeline,), {})([("lstm", quick())]),
            r"instance of Own instead\.\n\nA subclass is code",
        ),
        (Subclass(), r"instance of Subclass instead\.\n\nA subclass is code"),
        (3, r"instance of int instead\.$"),
        (LSTMSequenceClassifier, r"instance of type instead\.$"),
    ],
    ids=repr,
)
def test_other_things(path, thing, match):
    with pytest.raises(
        TypeError,
        match="save_model takes an LSTMSequenceClassifier or LSTMSequenceRegressor, or a Pipeline"
        " of it. Got an " + match,
    ):
        save_model(thing, path)


def test_a_search(path):
    search = GridSearchCV(quick(), {"max_epochs": [1]}, cv=2).fit(X, Y)
    with pytest.raises(TypeError, match=r"save_model\(search\.best_estimator_, path\)"):
        save_model(search, path)
    save_model(search.best_estimator_, path)


def test_another_estimator_is_sent_to_skops(path):
    calibrated = CalibratedClassifierCV(quick(max_epochs=1), cv=2).fit(X, Y)
    with pytest.raises(TypeError, match=r"instead\.\n\nSave it with skops: skops\.io\.dump\(model"):
        save_model(calibrated, path)
    with pytest.raises(TypeError, match=r"\n\nSave the model in it: save_model\(model\.estimator"):
        save_model(FrozenEstimator(quick()), path)


def test_parameters_that_no_fit_would_take_are_refused_before_they_are_saved(path, classifier):
    wrong = pickle.loads(pickle.dumps(classifier)).set_params(learning_rate=-1.0)
    with pytest.raises(ValueError, match="'learning_rate' parameter"):
        save_model(wrong, path)


def test_weights_that_are_not_finite(path, classifier):
    estimator = pickle.loads(pickle.dumps(classifier))
    with torch.no_grad():
        next(estimator.net_.module_.parameters())[0, 0] = torch.nan
    with pytest.raises(ValueError, match="weights cannot be"):
        save_model(estimator, path)


def test_no_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="missing"):
        load_model(tmp_path / "missing")


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()]
)
def test_after_an_error_the_earlier_model_is_whole(path, classifier, monkeypatch, error):
    save_model(classifier, path)
    other = quick(max_epochs=1).fit(X, Y)

    def fail(*args):
        raise error

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(type(error)):
        save_model(other, path)
    monkeypatch.undo()
    assert_same_estimator(load_model(path), classifier)
    assert list(path.parent.iterdir()) == [path]


# Earlier formats ----------------------------------------------------------------------------------


def test_there_is_a_file_of_each_format():
    files = {path.name for path in FORMATS.glob("*.safetensors")}
    numbers = range(1, MODEL.format + 1)
    assert files == {f"{n}{kind}.safetensors" for n in numbers for kind in ("", ".pipeline")}


@pytest.mark.parametrize("number", range(1, MODEL.format + 1))
def test_earlier_formats(number):
    """The files were written by `tests/persistence/formats/write.py` when the format was new."""
    loaded = load_model(FORMATS / f"{number}.safetensors")
    expected = json.loads((FORMATS / f"{number}.json").read_text())
    sequences = [np.array(sequence) for sequence in expected["X"]]
    # Another machine or version of torch rounds otherwise: float32 arithmetic.
    np.testing.assert_allclose(
        loaded.predict_proba(sequences), expected["probabilities"], atol=1e-5
    )
    assert loaded.classes_.tolist() == expected["classes"]
    for name, value in expected["parameters"].items():
        assert getattr(loaded, name) == (tuple(value) if isinstance(value, list) else value)
    assert loaded.partial_fit(sequences, expected["y"]).n_iter_ == expected["n_iter"] + 1


@pytest.mark.parametrize("number", range(1, MODEL.format + 1))
def test_pipelines_of_earlier_formats(number):
    loaded = load_model(FORMATS / f"{number}.pipeline.safetensors")
    expected = json.loads((FORMATS / f"{number}.pipeline.json").read_text())
    np.testing.assert_allclose(
        loaded.predict_proba(expected["X"]), expected["probabilities"], atol=1e-5
    )


# Time and memory of who only predicts -------------------------------------------------------------


def load_and_predict(*paths):
    """Names of the heavy packages that loading models and predicting has imported."""
    for path in paths:
        loaded = load_model(path)
        takes_tokens = loaded.embedding_dim is not None
        loaded.predict([np.array([2, 3]) if takes_tokens else np.ones((5, 2))])
    return sorted({"sympy", "torch._dynamo", "torch._inductor"} & {*sys.modules})


def test_loading_and_predicting_does_not_import_the_compiler_of_torch(tmp_path):
    """It takes two seconds and 70 MB, which a service would pay at its start."""
    wide = {"bidirectional": True, "dense_sizes": (4,), "dropout": 0.1, "pooling": "attention"}
    models = [
        quick(**wide, conv_filters=(4,), max_epochs=1).fit(X, Y),
        quick(**wide, n_kernels=300, max_epochs=1).fit(X, Y),
        quick(embedding_dim=3, max_epochs=1).fit([[2, 3, 4], [3, 2]] * 6, [0, 1] * 6),
    ]
    paths = [tmp_path / str(i) for i in range(len(models))]
    for model, path in zip(models, paths, strict=True):
        save_model(model, path)
    assert run_elsewhere("tests.persistence.test_model.load_and_predict", *paths) == []
