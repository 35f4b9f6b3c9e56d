import weakref

import numpy as np
import pandas as pd
import pytest

from sklstm import LSTMSequenceClassifier
from sklstm.preprocessing import TokenEncoder, open_sequences, write_sequences
from tests.helpers import quick
from tests.views.stores import OF_FILES, OF_OBJECTS, N, cube, dask, folder, hdf5, parquet, ragged
from tests.views.test_stored import assert_same


def test_blocks_are_one_after_the_other(tmp_path):
    X = ragged()
    blocks = (X[i : i + 5] for i in range(0, N, 5))
    assert_same(write_sequences(tmp_path / "X", blocks), X)
    assert_same(open_sequences(tmp_path / "X"), X)


def test_one_block_at_a_time_is_in_memory(tmp_path):
    """The next one is made after the one before is gone."""
    alive = []

    def blocks():
        for i in range(5):
            assert all(own() is None for own in alive)
            block = np.full((100, 5, 2), float(i))
            alive.append(weakref.ref(block))
            yield block
            del block

    assert len(write_sequences(tmp_path / "X", blocks())) == 500


@pytest.mark.parametrize(
    "X",
    [
        cube(), cube(np.float32), cube()[..., 0], ragged(), (cube() > 0),
        [x[:, 0] for x in ragged()], (99 * cube()).astype(np.int8), [[1, 2, 3], [4]],
        pd.DataFrame(cube()[..., 0]), [pd.DataFrame({"x": x[:, 0]}) for x in ragged()],
    ],
    ids=lambda X: type(X).__name__,
)  # fmt: skip
def test_any_form_of_x(tmp_path, X):
    view = write_sequences(tmp_path / "X", X)
    expected = [np.asarray(x) for x in (X.to_numpy() if isinstance(X, pd.DataFrame) else X)]
    assert_same(view, expected)


def test_an_object_array_and_tensors(tmp_path):
    import torch

    X = np.empty(N, dtype=object)
    X[:] = ragged()
    assert_same(write_sequences(tmp_path / "X", X), ragged())
    assert_same(write_sequences(tmp_path / "Z", [torch.tensor(x) for x in ragged()]), ragged())


def test_token_ids_stay_small_and_are_known_for_such(tmp_path):
    texts = ["a b c", "b c", "a a b"]
    tokens = TokenEncoder().fit(texts).transform(texts)
    view = write_sequences(tmp_path / "X", tokens, dtype=np.uint16)
    assert view.dtype == np.uint16
    assert [x.tolist() for x in view] == [list(x) for x in tokens]


@pytest.mark.parametrize("store", [*OF_FILES, *OF_OBJECTS], ids=lambda s: s.__name__)
def test_views_are_copied_block_by_block(tmp_path, store):
    view = store(cube(), tmp_path)
    copy = write_sequences(tmp_path / "copy", view[::-1])
    assert_same(copy, cube()[::-1])


def test_a_copy_has_what_is_beside(tmp_path):
    view = parquet(ragged(), tmp_path)
    assert write_sequences(tmp_path / "copy", view[:3]).y.tolist() == ["cat", "dog", "cat"]
    own = {"X": view, "groups": np.arange(N), "static": {"age": np.arange(N)}}
    copy = write_sequences(tmp_path / "more", iter([own, own]))
    assert copy.y.tolist() == view.y.tolist() * 2
    assert copy.groups.tolist() == [*range(N)] * 2
    again = write_sequences(tmp_path / "again", copy[[3, 1]])
    assert again.static["age"].tolist() == [3, 1]


@pytest.mark.parametrize(
    ("y", "expected"),
    [
        (np.arange(4, dtype=np.int8), np.int8), ([0.5, 1, 2, 3], np.float64), ([True] * 4, bool),
        (["a", "bb", "a", "ccc"], "<U3"), (np.zeros((4, 2)), np.float64),
        (pd.Series(["a", "b", "a", "b"]), "<U1"),
        (pd.Series([1, 2, 3, 4]).astype(object), np.int64),
        (pd.Categorical(["a", "b", "a", "b"]), "<U1"),
    ],
)  # fmt: skip
def test_labels_of_any_kind(tmp_path, y, expected):
    X = ragged()[:4]
    blocks = ({"X": X[i : i + 2], "y": y[i : i + 2]} for i in (0, 2))
    view = write_sequences(tmp_path / "X", blocks)
    assert view.y.tolist() == np.asarray(y).tolist()
    assert view.y.dtype == expected


def test_data_frames_with_static_columns(tmp_path):
    X = pd.DataFrame({"age": [1.5, np.nan, 3], "signal": ragged()[:3], "sex": ["f", None, "m"]})
    view = write_sequences(tmp_path / "X", (X[i : i + 1] for i in range(3)))
    assert_same(view, ragged()[:3])
    np.testing.assert_array_equal(view.static["age"], X["age"])
    assert view.static["sex"].tolist() == ["f", None, "m"]
    numbered = {"X": ragged()[:3], "static": X[["age"]].assign(ward=pd.Categorical([7, 5, 7]))}
    other = write_sequences(tmp_path / "Z", numbered)
    assert other.static["ward"].tolist() == [7, 5, 7]


def test_nan_is_missing_among_texts(tmp_path):
    columns = np.array(["f", np.nan, None, "m"], dtype=object)
    X = [np.zeros((2, 1))] * 4
    static = pd.DataFrame({"sex": columns}, dtype=object)
    blocks = ({"X": X[i : i + 1], "static": static[i : i + 1]} for i in range(4))
    view = write_sequences(tmp_path / "X", blocks)
    assert view.static["sex"].tolist() == ["f", None, None, "m"]


def test_blocks_without_sequences_are_left_out(tmp_path):
    assert_same(
        write_sequences(tmp_path / "X", iter([[], ragged(), np.empty((0, 5, 2))])), ragged()
    )


def test_floats_are_rounded_if_that_is_asked_for(tmp_path):
    view = write_sequences(tmp_path / "X", ragged(), dtype="float32")
    assert_same(view, ragged(np.float32))
    assert write_sequences(tmp_path / "Z", iter([ragged()[:3], ragged(np.float32)])).dtype == float


BAD = {
    "another number of features": (
        [ragged(), cube()[..., :1]], r"blocks\[1\] has 1 features, but blocks\[0\] has 2",
    ),
    "other names": (
        [[pd.DataFrame(x, columns=[*"xy"])] for x in ragged()[:1]] + [ragged()],
        r"blocks\[1\] has the features none, but blocks\[0\] has \['x', 'y'\]",
    ),
    "a column less": (
        [{"X": ragged(), "y": range(N)}, ragged()],
        r"blocks\[1\] has none beside its sequences, but",
    ),
    "rounded": (
        [ragged(np.float32), ragged()],
        r"blocks\[1\] holds .*, which the type of the file, float32",
    ),
    "too large": (
        [[np.uint8([1, 2])], [np.uint16([1, 999])]], r"blocks\[1\] holds 999(.|\n)*dtype='uint16'",
    ),
    "texts after numbers": (
        [{"X": ragged(), "y": range(N)}, {"X": ragged(), "y": ["a"] * N}],
        r"'y' must hold numbers in all blocks, or texts in all. In blocks\[1\]\['X'\] there is 'a'",
    ),
    "numbers after texts": (
        [{"X": ragged(), "y": ["a"] * N}, {"X": ragged(), "y": range(N)}],
        r"'y' must hold numbers in all blocks, or texts in all",
    ),
    "labels of another shape": (
        [{"X": ragged(), "y": range(N)}, {"X": ragged(), "y": np.zeros((N, 2))}],
        r"'y' of blocks\[1\]\['X'\] has the shape \(23, 2\), but that of the first",
    ),
    "labels that are too few": ([{"X": ragged(), "y": [1]}], "23 sequences, but 'y' of it has 1"),
    "a missing label": ([{"X": ragged(), "y": ["a", None] * 11 + ["b"]}], "one number or text"),
    "a pair": ([(ragged(), range(N))], r"Got a tuple(.|\n)*Give {'X': X, 'y': y}"),
    "unknown keys": ([{"X": ragged(), "labels": [1]}], r"Got the keys \['X', 'labels'\]"),
    "no X": ([{"y": [1]}], r"dict with the key 'X'"),
    "an empty sequence": ([[*ragged(), np.empty((0, 2))]], r"blocks\[0\]\[23\] has no timesteps"),
    "text": ([["some text"]], r"blocks\[0\]\[0\] is text"),
    "nothing": ([], r"0 sample\(s\)"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_errors_name_the_block_and_leave_nothing(tmp_path, case):
    blocks, message = BAD[case]
    with pytest.raises((ValueError, TypeError), match=message):
        write_sequences(tmp_path / "X", iter(blocks))
    assert list(tmp_path.iterdir()) == []


def test_an_interruption_leaves_nothing(tmp_path):
    def blocks():
        yield ragged()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_sequences(tmp_path / "X", blocks())
    assert list(tmp_path.iterdir()) == []


def test_an_existing_folder_is_an_error(tmp_path):
    (tmp_path / "X").mkdir()
    with pytest.raises(FileExistsError, match="exists already"):
        write_sequences(tmp_path / "X", ragged())


def test_a_type_that_holds_no_numbers(tmp_path):
    with pytest.raises(TypeError, match=r"Sequences are written as numbers. Got dtype='<U3'"):
        write_sequences(tmp_path / "X", ragged(), dtype="U3")


@pytest.mark.parametrize("store", [folder, hdf5, parquet, dask], ids=lambda s: s.__name__)
def test_a_fit_of_a_view_is_that_of_the_same_in_memory(tmp_path, store):
    X, y = cube(np.float32), np.arange(N) % 2
    clf = quick(max_epochs=1, hidden_sizes=2)
    expected = clf.fit(X, y).predict_proba(X)
    view = store(X, tmp_path)
    np.testing.assert_array_equal(clf.fit(view, y).predict_proba(view[::-1])[::-1], expected)


def test_objects_are_taken_as_they_are(tmp_path):
    array = pytest.importorskip("dask.array")
    h5py = pytest.importorskip("h5py")
    zarr = pytest.importorskip("zarr")
    X, y = cube(), np.arange(N) % 2
    clf = quick(max_epochs=1, hidden_sizes=2)
    expected = clf.fit(X, y).predict_proba(X)
    with h5py.File(tmp_path / "X.h5", "w") as file:
        file["X"] = X
        for own in (file["X"], zarr.array(X), array.from_array(X, chunks=4)):
            np.testing.assert_array_equal(clf.fit(own, y).predict_proba(own), expected)


def test_a_fit_of_token_ids(tmp_path):
    rng = np.random.default_rng(0)
    X = [rng.integers(1, 20, size=n).astype(np.uint8) for n in rng.integers(1, 9, size=N)]
    view, y = write_sequences(tmp_path / "X", X), np.arange(N) % 2
    clf = LSTMSequenceClassifier(2, embedding_dim=2, max_epochs=1, random_state=0)
    expected = clf.fit(X, y).predict_proba(X)
    np.testing.assert_array_equal(clf.fit(view, y).predict_proba(view), expected)


def test_a_fit_of_static_columns(tmp_path):
    X = pd.DataFrame({"age": np.arange(N), "signal": ragged(), "sex": ["f", "m"] * 11 + [None]})
    view, y = write_sequences(tmp_path / "X", {"X": X, "y": np.arange(N) % 2}), np.arange(N) % 2
    clf = quick(max_epochs=1, hidden_sizes=2)
    expected = clf.fit(X, y).predict_proba(X)
    np.testing.assert_array_equal(clf.fit(view, view.y).predict_proba(view), expected)
    np.testing.assert_array_equal(clf.predict_proba(X), expected)
