"""The service of the guide, as its clients see it."""

import importlib.util
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient

from sklstm import LSTMSequenceRegressor, save_model
from tests.helpers import make_ragged, make_tagged, quick

APP = Path(__file__).parents[2] / "docs/serving/app.py"
X, Y = make_ragged(20)
LISTS = [x.tolist() for x in X]


@pytest.fixture(scope="module")
def classifier():
    return quick(max_epochs=2).fit(X, np.array(["no", "yes"])[Y])


@pytest.fixture(scope="module")
def client(classifier, tmp_path_factory):
    path = tmp_path_factory.mktemp("serving") / "model.safetensors"
    save_model(classifier, path, scores={"accuracy": 0.75})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MODEL", str(path))
        with TestClient(load_app(patch).app) as client:
            yield client


def load_app(patch):
    # Only a module that can be found by its name has its annotations resolved.
    spec = importlib.util.spec_from_file_location("serving_app", APP)
    module = importlib.util.module_from_spec(spec)
    patch.setitem(sys.modules, "serving_app", module)
    spec.loader.exec_module(module)
    return module


def ask(client, sequences):
    return client.post("/predict", json={"sequences": sequences})


def test_it_answers_what_the_model_predicts(client, classifier):
    answer = ask(client, LISTS).json()
    assert answer["labels"] == classifier.predict(X).tolist()
    found = [[row["no"], row["yes"]] for row in answer["probabilities"]]
    np.testing.assert_array_equal(found, classifier.predict_proba(X))


@pytest.mark.parametrize(
    ("sequences", "status", "detail"),
    [
        ([LISTS[0], []], 422, "body.sequences.1: List should have at least 1 item"),
        ([LISTS[0], [[]]], 422, "body.sequences.1.0: List should have at least 1 item"),
        ([[[1.0]]], 422, "X has 1 features"),
        ([], 422, "Found array with 0 sample(s)"),
        ([LISTS[0]] * 1001, 422, "body.sequences: List should have at most 1000 items"),
        ([[[0.0, 0.0]] * 100_001], 413, "At most 100000 timesteps"),
        ([[["a", "b"]]], 422, "body.sequences.0.0.0: Input should be a valid number"),
        ([[["1.5", "2"]]], 422, "body.sequences.0.0.0: Input should be a valid number"),
        ([[[0.0, True]]], 422, "body.sequences.0.0.1: Input should be a valid number"),
        ([LISTS[0], [[1.0, 2.0], [3.0]]], 422, "X[1] is not a rectangular array"),
    ],
    ids=[
        "no timesteps",
        "no features",
        "another width",
        "none",
        "too many",
        "too long",
        "texts",
        "numbers as texts",
        "true",
        "ragged timesteps",
    ],
)
def test_what_cannot_be_predicted_is_the_clients_error(client, sequences, status, detail):
    response = ask(client, sequences)
    assert response.status_code == status
    assert str(response.json()["detail"]).startswith(detail)


@pytest.mark.parametrize("sequences", ["NaN", "[[NaN]]", "[[[NaN, 1.0]]]", "[[[Infinity, 1.0]]]"])
def test_what_is_no_number_is_the_clients_error(client, sequences):
    headers = {"Content-Type": "application/json"}
    response = client.post("/predict", content=f'{{"sequences": {sequences}}}', headers=headers)
    assert response.status_code == 422


def test_a_long_request_has_a_short_answer(client):
    response = ask(client, [[[None, None]] * 20_000])
    assert response.status_code == 422
    assert len(response.content) < 200


def test_integers_are_numbers(client, classifier):
    answer = ask(client, [[[1, 2], [3, 4]]]).json()
    assert answer["labels"] == classifier.predict([[[1.0, 2.0], [3.0, 4.0]]]).tolist()


def test_many_requests_at_a_time(client, classifier):
    expected = classifier.predict(X).tolist()
    with ThreadPoolExecutor(4) as threads:
        answers = list(threads.map(lambda _: ask(client, LISTS).json()["labels"], range(20)))
    assert answers == [expected] * 20


def test_the_card_of_the_model(client):
    card = client.get("/card").json()
    assert card["scores"] == {"accuracy": 0.75}
    assert card["classes"] == ["no", "yes"]


SMALL_REGRESSOR = LSTMSequenceRegressor(3, n_kernels=0, conv_filters=(), max_epochs=1)


@pytest.mark.parametrize(
    ("model", "y"),
    [(SMALL_REGRESSOR, Y * 1.0), (quick(max_epochs=1), make_tagged(20)[1])],
    ids=["regressor", "several labels"],
)
def test_a_model_without_one_label_per_sequence_is_refused_at_the_start(
    model, y, tmp_path, monkeypatch
):
    path = tmp_path / "model.safetensors"
    save_model(model.fit(X, y), path)
    monkeypatch.setenv("MODEL", str(path))
    with pytest.raises(TypeError, match=r"model\.safetensors is no classifier with one label"):
        load_app(monkeypatch)
