"""Predictions of views: block by block, the bits of predictions in memory."""

import tracemalloc

import numpy as np
import pandas as pd
import pytest

from sklstm import LSTMSequenceRegressor
from sklstm._base import predictor_of
from sklstm._inference import _views
from sklstm._inference._prediction import embed
from sklstm._inference._views import compute_in_blocks
from sklstm._sequences import Sequences, SequenceView, view_of
from sklstm.preprocessing import write_sequences
from tests.helpers import device, make_documents, make_ragged, quick

X, Y = make_ragged(40)


def use_blocks_of(n_values, monkeypatch):
    monkeypatch.setitem(_views.MAX_VALUES, device().type, n_values)
    monkeypatch.setattr(_views, "VALUES_PER_THREAD", 1)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    use_blocks_of(60, monkeypatch)


def read(model, X):
    return model.net_.reader.check_X(X)


def static_frame():
    return pd.DataFrame({"trip": [x[:, 0] for x in X], "age": np.arange(40.0)})


KINDS = {
    "measurements": (lambda: X, {}),
    "one of them long": (lambda: [np.ones((90, 2)), *X[1:]], {}),
    "standardised by itself": (lambda: X, {"standardize": "sequence"}),
    "convolutions": (lambda: X, {"n_kernels": 84, "conv_filters": (4,), "bidirectional": True}),
    "token ids": (lambda: make_documents(40)[0], {"embedding_dim": 3}),
    "static columns": (static_frame, {}),
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_bits_are_those_of_predictions_in_memory(kind):
    make, parameters = KINDS[kind]
    given = make()
    model = quick(max_epochs=1, **parameters).fit(given, Y)
    view = view_of(read(model, given))
    predictions = predictor_of(model, view)
    np.testing.assert_array_equal(predictions.predict_proba(), model.predict_proba(given))
    np.testing.assert_array_equal(predictions.decision_function(), model.decision_function(given))
    order = np.random.default_rng(0).permutation(len(view))[:17]
    taken = predictor_of(model, view.take(order)).predict_proba()
    np.testing.assert_array_equal(taken, predictions.predict_proba()[order])


def test_every_method_takes_what_is_opened(tmp_path):
    frame = static_frame()
    y = np.array(["no", "yes"])[Y]
    view = write_sequences(tmp_path / "view", {"X": frame["trip"].to_list(), "y": y})
    model = quick(max_epochs=1).fit(frame["trip"].to_list(), y)
    for name in ("predict", "predict_proba", "predict_log_proba", "decision_function", "transform"):
        method = getattr(model, name)
        np.testing.assert_array_equal(method(view), method(frame["trip"].to_list()))
        np.testing.assert_array_equal(method(view[[3, 1, 3]]), method(view)[[3, 1, 3]])
    assert model.score(view, view.y) == model.score(frame["trip"].to_list(), y)


def test_padding_at_the_end_is_cut_off_block_by_block(tmp_path):
    padded = np.zeros((40, 12, 2))
    for row, x in zip(padded, X, strict=True):
        row[: len(x)] = x[:12]
    np.save(tmp_path / "X.npy", padded)
    model = quick(max_epochs=1, mask_value=0).fit(padded, Y)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    np.testing.assert_array_equal(model.predict_proba(mapped), model.predict_proba(padded))


def test_each_sequence_is_read_once(tmp_path, monkeypatch):
    view = write_sequences(tmp_path / "view", X)
    model, loaded, load = quick(max_epochs=1).fit(X, Y), [], SequenceView.load

    def recorded(self, indices):
        loaded.extend(indices.tolist())
        return load(self, indices)

    monkeypatch.setattr(SequenceView, "load", recorded)
    model.predict_proba(view)
    assert loaded == list(range(40))


def test_vectors_and_quantiles():
    model = quick(max_epochs=1).fit(X, Y)
    vectors = model._compute_of(embed, lambda: view_of(read(model, X)))
    np.testing.assert_array_equal(vectors, model.transform(X))
    small = {"n_kernels": 0, "conv_filters": (), "max_epochs": 1, "loss": "quantile"}
    regressor = LSTMSequenceRegressor(3, **small).fit(X, np.column_stack([Y, -Y]))
    predictions = predictor_of(regressor, view_of(read(regressor, X)))
    np.testing.assert_array_equal(predictions.predict(), regressor.predict(X))
    np.testing.assert_array_equal(predictions.predict_quantiles(), regressor.predict_quantiles(X))


def test_values_are_checked_block_by_block_and_named_by_the_users_index():
    model = quick(max_epochs=1).fit(X, Y)
    values = [x.copy() for x in X]
    values[31][2, 1] = np.nan
    sequences = Sequences.from_lengths(np.concatenate(values), [len(x) for x in X])
    with pytest.raises(ValueError, match=r"X contains NaN at X\[31\]\[2, 1\]; every"):
        predictor_of(model, view_of(sequences))


def test_outputs_beyond_float32_are_named_by_the_users_index():
    small = {"n_kernels": 0, "conv_filters": (4,), "standardize": False}
    model = quick(**small, max_epochs=1).fit(X, Y)
    values = [*X[:31], np.full((4, 2), 3e38), *X[32:]]
    with pytest.raises(ValueError, match=r"^X\[31\] is too large for this network"):
        predictor_of(model, view_of(read(model, values)))


def test_a_block_is_loaded_when_the_one_before_is_done():
    sequences = Sequences.from_lengths(np.arange(120.0).reshape(60, 2), [10, 20, 15, 15])
    log = []

    def compute(block, start):
        log.append(("compute", start, block.n_timesteps))
        return block.lengths[:, None]

    def check(block, start):
        log.append(("check", start))
        return block

    rows = compute_in_blocks(compute, view_of(sequences), check, device())
    assert rows.ravel().tolist() == [10, 20, 15, 15]
    assert log == [("check", 0), ("compute", 0, 30), ("check", 2), ("compute", 2, 30)]


def test_memory_is_that_of_a_block(monkeypatch):
    """Of arrays of NumPy, the blocks and what is made of them: not the 16 MB of X."""
    use_blocks_of(2**15, monkeypatch)
    model = quick(max_epochs=1).fit(X, Y)
    view = view_of(Sequences.from_lengths(np.ones((2**20, 2)), np.full(2**11, 2**9)))
    shuffled = view.take(np.random.default_rng(0).permutation(len(view)))
    tracemalloc.start()
    predictor_of(model, shuffled)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 4e6
