import pickle

import numpy as np
import pytest
from sklearn.model_selection import KFold, ShuffleSplit
from sklearn.utils import _safe_indexing, resample

from sklstm.preprocessing import StoredSequences, write_sequences
from tests.views import stores
from tests.views.stores import OF_FILES, OF_OBJECTS, OF_RAGGED, N, cube, ragged

every_store = pytest.mark.parametrize("store", OF_FILES + OF_OBJECTS, ids=lambda s: s.__name__)


def assert_same(view, arrays):
    assert len(view) == len(arrays)
    for got, want in zip(view, arrays, strict=True):
        np.testing.assert_array_equal(got, want)
        assert got.dtype == want.dtype


@pytest.fixture
def view(tmp_path):
    return stores.folder(ragged(), tmp_path)


@every_store
def test_every_store_gives_the_sequences_back(store, tmp_path):
    X = cube()
    view = store(X, tmp_path)
    assert_same(view, X)
    assert view.shape == (N,)
    assert (view.n_features, view.n_timesteps, view.dtype) == (2, X[..., 0].size, X.dtype)
    np.testing.assert_array_equal(view[-1], X[-1])


@pytest.mark.parametrize("store", OF_RAGGED, ids=lambda s: s.__name__)
def test_so_does_every_store_of_sequences_of_unequal_length(store, tmp_path):
    X = ragged(np.float32)
    view = store(X, tmp_path)
    assert_same(view, X)
    assert view.lengths.tolist() == [len(x) for x in X]


@every_store
def test_parts_in_any_order_are_views(store, tmp_path):
    X = cube()
    view = store(X, tmp_path)
    indices = np.random.default_rng(0).integers(0, N, size=40)
    part = view[indices]
    assert isinstance(part, StoredSequences)
    assert_same(part, [X[i] for i in indices])
    assert_same(part[5:20][::-2], [X[i] for i in indices[5:20][::-2]])


@pytest.mark.parametrize("store", OF_FILES, ids=lambda s: s.__name__)
def test_a_pickle_is_a_path(store, tmp_path):
    X = cube()
    view = store(X, tmp_path)
    pickled = pickle.dumps(view)
    assert len(pickled) < 1000
    assert_same(pickle.loads(pickled), X)
    assert view.path is not None
    # One byte for each of up to 256 sequences.
    part = pickle.dumps(view[np.arange(N)[::-1] % 7])
    assert len(part) < 1000 + N
    assert_same(pickle.loads(part), [X[i] for i in np.arange(N)[::-1] % 7])
    assert len(pickle.dumps(view[3:20:2])) < 1000


@pytest.mark.parametrize("store", OF_OBJECTS, ids=lambda s: s.__name__)
def test_objects_in_memory_are_pickled_themselves(store, tmp_path):
    view = store(cube(), tmp_path)
    assert view.path is None
    assert_same(pickle.loads(pickle.dumps(view[2:9])), cube()[2:9])


def test_a_pickle_of_a_million_sequences_is_a_path(tmp_path):
    view = write_sequences(tmp_path / "X", np.zeros((1_000_000, 1), dtype=np.float32))
    assert len(pickle.dumps(view)) < 1000
    assert len(pickle.dumps(view[:900_000])) < 1000
    # Four bytes an index.
    assert len(pickle.dumps(view[np.arange(900_000)])) < 4 * 900_000 + 1000


IS_EVEN = np.arange(N) % 2 == 0
KEYS = [
    3, -2, np.int32(4), slice(2, 9), slice(None, None, -3), [5, 1, 1], [-1, 0], slice(5, 5),
    np.array([3, 2], dtype=np.uint8), IS_EVEN, IS_EVEN.tolist(), np.array([], dtype=int),
]  # fmt: skip


@pytest.mark.parametrize("tail", [(), (...,), (slice(None),)], ids=repr)
@pytest.mark.parametrize("key", KEYS, ids=repr)
def test_keys_mean_what_they_mean_to_an_array(view, key, tail):
    positions = np.arange(N)[key]
    got = view[(key, *tail)] if tail else view[key]
    if np.ndim(positions) == 0:
        np.testing.assert_array_equal(got, ragged()[positions])
    else:
        assert_same(got, [ragged()[i] for i in positions])


@pytest.mark.parametrize(
    ("key", "message"),
    [
        (23, "There is no sequence 23 among 23"),
        (-24, "There is no sequence -24 among 23"),
        ([0, 23], "There is no sequence 23 among 23"),
        ([-24], "There is no sequence -24 among 23"),
        ([True], "A mask of 1 for 23 sequences"),
        ([0.5], "Indices must be integers or booleans. Got dtype float64"),
        ([[0, 1]], r"Got indices of shape \(1, 2\)"),
        ((0, 1), r"Take the timesteps of one: X\[3\]\[:10\]"),
    ],
)
def test_keys_that_mean_nothing(view, key, message):
    with pytest.raises(IndexError, match=message):
        view[key]


@pytest.mark.parametrize("key", [1.5, "age", None])
def test_keys_of_another_type(view, key):
    with pytest.raises(TypeError, match=f"an integer, a slice, a list .* Got {key!r}"):
        view[key]


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.uint8, np.uint64])
def test_small_integers_are_indices_of_many_sequences(dtype, tmp_path):
    X = np.arange(40_000, dtype=np.float32).reshape(-1, 1, 1)
    view = write_sequences(tmp_path / "X", X)
    key = np.array([3, 0] if np.dtype(dtype).kind == "u" else [3, -1], dtype=dtype)
    assert_same(view[key], X[key])
    assert_same(view[7:20_000:2][key], X[7:20_000:2][key])


def test_an_empty_list_is_no_sequences(view):
    assert len(view[[]]) == len(view[1:1]) == 0


def test_a_mask_of_a_part_is_as_long_as_the_part(view):
    part = view[[4, 2, 9]]
    assert_same(part[[True, False, True]], [ragged()[4], ragged()[9]])


def test_scikit_learn_takes_views_of_it(view):
    """Splits, shuffled ones and bootstraps."""
    for splitter in (KFold(3), KFold(3, shuffle=True, random_state=0), ShuffleSplit(2)):
        for train, _ in splitter.split(view):
            part = _safe_indexing(view, train)
            assert isinstance(part, StoredSequences)
            assert_same(part, [ragged()[i] for i in train])
    assert isinstance(resample(view, random_state=0), StoredSequences)


def test_columns_are_taken_with_the_sequences(tmp_path):
    y = np.array(["cat", "dog", "owl"] * 8)[:N]
    weights, groups = np.arange(N) / 4, np.arange(N) // 3
    static = {"age": np.arange(N), "sex": ["f", None, "m"] * 7 + ["f", "f"]}
    block = {"X": ragged(), "y": y, "sample_weight": weights, "groups": groups, "static": static}
    view = write_sequences(tmp_path / "X", block)
    part = pickle.loads(pickle.dumps(view[[7, 1, 1]]))
    assert part.y.tolist() == ["dog", "dog", "dog"]
    assert part.sample_weight.tolist() == [1.75, 0.25, 0.25]
    assert part.groups.tolist() == [2, 0, 0]
    assert part.static["age"].tolist() == [7, 1, 1]
    assert part.static["sex"].tolist() == [None, None, None]
    assert view[::-1].y.tolist() == y[::-1].tolist()


def test_what_is_not_stored_is_none(view):
    assert (view.y, view.sample_weight, view.groups, view.static) == (None, None, None, {})


def test_an_item_may_be_written_to_and_the_file_stays(view):
    view[0][:] = 0
    next(iter(view))[:] = 0
    np.testing.assert_array_equal(view[0], ragged()[0])


def test_it_is_not_made_an_array_unasked(view):
    with pytest.raises(TypeError, match=r"list\(X\) reads them all into memory"):
        np.asarray(view)


def test_says_what_it_is(view, tmp_path):
    assert repr(view) == (
        f"<StoredSequences of {str(tmp_path / 'folder')!r}: 23 sequences, 2 features, float64>"
    )
    assert "1 sequences" in repr(view[:1])


def test_univariate_sequences_stay_of_one_dimension(tmp_path):
    X = [np.arange(3, dtype=np.uint16), np.arange(5, dtype=np.uint16)]
    view = write_sequences(tmp_path / "X", X)
    assert_same(view, X)
    np.testing.assert_array_equal(view[1], X[1])
