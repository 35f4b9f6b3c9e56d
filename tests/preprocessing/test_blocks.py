import numpy as np
import pandas as pd
import pytest

from sklstm.preprocessing._blocks import read_blocks
from tests.views.stores import N, ragged


def test_only_an_iterator_is_several_blocks():
    """A list is sequences, as it is to `fit`."""
    assert [len(b.sequences) for b in read_blocks(ragged())] == [N]
    assert [len(b.sequences) for b in read_blocks(iter([ragged(), ragged()[:3]]))] == [N, 3]
    assert [b.name for b in read_blocks(iter([{"X": ragged()}, ragged()]))] == [
        "blocks[0]",
        "blocks[1]",
    ]


def test_a_list_of_blocks_is_an_error_that_says_how_to_give_them():
    with pytest.raises(TypeError, match=r"a list of dicts with the key 'X'(.|\n)*iter\(blocks\)"):
        list(read_blocks([{"X": ragged(), "y": range(N)}, {"X": ragged(), "y": range(N)}]))
    (block,) = read_blocks([{"X": [1.0, 2.0]}, {"X": [3.0]}])
    assert block.features == ("X",)


def test_columns_and_their_order():
    X = pd.DataFrame(
        {"age": np.arange(N), "signal": ragged(), "sex": ["f", None, "m"] * 7 + [None] * 2}
    )
    (block,) = read_blocks({"X": X, "y": range(N)})
    assert block.order == ("age", "signal", "sex")
    assert block.sequences_column == "signal"
    assert block.columns["y"].tolist() == list(range(N))
    values, are_categories = block.static["sex"]
    assert (values[:3].tolist(), are_categories) == (["f", None, "m"], True)
    assert not block.static["age"][1]


def test_dimensions_of_one_sequence():
    def item_ndim(X):
        (block,) = read_blocks(X)
        return block.item_ndim

    assert item_ndim(np.zeros((3, 4))) == item_ndim([np.zeros(4)]) == item_ndim([[1, 2]]) == 1
    assert item_ndim(np.zeros((3, 4, 1))) == item_ndim([np.zeros((4, 1))]) == 2
    assert item_ndim(ragged()) == item_ndim([{"x": [1, 2]}]) == 2
