import copy
import pickle
from itertools import pairwise

import numpy as np
import pytest
import torch
from sklearn.pipeline import make_pipeline

from sklstm import LSTMSequenceClassifier, LSTMSequenceRegressor
from sklstm.preprocessing import SequenceScaler
from sklstm.streaming import Stream
from tests.helpers import assert_same_in_company
from tests.streaming.fitted import (
    CAUSAL,
    FRAMES,
    IDS,
    LABELS,
    N_TIMESTEPS,
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

# Updates of one timestep, and of several.
BOUNDS = (0, 1, 2, 5, 6, N_TIMESTEPS)


def in_updates(stream, sequences):
    parts = [stream.update([x[a:b] for x in sequences]) for a, b in pairwise(BOUNDS)]
    return np.concatenate(parts, axis=1)


CLASSIFIERS = {
    "last": lambda: (classifier(pooling="last"), X),
    "max, stacked": lambda: (classifier((5, 5), pooling="max"), X),
    "mean, dense": lambda: (classifier(pooling="mean", dense_sizes=3, dropout=0.2), X),
    "input as wide as the layer": lambda: (classifier(3, pooling="max"), X),
    "patches, last": lambda: (classifier(pooling="last", patch_size=3), X),
    "patches, max, stacked": lambda: (classifier((4, 3), pooling="max", patch_size=4), X),
    "patches, mean": lambda: (classifier(pooling="mean", patch_size=2), X),
    "tokens": lambda: (of_tokens(dropout=0.2), IDS),
    "tokens, patches": lambda: (of_tokens(patch_size=3, pooling="mean"), IDS),
    "categories": lambda: (of_frames(), FRAMES),
    "categories, patches": lambda: (of_frames(patch_size=3), FRAMES),
}


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_probabilities_are_those_of_the_prefixes(name):
    model, sequences = CLASSIFIERS[name]()
    some = [sequences[i] for i in (7, 2, 30)]
    expected = by_prefix(model.predict_proba, some)
    assert_same_in_company(in_updates(Stream(model, n_streams=3), some), expected)
    alone = Stream(model)
    parts = [alone.update(some[0][a:b]) for a, b in pairwise(BOUNDS)]
    assert_same_in_company(np.concatenate(parts), expected[0])


@pytest.mark.parametrize(
    "model",
    [
        lambda: regressor(),
        lambda: regressor(n_outputs=2, pooling="max", patch_size=3),
        lambda: regressor(loss="quantile"),
    ],
)
def test_a_stream_of_a_regressor_gives_its_numbers(model):
    expected = by_prefix(model().predict, X[:3])
    assert_same_in_company(in_updates(Stream(model(), n_streams=3), X[:3]), expected)
    assert_same_in_company(Stream(model()).update(X[0]), expected[0])


def test_several_labels():
    y = np.stack([LABELS == 0, LABELS > 0, LABELS == 2], axis=1)
    model = LSTMSequenceClassifier(4, **CAUSAL, **RUN).fit(X, y)
    expected = by_prefix(model.predict_proba, X[:3])
    assert_same_in_company(in_updates(Stream(model, n_streams=3), X[:3]), expected)


def test_static_columns_are_given_once():
    model, rows = of_table(), TABLE[5:8]
    streams = Stream(model, n_streams=3, static=rows[["age", "ward"]])
    expected = [
        model.predict_proba(rows.assign(x=[x[: t + 1] for x in rows["x"]]))
        for t in range(N_TIMESTEPS)
    ]
    assert_same_in_company(in_updates(streams, list(rows["x"])), np.stack(expected, axis=1))
    streams.reset()
    assert_same_in_company(streams.update(list(rows["x"]))[:, -1], expected[-1])


def test_a_pipeline_with_a_scaler():
    model = make_pipeline(
        SequenceScaler("robust"), "passthrough", LSTMSequenceClassifier(4, **CAUSAL, **RUN)
    ).fit(X, LABELS)
    expected = by_prefix(model.predict_proba, X[:3])
    assert_same_in_company(in_updates(Stream(model, n_streams=3), X[:3]), expected)


@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize(("pooling", "patch_size"), [("last", 1), ("max", 3), ("mean", 1)])
def test_a_thousand_timesteps_of_fifty_streams(n_threads, pooling, patch_size):
    model = classifier(8, pooling=pooling, patch_size=patch_size)
    long = np.random.default_rng(1).normal(size=(50, 1000, 3))
    before = torch.get_num_threads()
    torch.set_num_threads(n_threads)
    try:
        streams = Stream(model, n_streams=50)
        after_each = np.concatenate(
            [streams.update(part) for part in np.array_split(long, 150, axis=1)], axis=1
        )
        for length in (1, 2, 3, 5, 16, 98, 255, 256, 601, 998, 999, 1000):
            expected = model.predict_proba(long[:, :length])
            assert_same_in_company(after_each[:, length - 1], expected)
    finally:
        torch.set_num_threads(before)


def test_more_timesteps_than_a_network_reads_at_once():
    model = regressor(pooling="mean")
    long = np.random.default_rng(1).normal(size=(66_000, 3))
    stream = Stream(model)
    stream.update(long[:65_000])
    assert_same_in_company(stream.update(long[65_000:])[-1:], model.predict([long]))


def test_one_timestep_of_a_single_feature_needs_no_second_dimension():
    model = LSTMSequenceClassifier(4, **CAUSAL, **RUN).fit(X[:, :, 0], LABELS)
    expected = by_prefix(model.predict_proba, X[:2, :, :1])
    assert_same_in_company(Stream(model).update(X[0, :, 0]), expected[0])
    assert_same_in_company(Stream(model, n_streams=2).update(X[:2, :, 0]), expected)


def test_some_streams_begin_anew():
    model = classifier(pooling="mean", patch_size=3)
    streams = Stream(model, n_streams=4)
    streams.update(X[:4, :4])
    streams.reset([1, 3])
    assert streams.n_timesteps.tolist() == [4, 0, 4, 0]
    after_each = streams.update(X[:4, 4:9])
    expected = by_prefix(model.predict_proba, X[:4])
    assert_same_in_company(after_each[[0, 2]], expected[[0, 2], 4:9])
    of_rest = by_prefix(model.predict_proba, X[:4, 4:9])
    assert_same_in_company(after_each[[1, 3]], of_rest[[1, 3]])


def test_all_begin_anew():
    stream = Stream(classifier())
    first = stream.update(X[0])
    assert stream.n_timesteps == N_TIMESTEPS
    stream.reset()
    assert stream.n_timesteps == 0
    np.testing.assert_array_equal(stream.update(X[0]), first)


@pytest.mark.parametrize("which", [np.array([False, True]), 1, -1, [1]])
def test_streams_are_chosen_as_rows_of_an_array(which):
    streams = Stream(classifier(), n_streams=2)
    streams.update(X[:2])
    streams.reset(which)
    assert streams.n_timesteps.tolist() == [N_TIMESTEPS, 0]


def test_streams_that_there_are_not():
    with pytest.raises(IndexError, match=r"indices from 0 to 1, or a boolean mask of 2. Got \[5\]"):
        Stream(classifier(), n_streams=2).reset([5])


@pytest.mark.parametrize(
    "duplicate", [copy.deepcopy, copy.copy, lambda stream: pickle.loads(pickle.dumps(stream))]
)
def test_a_copy_goes_on_by_itself(duplicate):
    streams = Stream(classifier(patch_size=3), n_streams=2)
    streams.update(X[:2, :5])
    other = duplicate(streams)
    expected = streams.update(X[:2, 5:])
    np.testing.assert_array_equal(other.update(X[:2, 5:]), expected)


def test_a_pickle_with_static_columns():
    stream = Stream(of_table(), static=TABLE[["age", "ward"]][:1])
    other = pickle.loads(pickle.dumps(stream))
    np.testing.assert_array_equal(other.update(X[0]), stream.update(X[0]))


def test_a_state_is_saved_and_loaded(tmp_path):
    model = classifier((4, 4), pooling="mean")
    first = Stream(model, n_streams=2)
    first.update(X[:2, :5])
    np.savez(tmp_path / "state.npz", **first.state_dict())
    expected = first.update(X[:2, 5:])
    second = Stream(model, n_streams=2)
    with np.load(tmp_path / "state.npz") as state:
        second.load_state_dict(state)
    np.testing.assert_array_equal(second.update(X[:2, 5:]), expected)


def test_a_state_is_a_copy():
    stream = Stream(classifier())
    stream.update(X[0, :4])
    state = stream.state_dict()
    kept = copy.deepcopy(state)
    expected = stream.update(X[0, 4:])
    np.testing.assert_equal(state, kept)
    stream.load_state_dict(state)
    for array in [*state.values(), *stream.state_dict().values()]:
        array[...] = 0
    np.testing.assert_array_equal(stream.update(X[0, 4:]), expected)


@pytest.mark.parametrize("pooling", ["last", "max", "mean"])
@pytest.mark.parametrize("patch_size", [1, 3])
def test_the_state_does_not_grow(pooling, patch_size):
    stream = Stream(classifier(pooling=pooling, patch_size=patch_size))
    sizes = set()
    for n_new in (1, 30, 500):
        stream.update(np.zeros((n_new, 3)))
        sizes.add(sum(array.nbytes for array in stream.state_dict().values()))
        # No view of a larger tensor.
        tensors = stream.__dict__["_state"].values()
        assert all(t.untyped_storage().nbytes() == t.nbytes for t in tensors)
    assert len(sizes) == 1


@pytest.mark.parametrize(
    "wrong", [np.full((2, 3), np.nan), np.zeros((2, 4)), np.full((1, 3), 1e300)]
)
def test_an_error_leaves_the_state_as_it_was(wrong):
    stream = Stream(classifier())
    stream.update(X[0, :4])
    with pytest.raises(ValueError, match="timesteps"):
        stream.update(wrong)
    assert_same_in_company(stream.update(X[0, 4:])[-1:], classifier().predict_proba(X[:1]))


def test_outputs_beyond_float32():
    model = copy.deepcopy(classifier())
    with torch.no_grad():
        model.net_.module_.head[-1].weight.fill_(torch.inf)
    stream = Stream(model)
    with pytest.raises(ValueError, match="timesteps are too large for this network"):
        stream.update(X[0])
    assert stream.n_timesteps == 0


def test_further_training_does_not_change_a_stream():
    model = copy.deepcopy(classifier())
    stream = Stream(model)
    expected = stream.update(X[0])
    model.partial_fit(X, LABELS)
    stream.reset()
    np.testing.assert_array_equal(stream.update(X[0]), expected)
    assert not np.array_equal(model.predict_proba(X[:1])[0], expected[-1])


def test_torchs_modes_of_the_caller_have_no_effect():
    expected = Stream(classifier()).update(X[0])
    with torch.inference_mode():
        stream = Stream(classifier())
        first = stream.update(X[0, :5])
    with torch.autocast("cpu", torch.bfloat16):
        rest = stream.update(X[0, 5:])
    np.testing.assert_array_equal(np.concatenate([first, rest]), expected)


def test_a_model_that_is_not_causal():
    model = LSTMSequenceRegressor(4, max_epochs=1, n_kernels=84).fit(X, X.mean(axis=(1, 2)))
    with pytest.raises(ValueError, match="A Stream needs a causal LSTMSequenceRegressor"):
        Stream(model)
