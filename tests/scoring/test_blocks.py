import awkward
import numpy as np
import pandas as pd
import polars
import pyarrow
import pyarrow.dataset
import pyarrow.feather
import pyarrow.parquet
import pytest
import torch

from sklstm._scoring._blocks import read_blocks
from sklstm._scoring._columns import is_table, n_rows_of

N = 10
VALUES = [[float(i)] * (i % 3 + 1) for i in range(N)]
TABLE = pyarrow.table({"id": range(N), "x": VALUES})


def only_x(nested):
    assert nested == {"id": False, "x": True}
    return ["x"]


def rows(blocks):
    """The first value of each sequence, by block."""
    read = []
    for block in blocks:
        if is_table(block) and not isinstance(block, dict):
            assert [str(name) for name in getattr(block, "column_names", ["x"])] == ["x"]
        column = block["x"] if is_table(block) else block
        column = column.to_pylist() if hasattr(column, "to_pylist") else column
        read.append([float(np.ravel(x)[0]) for x in column])
        assert len(read[-1]) == n_rows_of(block)
    return read


CUT = [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]


@pytest.mark.parametrize(
    "X",
    [
        TABLE,
        TABLE["x"],
        TABLE["x"].combine_chunks(),
        pyarrow.RecordBatch.from_pydict(TABLE.to_pydict()),
        pyarrow.RecordBatchReader.from_batches(TABLE.schema, TABLE.to_batches(max_chunksize=3)),
        pyarrow.dataset.dataset(TABLE),
        pyarrow.dataset.dataset(TABLE).scanner(batch_size=3),
        VALUES,
        tuple(VALUES),
        awkward.Array(VALUES),
        np.arange(N)[:, None, None] * np.ones((N, 3, 2)),
        torch.arange(N)[:, None] * torch.ones(N, 3),
        pd.Series(VALUES),
        polars.Series(VALUES),
        pd.DataFrame({"x": VALUES}, index=range(50, 60)),
        polars.DataFrame({"x": VALUES}),
        {"x": np.arange(N)[:, None] * np.ones((N, 3))},
    ],
    ids=lambda X: f"{type(X).__module__}.{type(X).__name__}",
)
def test_every_form_is_cut_in_order(X):
    assert rows(read_blocks(X, 4, only_x)) == CUT


class Indexed:
    """A data set of torch, which knows a single index alone."""

    def __len__(self):
        return N

    def __getitem__(self, index):
        return VALUES[index + 0]


def test_a_data_set_of_torch():
    assert rows(read_blocks(Indexed(), 4, only_x)) == CUT


def test_blocks_of_an_iterable_stay_as_they_are():
    given = [VALUES[:7], VALUES[7:], []]
    assert list(read_blocks(iter(given), 2, only_x)) == given
    loader = torch.utils.data.DataLoader(torch.zeros(5, 3, 1), batch_size=2)
    assert [len(block) for block in read_blocks(loader, 99, only_x)] == [2, 2, 1]


# Files --------------------------------------------------------------------------------------------


def write_parquet(table, path):
    pyarrow.parquet.write_table(table, path, row_group_size=3)


def write_feather(table, path):
    pyarrow.feather.write_feather(table, path, chunksize=3)


def write_stream(table, path):
    with pyarrow.ipc.new_stream(path, table.schema) as writer:
        writer.write_table(table, max_chunksize=3)


WRITERS = [
    (write_parquet, "x.parquet"), (write_parquet, "x.PQ"), (write_feather, "x.feather"),
    (write_stream, "x.arrow"),
]  # fmt: skip


@pytest.mark.parametrize(("write", "name"), WRITERS)
def test_files(tmp_path, write, name):
    write(TABLE, tmp_path / name)
    assert rows(read_blocks(tmp_path / name, 4, only_x)) == CUT
    assert rows(read_blocks(str(tmp_path / name), 99, only_x)) == [list(range(N))]


def test_a_folder_is_read_by_path_without_what_else_lies_there(tmp_path):
    (tmp_path / "b").mkdir()
    write_parquet(TABLE.slice(6), tmp_path / "b" / "0.parquet")
    write_parquet(TABLE.slice(0, 6), tmp_path / "a.parquet")
    write_parquet(TABLE, tmp_path / "_metadata.parquet")
    (tmp_path / "_SUCCESS").write_text("")
    (tmp_path / "notes.txt").write_text("")
    # Each file ends its last block.
    assert rows(read_blocks(tmp_path, 4, only_x)) == [[0, 1, 2, 3], [4, 5], [6, 7, 8, 9]]


def test_a_table_without_rows_has_no_blocks(tmp_path):
    write_parquet(TABLE.slice(0, 0), tmp_path / "x.parquet")
    for X in (tmp_path / "x.parquet", TABLE.slice(0, 0), VALUES[:0], np.zeros((0, 3, 1))):
        assert list(read_blocks(X, 4, only_x)) == []


@pytest.mark.parametrize(
    ("name", "error", "match"),
    [
        ("missing.parquet", FileNotFoundError, r"There is no file .*missing\.parquet'"),
        ("folder", FileNotFoundError, r"no file \.parquet or \.pq or .* in .*folder'"),
        ("x.csv", ValueError, r"must end in \.parquet, .*Got 'x\.csv'.\n\nOpen it as an array"),
    ],
)
def test_paths_without_sequences(tmp_path, name, error, match):
    (tmp_path / "folder").mkdir()
    (tmp_path / "x.csv").write_text("1,2")
    with pytest.raises(error, match=match):
        read_blocks(tmp_path / name, 4, only_x)


# What is no source --------------------------------------------------------------------------------


class Elsewhere:
    def map_partitions(self, function):
        raise AssertionError


@pytest.mark.parametrize(
    ("X", "match"),
    [
        (3, "path of a parquet or Arrow file, .* Got a int"),
        (polars.LazyFrame({"x": VALUES}), r"which holds no data yet.\n\nCompute it first, X.coll"),
        (Elsewhere(), r"elsewhere.\n\nScore them there: X.map_partitions\(sklstm.BatchScorer"),
        (TABLE.schema, "a table, an array or a data set. Got a Schema"),
    ],
    ids=lambda value: type(value).__name__,
)  # fmt: skip
def test_other_things(X, match):
    with pytest.raises(TypeError, match=match):
        list(read_blocks(X, 4, only_x))
