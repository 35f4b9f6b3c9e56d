import awkward as ak
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch

from sklstm import LSTMSequenceClassifier, LSTMSequenceRegressor
from sklstm._compat._sklearn import InvalidParameterError
from sklstm.datasets import describe
from sklstm.preprocessing import SequenceImputer, TokenEncoder, from_channel_first
from tests.helpers import as_objects, make_ragged

RNG = np.random.default_rng(0)
RAGGED, Y = make_ragged(24)
NAN, INF = np.nan, np.inf


def kinds(report):
    return [hint.kind for hint in report.hints]


# Forms --------------------------------------------------------------------------------------------


def padded(value):
    X = np.full((len(RAGGED), 9, 2), value)
    for row, x in zip(X, RAGGED, strict=True):
        row[: len(x)] = x
    return X


def frames(kind):
    return [kind(dict(zip("ab", x.T, strict=True))) for x in RAGGED]


FORMS = {
    "list": (RAGGED, {}),
    "object array": (as_objects(RAGGED), {}),
    "NaN padding": (padded(NAN), {"mask_value": NAN}),
    "padding": (padded(-9.0), {"mask_value": -9}),
    "tensors": ([torch.from_numpy(x) for x in RAGGED], {}),
    "pandas": (frames(pd.DataFrame), {}),
    "polars": (frames(pl.DataFrame), {}),
    "dicts": (frames(dict), {}),
    "pyarrow": (pa.array([x.tolist() for x in RAGGED]), {}),
    "awkward": (ak.Array([x.tolist() for x in RAGGED]), {}),
    "polars nested": (pl.Series([x.tolist() for x in RAGGED]), {}),
    "column": (pd.DataFrame({"trip": RAGGED, "age": range(24)}), {}),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_has_the_same_numbers(form):
    X, parameters = FORMS[form]
    report, expected = describe(X, Y, **parameters), describe(RAGGED, Y)
    np.testing.assert_array_equal(report.lengths, expected.lengths)
    for key in ("kind", "missing", "mean", "std", "min", "max"):
        assert report.features[key] == expected.features[key], key
    assert report.resolved_params == expected.resolved_params
    named = form in ("pandas", "polars", "dicts")
    assert report.features["name"] == (["a", "b"] if named else ["x0", "x1"])


@pytest.mark.parametrize(
    "kind", [np.asarray, pd.DataFrame, lambda X: X[:, :, None], lambda X: X.tolist()]
)
def test_a_table_or_an_array_of_one_feature(kind):
    report = describe(kind(RNG.normal(size=(20, 7))), np.arange(20) % 2)
    assert report.lengths.tolist() == [7] * 20
    assert report.features["name"] == ["x0"]


def test_numbers_and_their_table():
    X = [np.array([[1.0, 5.0], [NAN, 5.0]]), np.array([[3.0, INF], [5.0, 5.0], [3.0, 5.0]])]
    report = describe(X)
    assert report.features["missing"] == [0.2, 0.0]
    assert report.features["n_infinite"] == [0, 1]
    assert report.features["mean"] == [3.0, 5.0]
    assert report.features["max"] == [5.0, 5.0]
    assert report.features["constant"] == [False, True]
    assert kinds(report) == ["infinite", "missing", "constant"]
    assert report.resolved_params is None
    assert report.target is None


def test_categories_and_static_columns():
    X = [
        pd.DataFrame({"state": ["on", "off", None], "level": [1.0, 2.0, 3.5]}),
        pd.DataFrame({"state": ["on", "on"], "level": [1.0, 5.0]}),
    ]
    report = describe(X)
    assert report.features["name"] == ["state", "level"]
    assert report.features["kind"] == ["category", "number"]
    assert report.features["n_categories"] == [2, None]
    assert report.features["missing"] == [0.2, 0.0]
    assert report.features["constant_within"] == [0.5, 0.0]
    table = pd.DataFrame({"age": [20.0, NAN], "pulse": [[1.0], [2.0, 3.0]], "ward": ["a", "b"]})
    static = describe(table).static
    assert static["name"] == ["age", "ward"]
    assert static["kind"] == ["number", "category"]
    assert static["missing"] == [0.5, 0.0]
    assert static["n_distinct"] == [1, 2]
    assert describe(table).features["name"] == ["pulse"]


def test_texts_and_token_ids_are_the_same():
    texts = ["a b b", "b c", "b"]
    report = describe(texts, [0, 1, 1])
    assert report.kind == "texts"
    assert report.lengths.tolist() == [3, 2, 1]
    assert report.tokens == {
        "vocabulary_size": 5, "n_distinct": 3, "unknown": 0.0, "frequent": {"b": 4, "a": 1, "c": 1},
    }  # fmt: skip
    ids = TokenEncoder().fit_transform(texts)
    of_ids = describe(ids, [0, 1, 1])
    assert of_ids.kind == "token ids"
    assert of_ids.tokens["frequent"] == {"2": 4, "3": 1, "4": 1}
    plain = describe([x.tolist() for x in ids], token_ids=True)
    assert plain.tokens == of_ids.tokens
    assert of_ids.features["kind"] == ["token id"]


def test_lists_of_integers_get_the_warning_of_a_fit_as_a_hint():
    report = describe([[2, 5, 3], [4, 2]])
    assert kinds(report) == ["misread"]
    assert "If they are token ids, set embedding_dim=32" in report.hints[0].text


# Targets and groups -------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [list, np.asarray, as_objects, pd.Series, pd.Categorical])
def test_classes(kind):
    report = describe(RAGGED, kind(["a"] * 16 + ["b"] * 8))
    assert report.target == {
        "kind": "classes", "classes": ["a", "b"], "counts": [16, 8], "imbalance": 2.0,
    }  # fmt: skip
    assert report.estimator == "LSTMSequenceClassifier"
    assert [label for label, _ in report.examples] == ["a", "b"]


def test_numbers_to_predict():
    y = RNG.normal(size=(24, 2))
    target = describe(RAGGED, y).target
    assert target["kind"] == "numbers"
    np.testing.assert_allclose(target["mean"], y.mean(axis=0))
    np.testing.assert_allclose(target["quartiles"][1][2], np.median(y[:, 1]))


def test_several_labels():
    y = np.zeros((24, 3), dtype=int)
    y[:6, 0], y[3:7, 2] = 1, 1
    target = describe(RAGGED, y).target
    assert target["counts"] == [6, 0, 4]
    assert target["n_without"] == 17
    assert target["mean_number"] == pytest.approx(10 / 24)


@pytest.mark.parametrize(
    ("y", "estimator"),
    [
        (RNG.normal(size=24), "LSTMSequenceRegressor"),
        (np.arange(24), "LSTMSequenceRegressor"),
        (np.arange(24) % 12, "LSTMSequenceClassifier"),
        (np.arange(24.0) % 2, "LSTMSequenceClassifier"),
        (np.arange(48).reshape(24, 2), "LSTMSequenceRegressor"),
        (np.eye(24)[:, :3] + np.eye(24)[:, 1:4], "LSTMSequenceClassifier"),
        (None, "LSTMSequenceClassifier"),
    ],
)
def test_the_task_follows_from_y(y, estimator):
    assert describe(RAGGED, y).estimator == estimator


def test_the_task_may_be_said():
    assert describe(RAGGED, Y, task="regression").target["kind"] == "numbers"
    assert describe(RAGGED, np.arange(24), task="classification").target["kind"] == "classes"


def test_labels_that_look_like_numbers_get_the_warning_of_a_fit_as_a_hint():
    report = describe(RAGGED, np.arange(24).astype(str))
    assert report.estimator == "LSTMSequenceClassifier"
    assert kinds(report) == ["misread", "rare_class"]
    assert "`y` could represent a regression problem" in report.hints[0].text


def test_groups():
    groups = ["ann"] * 10 + ["bob"] * 8 + ["eve"] * 6
    y = [0] * 10 + [0, 1] * 4 + [1] * 6
    assert describe(RAGGED, y, groups=groups).groups == {
        "n_groups": 3, "smallest": 6, "largest": 10, "n_of_one_class": 2,
    }  # fmt: skip
    assert "n_of_one_class" not in describe(RAGGED, RNG.normal(size=24), groups=groups).groups


# What "auto" becomes ------------------------------------------------------------------------------

SHAPES = {
    "several features": (RAGGED, Y, {}),
    "one feature": ([x[:, :1] for x in RAGGED], Y, {}),
    "long": (RNG.normal(size=(12, 70, 1)), np.arange(12) % 2, {}),
    "numbers": (RAGGED, RNG.normal(size=24), {}),
    "token ids": ([RNG.integers(2, 9, 5) for _ in RAGGED], Y, {"token_ids": True}),
    "categories": (
        [pd.DataFrame({"a": x[:, 0], "b": np.where(x[:, 1] > 0, "on", "off")}) for x in RAGGED],
        Y,
        {},
    ),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_auto_becomes_what_a_fit_makes_of_it(shape):
    X, y, parameters = SHAPES[shape]
    report = describe(X, y, **parameters)
    estimator = LSTMSequenceRegressor if shape == "numbers" else LSTMSequenceClassifier
    embedding = {"embedding_dim": 4} if parameters else {}
    fitted = estimator(4, max_epochs=1, **embedding).fit(X, y).resolved_params_
    names = set(report.resolved_params) - {"max_epochs"}
    assert {name: report.resolved_params[name] for name in names} == {
        name: fitted[name] for name in names
    }
    # All that the number of epochs depends on is the same in a small network.
    small = {"n_kernels": 0, "conv_filters": ()} if not embedding else {"tfidf": False}
    fitted = estimator(1, bidirectional=False, **small, **embedding).fit(X, y).resolved_params_
    assert report.resolved_params["max_epochs"] == fitted["max_epochs"]


def test_missing_values_are_imputed_for_auto():
    # Standardised as far as they are known, but not once gaps are filled.
    X = [RNG.normal(size=(20, 1)) for _ in range(24)]
    for x in X:
        x[RNG.permutation(20)[:8]] = NAN
        x -= np.nanmean(x)
        x /= np.nanstd(x)
    found = describe(X, Y).resolved_params
    assert found == describe(SequenceImputer().fit_transform(X), Y).resolved_params
    assert found["standardize"] == "both"


# Errors -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("X", "y"),
    [
        ([], []),
        ([np.zeros((3, 1)), np.zeros((0, 1))], [0, 1]),
        ([np.zeros((3, 1)), np.zeros((3, 2))], [0, 1]),
        (np.zeros(5), [0] * 5),
        (["a", np.zeros(3)], [0, 1]),
        ({"x": [1.0]}, [0]),
        (RAGGED, Y[:-1]),
        (RAGGED, [None, *Y[1:]]),
        (RAGGED, np.zeros((24, 2, 2))),
        (pd.DataFrame({"when": pd.to_datetime(["2026-01-01", "2026-01-02"])}), [0, 1]),
    ],
)
def test_errors_are_those_of_a_fit(X, y):
    with pytest.raises((TypeError, ValueError)) as of_fit:
        LSTMSequenceClassifier().fit(X, y)
    # A list of texts and others is one of texts to a report.
    if isinstance(X, list) and X and isinstance(X[0], str):
        with pytest.raises((TypeError, ValueError)):
            describe(X, y)
        return
    with pytest.raises(of_fit.type) as of_report:
        describe(X, y)
    assert str(of_report.value) == str(of_fit.value)


def test_errors_of_numbers_and_groups():
    with pytest.raises(ValueError, match="X has 24 sequences, y has 23 values"):
        describe(RAGGED, RNG.normal(size=23))
    with pytest.raises(ValueError, match="groups has 2 entries"):
        describe(RAGGED, groups=["a", "b"])


@pytest.mark.parametrize(
    "parameters", [{"task": "classify"}, {"mask_value": "nan"}, {"token_ids": 3}]
)
def test_parameters_are_checked(parameters):
    with pytest.raises(InvalidParameterError, match=next(iter(parameters))):
        describe(RAGGED, **parameters)


# Data without faults ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("JapaneseVowels", []),
        ("BasicMotions", []),
        ("GunPoint", []),
        # X[179] is a copy of X[174].
        ("ArrowHead", ["duplicates"]),
        ("ItalyPowerDemand", []),
        ("OSULeaf", []),
        ("ACSF1", []),
        ("PickupGestureWiimoteZ", []),
    ],
)
def test_real_data_give_no_false_alarm(name, expected):
    from aeon.datasets import load_classification

    X, y = load_classification(name)
    X = from_channel_first(X)
    assert kinds(describe(X, y)) == expected
    if expected:
        np.testing.assert_array_equal(X[179], X[174])
