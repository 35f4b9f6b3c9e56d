import json

import numpy as np
import onnx
import pandas as pd
import pytest
from sklearn.pipeline import make_pipeline

from sklstm import __version__, model_card
from sklstm._persistence._card import build_card
from sklstm.export import to_onnx
from sklstm.preprocessing import RollingFeatures, TokenEncoder
from tests.export.cases import measurements, small, small_regressor


def metadata(model, path):
    """The metadata of a file, and its largest difference."""
    difference = to_onnx(model, path / "model.onnx")
    proto = onnx.load(path / "model.onnx")
    assert proto.producer_name == "sklstm"
    assert proto.producer_version == __version__
    assert "lengths" in proto.doc_string
    found = {entry.key: json.loads(entry.value) for entry in proto.metadata_props}
    assert found.pop("largest_difference") == difference
    assert found.pop("tolerance") == 1e-5
    assert found.pop("card") == build_card(model)
    return found


def test_classes_and_features(tmp_path):
    X, y = measurements()
    frames = [pd.DataFrame(x, columns=["p", "q"]) for x in X]
    assert metadata(small(conv_filters=()).fit(frames, y), tmp_path) == {
        "classes": ["maybe", "no", "yes"], "n_features": 2, "feature_names": ["p", "q"],
    }  # fmt: skip


def test_features_of_the_first_step(tmp_path):
    X, y = measurements()
    frames = [pd.DataFrame(x, columns=["p", "q"]) for x in X]
    model = make_pipeline(RollingFeatures(2), small(conv_filters=())).fit(frames, y)
    found = metadata(model, tmp_path)
    assert (found["n_features"], found["feature_names"]) == (2, ["p", "q"])


def test_columns_of_a_table_are_timesteps(tmp_path):
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(12, 1)), columns=["monday"])
    found = metadata(small(conv_filters=()).fit(frame, np.arange(12) % 2), tmp_path)
    assert (found["n_features"], "feature_names" in found) == (1, False)


def test_categories_come_last(tmp_path):
    X, y = measurements()
    frames = [pd.DataFrame({"p": x[:, 0], "word": ["b", "a", *"c" * (len(x) - 2)], "q": x[:, 1]})
              for x in X]  # fmt: skip
    found = metadata(small(conv_filters=()).fit(frames, y), tmp_path)
    assert found["feature_names"] == ["p", "q", "word"]
    assert found["categories"] == {"word": ["a", "b", "c"]}


def test_static_columns_and_numbers(tmp_path):
    X, _ = measurements()
    table = pd.DataFrame({"ward": ["east", "west"] * 6, "age": np.arange(12.0), "walk": X})
    model = small_regressor(loss="quantile").fit(table, np.arange(12.0))
    found = metadata(model, tmp_path)
    assert found["quantiles"] == [0.05, 0.5, 0.95]
    assert found["static"] == {"columns": ["age", "ward"], "categories": {"ward": ["east", "west"]}}


def test_the_vocabulary(tmp_path):
    texts = ["où est le nord", "le roi est là"] * 6
    model = make_pipeline(TokenEncoder(), small(embedding_dim=2)).fit(texts, [0, 1] * 6)
    found = metadata(model, tmp_path)
    assert found["vocabulary"] == model[0].vocabulary_
    assert found["vocabulary_size"] == len(model[0].vocabulary_) + 2
    assert found["encoder"] == {"analyzer": "word", "lowercase": True, "max_length": None,
                                "cut": "end", "token_pattern": model[0].token_pattern}  # fmt: skip


# The card -----------------------------------------------------------------------------------------


def test_the_card_of_a_file(tmp_path):
    X, y = measurements()
    model = small(conv_filters=()).fit(X, y)
    to_onnx(model, tmp_path / "model.onnx", scores={"accuracy": 0.75})
    card = model_card(tmp_path / "model.onnx")
    assert card == build_card(model, scores={"accuracy": 0.75})
    assert (card["estimator"], card["scores"]) == ("LSTMSequenceClassifier", {"accuracy": 0.75})
    assert "  accuracy: 0.75" in str(card).splitlines()


def test_the_card_of_a_pipeline(tmp_path):
    texts = ["où est le nord", "le roi est là"] * 6
    model = make_pipeline(TokenEncoder(), small(embedding_dim=2)).fit(texts, [0, 1] * 6)
    to_onnx(model, tmp_path / "model.onnx")
    card = model_card(tmp_path / "model.onnx")
    assert card == build_card(model)
    assert [step["class"] for step in card["pipeline"]] == ["TokenEncoder"]


@pytest.mark.parametrize(
    ("scores", "error", "message"),
    [([0.5], TypeError, "scores must be a dict"), ({"a": np.nan}, ValueError, r"scores\['a'\]")],
)
def test_scores_that_are_none(scores, error, message, tmp_path):
    with pytest.raises(error, match=message):
        to_onnx(small(), tmp_path / "model.onnx", scores=scores)
