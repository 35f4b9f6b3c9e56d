import numpy as np
import pytest

from sklstm._validation._messages import (
    counted,
    enumerate_names,
    name_of_whole,
    shorten,
    spanned,
)


@pytest.mark.parametrize("kind", [list, np.array])
def test_three_names_are_enough(kind):
    assert enumerate_names(kind([1, 2, 3]), str) == "1, 2, 3"
    assert enumerate_names(kind([1, 2, 3, 4, 5]), str) == "1, 2, 3 and 2 more"


def test_names_are_written_as_in_python():
    assert enumerate_names(["a", "b"]) == "'a', 'b'"


def test_long_text_is_cut():
    assert shorten("w" * 30) == repr("w" * 30)
    assert shorten(b"w" * 31) == repr(b"w" * 30) + "..."


def test_an_item_belongs_to_its_data():
    assert name_of_whole("X_val[17][3, 0]") == name_of_whole("X_val") == "X_val"


def test_one_thing_has_no_s():
    assert [counted(n, "window") for n in (0, 1, 2)] == ["0 windows", "1 window", "2 windows"]


def test_a_span_of_one_number_is_that_number():
    spans = [spanned(lowest, highest, "timestep") for lowest, highest in ((3, 5), (4, 4), (1, 1))]
    assert spans == ["3 to 5 timesteps", "4 timesteps", "1 timestep"]
