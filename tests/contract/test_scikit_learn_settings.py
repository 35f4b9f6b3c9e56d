"""Switches of scikit-learn that are thrown for the sake of other estimators of a program."""

import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import scipy
from sklearn import config_context
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.fixes import parse_version

from sklstm.preprocessing import RollingFeatures, SequenceImputer, SequenceScaler
from tests.helpers import make_cube, make_ragged, quick

CUBE, Y = make_cube(24)
FORMS = {
    "3-D": CUBE,
    "2-D": CUBE[:, :, 0],
    "frame": pd.DataFrame(CUBE[:, :, 0]).add_prefix("t"),
    "list": make_ragged(24)[0],
}
TRANSFORMERS = [
    SequenceScaler(),
    SequenceScaler("minmax"),
    SequenceScaler("robust"),
    SequenceImputer("mean"),
    RollingFeatures(3),
]


# transform_output


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("transformer", TRANSFORMERS, ids=str)
@pytest.mark.parametrize("output", ["pandas", "polars"])
def test_transformers_of_sequences_give_arrays_whatever_others_are_told(transformer, form, output):
    X = FORMS[form]
    expected = transformer.fit_transform(X)
    with config_context(transform_output=output):
        found = transformer.fit_transform(X)
    assert type(found) is type(expected)
    for ours, theirs in zip(found, expected, strict=True):
        assert type(ours) is np.ndarray
        np.testing.assert_array_equal(ours, theirs)


def test_scaling_back_gives_arrays_too():
    scaler = SequenceScaler().fit(CUBE)
    with config_context(transform_output="pandas"):
        np.testing.assert_allclose(scaler.inverse_transform(scaler.transform(CUBE)), CUBE)


@pytest.mark.parametrize("form", FORMS)
def test_a_pipeline_learns_the_same_whatever_others_are_told(form):
    X, pipeline = FORMS[form], make_pipeline(SequenceScaler(), quick())
    expected = pipeline.fit(X, Y).predict_proba(X)
    with config_context(transform_output="pandas"):
        np.testing.assert_array_equal(pipeline.fit(X, Y).predict_proba(X), expected)


# Names in a ColumnTransformer


def beside_static_columns(n_features, sequence_part):
    walks = [x[:, :n_features] for x in make_ragged(24)[0]]
    table = pd.DataFrame({"walk": pd.Series(walks), "age": np.arange(24.0)})
    both = ColumnTransformer(
        [("lstm", sequence_part, "walk"), ("static", StandardScaler(), ["age"])]
    )
    return both.fit(table, Y), table


@pytest.mark.parametrize("n_features", [1, 2])
@pytest.mark.parametrize("before", [[], TRANSFORMERS], ids=["alone", "in a pipeline"])
def test_names_of_sequences_and_static_columns_side_by_side(n_features, before):
    steps = [*before, quick(hidden_sizes=1, bidirectional=True, max_epochs=1)]
    both, table = beside_static_columns(n_features, make_pipeline(*steps))
    names = ["lstm__lstmsequenceclassifier0", "lstm__lstmsequenceclassifier1", "static__age"]
    assert both.get_feature_names_out().tolist() == names
    with config_context(transform_output="pandas"):
        assert both.transform(table).columns.tolist() == names


@pytest.mark.parametrize("n_features", [1, 2])
def test_set_output_of_sequences_and_static_columns_side_by_side(n_features):
    both, table = beside_static_columns(n_features, quick(hidden_sizes=1, max_epochs=1))
    expected = both.transform(table)
    frame = both.set_output(transform="pandas").transform(table)
    np.testing.assert_array_equal(frame, expected)
    assert frame.columns.tolist() == both.get_feature_names_out().tolist()


def test_a_classifier_checks_the_names_of_features():
    classifier = quick(max_epochs=1).fit(CUBE, Y)
    with pytest.raises(ValueError, match=r"number of features \(2\), got 3"):
        classifier.get_feature_names_out(["u", "v", "w"])
    classifier.fit(FORMS["frame"], Y)
    with pytest.raises(ValueError, match="not equal to feature_names_in_"):
        classifier.get_feature_names_out(["u"])


# array_api_dispatch

# SciPy reads its own switch once, when it is imported.
PROGRAM = """
import numpy as np, torch
from sklearn import config_context
from sklstm.preprocessing import SequenceScaler
from tests.helpers import make_cube, quick

X, codes = make_cube(24)
y, weights, groups = np.array(["no", "yes"])[codes], np.arange(1.0, 25.0), np.arange(24) // 4
x, numbers, loads, families = map(torch.from_numpy, (X, codes, weights, groups))
held_out = {"early_stopping": True, "scoring": "balanced_accuracy", "validation_fraction": 0.3}
balanced = {"class_weight": "balanced"}
arrays, tensors = {"sample_weight": weights}, {"sample_weight": loads}
given = {"X_val": x, "y_val": numbers, "sample_weight_val": loads}
tasks = {
    "arrays": lambda: quick().fit(X, codes).predict_proba(X),
    "weights": lambda: quick().fit(X, codes, **arrays).predict_proba(X),
    "words": lambda: quick(**balanced).fit(X, y, **arrays).predict_proba(list(X)),
    "tensors": lambda: quick(**balanced).fit(x, numbers, **tensors).predict_proba(x),
    "tensor 2-D": lambda: quick().fit(x[:, :, 0], codes).predict_proba(x[:, :, 0]),
    "held out": lambda: quick(**held_out).fit(x, numbers, groups=families).predict_proba(x),
    "validation": lambda: quick(scoring="roc_auc").fit(x, numbers, **given).predict_proba(x),
    "parts": lambda: quick().partial_fit(x, numbers, [0, 1], **tensors).predict_proba(x),
    "score": lambda: quick().fit(X, codes).score(X, codes, weights),
    "scaler": lambda: SequenceScaler().fit(X, **arrays).transform(X),
    "scaler of tensors": lambda: SequenceScaler().fit(x, **tensors).transform(x),
}
for name, task in tasks.items():
    with config_context(array_api_dispatch=True):
        found = task()
    assert type(found) in (float, np.ndarray), name
    np.testing.assert_array_equal(found, task(), err_msg=name)
"""


@pytest.mark.skipif(
    parse_version(scipy.__version__) < parse_version("1.14"),
    reason="scikit-learn refuses array API dispatch with SciPy before 1.14",
)
def test_array_api_dispatch_changes_nothing():
    result = subprocess.run(  # noqa: S603
        [sys.executable, "-W", "error", "-c", PROGRAM], capture_output=True, text=True,
        env=os.environ | {"SCIPY_ARRAY_API": "1"}, check=False,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
