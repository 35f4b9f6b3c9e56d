"""Pipelines of the package's own steps as one file of data."""

import pickle

import numpy as np
import pytest
import torch
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import FunctionTransformer, Pipeline, make_pipeline

from sklstm import load_model, save_model
from sklstm.exceptions import ModelFileError
from sklstm.preprocessing import RollingFeatures, SequenceImputer, SequenceScaler, TokenEncoder
from tests.helpers import make_ragged, quick
from tests.persistence.forgery import forge, parts_of

X, Y = make_ragged(20)
WITH_GAPS = [np.where(x > 1.5, np.nan, x) for x in X]
TEXTS = ["north by north west", "south of the border", "due north [PAD]", "south south east"] * 4
LABELS = ["n", "s"] * 8


def of_numbers():
    steps = [
        ("gaps", SequenceImputer(add_indicator=True)),
        ("more", RollingFeatures(3, statistics=("mean",), differences=1)),
        ("scale", SequenceScaler("robust")),
        ("lstm", quick(max_epochs=1)),
    ]
    return Pipeline(steps).fit(WITH_GAPS, Y)


def of_texts(analyzer="word"):
    encoder = TokenEncoder(analyzer=analyzer, max_length=6)
    return make_pipeline(encoder, quick(embedding_dim=4, max_epochs=2)).fit(TEXTS, LABELS)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


def through_a_file(pipeline, path):
    save_model(pipeline, path)
    return load_model(path)


def test_a_pipeline_of_numbers(path):
    pipeline = of_numbers()
    loaded = through_a_file(pipeline, path)
    assert [name for name, _ in loaded.steps] == ["gaps", "more", "scale", "lstm"]
    np.testing.assert_array_equal(
        loaded.predict_proba(WITH_GAPS), pipeline.predict_proba(WITH_GAPS)
    )
    np.testing.assert_array_equal(loaded["gaps"].statistics_, pipeline["gaps"].statistics_)
    assert loaded["more"].get_params() == pipeline["more"].get_params()
    assert loaded.fit(WITH_GAPS, Y).score(WITH_GAPS, Y) == pipeline.score(WITH_GAPS, Y)


@pytest.mark.parametrize("analyzer", ["word", "char", "bpe"])
def test_a_pipeline_of_texts(path, analyzer):
    pipeline = of_texts(analyzer)
    loaded = through_a_file(pipeline, path)
    new = [*TEXTS, "", "[PAD] west of nowhere"]
    np.testing.assert_array_equal(loaded.predict_proba(new), pipeline.predict_proba(new))
    assert loaded.predict(new).tolist() == pipeline.predict(new).tolist()
    assert loaded[0].vocabulary_ == pipeline[0].vocabulary_


def test_transformers_alone_and_steps_passed_through(path):
    pipeline = Pipeline([("a", "passthrough"), ("b", SequenceScaler()), ("c", None)], verbose=True)
    loaded = through_a_file(pipeline.fit(X), path)
    assert [step for _, step in loaded.steps][::2] == ["passthrough", None]
    assert loaded.verbose is True
    np.testing.assert_array_equal(loaded.transform(X)[3], pipeline.transform(X)[3])


def test_what_a_search_has_found(path):
    pipeline = make_pipeline(SequenceScaler(), quick(max_epochs=1))
    search = GridSearchCV(
        pipeline, {"sequencescaler": [SequenceScaler("minmax"), "passthrough"]}, cv=2
    )
    search.fit(X, Y)
    loaded = through_a_file(search.best_estimator_, path)
    np.testing.assert_array_equal(loaded.predict_proba(X), search.predict_proba(X))


def test_what_is_left_out_is_named_with_its_step(path):
    def scorer(estimator, X, y):
        return 1.0

    pipeline = make_pipeline(
        SequenceScaler(), quick(max_epochs=1, early_stopping=True, scoring=scorer)
    ).fit(X, Y)
    pipeline[0].note = "mine"
    with pytest.warns(UserWarning, match=r"lacks '\w+__scoring', 'sequencescaler.note'") as caught:
        save_model(pipeline, path)
    assert caught[0].filename == __file__
    again = "set_params(lstmsequenceclassifier__scoring=...)"
    assert again in str(caught[0].message)


# What is refused ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pipeline", "message"),
    [
        (
            Pipeline([("own", FunctionTransformer()), ("lstm", quick())]),
            r"Step 'own' is an instance of FunctionTransformer\.\n\nSave .*SKOPS_TRUSTED",
        ),
        (Pipeline([("one", quick()), ("two", quick())]), r"Step 'one' is an instance of LSTM"),
        (
            Pipeline([("text", TokenEncoder(analyzer=str.split)), ("lstm", quick())]),
            r"step 'text' has a function as 'analyzer'\.\n\nCut the texts into tokens",
        ),
        (
            Pipeline([("in", Pipeline([("scale", SequenceScaler())])), ("lstm", quick())]),
            r"Step 'in' is an instance of Pipeline",
        ),
    ],
)
def test_steps_that_no_file_holds(path, pipeline, message):
    with pytest.raises(TypeError, match=message):
        save_model(pipeline, path)
    assert not path.exists()


def test_a_pipeline_with_a_cache_is_refused(path, tmp_path):
    pipeline = Pipeline([("scale", SequenceScaler())], memory=str(tmp_path)).fit(X)
    with pytest.raises(ValueError, match=r"with memory='.*\n\nLeave it out"):
        save_model(pipeline, path)


def test_steps_that_are_not_fitted_are_named(path):
    with pytest.raises(NotFittedError, match="SequenceScaler"):
        save_model(make_pipeline(SequenceScaler(), quick()), path)
    with pytest.raises(NotFittedError, match="LSTMSequenceClassifier"):
        save_model(make_pipeline(SequenceScaler().fit(X), quick()), path)


def test_steps_that_no_longer_agree_are_refused(path):
    pipeline = of_numbers().set_params(more__append=False)
    with pytest.raises(ValueError, match=r"SequenceScaler takes 12 features .* gives 8\.\n\nFit"):
        save_model(pipeline, path)
    pipeline = of_texts().set_params(tokenencoder__analyzer="bpe")
    with pytest.raises(ValueError, match="Step 'tokenencoder' is not as a fit leaves it"):
        save_model(pipeline, path)


# Forged files -------------------------------------------------------------------------------------

FORGERIES = {
    "no step": lambda c: c["steps"].clear(),
    "steps that are a dict": lambda c: c.update(steps={}),
    "a step that is a number": lambda c: c["steps"].append(3),
    "unknown class": lambda c: c["steps"][0].update({"class": "FunctionTransformer"}),
    "class that is a list": lambda c: c["steps"][0].update({"class": []}),
    "passed through with a state": lambda c: c["steps"][0].update({"class": "passthrough"}),
    "no name": lambda c: c["steps"][0].pop("name"),
    "name that is a number": lambda c: c["steps"][0].update(name=3),
    "one name twice": lambda c: c["steps"][0].update(name="lstm"),
    "name with underscores": lambda c: c["steps"][0].update(name="a__b"),
    "name of a parameter": lambda c: c["steps"][0].update(name="memory"),
    "a cache": lambda c: c["pipeline"].update(memory="somewhere"),
    "unknown setting": lambda c: c["pipeline"].update(n_jobs=1),
    "setting of another type": lambda c: c["pipeline"].update(verbose="yes"),
    "no settings": lambda c: c.pop("pipeline"),
    "parameters besides": lambda c: c.update(parameters={}),
    "classifier first": lambda c: c["steps"].reverse(),
    "step less": lambda c: c["steps"].pop(1),
    "classifier without weights": lambda c: c["steps"][-1]["state"]["net_"].pop("weights"),
    "unknown parameter": lambda c: c["steps"][-1]["parameters"].update(units=3),
    "other features": lambda c: c["steps"][1]["state"].update(_n_timestep_features=1),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_forged_files(path, name):
    save_model(of_numbers(), path)
    document, arrays = parts_of(path)
    FORGERIES[name](document["content"])
    forge(path, document, arrays)
    with pytest.raises(ModelFileError, match="does not describe a model"):
        load_model(path)


def leaves(value, place=()):
    """All places in a JSON value."""
    yield place
    items = value.items() if isinstance(value, dict) else ()
    for key, item in enumerate(value) if isinstance(value, list) else items:
        yield from leaves(item, (*place, key))


@pytest.mark.parametrize("pipeline", [of_numbers(), of_texts("bpe")], ids=["numbers", "texts"])
def test_a_file_with_anything_anywhere_is_refused_or_predicts(path, pipeline):
    """Each place in the description of the transformers takes values of each other kind."""
    data = TEXTS if isinstance(pipeline[0], TokenEncoder) else WITH_GAPS
    save_model(pipeline, path)
    document, arrays = parts_of(path)
    for place in list(leaves(document["content"]["steps"][:-1], ("steps",))):
        for value in (None, -1, 3, "a", [], {}, [["a"]], {"$array": "nothing"}):
            forged, _ = parts_of(path)
            inner = forged["content"]
            for key in place[:-1]:
                inner = inner[key]
            inner[place[-1]] = value
            other = path.with_name("other")
            forge(other, forged, arrays)
            try:
                loaded = load_model(other)
            except ModelFileError:
                continue
            assert len(loaded.predict(data)) == len(data), place


def test_loading_executes_nothing(path, monkeypatch):
    def unpickle(*args, **kwargs):
        raise AssertionError("unpickled")

    save_model(of_texts("bpe"), path)
    for name in ("load", "loads", "Unpickler"):
        monkeypatch.setattr(pickle, name, unpickle)
    monkeypatch.setattr(torch, "load", unpickle)
    assert load_model(path).predict(TEXTS).shape == (16,)
