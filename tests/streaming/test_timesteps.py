import re

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.pipeline import Pipeline

from sklstm import LSTMSequenceClassifier
from sklstm.preprocessing import SequenceScaler
from sklstm.streaming import Stream
from tests.streaming.fitted import (
    CAUSAL,
    FRAMES,
    IDS,
    LABELS,
    OF_TOKENS,
    RUN,
    X,
    classifier,
    of_frames,
    of_tokens,
)

NAN = np.where(np.arange(6).reshape(2, 3) == 4, np.nan, 1.0)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (X[0, 0], r"must be of shape \(n_new, 3\). Got \(3,\).*\n.*timesteps\[np.newaxis\]"),
        (X[:2], r"must be of shape \(n_new, 3\). Got \(2, 11, 3\).$"),
        (X[0, :, :2], "timesteps has 2 features, but LSTMSequenceClassifier is expecting 3"),
        (X[0, :0], r"must be at least one. Got an array of shape \(0, 3\)"),
        (NAN, r"timesteps\[1, 1\] is NaN"),
        (-np.inf * X[0], r"timesteps\[0, 0\] is infinity"),
        ("abc", r"timesteps is text \('abc'\)"),
        (X[0].astype(complex), "timesteps has dtype complex128"),
        (X[0] * 1e300, "timesteps is too large"),
    ],
)
def test_what_is_no_timesteps(wrong, message):
    with pytest.raises(ValueError, match=re.compile(message, re.DOTALL)):
        Stream(classifier()).update(wrong)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (
            X[:2, 0],
            r"must be of shape \(n_streams, n_new, 3\). Got \(2, 3\).*timesteps\[:, np.newax",
        ),
        (X[:3], "timesteps has 3 sequences, but there are 2 streams"),
        ([X[0], X[1, :4]], r"timesteps\[0\] has 11 and timesteps\[1\] has 4"),
        ([NAN, NAN], r"timesteps\[0\]\[1, 1\] is NaN"),
        ([NAN, NAN[:1]], r"NaN at timesteps\[0\]\[1, 1\]"),
    ],
)
def test_what_is_no_timesteps_of_two_streams(wrong, message):
    with pytest.raises(ValueError, match=re.compile(message, re.DOTALL)):
        Stream(classifier(), n_streams=2).update(wrong)


@pytest.mark.parametrize("form", [list, np.ndarray.tolist, torch.from_numpy, pd.DataFrame])
def test_forms_of_a_sequence(form):
    expected = Stream(classifier()).update(X[0])
    np.testing.assert_array_equal(Stream(classifier()).update(form(X[0])), expected)
    streams = Stream(classifier(), n_streams=2)
    np.testing.assert_array_equal(streams.update([form(X[0]), form(X[1])])[0], expected)


def test_token_ids_in_a_list():
    expected = Stream(of_tokens()).update(IDS[0])
    np.testing.assert_array_equal(Stream(of_tokens()).update(IDS[0].tolist()), expected)


def test_ids_outside_the_vocabulary():
    with pytest.raises(ValueError, match=r"timesteps\[1\] is 12"):
        Stream(of_tokens()).update([3, 12])


def test_padding_is_refused():
    with pytest.raises(ValueError, match=r"timesteps\[1\] is padding \(token id 0\)"):
        Stream(of_tokens()).update([3, 0])
    for mask_value in (-1.0, np.nan):
        model = LSTMSequenceClassifier(4, mask_value=mask_value, **CAUSAL, **RUN).fit(X, LABELS)
        padded = np.concatenate([X[:2, :3], np.full((2, 1, 3), mask_value)], axis=1)
        with pytest.raises(
            ValueError, match=rf"timesteps\[3\] is padding \(mask_value={mask_value}"
        ):
            Stream(model).update(padded[0])
        with pytest.raises(ValueError, match=r"timesteps\[0\]\[3\] is padding"):
            Stream(model, n_streams=2).update(padded)


def test_padding_in_other_forms_is_refused():
    frame = pd.DataFrame(np.full((2, 3), -1.0))
    model = LSTMSequenceClassifier(4, mask_value=-1.0, **CAUSAL, **RUN).fit(X, LABELS)
    with pytest.raises(ValueError, match=r"timesteps\[0\] is padding \(mask_value=-1.0\)"):
        Stream(model).update(frame)
    masked = np.ma.array(X[0], mask=np.arange(33).reshape(11, 3) >= 27)
    with pytest.raises(ValueError, match=r"timesteps\[9\] is padding, which a stream cannot"):
        Stream(classifier()).update(masked)
    with pytest.raises(ValueError, match=r"timesteps\[1\]\[2\] is padding"):
        Stream(of_tokens(), n_streams=2).update([pd.Series([3, 4, 5]), pd.Series([3, 4, 0])])


def test_padding_is_what_the_model_reads_behind_a_scaler():
    scaler = SequenceScaler("minmax").fit([np.array([[0.0] * 3, [2.0] * 3])])
    model = LSTMSequenceClassifier(4, mask_value=1.0, **CAUSAL, **RUN).fit(X, LABELS)
    stream = Stream(Pipeline([("scaler", scaler), ("classifier", model)]))
    assert stream.update(np.ones((1, 3))).shape == (1, 3)
    with pytest.raises(ValueError, match=r"timesteps\[1\] is padding \(mask_value=1.0\)"):
        stream.update([[0.0] * 3, [2.0] * 3])


def test_names_of_features_are_those_of_fit():
    with pytest.raises(ValueError, match="passed during fit: timesteps lacks 'kind'"):
        Stream(of_frames()).update(FRAMES[0][["a", "b"]])
    with pytest.raises(ValueError, match="timesteps must be a list of data frames"):
        Stream(of_frames()).update(X[0])


def test_ids_without_a_vocabulary_size():
    model = LSTMSequenceClassifier(4, **OF_TOKENS, **RUN).fit(list(IDS), LABELS)
    assert Stream(model, n_streams=2).update(IDS[:2]).shape == (2, 11, 3)
