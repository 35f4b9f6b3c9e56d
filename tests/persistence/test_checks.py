import copy
import dataclasses
import math

import numpy as np
import pandas as pd
import pytest

from sklstm._config._configuration import NetworkConfiguration
from sklstm._persistence._checks import ATTRIBUTES, NETWORK, OPTIONAL, check_state
from sklstm._tasks._classification import Classification
from tests.helpers import make_ragged, quick

X, Y = make_ragged(20)
IDS = [[2, 3, 4], [3, 2]] * 5
# A category among the features of a timestep, and two static columns.
CELLS = [pd.DataFrame({"gear": ["d", "n", "r"], "speed": x[:3, 0]}) for x in X]
STATIC = pd.DataFrame({"trip": CELLS, "age": np.arange(20.0), "ward": ["a", "b"] * 10})


@pytest.fixture(scope="module")
def states():
    """What fits leave behind, packed: on sequences, on a table, on token ids, by convolutions."""
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(20, 4)), columns=list("abcd"))
    fitted = {
        "sequences": quick(max_epochs=2).fit(X, Y),
        "table": quick(max_epochs=2).set_output(transform="pandas").fit(frame, Y),
        "both": quick(max_epochs=2, standardize="both").fit(X, Y),
        "tokens": quick(max_epochs=2, embedding_dim=3).fit(IDS, [0, 1] * 5),
        "labels": quick(max_epochs=2).fit(X, np.arange(40).reshape(20, 2) % 3 // 2),
        "static": quick(max_epochs=2).fit(STATIC, Y),
        "convolutions": quick(max_epochs=2, conv_filters=(4, 20), patch_size=2).fit(X, Y),
    }
    return {
        name: {k: v for k, v in e.__getstate__().items() if k not in e.get_params()}
        for name, e in fitted.items()
    }


def test_what_a_fit_leaves_behind_passes(states):
    for state in states.values():
        check_state(state, Classification)


def test_the_checks_know_every_attribute(states):
    known = ATTRIBUTES.keys() | Classification.attribute_checks.keys()
    assert states["table"].keys() == known
    assert states["sequences"].keys() == known - {"feature_names_in_", "_sklearn_output_config"}


def test_the_checks_know_every_part_of_the_network():
    assert NETWORK.keys() == {field.name for field in dataclasses.fields(NetworkConfiguration)}


def test_several_labels_are_numbered(states):
    named = states["labels"] | {"classes_": np.array(["a", "b"], dtype=object)}
    refuse(named, "classes_ and multilabel_ do not agree")


def test_a_network_may_lack_what_has_a_default(states):
    state = copy.deepcopy(states["sequences"])
    del state["_network"]["dropout"]
    check_state(state, Classification)


def refuse(state, match):
    # Whatever is raised here, `load_model` makes a ModelFileError of it.
    with pytest.raises((TypeError, ValueError, AttributeError, LookupError), match=match):
        check_state(state, Classification)


@pytest.mark.parametrize("name", sorted(ATTRIBUTES.keys() - OPTIONAL))
def test_every_attribute_is_needed(states, name):
    state = copy.deepcopy(states["sequences"])
    del state[name]
    refuse(state, rf"Missing: \['{name}'\]")


def test_unknown_attributes(states):
    refuse(states["sequences"] | {"predict": 1}, r"Unknown: \['predict'\]")


WRONG_VALUES = {
    "classes_": [
        np.array([1, 0]), np.array([0, 0]), np.array([0, 1, 2]), np.array([[0, 1]]),
        np.array([0, 1], dtype=object), np.array([0.0, np.nan]), np.zeros(0),
    ],
    "multilabel_": [0, 1, None, "no"],
    "n_features_in_": [0, 3, True, 2.0, None, "2"],
    "feature_names_in_": [np.array(["a"], dtype=object), np.array(["a", 1], dtype=object),
                          np.array(["a", "b"])],
    "history_": [{}, {"a": np.zeros(2), "b": np.zeros(3)}, {"a": np.zeros((2, 2))}],
    "n_iter_": [0, 1.5, None, True],
    "best_epoch_": [None, "1", True],
    "best_score_": [None, "1", True],
    "_scaling": [
        None, {"mean": np.zeros(2), "scale": np.zeros(2)}, {"mean": np.zeros(2)},
        {"mean": np.zeros(3), "scale": np.ones(3)}, {"mean": np.zeros(2), "scale": np.ones(3)},
        {"mean": np.zeros(2, np.float32), "scale": np.ones(2, np.float32)},
        {"mean": np.zeros((2, 1)), "scale": np.ones((2, 1))},
        {"mean": np.array([0, np.inf]), "scale": np.ones(2)},
        *({"mean": np.zeros(2), "scale": np.array([1, s])} for s in (np.nan, np.inf, 0.0, -1.0)),
        *({"mean": np.zeros(2), "scale": np.ones(2), "per": per} for per in ("both", None, "os")),
    ],
    "_extent": [
        {}, 3, {"n_sequences": 1, "shortest": 1}, {"n_sequences": 1, "shortest": 0, "longest": 2},
        {"n_sequences": 1.5, "shortest": 1, "longest": 2},
    ],
    "_seed": [-1, 0.5, None],
    "_n_columns_in": [0, 3, "2"],
    "_n_features_out": [15, 0, 8],
    "_sklearn_output_config": [{"transform": "os"}, {}, []],
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG_VALUES)
def test_values_that_no_fit_leaves_behind(states, name):
    for value in WRONG_VALUES[name]:
        refuse(states["sequences"] | {name: value}, None)


WRONG_NETWORKS = {
    "n_features": [0, 3, 2.0], "n_outputs": [1, 3, True],
    "hidden_sizes": [(), (8.0,), [8], 8, (0,), (10**9,), (10**30,), (8,) * 1000],
    "bidirectional": [1, None], "pooling": ["first", None, [], "__class__"],
    "dense_sizes": [None, (0,), (10**12,), (1,) * 1000], "dropout": [1.0, -0.1, math.nan, "0"],
    "vocabulary_size": [0, 10**12], "freeze_embedding": [0],
    "precision": ["float16", 32, None], "conv_filters": [None, (0,), (5,), (10**12,)],
    "patch_size": [0, 2.0, None, 10**12], "standardize": ["both", "sequence", "auto", None, 2],
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG_NETWORKS)
def test_networks_that_no_fit_leaves_behind(states, name):
    network = states["sequences"]["_network"]
    for value in WRONG_NETWORKS[name]:
        refuse(states["sequences"] | {"_network": network | {name: value}}, None)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("device", "cuda:"), ("device", "mps"), ("device", "cuda:1000"), ("device", "os.system"),
        ("history", [1]), ("history", {}), ("weights", {}), ("weights", []),
        ("history", [{}]), ("history", [{"epoch": 1}]),
        ("history", [{"epoch": 2, "train_loss": 1.0, "dur": 1.0, "learning_rate": 1.0}]),
    ],
)  # fmt: skip
def test_nets_that_no_fit_leaves_behind(states, name, wrong):
    state = copy.deepcopy(states["sequences"])
    state["net_"][name] = wrong
    refuse(state, None)


@pytest.mark.parametrize("wrong", [{"conv_filters": (4,)}, {"conv_filters": ()}])
def test_convolutions_that_no_fit_leaves_behind(states, wrong):
    network = states["convolutions"]["_network"]
    refuse(states["convolutions"] | {"_network": network | wrong}, None)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_weights_that_are_not_finite(states, value):
    state = copy.deepcopy(states["sequences"])
    state["net_"]["weights"]["head.1.bias"][0] = value
    refuse(state, "net_ cannot be|weights cannot be")


def test_token_ids_are_not_scaled_and_measurements_are(states):
    scaling = {"mean": np.zeros(3), "scale": np.ones(3)}
    refuse(states["tokens"] | {"_scaling": scaling}, "_scaling does not agree")
    refuse(states["sequences"] | {"_scaling": None}, "_scaling does not agree")


def test_a_scaling_per_sequence_is_of_a_network_that_takes_it(states):
    scaling = states["both"]["_scaling"]
    for per in ("dataset", "sequence"):
        refuse(states["both"] | {"_scaling": scaling | {"per": per}}, "standardize does not agree")


def test_columns_agree_with_the_features(states):
    refuse(states["table"] | {"n_features_in_": 3}, "n_features_in_ does not agree")
    refuse(states["table"] | {"_n_columns_in": None}, "n_features_in_ does not agree")
    names = np.array(["a", "b", "c"], dtype=object)
    refuse(states["table"] | {"feature_names_in_": names}, "feature_names_in_ does not agree")


WRONG_STATIC = {
    "columns": [("trip", "age"), ["trip", "age", "ward"], ("trip", "age", "age"), None],
    "sequences": ["ward", "no", None],
    "categories": [
        {}, None, {"trip": ("a", "b")}, {"ward": ("a", "a")}, {"ward": ["a", "b"]},
        {"ward": ("a", "b", "c")}, {"ward": (None, "b")}, {"no": ("a", "b")},
    ],
    "features": ["gs", (), ("gear",), ("gear", 1), None, ("a", "b")],
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG_STATIC)
def test_static_columns_that_no_fit_leaves_behind(states, name):
    for value in WRONG_STATIC[name]:
        refuse(states["static"] | {"_static": states["static"]["_static"] | {name: value}}, None)


def test_categories_that_no_fit_leaves_behind(states):
    for value in [None, {}, {"gear": ("d", "n")}, {"age": ("d", "n", "r")}, {3: ("d", "n", "r")}]:
        refuse(states["static"] | {"_categories": value}, None)
    refuse(states["static"] | {"_n_columns_in": 3}, "_static does not agree")
