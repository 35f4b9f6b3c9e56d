"""Whole pipelines, and the estimator alone, through skops: no pickle, and few types to trust."""

import json
import zipfile

import numpy as np
import pytest
import skops.io
import torch
from sklearn.calibration import CalibratedClassifierCV
from sklearn.pipeline import make_pipeline

from sklstm import SKOPS_TRUSTED, LSTMSequenceClassifier, LSTMSequenceRegressor, preprocessing
from sklstm.preprocessing import RollingFeatures, SequenceImputer, SequenceScaler, TokenEncoder
from tests.helpers import make_ragged, quick

X, Y = make_ragged(20)
TEXTS = ["north by north west", "south of the border", "due north [PAD]", "south south east"] * 4
CLASSIFIER = "sklstm._classifier.LSTMSequenceClassifier"


def test_the_public_list_names_each_class_that_has_a_fit():
    estimators = [LSTMSequenceClassifier, LSTMSequenceRegressor]
    own = [*estimators, *map(vars(preprocessing).get, preprocessing.__all__)]
    classes = [cls for cls in own if hasattr(cls, "fit")]
    names = [f"{cls.__module__}.{cls.__qualname__}" for cls in classes]
    assert sorted(SKOPS_TRUSTED) == sorted(names)


def test_the_public_list_is_all_that_a_pipeline_needs(tmp_path):
    steps = [SequenceImputer(), RollingFeatures(), SequenceScaler(), quick(max_epochs=1)]
    pipeline = make_pipeline(*steps).fit(X, Y)
    skops.io.dump(pipeline, tmp_path / "pipeline.skops")
    loaded = skops.io.load(tmp_path / "pipeline.skops", trusted=SKOPS_TRUSTED)
    np.testing.assert_array_equal(loaded.predict_proba(X), pipeline.predict_proba(X))


def through_skops(estimator, path, trusted):
    """The estimator loaded again, once exactly these types are known to need trust."""
    skops.io.dump(estimator, path)
    assert skops.io.get_untrusted_types(file=path) == sorted(trusted)
    return skops.io.load(path, trusted=trusted)


@pytest.mark.parametrize(
    ("parameters", "labels"),
    [
        ({"dense_sizes": (4,), "class_weight": {0: 1.0, 1: 2.0}}, Y),
        ({"early_stopping": True, "scoring": "f1_macro"}, np.array(["a", "b"])[Y]),
        ({"learning_rate": np.float64(0.01)}, np.array(["a", "b"], dtype=object)[Y]),
    ],
)
def test_the_estimator_alone_is_the_only_type_to_trust(tmp_path, parameters, labels):
    estimator = quick(max_epochs=2, **parameters).fit(X, labels)
    loaded = through_skops(estimator, tmp_path / "model.skops", [CLASSIFIER])
    np.testing.assert_array_equal(loaded.predict_proba(X), estimator.predict_proba(X))
    np.testing.assert_array_equal(loaded.predict(X), estimator.predict(X))
    assert loaded.get_params() == estimator.get_params()
    assert loaded.history_.keys() == estimator.history_.keys()
    further, expected = loaded.partial_fit(X, labels), estimator.partial_fit(X, labels)
    assert further.n_iter_ == expected.n_iter_


@pytest.mark.parametrize(
    ("step", "name"),
    [
        (SequenceScaler(), "_scaler.SequenceScaler"),
        (SequenceScaler(method="robust"), "_scaler.SequenceScaler"),
        (SequenceScaler(per="sequence"), "_scaler.SequenceScaler"),
        (SequenceImputer(), "_imputer.SequenceImputer"),
        (RollingFeatures(differences=(1,)), "_rolling.RollingFeatures"),
    ],
)
def test_pipelines_of_sequences(tmp_path, step, name):
    pipeline = make_pipeline(step, quick(max_epochs=1)).fit(X, Y)
    trusted = [CLASSIFIER, f"sklstm.preprocessing.{name}"]
    loaded = through_skops(pipeline, tmp_path / "pipeline.skops", trusted)
    np.testing.assert_array_equal(loaded.predict_proba(X), pipeline.predict_proba(X))


@pytest.mark.parametrize("analyzer", ["word", "char", "bpe"])
def test_pipelines_of_text(tmp_path, analyzer):
    pipeline = make_pipeline(TokenEncoder(analyzer=analyzer), quick(embedding_dim=4, max_epochs=2))
    pipeline.fit(TEXTS, [0, 1] * 8)
    trusted = [CLASSIFIER, "sklstm.preprocessing._tokens.TokenEncoder"]
    loaded = through_skops(pipeline, tmp_path / "pipeline.skops", trusted)
    new = [*TEXTS, "", "[PAD] west of nowhere"]
    np.testing.assert_array_equal(loaded.predict_proba(new), pipeline.predict_proba(new))


def test_an_optimizer_of_torch_is_a_type_to_trust(tmp_path):
    estimator = quick(optimizer=torch.optim.Adam, max_epochs=1).fit(X, Y)
    loaded = through_skops(estimator, tmp_path / "model", [CLASSIFIER, "torch.optim.adam.Adam"])
    assert loaded.optimizer is torch.optim.Adam


def test_what_scikit_learn_wraps(tmp_path):
    calibrated = CalibratedClassifierCV(quick(max_epochs=1), cv=2).fit(X, Y)
    skops.io.dump(calibrated, tmp_path / "model")
    types = skops.io.get_untrusted_types(file=tmp_path / "model")
    assert [name for name in types if not name.startswith("sklearn.")] == [CLASSIFIER]
    loaded = skops.io.load(tmp_path / "model", trusted=types)
    np.testing.assert_array_equal(loaded.predict_proba(X), calibrated.predict_proba(X))


def test_a_network_that_does_not_fit_its_weights_takes_no_memory(tmp_path):
    """Trust in the class is not trust in the numbers."""
    path = tmp_path / "model"
    skops.io.dump(quick(hidden_sizes=8, max_epochs=1).fit(X, Y), path)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    schema = json.loads(members["schema.json"])
    sizes = schema["content"]["content"]["_network"]["content"]["hidden_sizes"]
    sizes["content"][0] |= {"__loader__": "JsonNode", "content": "1000000", "__id__": 1}
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in (members | {"schema.json": json.dumps(schema).encode()}).items():
            archive.writestr(name, content)
    with pytest.raises(ValueError, match="are not those of a network"):
        skops.io.load(path, trusted=[CLASSIFIER])
