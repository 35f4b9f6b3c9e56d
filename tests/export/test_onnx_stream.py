"""Files with a state, beside `Stream` and the model."""

import json

import numpy as np
import onnx
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from sklstm import LSTMSequenceClassifier, LSTMSequenceRegressor, model_card
from sklstm.export import to_onnx_stream
from sklstm.preprocessing import RollingFeatures, SequenceScaler, TokenEncoder
from sklstm.streaming import Stream
from tests.export.cases import TOLERANCE, open_file
from tests.streaming.fitted import (
    CAUSAL,
    FRAMES,
    IDS,
    N_TIMESTEPS,
    RUN,
    TABLE,
    X,
    classifier,
    of_frames,
    of_table,
    of_tokens,
    regressor,
)

TYPES = {"tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(int64)": np.int64}
CHUNKS = {"one by one": [1] * N_TIMESTEPS, "five at a time": [5, 5, 1]}
ROUNDED = X.astype(np.float32)


def begin(session, n):
    """Zeros for each array of the state."""
    names = json.loads(session.get_modelmeta().custom_metadata_map["state"])
    return {
        given.name: np.zeros((n, *given.shape[1:]), TYPES[given.type])
        for given in session.get_inputs()
        if given.name in names
    }


def update(session, state, x, **fixed):
    """Predictions by name, and the new state."""
    names = [output.name for output in session.get_outputs()]
    found = dict(zip(names, session.run(names, {"x": x, **fixed, **state}), strict=True))
    return found, {name: found.pop(f"new_{name}") for name in state}


def run(path, x, chunks, **fixed):
    """Predictions by name of a file after each timestep, and the last state."""
    session = open_file(path)
    state, pieces = begin(session, len(x)), []
    for chunk in np.split(x, np.cumsum(chunks)[:-1], axis=1):
        found, state = update(session, state, chunk, **fixed)
        pieces.append(found)
    joined = {name: np.concatenate([p[name] for p in pieces], axis=1) for name in pieces[0]}
    return joined, state


def assert_agrees(model, path, x, given, columns=None, **fixed):
    """A file does what a stream does, with one sequence and with three."""
    assert to_onnx_stream(model, path) <= TOLERANCE
    for n in (1, 3):
        stream = Stream(model, n, static=None if columns is None else columns[:n])
        expected = stream.update(given[:n])
        for chunks in CHUNKS.values():
            found, state = run(path, x[:n], chunks, **{k: v[:n] for k, v in fixed.items()})
            name = "value" if "value" in found else "probabilities"
            assert found[name].shape == expected.shape
            np.testing.assert_allclose(found[name], expected, rtol=0, atol=TOLERANCE)
            known = stream.state_dict()
            assert {k: (v.shape, v.dtype) for k, v in state.items()} == {
                k: (known[k].shape, known[k].dtype) for k in state
            }
            for k, array in state.items():
                np.testing.assert_allclose(array, known[k], rtol=0, atol=TOLERANCE)
    return found


@pytest.mark.parametrize(
    "parameters",
    [
        {"pooling": "last"}, {"pooling": "max"}, {"pooling": "mean"}, {"dense_sizes": (3, 5)},
        {"hidden_sizes": (3, 4), "pooling": "last"}, {"hidden_sizes": (5, 3), "pooling": "max"},
        {"hidden_sizes": (4, 2, 3), "pooling": "mean", "dense_sizes": 3},
    ],
    ids=str,
)  # fmt: skip
def test_networks_of_measurements(parameters, tmp_path):
    model = classifier(**parameters)
    found = assert_agrees(model, tmp_path / "model.onnx", ROUNDED, ROUNDED)
    assert (found["label"][:, -1] == model.predict(ROUNDED[:3])).all()


def test_measurements_that_are_not_standardised(tmp_path):
    y = np.arange(40) % 2 == 0
    model = LSTMSequenceClassifier(4, **{**CAUSAL, "standardize": False}, **RUN).fit(X, y)
    found = assert_agrees(model, tmp_path / "model.onnx", ROUNDED, ROUNDED)
    assert found["label"].dtype == bool


@pytest.mark.parametrize("pooling", ["last", "max", "mean"])
def test_token_ids(pooling, tmp_path):
    assert_agrees(of_tokens(pooling=pooling), tmp_path / "model.onnx", IDS, IDS)


@pytest.mark.parametrize("n_outputs", [None, 1, 2])
def test_numbers(n_outputs, tmp_path):
    assert_agrees(regressor(n_outputs), tmp_path / "model.onnx", ROUNDED, ROUNDED)


@pytest.mark.parametrize("n_outputs", [None, 2])
def test_quantiles(n_outputs, tmp_path):
    model = regressor(n_outputs, loss="quantile", quantiles=(0.9, 0.2, 0.6))
    found = assert_agrees(model, tmp_path / "model.onnx", ROUNDED, ROUNDED)
    expected = model.predict_quantiles(ROUNDED[:3])
    np.testing.assert_allclose(found["quantiles"][:, -1], expected, rtol=0, atol=TOLERANCE)


def test_several_labels_of_text(tmp_path):
    y = np.column_stack([X[:, 0, 0] > 0, X[:, 1, 1] > 0, X[:, -1, 2] > 0]).astype(int)
    model = LSTMSequenceClassifier(4, **CAUSAL, **RUN).fit(X, y)
    found = assert_agrees(model, tmp_path / "model.onnx", ROUNDED, ROUNDED)
    assert found["label"].shape == (3, N_TIMESTEPS, 3)


def test_labels_are_texts_after_each_timestep(tmp_path):
    model = LSTMSequenceClassifier(4, **CAUSAL, **RUN).fit(X, ["ja", "nö"] * 20)
    found = assert_agrees(model, tmp_path / "model.onnx", ROUNDED, ROUNDED)
    expected = model.classes_[found["probabilities"].argmax(axis=2)]
    assert (found["label"] == expected).all()


def test_categories_among_the_features(tmp_path):
    frames = [f.assign(a=np.float32(f["a"]), b=np.float32(f["b"])) for f in FRAMES[:3]]
    codes = [[{"u": 1, "v": 2, "w": 3}[kind] for kind in f["kind"]] for f in frames]
    x = np.stack([np.column_stack([f["a"], f["b"], c]) for f, c in zip(frames, codes, strict=True)])
    assert_agrees(of_frames(), tmp_path / "model.onnx", x.astype(np.float32), frames)


@pytest.mark.parametrize("pooling", ["last", "max"])
def test_static_columns(pooling, tmp_path):
    columns = TABLE[["age", "ward"]]
    table = np.column_stack([TABLE["age"], TABLE["ward"].map({"n": 1, "s": 2})]).astype(float)
    model = of_table(pooling=pooling)
    assert_agrees(model, tmp_path / "model.onnx", ROUNDED, ROUNDED, columns, static=table)


def test_a_scaler_before_the_model(tmp_path):
    scaled = LSTMSequenceClassifier(4, **{**CAUSAL, "standardize": False}, **RUN)
    steps = [SequenceScaler("robust"), "passthrough", SequenceScaler("minmax")]
    model = make_pipeline(*steps, scaled).fit(X, np.arange(40) % 2)
    assert_agrees(model, tmp_path / "model.onnx", ROUNDED, ROUNDED)
    assert model_card(tmp_path / "model.onnx")["pipeline"][0]["class"] == "SequenceScaler"


# The state ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("pooling", ["last", "max", "mean"])
def test_a_row_of_zeros_begins_a_sequence_anew(pooling, tmp_path):
    to_onnx_stream(classifier(pooling=pooling), tmp_path / "model.onnx")
    session = open_file(tmp_path / "model.onnx")
    _, state = update(session, begin(session, 3), ROUNDED[:3, :4])
    for array in state.values():
        array[1] = 0
    found, _ = update(session, state, ROUNDED[:3, 4:])
    alone, _ = update(session, begin(session, 1), ROUNDED[1:2, 4:])
    np.testing.assert_allclose(found["probabilities"][1], alone["probabilities"][0], atol=TOLERANCE)


@pytest.mark.parametrize("pooling", ["last", "max", "mean"])
def test_a_file_goes_on_from_the_state_of_a_stream(pooling, tmp_path):
    model = classifier(pooling=pooling)
    to_onnx_stream(model, tmp_path / "model.onnx")
    session, stream = open_file(tmp_path / "model.onnx"), Stream(model, 2)
    stream.update(ROUNDED[:2, :6])
    known = stream.state_dict()
    state = {name: known[name] for name in begin(session, 2)}
    found, _ = update(session, state, ROUNDED[:2, 6:])
    expected = stream.update(ROUNDED[:2, 6:])
    np.testing.assert_allclose(found["probabilities"], expected, rtol=0, atol=TOLERANCE)


def test_names_shapes_and_metadata(tmp_path):
    difference = to_onnx_stream(classifier((3, 4), pooling="mean"), tmp_path / "model.onnx")
    proto = onnx.load(tmp_path / "model.onnx")
    shapes = {
        value.name: [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]
        for value in (*proto.graph.input, *proto.graph.output)
    }
    state = {
        "hidden_0": ["batch", 3], "cell_0": ["batch", 3], "hidden_1": ["batch", 4],
        "cell_1": ["batch", 4], "total": ["batch", 4], "n_timesteps": ["batch"],
    }  # fmt: skip
    assert shapes == {
        "x": ["batch", "time", 3], **state,
        "label": ["batch", "time"], "probabilities": ["batch", "time", 3],
        **{f"new_{name}": shape for name, shape in state.items()},
    }  # fmt: skip
    metadata = {entry.key: json.loads(entry.value) for entry in proto.metadata_props}
    assert metadata["state"] == list(state)
    assert metadata["largest_difference"] == difference
    assert "zeros before the first timestep" in proto.doc_string
    assert model_card(tmp_path / "model.onnx")["estimator"] == "LSTMSequenceClassifier"


# Errors -------------------------------------------------------------------------------------------


def assert_refused(model, path, error, message):
    with pytest.raises(error, match=message):
        to_onnx_stream(model, path / "model.onnx")
    assert list(path.iterdir()) == []


def test_a_model_that_is_not_causal_is_told_the_parameters(tmp_path):
    model = LSTMSequenceClassifier(4, **{**CAUSAL, "bidirectional": True}, **RUN)
    assert_refused(
        model.fit(X, np.arange(40) % 2), tmp_path, ValueError, r"\(bidirectional=False\)"
    )


def test_patches_are_refused(tmp_path):
    message = r"its patch_size is 2\.\n\nFit it with patch_size=1, or use sklstm\.streaming\.Stream"
    assert_refused(classifier(pooling="mean", patch_size=2), tmp_path, ValueError, message)


@pytest.mark.parametrize(
    ("model", "error", "message"),
    [
        (LogisticRegression(), TypeError, r"^to_onnx_stream takes an LSTM.* LogisticRegression"),
        (LSTMSequenceRegressor(), NotFittedError, "not fitted"),
        (make_pipeline(RollingFeatures().fit(X), classifier()), ValueError, "'rollingfeatures'"),
        (make_pipeline(TokenEncoder().fit(["a"]), of_tokens()), ValueError, r"pipeline\[-1\]"),
    ],
    ids=["another", "not fitted", "steps of windows", "texts"],
)
def test_other_models_are_named(model, error, message, tmp_path):
    assert_refused(model, tmp_path, error, message)
