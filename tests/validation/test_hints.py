import re
import warnings

import awkward
import numpy as np
import pandas as pd
import polars
import pyarrow
import pytest
import torch

from sklstm._validation._hints import (
    reject_token_ids,
    warn_of_front_padding,
    warn_of_misreading,
)
from sklstm._validation._inputs import check_inputs
from sklstm._validation._tokens import TokenIds
from sklstm.preprocessing import SequenceImputer, SequenceScaler, TokenEncoder, from_channel_first
from tests.helpers import make_ragged, quick

IDS = [np.array([4, 12, 7, 3]), np.array([5, 2])]
RNG = np.random.default_rng(0)


def warnings_of(X, **kwargs):
    inputs = check_inputs(X, estimator="LSTMSequenceClassifier", **kwargs)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warn_of_misreading(X, inputs, kwargs.get("mask_value"))
        warn_of_front_padding(inputs, kwargs.get("mask_value"))
    return [str(warning.message) for warning in caught]


# Token ids --------------------------------------------------------------------------------------


def test_what_the_encoder_gives_is_a_list_like_any_other_to_its_user():
    ids = TokenEncoder().fit_transform(["a b", "b"])
    assert isinstance(ids, list)
    assert [x.tolist() for x in ids] == [[3, 2], [2]]
    reject_token_ids([*ids], estimator="LSTMSequenceClassifier")


@pytest.mark.parametrize("estimator", [quick(), SequenceScaler(), SequenceImputer()])
def test_token_ids_are_no_measurements(estimator):
    ids, name = TokenEncoder().fit_transform(["a b", "b"] * 6), type(estimator).__name__
    message = (
        rf"(?s)^X is token ids, .* which {name} would .*LSTMSequenceClassifier\(embedding_dim=32"
    )
    with pytest.raises(ValueError, match=message):
        estimator.fit(ids, [0, 1] * 6)


def test_token_ids_are_what_an_embedding_wants():
    ids = TokenEncoder().fit_transform(["a b", "b"] * 6)
    fitted = quick(embedding_dim=4, max_epochs=1).fit(ids, [0, 1] * 6)
    np.testing.assert_array_equal(fitted.predict_proba(ids), fitted.predict_proba([*ids]))


# Lists of integers ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "X",
    [
        IDS,
        [x.tolist() for x in IDS],
        tuple(IDS),
        TokenIds(IDS)[:],
        [x.astype(np.uint8) for x in IDS],
        np.array(IDS, dtype=object),
        pd.Series(IDS, index=[7, 8]),
        [pd.Series(x, index=x) for x in IDS],
        [torch.from_numpy(x) for x in IDS],
        polars.Series([x.tolist() for x in IDS]),
        pyarrow.array([x.tolist() for x in IDS]),
        pyarrow.chunked_array([[x.tolist()] for x in IDS]),
        awkward.Array([x.tolist() for x in IDS]),
    ],
    ids=lambda X: type(X).__name__,
)
def test_lists_of_integers_are_doubted(X):
    (message,) = warnings_of(X)
    assert message.startswith("X is read as measurements of one feature, but it is lists of integ")
    assert "X[0] begins with 4, 12, 7.\n\nIf they are token ids, set embedding_dim=32." in message


@pytest.mark.parametrize(
    "X",
    [
        [np.asarray(x, dtype=float) for x in IDS],
        [IDS[0], IDS[1] + 0.5],
        [IDS[0], -IDS[1]],
        [x > 4 for x in IDS],
        [np.array([0, 1, 0]), np.array([1, 1])],
        [x[:, None] for x in IDS],
        [np.column_stack([x, x]) for x in IDS],
        np.arange(8).reshape(2, 4),
        np.arange(8).reshape(2, 4).tolist(),
        np.arange(8).reshape(2, 4, 1),
        pd.DataFrame(np.arange(8).reshape(2, 4)),
        pyarrow.array([[1.0, 2.0], [3.0]]),
    ],
)
def test_floats_signs_flags_and_arrays_are_measurements(X):
    assert warnings_of(X) == []


# Channels before timesteps ----------------------------------------------------------------------


# Channels and timesteps of sets in aeon's archive.
@pytest.mark.parametrize(
    "shape",
    [(6, 100), (6, 30), (3, 206), (1, 150), (1, 24), (6, 896), (10, 400), (9, 144), (6, 36)],
)
@pytest.mark.parametrize("container", [np.asarray, list])
def test_few_timesteps_of_many_features_are_doubted(shape, container):
    X = RNG.normal(size=(40, *shape))
    (message,) = warnings_of(container(X))
    found = f"X is read as few timesteps ({shape[0]}) of many features ({shape[1]});"
    assert message.startswith(found)
    assert "X = sklstm.preprocessing.from_channel_first(X)." in message
    assert warnings_of(from_channel_first(container(X))) == []


# Embedded words, spectrograms, spoken digits, a table a timestep, and sets of aeon's archive
# whose shape says nothing.
@pytest.mark.parametrize(
    "shape", [(6, 24), (30, 300), (50, 128), (40, 13), (1, 4), (3, 19), (24, 51), (12, 16)]
)
def test_other_shapes_are_not(shape):
    assert warnings_of(RNG.normal(size=(40, *shape))) == []


def test_sequences_of_unequal_length_are_in_order():
    X = [RNG.normal(size=(length, 100)) for length in (6, 5, 6)]
    assert warnings_of(X) == []
    padded = np.zeros((3, 6, 100))
    for row, sequence in zip(padded, X, strict=True):
        row[: len(sequence)] = sequence
    assert warnings_of(padded, mask_value=0.0) == []


def test_features_with_units_of_their_own_are_in_order():
    units = np.exp(RNG.normal(size=100))
    X = units * (
        RNG.normal(size=(40, 1, 100)) + 0.2 * RNG.normal(size=(40, 12, 100)).cumsum(axis=1)
    )
    assert warnings_of(X) == []
    assert len(warnings_of(X[:, :1])) == 1
    assert len(warnings_of(X.reshape(40, 100, 12).swapaxes(1, 2))) == 1


def test_huge_values_are_compared_without_a_word_of_numpy():
    constant_over_time = np.full((2, 6, 100), np.finfo(float).max) * ([1.0, -1.0] * 50)
    assert warnings_of(constant_over_time) == []


# Padding at the front ----------------------------------------------------------------------------


def pad_at_front(X, value, dtype=float):
    """As Keras' pad_sequences does by default."""
    timesteps = max(map(len, X))
    padded = np.full((len(X), timesteps, *X[0].shape[1:]), value, dtype)
    for row, sequence in zip(padded, X, strict=True):
        row[timesteps - len(sequence) :] = sequence
    return padded


@pytest.mark.parametrize("container", [np.asarray, list, np.float32])
@pytest.mark.parametrize("mask_value", [0.0, -1.1])
@pytest.mark.parametrize("n_features", [1, 3])
def test_padding_at_the_front_is_doubted(n_features, mask_value, container):
    X = [RNG.normal(size=(length, n_features)) for length in [9, *range(3, 9)] * 2]
    padded = container(pad_at_front(X, mask_value))
    (message,) = warnings_of(padded, mask_value=mask_value)
    found = f"X looks padded at the front: sequences such as X[1] begin with {mask_value}"
    assert message.startswith(found)
    assert "all have 9 timesteps" in message
    assert re.search(r"X = \[x\[\(?x != ", message)
    at_end = pad_at_front([x[::-1] for x in X], mask_value)[:, ::-1]
    assert warnings_of(at_end, mask_value=mask_value) == []
    if mask_value:
        assert warnings_of(padded) == []


def test_the_remedy_for_padding_at_the_front_is_what_it_was_made_of():
    X = [RNG.normal(size=(length, 2)) for length in [9, *range(3, 9)]]
    (message,) = warnings_of(pad_at_front(X, 0.0), mask_value=0.0)
    assert_remedied(message, pad_at_front(X, 0.0), X)
    rows = [x[:, 0] for x in X]
    table = pd.DataFrame(pad_at_front(rows, 0.0))
    for univariate in (table, [*pad_at_front(rows, 0.0)]):
        (message,) = warnings_of(univariate, mask_value=0.0)
        assert_remedied(message, univariate, rows)


def assert_remedied(message, X, expected):
    code = re.search(r"\n\nRemove it: X = (.*?\])[;.] ", message)[1]
    for ours, theirs in zip(eval(code, {"X": X, "np": np}), expected, strict=True):  # noqa: S307
        np.testing.assert_array_equal(ours, theirs)


def test_sequences_that_begin_with_mask_value_are_in_order():
    begins = np.cumsum(RNG.normal(size=(20, 9, 1)), axis=1)
    begins -= begins[:, :1]
    assert warnings_of(begins, mask_value=0.0) == []
    few = [RNG.normal(size=(length, 2)) for length in [9] * 12 + [4, 5, 6, 7, 8]]
    assert warnings_of(pad_at_front(few, 0.0), mask_value=0.0) == []
    unequal = [np.r_[np.zeros(n % 3), np.ones(2 + n)] for n in range(20)]
    assert warnings_of(unequal, mask_value=0.0) == []


# Padding that no mask_value declares --------------------------------------------------------------


def pad_at_end(X, dtype=float):
    return pad_at_front([x[::-1] for x in X], 0, dtype)[:, ::-1]


@pytest.mark.parametrize("container", [np.asarray, list, np.float32])
@pytest.mark.parametrize("n_features", [1, 3])
def test_padding_without_mask_value_is_doubted(n_features, container):
    X = [RNG.normal(size=(length, n_features)) for length in [9, *range(3, 9)] * 2]
    (message,) = warnings_of(container(pad_at_end(X)))
    assert message.startswith("X looks padded at the end: sequences such as X[1] end with zeros, a")
    assert "all have 9 timesteps" in message
    assert "\n\nSet mask_value=0. If it is data, silence this warning" in message
    assert warnings_of(container(pad_at_end(X)), mask_value=0.0) == []
    (message,) = warnings_of(container(pad_at_front(X, 0.0)))
    assert message.startswith("X looks padded at the front: sequences such as X[1] begin with zero")
    assert_remedied(message, pad_at_front(X, 0.0), X if n_features > 1 else [x[:, 0] for x in X])


@pytest.mark.parametrize("container", [np.asarray, pd.DataFrame, np.ndarray.tolist])
def test_padded_token_ids_without_an_embedding_are_doubted(container):
    ids = [RNG.integers(2, 99, size=length) for length in [9, *range(3, 9)] * 2]
    (message,) = warnings_of(container(pad_at_end(ids, int)))
    assert message.startswith("X looks padded at the end")
    assert "\n\nSet mask_value=0, or embedding_dim=32 if X is token ids. If it is" in message
    (message,) = warnings_of(container(pad_at_front(ids, 0, int)))
    assert "]; if X is token ids, set embedding_dim=32 as well. If it is" in message
    assert_remedied(message, pad_at_front(ids, 0, int), ids)
    (message,) = warnings_of([*pad_at_end(ids, int)])
    assert message.startswith("X is read as measurements of one feature, but it is lists of integ")


def make_pictures():
    """Rows of pixels with a margin above and below."""
    pictures = np.zeros((20, 12, 6))
    for at, picture in enumerate(pictures):
        picture[1 + at % 3 : 9 + at % 3] = RNG.random((8, 6))
    return pictures


def make_events():
    """Rare events of four kinds, none in most timesteps."""
    return (RNG.random((40, 20, 4)) < 0.1).astype(float)


def make_sums():
    """Rare events counted up."""
    return np.cumsum(RNG.random((40, 20, 2)) < 0.1, axis=1).astype(float)


def make_equally_silent():
    X = RNG.normal(size=(20, 9, 2))
    X[:, 6:] = 0
    return X


def make_seldom_padded():
    return pad_at_end([RNG.normal(size=(length, 2)) for length in [9] * 12 + [4, 5, 6, 7, 8]])


def make_silent():
    """A sequence without any value among padded ones."""
    X = pad_at_end([RNG.normal(size=(length, 2)) for length in [9, *range(3, 9)] * 2])
    return np.concatenate([X, np.zeros((1, 9, 2))])


@pytest.mark.parametrize(
    "make",
    [
        make_pictures, make_events, make_sums, make_equally_silent, make_seldom_padded, make_silent,
        lambda: make_sums()[:, ::-1], lambda: make_sums()[..., 0], lambda: np.zeros((20, 5, 2)),
        lambda: RNG.poisson(1.0, size=(40, 12)),
    ],
)  # fmt: skip
def test_zeros_that_may_be_data_are_in_order(make):
    assert warnings_of(make()) == []


# Long tables ------------------------------------------------------------------------------------


def test_a_name_of_a_long_table_is_doubted():
    frame = pd.DataFrame({"ID": [0, 0, 1, 1], "speed": [1.0, 2.0, 3.0, 4.0]})
    (message,) = warnings_of(frame)
    assert message.startswith("X has 'ID', but a data frame is read as one univariate sequence of")
    assert warnings_of(frame.drop(columns="ID")) == []
    assert len(warnings_of(polars.from_pandas(frame))) == 1


def test_a_level_of_a_long_table_is_doubted():
    index = pd.MultiIndex.from_product([[0, 1], [0, 1]], names=["trip", "time"])
    (message,) = warnings_of(pd.DataFrame({"speed": [1.0, 2.0, 3.0, 4.0]}, index=index))
    assert "sequences_from_frame(X.reset_index(), sequence=['trip'], time='time')" in message
    pivoted = pd.DataFrame(np.ones((4, 5)), index=index.set_names(["person", "trial"]))
    assert warnings_of(pivoted) == []


# Through the estimator --------------------------------------------------------------------------


COUNTS = [np.round(10 * abs(x[:, 0])).astype(int) for x in make_ragged(24)[0]]
WIDE = RNG.normal(size=(24, 6, 100))


@pytest.mark.parametrize(
    ("X", "start"), [(COUNTS, "X is read as measu"), (WIDE, "X is read as few t")]
)
def test_a_fit_warns_once_at_the_users_line_and_a_prediction_never(X, start):
    y = [0, 1] * 12
    for fit in (quick(max_epochs=1).fit, quick(early_stopping=True, max_epochs=1).fit):
        with pytest.warns(UserWarning, match=f"^{start}") as caught:
            fitted = fit(X, y)
        assert [warning.filename for warning in caught] == [__file__]
    with pytest.warns(UserWarning, match=f"^{start}") as caught:
        quick(max_epochs=1).fit(X, y, X_val=X, y_val=y)
    assert len(caught) == 1
    with pytest.warns(UserWarning, match=f"^{start}") as caught:
        first = quick().partial_fit(X, y, [0, 1])
    assert [warning.filename for warning in caught] == [__file__]
    first.partial_fit(X, y)
    fitted.set_params(warm_start=True).fit(X, y).predict(X)


def test_ids_that_are_padded_at_the_front_are_doubted_once_at_the_users_line():
    ids = [RNG.integers(2, 9, size=length) for length in [9, *range(3, 9)] * 2]
    padded, y = pad_at_front(ids, 0, int), [0, 1] * 7
    classifier = quick(embedding_dim=4, max_epochs=1)
    with pytest.warns(UserWarning, match="^X looks padded at the front: .* begin with 0") as caught:
        classifier.fit(padded, y)
    assert [warning.filename for warning in caught] == [__file__]
    assert_remedied(str(caught[0].message), padded, ids)
    classifier.predict(padded)
    classifier.fit(ids, y)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "X looks padded at the front")
        classifier.fit(padded, y)


def test_measurements_that_are_padded_at_the_front_are_doubted_at_the_users_line():
    X = [RNG.normal(size=(length, 2)) for length in [9, *range(3, 9)] * 2]
    with pytest.warns(UserWarning, match="^X looks padded at the front") as caught:
        quick(mask_value=-1.0, max_epochs=1).fit(pad_at_front(X, -1.0), [0, 1] * 7)
    assert [warning.filename for warning in caught] == [__file__]


def test_padding_without_mask_value_is_doubted_once_at_the_users_line():
    X = pad_at_end([RNG.normal(size=(length, 2)) for length in [9, *range(3, 9)] * 2])
    with pytest.warns(UserWarning, match="^X looks padded at the end") as caught:
        fitted = quick(max_epochs=1).fit(X, [0, 1] * 7)
    assert [warning.filename for warning in caught] == [__file__]
    fitted.predict(X)
    quick(max_epochs=1, mask_value=0).fit(X, [0, 1] * 7)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "X looks padded at the end")
        quick(max_epochs=1).fit(X, [0, 1] * 7)


def test_the_filter_that_the_message_names_silences_it():
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "X is read as few timesteps")
        quick(max_epochs=1).fit(WIDE, [0, 1] * 12)
