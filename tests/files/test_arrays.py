import numpy as np
import pytest

from sklstm._files._arrays import ArrayWriter


@pytest.mark.parametrize("dtype", [np.float32, np.int64, np.uint8, bool])
@pytest.mark.parametrize("row_shape", [(), (3,)])
def test_numpy_reads_what_was_appended(tmp_path, dtype, row_shape):
    rng = np.random.default_rng(0)
    pieces = [rng.integers(0, 2, size=(n, *row_shape)).astype(dtype) for n in (4, 0, 100_000, 1)]
    with ArrayWriter(tmp_path / "x.npy", np.dtype(dtype), row_shape) as writer:
        for piece in pieces:
            writer.append(piece)
        assert writer.n_rows == 100_005
    read = np.load(tmp_path / "x.npy")
    assert read.dtype == dtype
    np.testing.assert_array_equal(read, np.concatenate(pieces))


def test_an_array_in_another_memory_order(tmp_path):
    values = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    with ArrayWriter(tmp_path / "x.npy", values.dtype, (3,)) as writer:
        writer.append(values)
        writer.append(values[:, ::-1])
    np.testing.assert_array_equal(np.load(tmp_path / "x.npy"), np.vstack([values, values[:, ::-1]]))


def test_an_array_without_rows(tmp_path):
    with ArrayWriter(tmp_path / "x.npy", np.dtype(np.float32), (3,)):
        pass
    assert np.load(tmp_path / "x.npy").shape == (0, 3)
