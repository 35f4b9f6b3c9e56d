"""What is exported, and what is refused."""

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import VotingClassifier
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from sklstm import LSTMSequenceClassifier
from sklstm.export import to_onnx
from sklstm.preprocessing import RollingFeatures, SequenceImputer, SequenceScaler, TokenEncoder
from tests.export.cases import TOLERANCE, assert_same_predictions, measurements, run, small

TEXTS = ["Where is the king?", "Who is the king?", "No", "Which way is north"] * 3


class Own(LSTMSequenceClassifier):
    pass


@pytest.fixture(scope="module")
def fitted():
    return small(conv_filters=()).fit(*measurements())


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.onnx"


@pytest.mark.parametrize("model", [small(), make_pipeline(SequenceScaler(), small())], ids=str)
def test_a_model_that_is_not_fitted(model, path):
    with pytest.raises(NotFittedError):
        to_onnx(model, path)
    assert not path.exists()


def test_a_step_that_is_not_fitted(fitted, path):
    with pytest.raises(NotFittedError, match="SequenceScaler"):
        to_onnx(make_pipeline(SequenceScaler(), fitted), path)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (LogisticRegression(), r"^to_onnx takes an LSTM.* Got an instance of LogisticRegression"),
        (Own(), r"instance of Own instead\.\n\nA subclass is code"),
        (
            make_pipeline(SequenceScaler(), LogisticRegression()),
            r"^The last step .* Step 'logisticregression' is an instance of LogisticRegression",
        ),
        (make_pipeline(SequenceScaler()), "Step 'sequencescaler' is an instance of SequenceScaler"),
    ],
    ids=["another", "subclass", "another last step", "no estimator"],
)
def test_other_models_are_named(model, message, path):
    with pytest.raises(TypeError, match=message):
        to_onnx(model, path)


def test_a_search_is_to_give_its_best(path):
    search = GridSearchCV(small(conv_filters=()), {"hidden_sizes": [2]}, cv=2)
    search.fit(*measurements())
    with pytest.raises(TypeError, match=r"to_onnx\(search\.best_estimator_, path\)"):
        to_onnx(search, path)


def test_what_has_estimators_in_it_is_to_export_these(fitted, path):
    calibrated = CalibratedClassifierCV(FrozenEstimator(fitted), cv=2).fit(*measurements())
    vote = make_pipeline(SequenceScaler(), VotingClassifier([("one", fitted)]))
    for model in (calibrated, vote):
        with pytest.raises(TypeError, match=r"\n\nExport each estimator in it, and combine the"):
            to_onnx(model, path)
    with pytest.raises(TypeError, match=r"\n\nExport the model in it: to_onnx\(model\.estimator"):
        to_onnx(FrozenEstimator(fitted), path)


def test_a_step_of_someone_else_is_named_with_what_comes_behind_it(fitted, path):
    rolling = RollingFeatures().fit(measurements()[0])
    pipeline = make_pipeline(rolling, FunctionTransformer(), SequenceScaler(), fitted)
    with pytest.raises(
        TypeError,
        match=r"Step 'functiontransformer' .* FunctionTransformer\.\n\n.*to_onnx\(pipeline\[2:\]",
    ):
        to_onnx(pipeline, path)


@pytest.mark.parametrize("X", [None, TEXTS], ids=["drawn", "texts"])
def test_a_file_of_texts_begins_at_the_ids(X, path):
    pipeline = make_pipeline(TokenEncoder(), small(embedding_dim=3)).fit(TEXTS, np.arange(12) % 4)
    assert to_onnx(pipeline, path, X=X) <= TOLERANCE
    found = run(path, pipeline[0].transform(TEXTS))
    assert_same_predictions(found, pipeline, TEXTS)


def test_a_scaler_whose_parameters_were_changed_scales_as_it_was_fitted(path):
    X, y = measurements()
    pipeline = make_pipeline(SequenceScaler("minmax"), small(conv_filters=())).fit(X, y)
    pipeline[0].set_params(method="robust")
    assert to_onnx(pipeline, path) <= TOLERANCE


def test_a_pipeline_that_widens_before_it_is_scaled(path):
    X, y = measurements()
    steps = [SequenceImputer(add_indicator=True), RollingFeatures(2), SequenceScaler("robust")]
    pipeline = make_pipeline(*steps, small()).fit(X, y)
    assert to_onnx(pipeline, path) <= TOLERANCE
    assert_same_predictions(run(path, X), pipeline, X)


@pytest.mark.parametrize("parameters", [{"conv_filters": ()}, {"n_kernels": 300}], ids=str)
def test_bfloat16_is_float32_in_a_file(parameters, path):
    X, y = measurements()
    model = small(precision="bfloat16", **parameters).fit(X, y)
    assert to_onnx(model, path) <= 0.05
    found = run(path, X)["probabilities"]
    np.testing.assert_allclose(found, model.predict_proba(X), atol=0.05)
