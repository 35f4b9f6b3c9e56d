import json
import random
import shutil

import numpy as np
import pytest
from safetensors import safe_open

from sklstm import load_model, model_card, save_model
from sklstm._files import _container
from sklstm._files._container import NAME
from sklstm._persistence._card import build_card
from sklstm.exceptions import ModelFileError
from tests.crashing import crash_after
from tests.helpers import make_ragged, quick
from tests.persistence.forgery import edit, forge, parts_of
from tests.persistence.test_fuzzing import DAMAGES
from tests.persistence.test_model import FORMATS

X, Y = make_ragged(20)


@pytest.fixture(scope="module")
def classifier():
    labels = np.array(['"sha256":"', "ü \ud800\n\x1b[2J"], dtype=object)[Y]
    return quick(max_epochs=2).fit(X, labels)


@pytest.fixture
def path(tmp_path, classifier):
    path = tmp_path / "model.safetensors"
    save_model(classifier, path, scores={"accuracy": 0.75})
    return path


def test_the_card_of_a_saved_model_is_that_of_the_estimator(path, classifier):
    assert model_card(path) == build_card(classifier, scores={"accuracy": 0.75})


def test_the_model_beside_a_card_is_the_same(path, classifier):
    np.testing.assert_array_equal(load_model(path).predict_proba(X), classifier.predict_proba(X))


def test_any_reader_of_safetensors_shows_the_card(path):
    with safe_open(path, "np") as file:
        text = file.metadata()["card"]
    assert json.loads(text) == model_card(path)
    assert len(text.splitlines()) > 20


def test_a_model_gives_the_same_file_twice(path, classifier, tmp_path):
    save_model(classifier, tmp_path / "again", scores={"accuracy": 0.75})
    assert (tmp_path / "again").read_bytes() == path.read_bytes()


def test_a_card_prints_as_lines_of_text(path):
    card = model_card(path)
    lines = str(card).splitlines()
    assert lines[0] == "estimator: LSTMSequenceClassifier"
    assert "  training_sequences: 20" in lines
    assert "  conv_filters: none" in lines
    assert "  accuracy: 0.75" in lines
    assert repr(card) == str(card)


def test_a_card_prints_nothing_but_characters_that_can_be_seen(path):
    """No escape sequence of a terminal, no line that begins inside a name."""
    text = str(model_card(path))
    assert r'classes: "sha256":", ü \ud800\n\x1b[2J' in text
    text.encode()


def test_labels_that_are_texts_of_digits_print_as_texts(path):
    save_model(quick(max_epochs=1).fit(X, np.array(["1", "2"])[Y]), path)
    assert "classes: '1', '2'" in str(model_card(path)).splitlines()
    save_model(quick(max_epochs=1).fit(X, Y + 1), path)
    assert "classes: 1, 2" in str(model_card(path)).splitlines()


def test_steps_print_as_a_list():
    shown = str(model_card(FORMATS / "1.pipeline.safetensors"))
    assert "pipeline:\n- name: tokenencoder\n  class: TokenEncoder\n  parameters:\n    max" in shown


# Files without a card -----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["", ".pipeline"])
def test_a_file_of_an_earlier_version_says_what_it_can(kind):
    path = FORMATS / f"1{kind}.safetensors"
    card = model_card(path)
    loaded = load_model(path)
    assert card["classes"] == loaded.classes_.tolist()
    assert card["estimator"] == "LSTMSequenceClassifier"
    assert card["versions"]["sklearn"]
    rebuilt = build_card(loaded)
    assert {**rebuilt, "versions": card["versions"], "date": None} == {**card, "date": None}


def test_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.safetensors"):
        model_card(tmp_path / "none.safetensors")


def test_a_checkpoint_is_no_model(tmp_path):
    path = tmp_path / "checkpoint"
    crash_after(1, X, Y, checkpoint=path, max_epochs=2)
    with pytest.raises(ModelFileError, match="not a model file"):
        model_card(path)


# Damage and forgery -------------------------------------------------------------------------------


def with_card(path, card):
    """The file with another card and the checksum that belongs to it."""
    document, arrays = parts_of(path)
    forge(path, document, arrays, card=card)


@pytest.mark.parametrize(
    "card",
    ["", "{", "[]", "3", "null", "{}", '{"estimator": 3}',
     '{"estimator": "A", "b": 1' + "0" * 5000 + "}",
     '{"estimator": "A", "b": ' + "[" * 500 + "]" * 500 + "}", "[" * 100_000],
    ids=lambda card: card[:30],
)  # fmt: skip
def test_cards_that_are_none(path, card):
    with_card(path, card)
    with pytest.raises(ModelFileError, match=r"has no valid model card|is not a model file"):
        model_card(path)


@pytest.mark.parametrize(
    "card",
    [
        {"estimator": "A", "data": None, "classes": {"a": [{"b": []}]}, "pipeline": [{}, {"c": {}}],
         "b": {}},
        {"estimator": "\ud800", "x" * 9: float("nan"), "": [[[]]], "pipeline": [{"a": [{"b": 1}]}]},
    ],
)  # fmt: skip
def test_whatever_else_a_card_says_it_prints(path, card):
    with_card(path, json.dumps(card))
    str(model_card(path)).encode()


def test_an_entry_that_is_no_text(path, monkeypatch):
    monkeypatch.setattr(_container, "_read_whole", lambda *a: ({"card": 3, NAME: ""}, {}, b""))
    with pytest.raises(ModelFileError, match="an entry 'card' that is no text"):
        model_card(path)


def outcome(path):
    try:
        return str(model_card(path))
    except ModelFileError:
        return None


def test_a_hundred_damaged_files(path):
    rng, whole, expected = random.Random(0), path.read_bytes(), outcome(path)
    shown = 0
    for number in range(100):
        path.write_bytes(DAMAGES[number % len(DAMAGES)](whole, rng))
        said = outcome(path)
        assert said in (None, expected)
        shown += said is not None
    assert shown < 10


def test_hundreds_of_forged_files_without_a_card(tmp_path):
    saved, path = FORMATS / "1.safetensors", tmp_path / "forged"
    rng, outcomes = random.Random(0), []
    for _ in range(200):
        document, arrays = parts_of(saved)
        edit(document, arrays, rng)
        forge(path, document, arrays)
        outcomes.append(outcome(path))
    assert None in outcomes
    assert sum(text is not None for text in outcomes) > 20


# ONNX ---------------------------------------------------------------------------------------------

onnx = pytest.importorskip("onnx")


@pytest.fixture
def onnx_path(tmp_path, classifier):
    helper = onnx.helper
    value = helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, ["n"])
    out = helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["n"])
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "copy", [value], [out])
    model = helper.make_model(graph)
    helper.set_model_props(model, {"card": json.dumps(build_card(classifier)), "other": "text"})
    onnx.save_model(model, tmp_path / "model.ONNX")
    return tmp_path / "model.ONNX"


def test_the_card_of_an_onnx_model(onnx_path, classifier):
    assert model_card(onnx_path) == build_card(classifier)


def test_an_onnx_model_of_somebody_else(onnx_path):
    model = onnx.load(onnx_path)
    del model.metadata_props[:]
    onnx.save_model(model, onnx_path)
    with pytest.raises(ModelFileError, match=r"has no model card: it was not written by sklstm"):
        model_card(onnx_path)


def test_weights_beside_an_onnx_model_are_not_opened(onnx_path):
    model = onnx.load(onnx_path)
    tensor = model.graph.initializer.add()
    tensor.CopyFrom(onnx.helper.make_tensor("w", onnx.TensorProto.FLOAT, [1], [0.0]))
    tensor.ClearField("float_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "missing.bin"
    onnx_path.write_bytes(model.SerializeToString())
    assert model_card(onnx_path)["estimator"] == "LSTMSequenceClassifier"


def test_damaged_onnx_models(onnx_path, path):
    whole, rng = onnx_path.read_bytes(), random.Random(0)
    for damage in DAMAGES * 10:
        onnx_path.write_bytes(damage(whole, rng))
        outcome(onnx_path)
    shutil.copy(path, onnx_path)
    with pytest.raises(ModelFileError, match=r"is not an ONNX model|has no model card"):
        model_card(onnx_path)
