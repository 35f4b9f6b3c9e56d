"""X that is a view is validated as the same X in memory."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from sklstm import LSTMSequenceClassifier
from sklstm._sequences import SequenceView, in_memory
from sklstm._validation import _views
from sklstm._validation._features import InputSchema, check_first
from sklstm._validation._inputs import check_inputs, check_loaded
from sklstm._validation._tokens import check_tokens
from sklstm._validation._views import sample_of
from sklstm.preprocessing import (
    SequenceScaler,
    TokenEncoder,
    make_windows,
    open_sequences,
    to_channel_first,
    write_sequences,
)
from tests.views.stores import OF_FILES, OF_OBJECTS, N, as_table, cube, dask, npy, ragged

every_store = pytest.mark.parametrize("store", OF_FILES + OF_OBJECTS, ids=lambda s: s.__name__)


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch):
    """Of two or three sequences each."""
    own = SequenceView.blocks
    monkeypatch.setattr(SequenceView, "blocks", lambda self, n=24: own(self, n))


def assert_same(inputs, expected):
    assert isinstance(inputs.sequences, SequenceView)
    got, want = in_memory(inputs.sequences), expected.sequences
    assert got.values.dtype == want.values.dtype
    np.testing.assert_array_equal(got.values, want.values)
    assert inputs.sequences.lengths.tolist() == want.lengths.tolist()
    assert got.offsets.tolist() == want.offsets.tolist()
    assert inputs.n_columns == expected.n_columns
    assert inputs.vocabulary_size == expected.vocabulary_size
    names = [None if n is None else list(n) for n in (inputs.column_names, expected.column_names)]
    assert names[0] == names[1]


@every_store
@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.float16, np.int16])
def test_a_view_of_a_cube(store, dtype, tmp_path):
    X = (100 * cube()).astype(dtype)
    assert_same(check_inputs(store(X, tmp_path), estimator="E"), check_inputs(X, estimator="E"))


def test_a_view_of_a_table_has_its_columns(tmp_path):
    X = cube()[..., 0]
    for store in (npy, dask):
        assert_same(check_inputs(store(X, tmp_path), estimator="E"), check_inputs(X, estimator="E"))


def test_a_map_is_a_view(tmp_path):
    np.save(tmp_path / "X.npy", cube())
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    assert_same(check_inputs(mapped, estimator="E"), check_inputs(cube(), estimator="E"))
    # What a search takes of it is in memory.
    assert not isinstance(check_inputs(mapped[[2, 1]], estimator="E").sequences, SequenceView)


def test_parts_of_a_view(tmp_path):
    X, indices = ragged(), np.random.default_rng(0).integers(0, N, size=40)
    part = write_sequences(tmp_path / "X", X)[indices]
    assert_same(
        check_inputs(part, estimator="E"), check_inputs([X[i] for i in indices], estimator="E")
    )


@pytest.mark.parametrize("mask_value", [0.0, np.nan, -1.0])
def test_padding_is_cut_off(tmp_path, mask_value):
    X = cube()
    for i in range(N):
        X[i, 1 + i % 5 :] = mask_value
    X[3, 0] = 2 * [mask_value if mask_value == mask_value else 1]
    X[3, 1] = 1
    options = {"estimator": "E", "mask_value": mask_value}
    view = npy(X, tmp_path)
    assert_same(check_inputs(view, **options), check_inputs(X, **options))
    # The view is as it was.
    assert view.lengths.tolist() == [5] * N


def test_names_of_features(tmp_path):
    X = [pd.DataFrame(x, columns=["x", "y"]) for x in ragged()]
    assert_same(
        check_inputs(write_sequences(tmp_path / "X", X), estimator="E"),
        check_inputs(X, estimator="E"),
    )


def message_of(check, X, **options):
    with pytest.raises((ValueError, TypeError)) as caught:
        check(X, **options)
    return type(caught.value), str(caught.value)


def nan_at(i):
    X = ragged()
    X[i][0, 1] = np.nan
    return X


def infinity_at(i):
    X = ragged()
    X[i][-1, 0] = -np.inf
    return X


BAD = [
    (nan_at(17), {}), (nan_at(0), {}), (infinity_at(22), {}), (infinity_at(5), {"allow_nan": True}),
    (nan_at(17), {"can_impute": False}),
    ([*ragged(), np.zeros((4, 2))], {"mask_value": 0.0}),
]  # fmt: skip


@pytest.mark.parametrize(("X", "options"), BAD)
def test_messages_name_the_culprit_as_in_memory(tmp_path, X, options):
    view, options = write_sequences(tmp_path / "X", X), {"estimator": "E", **options}
    assert message_of(check_inputs, view, **options) == message_of(check_inputs, X, **options)


def test_unchecked_values_are_left_to_check_block(tmp_path):
    view = write_sequences(tmp_path / "X", nan_at(17))
    schema = InputSchema(2)
    options = {"mask_value": None, "estimator": "E"}
    sequences = schema.check_X(view, **options, check_values=False).sequences
    for run, block in sequences.blocks():
        if 17 in range(run.start, run.stop):
            with pytest.raises(ValueError, match=r"contains NaN at X\[17\]\[0, 1\]"):
                schema.check_block(block, run.start, **options)
        else:
            assert (
                schema.check_block(block, run.start, **options).lengths.tolist()
                == block.lengths.tolist()
            )


def test_check_block_cuts_padding_off(tmp_path):
    X = cube()
    X[:, 3:] = 0
    options = {"mask_value": 0.0, "estimator": "E"}
    sequences = InputSchema(2).check_X(npy(X, tmp_path), **options, check_values=False).sequences
    assert set(sequences.lengths) == {5}
    block = InputSchema(2).check_block(sequences.load(range(4, 6)), 4, **options)
    assert block.lengths.tolist() == [3, 3]


@pytest.mark.parametrize("check_values", [True, False])
def test_no_values_are_read_unless_they_are_checked(tmp_path, monkeypatch, check_values):
    array = pytest.importorskip("dask.array")
    loaded = []

    def remember(block):
        loaded.append(len(block))
        return block

    X = array.from_array(cube(), chunks=(10, 5, 2)).map_blocks(
        remember, dtype=float, meta=cube()[:0]
    )
    check_inputs(X, estimator="E", check_values=check_values)
    assert sum(loaded) == (N if check_values else 0)


# Token ids ----------------------------------------------------------------------------------------


def ids(dtype=np.uint16):
    rng = np.random.default_rng(0)
    return [rng.integers(1, 300, size=n).astype(dtype) for n in rng.integers(1, 9, size=N)]


@pytest.mark.parametrize("vocabulary_size", [None, 500])
def test_token_ids(tmp_path, vocabulary_size):
    X = [np.append(x, [0] * (i % 3)).astype(np.uint16) for i, x in enumerate(ids())]
    view = write_sequences(tmp_path / "X", X)
    assert view.dtype == np.uint16
    options = {"vocabulary_size": vocabulary_size}
    assert_same(check_tokens(view, **options), check_tokens(X, **options))


def test_token_ids_in_a_map(tmp_path):
    X = np.random.default_rng(0).integers(0, 9, size=(N, 5), dtype=np.uint8)
    X[:, 0] = 1
    np.save(tmp_path / "X.npy", X)
    mapped = np.load(tmp_path / "X.npy", mmap_mode="r")
    options = {"vocabulary_size": None}
    assert_same(check_tokens(mapped, **options), check_tokens(X, **options))
    assert_same(check_tokens(npy(X, tmp_path), **options), check_tokens(X, **options))


@pytest.mark.parametrize(
    ("X", "vocabulary_size"),
    [
        ([*ids(), np.uint16([9, 500])], 400),
        ([*ids(np.int32), np.int32([9, -5])], None),
        ([*ids(np.int32)[:3], np.int32([0, 0])], None),
        ([x / 2 for x in ids()], None),
    ],
)
def test_messages_on_token_ids(tmp_path, X, vocabulary_size):
    view, options = write_sequences(tmp_path / "X", X), {"vocabulary_size": vocabulary_size}
    own, expected = (
        message_of(check_tokens, view, **options),
        message_of(check_tokens, X, **options),
    )
    if X[0].dtype.kind == "f":
        # In memory each item is looked at.
        assert own[1].startswith(
            "X must hold token ids, which are integers. Got dtype float64, among"
        )
    else:
        assert own == expected


def test_sequences_of_two_features_are_no_token_ids(tmp_path):
    view = write_sequences(tmp_path / "X", ragged())
    with pytest.raises(ValueError, match=r"one integer for each timestep. Got 2 features"):
        check_tokens(view, vocabulary_size=None)


def test_check_block_of_token_ids(tmp_path):
    view = write_sequences(tmp_path / "X", [*ids(), np.uint16([9, 500])])
    schema = InputSchema(1, vocabulary_size=400)
    options = {"mask_value": None, "estimator": "E"}
    sequences = schema.check_X(view, **options, check_values=False).sequences
    assert sequences.dtype == np.int64
    with pytest.raises(ValueError, match=r"from 0 to 399: X\[23\]\[1\] is 500"):
        schema.check_block(sequences.load([22, 23]), 22, **options)


def test_token_ids_are_no_measurements(tmp_path):
    texts = ["a b c", "b c", "a a b"]
    encoder = TokenEncoder().fit(texts)
    view = write_sequences(tmp_path / "X", encoder.transform(texts))
    with pytest.raises(ValueError, match="X is token ids, as TokenEncoder gives them"):
        check_first(view, mask_value=None, estimator="E")


# Schema and hints ---------------------------------------------------------------------------------


def frame():
    return pd.DataFrame(
        {"age": np.arange(N) / 2, "signal": ragged(), "sex": ["f", "m"] * 11 + [None]}
    )


def test_static_columns_as_of_a_data_frame(tmp_path):
    view = write_sequences(tmp_path / "X", frame())
    options = {"mask_value": None, "estimator": "E"}
    inputs, schema = check_first(view, **options)
    expected, of_frame = check_first(frame(), **options)
    assert_same(inputs, expected)
    np.testing.assert_array_equal(inputs.sequences.static, expected.sequences.static)
    assert schema.static == of_frame.static
    assert list(schema.attributes["feature_names_in_"]) == ["age", "signal", "sex"]
    # Either takes the other, and parts of it.
    for own, X in ((schema, frame()), (of_frame, view)):
        np.testing.assert_array_equal(
            own.check_X(X, **options).sequences.static, expected.sequences.static
        )
    part = of_frame.check_X(view[[4, 2]], **options).sequences
    np.testing.assert_array_equal(part.static, expected.sequences.static[[4, 2]])
    np.testing.assert_array_equal(part.load([0]).values, ragged()[4])


def test_static_columns_of_parquet(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    table = as_table(ragged())
    parquet.write_table(table, tmp_path / "X.parquet")
    view = open_sequences(tmp_path / "X.parquet", static=["label", "id"])
    inputs, schema = check_first(view, mask_value=None, estimator="E")
    assert schema.static.columns == ("id", "signal", "label")
    assert inputs.sequences.static[:3].tolist() == [[0, 1], [1, 2], [2, 1]]


def test_static_columns_must_be_those_of_the_fit(tmp_path):
    with_static = write_sequences(tmp_path / "X", frame())
    without = write_sequences(tmp_path / "Z", ragged())
    options = {"mask_value": None, "estimator": "E"}
    with pytest.raises(ValueError, match=r"has static columns beside(.|\n)*static=\[\]\)"):
        check_first(without, **options)[1].check_X(with_static, **options)
    with pytest.raises(
        ValueError, match="E was fitted with static columns, but X is a StoredSequences"
    ):
        check_first(with_static, **options)[1].check_X(without, **options)


def test_messages_name_the_column_of_sequences(tmp_path):
    X = frame()
    X.at[17, "signal"][0, 1] = np.nan
    view = write_sequences(tmp_path / "X", X)
    with pytest.raises(ValueError, match=r"contains NaN at X\['signal'\]\[17\]\[0, 1\]"):
        check_first(view, mask_value=None, estimator="E")


def test_another_number_of_features(tmp_path):
    view = write_sequences(tmp_path / "X", ragged())
    for X in (view, ragged()):
        with pytest.raises(ValueError, match="X has 2 features, but E is expecting 3 features"):
            InputSchema(3).check_X(X, mask_value=None, estimator="E")


@pytest.mark.parametrize(
    "X", [np.zeros((30, 3, 40)), [np.arange(2, 9), np.arange(3, 7)]], ids=["channels", "integers"]
)
def test_hints_as_in_memory(tmp_path, X):
    X = np.random.default_rng(0).normal(size=X.shape) if isinstance(X, np.ndarray) else X
    messages = []
    for own in (X, write_sequences(tmp_path / "X", X)):
        with pytest.warns(UserWarning, match="X is read as") as caught:
            check_first(own, mask_value=None, estimator="E")
        messages.append([str(w.message) for w in caught])
    assert messages[0] == messages[1]


def test_hints_look_at_a_sample(tmp_path):
    view = check_inputs(write_sequences(tmp_path / "X", ragged()), estimator="E").sequences
    assert len(sample_of(view, 1)) == 1
    assert len(sample_of(view, 10**6)) == N
    lengths = view.lengths[:3].sum() * 2
    assert len(sample_of(view, lengths)) == 3


def test_no_sequences(tmp_path):
    view = write_sequences(tmp_path / "X", ragged())
    with pytest.raises(ValueError, match=r"Found array with 0 sample\(s\)"):
        check_inputs(view[:0], estimator="E")


def test_other_types_are_no_numbers(tmp_path):
    np.save(tmp_path / "X.npy", cube().astype("U5"))
    with pytest.raises(TypeError, match=r"X must hold real numbers. Got dtype <U5"):
        check_inputs(open_sequences(tmp_path / "X.npy"), estimator="E")


# In memory ----------------------------------------------------------------------------------------


def test_transformers_load_what_is_small(tmp_path):
    X = ragged()
    view = write_sequences(tmp_path / "X", X)
    scaler = SequenceScaler().fit(view)
    for got, want in zip(scaler.transform(view), SequenceScaler().fit(X).transform(X), strict=True):
        np.testing.assert_array_equal(got, want)
    assert [x.shape for x in to_channel_first(view)] == [x.T.shape for x in X]
    np.testing.assert_array_equal(make_windows(view, size=1).X, make_windows(X, size=1).X)


def test_what_is_large_is_an_error_with_the_remedy(tmp_path, monkeypatch):
    view = write_sequences(tmp_path / "X", ragged(np.float32))
    monkeypatch.setattr(_views, "MAX_LOADED", view.n_timesteps * 2 * 8 - 1)
    scaler = SequenceScaler().fit(view[:5])
    for call in (scaler.fit, scaler.transform, to_channel_first):
        with pytest.raises(
            ValueError, match=r"holds all timesteps(.|\n)*standardize=True(.|\n)*write_sequences"
        ):
            call(view)
    # The remedy.
    scaled = write_sequences(
        tmp_path / "scaled", (scaler.transform(view[i : i + 9]) for i in range(0, N, 9))
    )
    np.testing.assert_array_equal(scaled[20], scaler.transform(view[20:21])[0])
    # A map was never refused.
    np.save(tmp_path / "X.npy", cube())
    check_loaded(np.load(tmp_path / "X.npy", mmap_mode="r"), estimator="E")


@pytest.mark.parametrize("kind", [str, Path])
def test_a_path_in_place_of_what_is_there_is_an_error_that_opens_it(kind, tmp_path):
    write_sequences(tmp_path / "X", [np.ones((3, 2)), np.zeros((3, 2))])
    with pytest.raises(TypeError, match=r"X is a path, (.|\n)*open_sequences\('.*X'\)"):
        LSTMSequenceClassifier().fit(kind(tmp_path / "X"), [0, 1])


def test_a_long_text_is_no_path():
    with pytest.raises(ValueError, match="X is text"):
        LSTMSequenceClassifier().fit("a word " * 1000, [0])
