import re

import awkward
import numpy as np
import pandas as pd
import pyarrow
import pytest
import torch

from sklstm._validation._features import InputSchema
from sklstm._validation._held_out import check_held_out
from sklstm._validation._inputs import check_inputs
from sklstm._validation._tokens import check_tokens


def test_all_or_nothing():
    assert not check_held_out(None, None, None)
    assert check_held_out([1], [2], None)
    assert check_held_out([1], [2], [3])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([1], None, None), "Got no y_val"),
        ((None, [1], None), "Got no X_val"),
        ((None, None, [1]), "Got no X_val and no y_val"),
    ],
)
def test_a_part_alone_is_an_error(arguments, message):
    with pytest.raises(ValueError, match=message):
        check_held_out(*arguments)


FRAME = pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]})
CELLS = pd.DataFrame({"a": [[1.0], [2.0]], "b": [[1.0], [2.0]]})
DAYS = np.array(["2020-01-01"], dtype="M8[D]")
MASKED = np.ma.array([[2, 3, 4]], mask=[[0, 1, 0]])


@pytest.mark.parametrize(
    "X",
    [
        3,
        "walk",
        [],
        [[]],
        [1.0],
        np.ones(3),
        np.ones((2, 2, 2, 2)),
        np.ones((2, 3)) * 1j,
        np.array([["a", "b"]]),
        np.array([[[1.0], [2.0, 3.0]]], dtype=object)[0][:, None],
        [["a", "b"]],
        [np.ones((2, 2, 2))],
        [np.ones((2, 1)), np.ones((2, 2))],
        [np.ones(2), np.ones((2, 2))],
        [[np.nan]],
        [([1.0], 0)],
        iter([]),
        {"a": [1.0]},
        torch.utils.data.DataLoader([1.0]),
        [{"a": 1.0}],
        [{"a": [[1.0]]}],
        [{"a": [[1.0], [1.0, 2.0]]}],
        [{"a": [1.0], "b": [1.0, 2.0]}],
        [[{"a": 1.0}, 2.0]],
        [FRAME, FRAME[["b", "a"]]],
        [FRAME, np.ones((2, 2))],
        [FRAME.astype({"a": str}).assign(a="x")],
        [pd.DataFrame({"when": DAYS})],
        FRAME.assign(a="x"),
        pd.DataFrame({"when": DAYS, "v": [1.0]}),
        CELLS,
        CELLS[["a"]],
        np.array([(1.0, 2.0)], dtype=[("a", "f8"), ("b", "f8")]),
        np.ma.array([[[1.0]], None], mask=[0, 1], dtype=object),
        pyarrow.array([[1.0], None]),
        pyarrow.array([{"a": [1.0], "b": [1.0, 2.0]}]),
        pyarrow.array([[{"a": "x"}]]),
        awkward.Array([[[1.0], [1.0, 2.0]]]),
    ],
    ids=lambda X: type(X).__name__,
)
def test_messages_about_measurements_have_their_name(X):
    assert_named(lambda name: check_inputs(X, estimator="E", input_name=name))


@pytest.mark.parametrize(
    "X",
    [
        [["a"]],
        ["a"],
        [[1.5]],
        [{"a": [1]}],
        [([1], 0)],
        [[[1]]],
        [[-1]],
        [[1], []],
        MASKED,
        [MASKED[0]],
        np.ones(3, dtype=int),
        {"a": [1]},
    ],
    ids=lambda X: type(X).__name__,
)
def test_messages_about_token_ids_have_their_name(X):
    assert_named(lambda name: check_tokens(X, vocabulary_size=None, input_name=name))


@pytest.mark.parametrize(
    ("schema", "X"),
    [
        (InputSchema(3), [np.ones((2, 2))]),
        (InputSchema(2), [np.ones((2, 3)), np.ones((2, 3))]),
        (InputSchema(2), np.ones((3, 2))),
        (InputSchema(3), np.ones((3, 2))),
        (InputSchema(3), np.ones((3, 1))),
        (InputSchema(1, n_columns=3), np.ones((2, 2))),
        (InputSchema(2, names=np.array(["b", "a"], dtype=object)), [FRAME]),
    ],
)
def test_messages_about_other_features_have_the_name_of_the_data(schema, X):
    assert_named(lambda name: schema.check_X(X, mask_value=None, estimator="E", input_name=name))


def assert_named(check):
    """What is said of X_val is what is said of X, under its own name."""
    messages = []
    for name in ("X", "X_val"):
        with pytest.raises((TypeError, ValueError)) as error:
            check(name)
        messages.append(str(error.value))
    renamed = re.sub(r"\bX\b", "X_val", messages[0]).replace("X_val, y = ", "X_val, y_val = ")
    # This remedy is for X_val only: a pipeline always transforms X.
    assert messages[1].partition("\n\nIn a pipeline X_val ")[0] == renamed
