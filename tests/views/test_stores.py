import numpy as np
import pytest

from sklstm._views import _stores
from sklstm._views._stores import ArrayBlocks
from sklstm.preprocessing import open_sequences
from tests.views.stores import N, cube, ragged
from tests.views.test_stored import assert_same

h5py = pytest.importorskip("h5py")
zarr = pytest.importorskip("zarr")


def in_hdf5(path, arrays):
    with h5py.File(path / "X.h5", "w") as file:
        for name, values in arrays.items():
            file[name] = values
    return path / "X.h5"


def in_zarr(path, arrays):
    group = zarr.open_group(path / "X.zarr", mode="w")
    for name, values in arrays.items():
        group.create_array(name, data=np.asarray(values))
    return path / "X.zarr"


both = pytest.mark.parametrize("write", [in_hdf5, in_zarr])


@both
def test_sequences_of_unequal_length_with_offsets(write, tmp_path):
    X = ragged(np.float32)
    offsets = np.cumsum([0, *map(len, X)])
    path = write(tmp_path, {"values": np.concatenate(X), "offsets": offsets, "label": np.arange(N)})
    view = open_sequences(path, key="values", offsets="offsets", y="label")
    assert_same(view, X)
    assert view[[3, 1]].y.tolist() == [3, 1]
    assert_same(view[[3, 1]], [X[3], X[1]])


@both
def test_one_feature_with_offsets(write, tmp_path):
    path = write(tmp_path, {"ids": np.arange(6, dtype=np.int16), "at": [0, 2, 6]})
    assert_same(
        open_sequences(path, key="ids", offsets="at"), [np.int16([0, 1]), np.int16([2, 3, 4, 5])]
    )


@both
@pytest.mark.parametrize("offsets", [[0, 2], [1, 6], [0, 4, 3, 6], [[0, 6]], [0.0, 6.0]])
def test_offsets_that_do_not_fit(write, tmp_path, offsets):
    path = write(tmp_path, {"ids": np.arange(6), "at": offsets})
    with pytest.raises(ValueError, match="must begin with 0, never fall and end with"):
        open_sequences(path, key="ids", offsets="at")


@both
def test_the_only_array_needs_no_key(write, tmp_path):
    assert_same(open_sequences(write(tmp_path, {"x": cube()})), cube())


@both
def test_several_arrays_need_a_key(write, tmp_path):
    path = write(tmp_path, {"x": cube(), "z": cube()})
    with pytest.raises(ValueError, match=r"has the arrays \['x', 'z'\](.|\n)*key='...'"):
        open_sequences(path)
    with pytest.raises(
        ValueError, match=r"has no 'a', which key='a' asks for; it has \['x', 'z'\]"
    ):
        open_sequences(path, key="a")


@both
def test_an_array_of_another_shape(write, tmp_path):
    path = write(tmp_path, {"x": np.arange(6)})
    with pytest.raises(ValueError, match=r"has the shape \(6,\)(.|\n)*offsets='...'"):
        open_sequences(path)


def test_texts_of_hdf5_are_texts(tmp_path):
    path = in_hdf5(tmp_path, {"x": cube(), "group": ["a", "ä"] * 11 + ["c"]})
    assert open_sequences(path, key="x", groups="group").groups.tolist()[-3:] == ["a", "ä", "c"]


def test_arrays_in_groups(tmp_path):
    path = in_hdf5(tmp_path, {"train/x": cube(), "train/y": np.arange(N)})
    view = open_sequences(path, key="train/x", y="train/y")
    assert view.y.tolist() == list(range(N))
    with h5py.File(path) as file:
        assert_same(open_sequences(file["train/x"]), cube())
    group = zarr.open_group(tmp_path / "g.zarr", mode="w").create_group("train")
    array = group.create_array("x", data=cube())
    assert_same(open_sequences(tmp_path / "g.zarr", key="train/x"), cube())
    assert open_sequences(array).path == str(tmp_path / "g.zarr")


def test_reads_whole_chunks_of_about_a_mebibyte(monkeypatch):
    monkeypatch.setattr(_stores, "BLOCK_BYTES", 8 * 10 * 7)

    class Chunked:
        shape, dtype, chunks = (25, 5, 2), np.float64, (3, 5, 2)

    # 7 sequences fit, but chunks have 3.
    assert ArrayBlocks(Chunked, 5, 2).bounds.tolist() == [0, 30, 60, 90, 120, 125]


def test_a_store_in_memory_has_no_path():
    assert open_sequences(zarr.array(cube())).path is None


@both
@pytest.mark.parametrize("y", [np.arange(N - 1), np.array(1.0)])
def test_a_column_of_another_length_is_an_error_that_names_it(write, y, tmp_path):
    path = write(tmp_path, {"X": cube(), "label": y})
    with pytest.raises(ValueError, match=rf"{N} sequences, but y='label' of it has the shape"):
        open_sequences(path, key="X", y="label")


@both
def test_timesteps_of_three_dimensions_have_no_offsets(write, tmp_path):
    path = write(tmp_path, {"X": cube(), "offsets": np.arange(N + 1)})
    with pytest.raises(ValueError, match=r"with offsets, .* of shape \(n_timesteps, n_features\)"):
        open_sequences(path, key="X", offsets="offsets")


def test_a_group_in_place_of_an_array_is_an_error_that_says_what_it_has(tmp_path):
    path = in_hdf5(tmp_path, {"train/X": cube()})
    with pytest.raises(ValueError, match=r"key='train' is a group .*\['train/X'\]"):
        open_sequences(path, key="train")


def test_a_key_that_is_no_name(tmp_path):
    path = in_hdf5(tmp_path, {"X": cube()})
    with pytest.raises(TypeError, match=r"key must be the name of an array\. Got a int"):
        open_sequences(path, key=3)
