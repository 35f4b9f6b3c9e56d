import numpy as np
import pytest
import torch
from sklearn.pipeline import make_pipeline

from sklstm import LSTMSequenceClassifier, LSTMSequenceRegressor
from sklstm.preprocessing import SequenceScaler
from sklstm.streaming import _prefixes as module
from sklstm.streaming import prefix_predictions, prefix_probabilities
from tests.helpers import FLOAT32, assert_same_in_company
from tests.streaming.fitted import (
    CAUSAL,
    FRAMES,
    IDS,
    LABELS,
    RUN,
    TABLE,
    X,
    by_prefix,
    classifier,
    of_frames,
    of_table,
    of_tokens,
    regressor,
)

LENGTHS = (5, 1, 11, 7)
UNEQUAL = [x[:length] for x, length in zip(X, LENGTHS, strict=False)]


def prefixes(function, sequences):
    return [np.concatenate([function([x[: t + 1]]) for t in range(len(x))]) for x in sequences]


def check(found, expected):
    assert isinstance(found, list)
    assert len(found) == len(expected)
    for one, other in zip(found, expected, strict=True):
        assert_same_in_company(one, other)


@pytest.mark.parametrize(
    "parameters", [{"pooling": "mean"}, {"pooling": "max", "patch_size": 3}, {"pooling": "last"}]
)
def test_causal_models(parameters):
    model = classifier(**parameters)
    check(prefix_probabilities(model, UNEQUAL), prefixes(model.predict_proba, UNEQUAL))
    check(prefix_predictions(model, UNEQUAL), prefixes(model.predict, UNEQUAL))


def test_a_causal_model_reads_each_sequence_once(monkeypatch):
    monkeypatch.setattr(module, "compute_outputs", None)
    for model in (classifier(), classifier(pooling="attention")):
        assert [len(rows) for rows in prefix_probabilities(model, UNEQUAL)] == list(LENGTHS)


@pytest.mark.parametrize(
    "change",
    [
        {"bidirectional": True},
        {"bidirectional": True, "patch_size": 3},
        {"standardize": "both"},
        {"conv_filters": (4,)},
        {"n_kernels": 84},
    ],
)
def test_other_models(change, monkeypatch):
    # Several blocks, of which some are a single prefix.
    monkeypatch.setattr(module, "MAX_TIMESTEPS", 9)
    model = LSTMSequenceClassifier(4, **{**CAUSAL, **change}, **RUN).fit(X, LABELS)
    check(prefix_probabilities(model, UNEQUAL), prefixes(model.predict_proba, UNEQUAL))


def test_attention_is_equal_up_to_rounding():
    model = classifier(pooling="attention", patch_size=2)
    expected = prefixes(model.predict_proba, UNEQUAL)
    for found, own in zip(prefix_probabilities(model, UNEQUAL), expected, strict=True):
        np.testing.assert_allclose(found, own, **FLOAT32)


def test_regressors():
    for model in (regressor(), regressor(n_outputs=2), regressor(loss="quantile")):
        check(prefix_predictions(model, UNEQUAL), prefixes(model.predict, UNEQUAL))


def test_a_regressor_has_no_probabilities():
    with pytest.raises(TypeError, match=r"LSTMSequenceRegressor predicts no.*\n\n.*prefix_predict"):
        prefix_probabilities(regressor(), X)


def test_tokens():
    for model in (of_tokens(), LSTMSequenceClassifier(4, embedding_dim=3, **RUN).fit(IDS, LABELS)):
        expected = by_prefix(model.predict_proba, IDS[:3])
        check(prefix_probabilities(model, IDS[:3]), expected)


@pytest.mark.parametrize("bidirectional", [False, True])
def test_categories_among_features(bidirectional):
    model = of_frames(bidirectional=bidirectional)
    check(prefix_probabilities(model, FRAMES[:3]), by_prefix(model.predict_proba, FRAMES[:3]))


@pytest.mark.parametrize("bidirectional", [False, True])
def test_static_columns(bidirectional):
    model, rows = of_table(bidirectional=bidirectional), TABLE[5:8]
    expected = [
        model.predict_proba(rows.assign(x=[x[: t + 1] for x in rows["x"]])) for t in range(11)
    ]
    check(prefix_probabilities(model, rows), np.stack(expected, axis=1))


def test_a_pipeline_with_a_scaler():
    model = make_pipeline(SequenceScaler(), LSTMSequenceClassifier(4, **CAUSAL, **RUN))
    model.fit(X, LABELS)
    check(prefix_probabilities(model, UNEQUAL), prefixes(model.predict_proba, UNEQUAL))


def test_errors_name_the_sequence():
    wrong = X[:2].copy()
    wrong[1, 3, 1] = np.nan
    with pytest.raises(ValueError, match=r"NaN at X\[1\]\[3, 1\]"):
        prefix_probabilities(classifier(), wrong)


def test_outputs_beyond_float32_name_the_sequence():
    X_large = [X[0], 1e30 * X[1]]
    model = LSTMSequenceRegressor(4, pooling="max", **{**CAUSAL, "standardize": False}, **RUN)
    model.fit(X, X.mean(axis=(1, 2)))
    with torch.no_grad():
        # Below float32's largest number for small states, beyond it for those near 1.
        model.net_.module_.head[-1].weight.fill_(2e38)
    with pytest.raises(ValueError, match=r"X\[1\] is too large for this network"):
        prefix_predictions(model, X_large)
