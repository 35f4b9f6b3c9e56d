import json
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.pipeline import make_pipeline

from sklstm import LSTMSequenceRegressor
from sklstm._persistence._card import build_card, plain
from sklstm.preprocessing import RollingFeatures, TokenEncoder
from tests.helpers import make_ragged, make_tagged, quick

X, Y = make_ragged(20)


def card_of(estimator, **options):
    """The card, which is one of plain values: the same after a way through JSON."""
    card = build_card(estimator, **options)
    assert json.loads(json.dumps(card, allow_nan=False)) == card
    return card


@pytest.fixture(scope="module")
def classifier():
    return quick(max_epochs=2, l2=1e-3).fit(X, np.array(["no", "yes"])[Y])


def test_a_classifier(classifier):
    card = card_of(classifier, scores={"accuracy": np.float32(0.5), "n": 3})
    assert card["estimator"] == "LSTMSequenceClassifier"
    assert (card["task"], card["n_classes"], card["classes"]) == (
        "classification", 2, ["no", "yes"],
    )  # fmt: skip
    lengths = [len(x) for x in X]
    assert card["data"] == {
        "kind": "measurements", "features": 2,
        "training_sequences": 20, "training_lengths": [min(lengths), max(lengths)],
    }  # fmt: skip
    assert card["training"] == {
        "epochs": 2, "best_epoch": 2, "stop_reason": "max_epochs",
    }  # fmt: skip
    weights = classifier.net_.module_.state_dict().values()
    assert card["network"] == {"n_weights": sum(w.numel() for w in weights)}
    assert card["scores"] == {"accuracy": 0.5, "n": 3}
    assert card["versions"]["torch"] == torch.__version__
    assert len(card["date"]) == len("2026-01-31")


@pytest.mark.parametrize("scoring", ["loss", "accuracy"])
def test_a_best_score_is_one_of_validation_data(scoring):
    model = quick(max_epochs=2, early_stopping=True, scoring=scoring).fit(X, Y)
    assert card_of(model)["training"]["best_score"] == model.best_score_


def test_parameters_are_those_that_differ_and_resolved_those_that_were_auto(classifier):
    card = card_of(classifier)
    given, defaults = classifier.get_params(), type(classifier)().get_params()
    of_run = {"callbacks", "checkpoint", "device", "verbose"}
    differing = {n: v for n, v in given.items() if v != defaults[n] and n not in of_run}
    assert card["parameters"] == plain(differing)
    assert card["parameters"]["l2"] == 1e-3
    automatic = {name for name, value in given.items() if value == "auto"}
    assert card["resolved"].keys() == automatic
    assert card["resolved"]["batch_size"] == classifier.resolved_params_["batch_size"]


@pytest.mark.parametrize(
    ("parameters", "shown"),
    [
        ({"optimizer": torch.optim.SGD}, {"optimizer": "torch.optim.sgd.SGD"}),
        ({"class_weight": {0: 2.0}}, {"class_weight": {"0": 2.0}}),
        ({"mask_value": float("nan")}, {"mask_value": "nan"}),
        # Equal to the default, but of another type: it may mean something else.
        ({"bidirectional": 1}, {"bidirectional": 1}),
    ],
)
def test_parameters_that_json_has_no_form_for(classifier, parameters, shown):
    card = card_of(with_parameters(classifier, parameters))
    assert card["parameters"].items() >= shown.items()


def with_parameters(fitted, parameters):
    copied = type(fitted).__new__(type(fitted))
    vars(copied).update(vars(fitted))
    return copied.set_params(**parameters)


def test_numbers_and_quantiles():
    y = np.column_stack([Y, -Y]).astype(float)
    options = {"hidden_sizes": 3, "n_kernels": 0, "conv_filters": (), "max_epochs": 1}
    card = card_of(LSTMSequenceRegressor(**options).fit(X, y))
    assert (card["task"], card["n_outputs"]) == ("regression", 2)
    assert "quantiles" not in card
    quantiles = LSTMSequenceRegressor(**options, loss="quantile", quantiles=(0.9, 0.1))
    card = card_of(quantiles.fit(X, y))
    assert (card["n_outputs"], card["quantiles"]) == (2, [0.1, 0.9])


def test_several_labels():
    tagged, y = make_tagged(30)
    card = card_of(quick(max_epochs=1).fit(tagged, y))
    assert (card["task"], card["classes"]) == ("classification, several labels", [0, 1, 2])


def test_columns_of_a_table():
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(20, 3)), columns=list("abc"))
    data = card_of(quick(max_epochs=1).fit(frame, Y))["data"]
    assert (data["columns"], data["column_names"]) == (3, ["a", "b", "c"])
    assert "feature_names" not in data


def test_static_columns_and_categories():
    frame = pd.DataFrame({"age": np.arange(20.0), "trip": X, "ward": ["w1", "w2"] * 10})
    data = card_of(quick(max_epochs=1).fit(frame, Y))["data"]
    assert data["column_of_sequences"] == "trip"
    assert data["static_columns"] == {"age": "numbers", "ward": ["w1", "w2"]}
    frames = [pd.DataFrame({"speed": x[:, 0], "gear": [*"dn", *"d" * len(x[2:])]}) for x in X]
    data = card_of(quick(max_epochs=1).fit(frames, Y))["data"]
    assert (data["features"], data["feature_names"]) == (2, ["speed", "gear"])
    assert data["categories"] == {"gear": ["d", "n"]}


def test_a_pipeline_shows_its_steps():
    pipeline = make_pipeline(RollingFeatures(window=3), "passthrough", quick(max_epochs=1))
    card = card_of(pipeline.fit(X, Y))
    first, second = card["pipeline"]
    assert (first["class"], first["features"], first["parameters"]) == (
        "RollingFeatures", 2, {"window": 3},
    )  # fmt: skip
    assert second == {"name": "passthrough", "class": "passthrough"}
    assert card["data"]["features"] == 2 * 5
    assert card["estimator"] == "LSTMSequenceClassifier"


def test_texts():
    texts, y = ["north by north west", "due south"] * 10, [0, 1] * 10
    pipeline = make_pipeline(TokenEncoder(), quick(embedding_dim=2, max_epochs=1)).fit(texts, y)
    data = card_of(pipeline)["data"]
    assert data["kind"] == "token ids"
    assert data["vocabulary_size"] == max(pipeline[0].vocabulary_.values()) + 1
    transformers = make_pipeline(TokenEncoder()).fit(texts)
    assert card_of(transformers)["estimator"] == "Pipeline"


def test_many_classes_and_long_names_are_cut():
    labels = np.array([f"class {n:03}{'x' * 500}" for n in range(150)])
    sequences = [np.full((2, 1), float(n)) for n in range(300)]
    card = card_of(quick(max_epochs=1).fit(sequences, np.tile(labels, 2)))
    assert (card["n_classes"], len(card["classes"])) == (150, 100)
    assert all(len(name) < 210 for name in card["classes"])


def test_training_in_parts_is_added_up():
    estimator = quick().partial_fit(X[:8], Y[:8], classes=[0, 1])
    estimator.partial_fit(X[8:], Y[8:])
    data = card_of(estimator)["data"]
    lengths = [len(x) for x in X]
    assert data["training_sequences"] == 20
    assert data["training_lengths"] == [min(lengths), max(lengths)]


def test_a_further_fit_counts_its_own_sequences():
    estimator = quick(warm_start=True, max_epochs=1).fit(X, Y)
    longer = [np.concatenate([x] * 3) for x in X[:6]]
    data = card_of(estimator.fit(longer, Y[:6]))["data"]
    assert data["training_sequences"] == 6
    assert data["training_lengths"] == [
        min(len(x) for x in X), max(len(x) for x in [*X, *longer])
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("scores", "error", "match"),
    [
        ([0.5], TypeError, r"scores must be a dict of names and numbers. Got a list.\n\nGive"),
        ({3: 0.5}, TypeError, r"names in scores must be strings. Got 3"),
        ({"f1": float("nan")}, ValueError, r"scores\['f1'\] must be a finite number. Got nan"),
        ({"f1": "high"}, ValueError, r"scores\['f1'\] must be a finite number. Got 'high'"),
        ({"f1": True}, ValueError, r"scores\['f1'\] must be a finite number. Got True"),
    ],
)
def test_scores_that_are_no_numbers(classifier, scores, error, match):
    with pytest.raises(error, match=match):
        build_card(classifier, scores=scores)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.int8(3), 3), (np.array([1.5, np.inf]), [1.5, "inf"]), ((1, None), [1, None]),
        (np.zeros((2, 3)), "array of shape (2, 3) and dtype float64"),
        (Fraction(1, 2), "Fraction(1, 2)"),
        ({1: {2: "a"}}, {"1": {"2": "a"}}), (list(range(102)), [*range(100), "and 2 more"]),
        (card_of, "tests.persistence.test_card.card_of"), (object(), "<object object>"),
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_plain_values(value, expected):
    assert plain(value) == expected
