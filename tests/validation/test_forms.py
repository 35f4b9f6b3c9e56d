from collections.abc import Sequence

import numpy as np
import pandas as pd
import polars
import pyarrow
import pytest
import torch
from scipy.sparse import dok_array

from sklstm._validation._forms import as_array, as_known_form
from sklstm._validation._inputs import check_inputs
from sklstm._validation._tokens import check_tokens

RAGGED = [[[1.0, 2.0], [3.0, 4.0]], [[5.0, 6.0]]]


def as_lists(X):
    return [x.tolist() for x in check_inputs(X, estimator="LSTMSequenceClassifier").sequences]


class Column(Sequence):
    """As a column of a data set that reads a row when it is asked for."""

    def __init__(self, rows):
        self.rows = rows

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, index):
        return self.rows[index]


class Rows(torch.utils.data.Dataset):
    """Without an end, if it were iterated over."""

    def __init__(self, *columns):
        self.columns = columns

    def __len__(self):
        return len(self.columns[0])

    def __getitem__(self, index):
        row = tuple(column[index % len(self)] for column in self.columns)
        return row if len(row) > 1 else row[0]


def nested_objects(X):
    """As pandas.read_parquet gives a column of lists of lists."""
    outer = np.empty(len(X), dtype=object)
    for index, x in enumerate(X):
        outer[index] = np.empty(len(x), dtype=object)
        outer[index][:] = [np.array(timestep) for timestep in x]
    return outer


@pytest.mark.parametrize(
    "X",
    [
        Column(RAGGED),
        Column([torch.tensor(x) for x in RAGGED]),
        Rows([torch.tensor(x) for x in RAGGED]),
        nested_objects(RAGGED),
        pd.Series(nested_objects(RAGGED)),
        list(nested_objects(RAGGED)),
        pyarrow.table({"x": RAGGED})["x"].to_pandas(),
        polars.Series(RAGGED).to_numpy(),
        [polars.Series(x) for x in RAGGED],
        [pyarrow.array(x) for x in RAGGED],
        [[torch.tensor(step, requires_grad=True) for step in x] for x in RAGGED],
    ],
)
def test_is_read_as_the_list(X):
    assert as_lists(X) == RAGGED


def test_token_ids_in_a_column_that_is_no_list():
    sequences = check_tokens(Column([[2, 3], [4]]), vocabulary_size=None).sequences
    assert [x.ravel().tolist() for x in sequences] == [[2, 3], [4]]


def test_what_numpy_reads_is_left_alone():
    # Of sparse arrays this one is a dict, too; scikit-learn's words are for all of them.
    sparse = dok_array(np.eye(2))
    for X in (np.ones((2, 3)), pd.DataFrame(np.ones((2, 3))), RAGGED, "text", 3, sparse):
        assert as_known_form(X, "X") is X


def test_an_array_of_ragged_timesteps_is_an_error():
    with pytest.raises(ValueError, match="inhomogeneous"):
        as_array(nested_objects([[[1.0], [1.0, 2.0]]])[0])


LOADER = torch.utils.data.DataLoader(Rows(torch.ones(2, 3), torch.ones(2)))
PACKED = torch.nn.utils.rnn.pack_sequence([torch.tensor(x) for x in RAGGED])
NESTED = torch.nested.nested_tensor([torch.tensor(x) for x in RAGGED], layout=torch.jagged)


@pytest.mark.parametrize(
    ("X", "remedy"),
    [
        (iter(RAGGED), r"Got a list_iterator.\n\nGive a list: list\(X\)"),
        ((x for x in RAGGED), r"Got a generator.\n\nGive a list: list\(X\)"),
        ({"a": RAGGED[0]}.values(), r"Got a dict_values.\n\nGive a list: list\(X\)"),
        ({"a": RAGGED[0]}, r"Got a dict.\n\nGive the sequences alone: list\(X.values\(\)\) if"),
        (LOADER, r"Got a DataLoader.\n\nGive what it loads from: X, y = zip\(\*\(X.dataset\[i\]"),
        (PACKED, r"\n\nUnpack it: torch.nn.utils.rnn.unpack_sequence\(X\)"),
        (NESTED, r"\n\nGive a list: list\(X.unbind\(\)\)"),
        (polars.LazyFrame({"a": [1.0]}), r"Got a LazyFrame.\n\nCompute it first: X.collect\(\)"),
    ],
    ids=lambda X: type(X).__name__,
)
def test_what_is_not_taken_is_named_with_the_call_that_helps(X, remedy):
    with pytest.raises(TypeError, match=remedy):
        check_inputs(X, estimator="LSTMSequenceClassifier")


def test_the_remedies_help():
    assert as_lists(torch.nn.utils.rnn.unpack_sequence(PACKED)) == RAGGED
    assert as_lists(list(NESTED.unbind())) == RAGGED


@pytest.mark.parametrize(
    "X",
    [
        [(x, 0) for x in RAGGED],
        [(np.array(x), "walk") for x in RAGGED],
        Rows([torch.tensor(x) for x in RAGGED], torch.tensor([0, 1])),
    ],
    ids=["lists", "arrays", "torch"],
)
def test_pairs_of_a_sequence_and_its_label_are_taken_apart(X):
    for check in (
        lambda: check_inputs(X, estimator="LSTMSequenceClassifier"),
        lambda: check_tokens(X, vocabulary_size=None),
    ):
        with pytest.raises(ValueError, match=r"(?s)X\[0\] is a pair .* label.*X, y = zip") as error:
            check()
    remedy = str(error.value).rpartition("apart: ")[2].removesuffix(".")
    taken = {"X": X}
    exec(remedy, taken)  # noqa: S102
    assert as_lists(taken["X"]) == RAGGED
    assert len(taken["y"]) == 2


def test_two_timesteps_in_a_tuple_are_no_pair():
    assert as_lists([(1.0, 2.0), ([3.0])]) == [[[1], [2]], [[3]]]
